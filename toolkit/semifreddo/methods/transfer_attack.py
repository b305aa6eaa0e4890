"""An attack on a task through what is public of its network, and random noise of equal norm.

Frozen weights are the same in every device of a design, so everyone may know them. The attack
changes an image, by a few grey levels per pixel, so that one feature of the last layer that follows
from frozen weights alone becomes large and the others small. It knows neither the loadable weights
nor the classes of the task that it disturbs. Source: the target-agnostic attack of Rezaei & Liu,
ICLR 2020, arXiv 1904.04334, with the constants of the public code of Chin et al. (Renofeation, CVPR
Workshops 2021, arXiv 2002.02998): 40 steps of a tenth of the strength from a random start,
minimising ``(f_0 - 1000)^2 + 0.1 * mean_{j > 0} f_j^2`` of the pooled features f. Which feature is
the first is a choice of ours: the liveliest, because a small core has dead ones.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError
from semifreddo.nn.inputs import batch_of
from semifreddo.nn.tensors import quantized_tensors
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import Split
from semifreddo.train.seen import input_of

Images = npt.NDArray[np.uint8]

_BRIGHTEST = 255
_BATCH = 256
_TARGET = 1000.0
_OTHERS = 0.1


@dataclass(frozen=True)
class Attack:
    """How an image is changed.

    Attributes:
        strength: Grey levels, of 255, by which a pixel may change.
        steps: Of projected gradient descent.
        features: How many features are driven up, one in a run of its own; an image counts as
            broken if one of the runs breaks it.
        seed: Of the random start.

    Raises:
        ConfigError: A number is out of range.
    """

    strength: int = 16
    steps: int = 40
    features: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("strength", 1, 128), ("steps", 1, 10000), ("features", 1, 10000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"attack: {name} = {value} is outside {low}..{high}")

    @property
    def step(self) -> float:
        """Grey levels of one step."""
        return self.strength / 10


class _ReachedError(Exception):
    """Ends a forward pass: nothing behind the public layer is needed."""


class PublicPath:
    """What of a network follows from its frozen weights alone.

    Args:
        trained: The network; a copy of it is made.

    Attributes:
        layer: Module path of the last layer whose results no loadable value has a part in.

    Raises:
        ConfigError: There is none.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self._model = copy.deepcopy(trained.model).eval().requires_grad_(False)
        frozen = {tensor.name for tensor in trained.plan.tensors if all(tensor.channels)}
        loadable = [
            tensor.parameter
            for name, tensor in quantized_tensors(self._model).items()
            if name not in frozen
        ]
        for parameter in loadable:
            parameter.requires_grad_(True)
        self.layer, self._calls = self._last(trained)
        self._model.requires_grad_(False)

    def _last(self, trained: TrainedModel) -> tuple[str, int]:
        """The last public layer, and how often it runs."""
        calls: dict[str, int] = {}
        seen: list[str] = []
        weighted = False

        def watch(path: str) -> Any:
            def keep(layer: nn.Module, _: Any, result: Any) -> None:
                nonlocal weighted
                if not plain(result).requires_grad:
                    weighted = weighted or isinstance(layer, QuantWeightBiasInputOutputLayer)
                    if weighted:
                        seen.append(path)
                        calls[path] = calls.get(path, 0) + 1

            return keep

        handles = [
            module.register_forward_hook(watch(path))
            for path, module in self._model.named_modules()
            if isinstance(module, QuantWeightBiasInputOutputLayer | QuantNonLinearActLayer)
        ]
        try:
            shape = trained.input_shape
            assert shape is not None  # of everything that a device was built from
            self._model(torch.zeros(1, *shape))
        finally:
            for handle in handles:
                handle.remove()
        if not seen:
            raise ConfigError(
                "attack: no layer follows from frozen weights alone, so nothing of this network "
                "is public; freeze its first layers or build it around a frozen core"
            )
        return seen[-1], calls[seen[-1]]

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of the public layer, (count, channels), with gradients to ``x``."""
        found: list[Tensor] = []

        def reached(_: nn.Module, __: Any, result: Any) -> None:
            found.append(plain(result))
            if len(found) == self._calls:
                raise _ReachedError

        handle = self._model.get_submodule(self.layer).register_forward_hook(reached)
        try:
            self._model(x)
        except _ReachedError:
            pass
        finally:
            handle.remove()
        result = found[-1]
        return result.flatten(2).mean(2) if result.dim() > 2 else result

    def features_of(self, split: Split) -> npt.NDArray[np.float32]:
        """Pooled features of images, ``(n, channels)``."""
        source = input_of(self._model, split)
        with torch.no_grad():
            parts = [
                self.features(source.real(batch_of(source.raw(images, split.preprocessing))))
                for images in _batches(split.images)
            ]
        found: npt.NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def liveliest(self, split: Split, attack: Attack) -> list[int]:
        """The features that differ most between images: those that an attack drives up."""
        spread = self.features_of(split).std(0)
        return [int(index) for index in np.argsort(-spread, kind="stable")[: attack.features]]


def plain(result: Any) -> Tensor:
    """The tensor of what a module gave."""
    tensor: Tensor = getattr(result, "value", result)
    return tensor


def _batches(images: Images) -> Iterator[Images]:
    for start in range(0, len(images), _BATCH):
        yield images[start : start + _BATCH]


def attacked(path: PublicPath, split: Split, attack: Attack, feature: int) -> Split:
    """Images of a split, changed to drive one public feature up and the others down.

    A pixel changes by at most ``attack.strength`` grey levels and stays a pixel, so the device
    reads the result as it reads any image. Only signs of gradients are used, so what turns pixels
    into the network's real values may be any rising function.

    Args:
        path: The public part of the network.
        split: Images; their labels are kept and not looked at.
        attack: How.
        feature: Index of the public layer's channel that is driven up.
    """
    random = np.random.default_rng((attack.seed, feature))
    start = random.uniform(-attack.strength, attack.strength, split.images.shape)
    parts = [
        _descend(path, dataclasses.replace(part, images=part.images), moves, attack, feature)
        for part, moves in _parts(split, start)
    ]
    return dataclasses.replace(split, images=np.concatenate(parts))


def _parts(
    split: Split, start: npt.NDArray[np.float64]
) -> Iterator[tuple[Split, npt.NDArray[np.float64]]]:
    for low in range(0, len(split), _BATCH):
        index = np.arange(low, min(low + _BATCH, len(split)))
        yield split.take(index), start[index]


def _descend(
    path: PublicPath,
    split: Split,
    start: npt.NDArray[np.float64],
    attack: Attack,
    feature: int,
) -> Images:
    source = input_of(path._model, split)
    centre = split.images.astype(np.float64)
    low = np.maximum(centre - attack.strength, 0)
    high = np.minimum(centre + attack.strength, _BRIGHTEST)
    pixels = np.clip(centre + start, low, high)
    for _ in range(attack.steps):
        raw = source.raw(np.rint(pixels).astype(np.uint8), split.preprocessing)
        x = source.real(batch_of(raw)).requires_grad_(True)
        found = path.features(x)
        rest = torch.cat((found[:, :feature], found[:, feature + 1 :]), 1)
        loss = (found[:, feature] - _TARGET).square() + _OTHERS * rest.square().sum(1) / max(
            rest.shape[1], 1
        )
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        move = attack.step * np.sign(gradient.numpy().transpose(0, 2, 3, 1))
        pixels = np.clip(pixels - move, low, high)
    return np.rint(pixels).astype(np.uint8)


def shuffled_noise(before: Split, after: Split, seed: int = 0) -> Split:
    """Images with random noise that is exactly as large as an attack's changes.

    The changes of each image are exchanged between its pixels, and their signs are random, except
    where a pixel would leave 0 to 255: both the largest change and the sum of squares are the same.

    Args:
        before: Images.
        after: The same images behind an attack.
        seed: Of places and signs.
    """
    random = np.random.default_rng(seed)
    clean = before.images.astype(np.int16).reshape(len(before), -1)
    change = np.abs(after.images.astype(np.int16).reshape(len(before), -1) - clean)
    change = random.permuted(change, axis=1)
    signs = np.where(random.random(change.shape) < 0.5, 1, -1)
    signs = np.where(clean + change > _BRIGHTEST, -1, np.where(clean < change, 1, signs))
    noisy = (clean + signs * change).astype(np.uint8).reshape(before.images.shape)
    return dataclasses.replace(before, images=noisy)


def fooled(
    clean: npt.NDArray[np.integer],
    changed: Sequence[npt.NDArray[np.integer]],
    truth: npt.NDArray[np.integer],
) -> float:
    """Share of the images answered right that a change of them makes wrong; 0 if none was right.

    Args:
        clean: Answers to the images, ``(n,)``.
        changed: Answers to them in each run of an attack; one that is wrong is enough.
        truth: Right answers.
    """
    right = clean == truth
    if not right.any():
        return 0.0
    broken = np.any([answers != truth for answers in changed], axis=0)
    return float(broken[right].mean())


def distances(path: PublicPath, before: Split, after: Sequence[Split]) -> float:
    """How far changed images are from their originals in public features.

    Mean over runs and images of the distance, divided by the mean length of the originals'.
    """
    origin = path.features_of(before)
    moved = [np.linalg.norm(path.features_of(split) - origin, axis=1).mean() for split in after]
    return float(np.mean(moved) / max(np.linalg.norm(origin, axis=1).mean(), 1e-12))
