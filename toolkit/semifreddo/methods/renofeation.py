"""Renofeation: a new task from random weights, taught by the frozen core's features, with noise.

A task that starts from weights which everyone has inherits what fools them. So the loadable part
starts anew: each trainable core learns the task and, through a 1x1 convolution that is thrown away
afterwards, the features of the frozen core beside it; channels are dropped at random behind every
block; and the last epochs, at a constant rate, end in the mean of the weights that they passed.
After Chin et al., Renofeation, CVPR Workshops 2021, arXiv 2002.02998, and its public code, whose
constants are the defaults: dropout of 0.1, decay 1e-2 of the classifier, a third as many epochs at
half the rate for the mean, which here is of every step. Their weight of the mean squared difference
of features is 5, and 1 for one of five data sets; at 5 our small networks learned the features and
not the task, and at 1 they were fooled more often than at 0.1, which is the default
(``docs/studies/renofeation.md``).

What is ours: their student has nothing of the teacher, while here the frozen core is a part of the
network, and blends carry its features, attacked ones too, into the trainable cores. Blend factors
are loadable, so they start at 0: the frozen core teaches, and takes no part in the answer unless
training finds that it must. Its features need no pass of their own, for it sees the same images.
Adapters begin as the identity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from semifreddo.core.errors import ConfigError
from semifreddo.methods.forgetting import forget
from semifreddo.nn.model import SemifreddoNet
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import TrainVal
from semifreddo.train.objective import JSON, CrossEntropy
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget


@dataclass(frozen=True)
class Noise:
    """How a robust task is trained.

    Attributes:
        distil: Weight of the mean squared difference of features; 0 for none.
        dropout: Share of the channels that are dropped behind every block.
        blend: Share of the frozen core that blends start with, 0 to 1.
        head_decay: Of half the squared norm of the classifier's weights and biases.
        average: Epochs at a constant rate whose mean is taken, as a share of the epochs before;
            0 for none.

    Raises:
        ConfigError: A number is out of range.
    """

    distil: float = 0.1
    dropout: float = 0.1
    blend: float = 0.0
    head_decay: float = 1e-2
    average: float = 1 / 3

    def __post_init__(self) -> None:
        for name, high in (
            ("distil", 1000.0),
            ("dropout", 0.9),
            ("blend", 1.0),
            ("head_decay", 1.0),
            ("average", 10.0),
        ):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ConfigError(f"robust training: {name} = {value} is outside 0..{high:g}")


_AVERAGE_RATE = 0.5


class Mean(nn.Module):
    """The running mean of a model's trained parameters."""

    count: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._names = [name for name, held in model.named_parameters() if held.requires_grad]
        self.register_buffer("count", torch.tensor(0))
        for index, name in enumerate(self._names):
            self.register_buffer(f"mean{index}", model.get_parameter(name).detach().clone())

    def _pairs(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        for index, name in enumerate(self._names):
            yield self.get_buffer(f"mean{index}"), model.get_parameter(name).detach()

    @torch.no_grad()
    def take(self, model: nn.Module) -> None:
        """Count the present values in."""
        self.count += 1
        for mean, value in self._pairs(model):
            mean.add_((value - mean) / self.count)

    @torch.no_grad()
    def give(self, model: nn.Module) -> None:
        """Set the model to the mean, if there is one."""
        if int(self.count):
            for mean, value in self._pairs(model):
                value.copy_(mean)


class NoisyDistillation(CrossEntropy):
    """Cross entropy, the frozen core's features as a second teacher, and dropped channels.

    Args:
        noise: How much of each.
        smoothing: Label smoothing, 0 to 0.9.
        before: The same objective of the phase before: its adapters go on, and the model becomes
            the mean of the weights that this phase passes.
    """

    def __init__(
        self, noise: Noise, smoothing: float = 0.0, before: NoisyDistillation | None = None
    ) -> None:
        super().__init__(smoothing)
        self.noise = noise
        self._before = before
        self._adapters: nn.ModuleList | None = None
        self._mean: Mean | None = None
        self._handles: list[RemovableHandle] = []
        self._random = torch.Generator()
        self._features: tuple[list[Tensor], ...] = ()
        self._head: list[Tensor] = []

    @property
    def key(self) -> JSON:
        numbers = list(dataclasses.astuple(self.noise))
        return ["noisy distillation", self._before is not None, self.smoothing, *numbers]

    def attach(self, model: nn.Module) -> nn.Module:
        net = require_cores(model)
        self._features = tuple([] for _ in net.cores)
        self._head = list(net.head.linear.parameters())
        for core, found in zip(net.cores, self._features, strict=True):
            for block in cast(nn.ModuleList, core):
                self._handles.append(block.register_forward_hook(partial(_keep, found)))
        for pair in net.blends:
            for blend in cast(nn.ModuleList, pair):
                self._handles.append(blend.register_forward_hook(self._drop))
        if self._before is not None and self._before._adapters is not None:
            self._adapters = self._before._adapters
        else:
            self._adapters = _adapters(net) if self.noise.distil else nn.ModuleList()
        beside = nn.ModuleDict({"adapters": self._adapters})
        if self._before is not None:
            beside["mean"] = self._mean = Mean(model)
        return beside

    def _drop(self, blend: nn.Module, _: Any, result: Tensor) -> Tensor:
        share = self.noise.dropout
        if not blend.training or not share:
            return result
        kept = torch.rand((*result.shape[:2], 1, 1), generator=self._random) >= share
        return result * (kept / (1 - share))

    def backward(
        self, model: nn.Module, x: Tensor, y: Tensor, outputs: int, random: torch.Generator
    ) -> tuple[float, Tensor]:
        self._random = random
        for found in self._features:
            found.clear()
        return super().backward(model, x, y, outputs, random)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().loss(outputs, y) + self._penalty()

    def _penalty(self) -> Tensor:
        """Of features that differ from the frozen core's, summed over blocks and cores."""
        assert self._adapters is not None
        frozen, *others = self._features
        pairs = [
            (teacher, own) for core in others for teacher, own in zip(frozen, core, strict=True)
        ]
        total = torch.stack([held.square().sum() for held in self._head]).sum()
        total = self.noise.head_decay * total / 2
        if self.noise.distil:
            for adapter, (teacher, own) in zip(self._adapters, pairs, strict=True):
                difference = nn.functional.mse_loss(adapter(own), teacher.detach())
                total = total + self.noise.distil * difference
        return total

    def after_step(self, model: nn.Module) -> None:
        if self._mean is not None:
            self._mean.take(model)

    def finish(self, model: nn.Module) -> None:
        if self._mean is not None:
            self._mean.give(model)

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _keep(found: list[Tensor], block: nn.Module, _: Any, result: Tensor) -> None:
    if block.training:
        found.append(result)


def require_cores(model: nn.Module) -> SemifreddoNet:
    """The model, if it has trainable cores beside a frozen one.

    Raises:
        ConfigError: It has not.
    """
    if not isinstance(model, SemifreddoNet):
        raise ConfigError(
            "robust training: needs trainable cores beside a frozen core ([train.network]); here "
            "loadable layers read nothing but what frozen ones give, and inherit what fools them"
        )
    return model


def _adapters(net: SemifreddoNet) -> nn.ModuleList:
    """A 1x1 convolution for each step of each trainable core, the identity at first."""
    found = nn.ModuleList()
    for _ in range(len(net.cores) - 1):
        for block in net.config.passes:
            width = net.config.widths[block]
            adapter = nn.Conv2d(width, width, 1, bias=False)
            nn.init.dirac_(adapter.weight)
            found.append(adapter)
    return found


def robust_retarget(
    trained: TrainedModel,
    data: TrainVal,
    options: TrainOptions,
    folder: Path | None = None,
    noise: Noise | None = None,
) -> TrainedModel:
    """Teach a device another task that inherits little of what fools its frozen core.

    Args:
        trained: What the device was built from: a network with trainable cores. It is not changed.
        data: The new task.
        options: How; ``epochs`` at a falling rate, then a share of as many for the mean.
        folder: For states, so that an interrupted call goes on.
        noise: How much of what; the published constants if left out.

    Raises:
        ConfigError: The model has no trainable cores, or as
            :func:`~semifreddo.train.recipes.retarget`.
        DataError: Another image shape.
    """
    noise = noise or Noise()
    require_cores(trained.model)
    first = NoisyDistillation(noise, options.smoothing)
    made = retarget(
        trained,
        data,
        options,
        None if folder is None else folder / "distil",
        objective=first,
        start=partial(forget, trained.plan, options.seed, noise.blend, data),
    )
    epochs = round(noise.average * options.epochs)
    if not epochs:
        return made
    averaging = dataclasses.replace(
        options, epochs=epochs, rate=_AVERAGE_RATE * options.rate, patience=None
    )
    second = retarget(
        made,
        data,
        averaging,
        None if folder is None else folder / "average",
        objective=NoisyDistillation(noise, options.smoothing, before=first),
        start=lambda _: None,
        constant=True,
    )
    total = made.info["epochs"] + second.info["epochs"]
    info = dict(second.info) | {"epochs": total, "options": options.to_dict()}
    return dataclasses.replace(second, info=info)
