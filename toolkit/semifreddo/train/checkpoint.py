"""Checkpoints: safetensors with JSON metadata, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from semifreddo.core.errors import CheckpointError, ConfigError, ConversionError
from semifreddo.core.files import atomic_path
from semifreddo.core.plain_json import parse_json
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.fold import batch_norms, fold_batch_norm
from semifreddo.nn.inputs import REFUSALS
from semifreddo.nn.pin import await_scales, pinned
from semifreddo.nn.topology import TOPOLOGIES
from semifreddo.train.freeze import stop_gradients, verify

FORMAT = "semifreddo-checkpoint/1"
USER = "user"
"""Kind of a model that no configuration describes."""
_MOST_VALUES = 1 << 22


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model with all that belongs to it.

    Attributes:
        model: In evaluation mode, batch norms folded, scales pinned.
        config: Topology; None for a user's own model.
        plan: What is frozen.
        labels: Class names of the first outputs.
        info: Figures and provenance, JSON-able (``{"test_accuracy": 0.98, "seed": 0}``).
        input_shape: Image as (channels, height, width); the topology's if there is one.
    """

    model: nn.Module
    config: NetworkConfig | None
    plan: FreezePlan
    labels: tuple[str, ...]
    info: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.config is not None:
            object.__setattr__(self, "input_shape", self.config.input_shape)

    @property
    def kind(self) -> str:
        """Of a built-in network (:mod:`semifreddo.nn.topology`); ``user`` for another model."""
        return str(self.model.kind) if self.config is not None else USER

    @property
    def figures(self) -> dict[str, str]:
        """What of :attr:`info` an exported file keeps: texts and numbers, not how long it took."""
        kinds = (str, int, float)
        kept = {key: value for key, value in self.info.items() if isinstance(value, kinds)}
        return {key: str(value) for key, value in kept.items() if key != "seconds"}


def save_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> None:
    """Write tensors and texts as one safetensors file, whole or not at all."""
    with atomic_path(path) as temporary:
        plain = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
        save_file(plain, temporary, dict(metadata))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Raises:
        CheckpointError: Missing or corrupt.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            return tensors, dict(handle.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a safetensors file, or damaged ({error}); pickles are never read"
        ) from error


def save_checkpoint(trained: TrainedModel, path: Path | str) -> None:
    """Write a trained model.

    Raises:
        CheckpointError: A user's own model that is not folded and pinned, or without its input
            shape: no fresh object of its class could take the state.
        FrozenTensorChangedError: The model is not what its plan says.
    """
    verify(trained.model, trained.plan)
    if trained.config is None:
        _check_own(trained, Path(path))
    description = {
        "kind": trained.kind,
        "config": None if trained.config is None else trained.config.to_dict(),
        "input_shape": trained.input_shape,
        "labels": list(trained.labels),
        "info": dict(trained.info),
    }
    metadata = {
        "format": FORMAT,
        "model": json.dumps(description, sort_keys=True),
        "plan": trained.plan.to_json(),
    }
    save_tensors(trained.model.state_dict(), metadata, Path(path))


def _check_own(trained: TrainedModel, path: Path) -> None:
    if batch_norms(trained.model) or not pinned(trained.model):
        raise CheckpointError(
            f"{path}: the model has batch norms or scales that still move; train it with "
            "train_model, or call fold_batch_norm and pin_scales first"
        )
    if trained.input_shape is None:
        raise CheckpointError(
            f"{path}: nothing says what images the model takes; give TrainedModel its input_shape, "
            "(channels, height, width)"
        )


def _prepare_own(model: nn.Module, shape: tuple[int, int, int] | None, path: Path) -> None:
    """Give a fresh model the form in which its state was saved: folded, with constant scales."""
    if shape is None:
        raise CheckpointError(
            f"{path}: holds a model of your own, but not the shape of its images; save it again"
        )
    try:
        fold_batch_norm(model, torch.zeros(1, *shape))
        await_scales(model)
    except (ConfigError, ConversionError) as error:
        raise CheckpointError(f"{path}: belongs to another model: {error}") from error
    except REFUSALS as error:
        text = " ".join(str(error).split())
        raise CheckpointError(
            f"{path}: holds a model of images of shape {shape} (channels, height, width), which "
            f"this one does not take: {text}"
        ) from error


def _build(kind: str, config: NetworkConfig | None, path: Path) -> nn.Module:
    if config is None:
        raise CheckpointError(
            f"{path}: holds a model of your own; name its class in [model] of design.toml and use "
            "the design's folder, or pass an object of it as load_checkpoint(model=...)"
        )
    model = TOPOLOGIES[kind].build(config)
    fold_batch_norm(model)
    return model


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Fill a model with a state, naming the first tensor that does not fit.

    Raises:
        CheckpointError: Missing, unknown, misshapen or not finite.
    """
    own = model.state_dict()
    for name in sorted(set(own) ^ set(tensors)):
        verb = "lacks" if name in own else "has the unknown"
        raise CheckpointError(f"{where}: {verb} tensor {name!r}; it belongs to another model")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(tensor.shape)}, the model needs "
                f"{tuple(own[name].shape)}; it belongs to another model"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{where}: {name} contains NaN or infinite values; the training diverged, train "
                "again with a lower learning rate"
            )
    model.load_state_dict(dict(tensors))


def load_checkpoint(path: Path | str, model: nn.Module | None = None) -> TrainedModel:
    """Read a trained model and prove its frozen tensors, which need no gradients.

    Args:
        path: File written by :func:`save_checkpoint`.
        model: For a user's own model: a fresh object of its class, which is folded, pinned and
            filled in place.

    Raises:
        CheckpointError: Missing, corrupt, of another model, or with NaN weights.
        FrozenTensorChangedError: The frozen tensors are not what the plan in the file says.
    """
    path = Path(path)
    tensors, metadata = load_tensors(path)
    try:
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r}")
        description = parse_json(metadata["model"])
        stored, kind = description["config"], str(description["kind"])
        config = None if stored is None else TOPOLOGIES[kind].config.from_dict(stored)
        labels = tuple(str(label) for label in description["labels"])
        shape = _shape_of(description.get("input_shape"))
        info = dict(description["info"])
        plan = FreezePlan.from_json(metadata["plan"], str(path))
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError(f"{path}: not a {FORMAT} file ({error!r})") from error
    if model is not None and config is None:
        _prepare_own(model, shape, path)
    filled = model if model is not None else _build(kind, config, path)
    load_state(filled, tensors, str(path))
    verify(filled.eval(), plan)
    stop_gradients(filled, plan)
    return TrainedModel(filled, config, plan, labels, info, shape)


def _shape_of(stored: Any) -> tuple[int, int, int] | None:
    if stored is None:
        return None
    channels, height, width = (int(size) for size in stored)
    if not 0 < channels * height * width <= _MOST_VALUES or min(channels, height, width) < 1:
        raise ValueError(f"input_shape {stored!r}")
    return channels, height, width
