"""The trained model of a design, read from its checkpoint."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.core.errors import CheckpointError, ConfigError
from semifreddo.core.plain_json import parse_json
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.own_model import own_model

if TYPE_CHECKING:
    from semifreddo.train.checkpoint import TrainedModel


def checkpoint_kind(path: Path) -> str:
    """What a checkpoint holds (``core``, ``semifreddo`` or ``user``), without reading its tensors.

    Raises:
        CheckpointError: Damaged, or no checkpoint.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as handle:
            metadata = handle.metadata() or {}
        return str(parse_json(metadata["model"])["kind"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or damaged ({error})") from error


def load_trained(config: BuildConfig, path: Path | None = None) -> TrainedModel:
    """Read a checkpoint of a design, into a fresh object of its own class if ``[model]`` names one.

    Args:
        config: The design.
        path: The checkpoint; the design's if left out.

    Raises:
        CheckpointError: Missing, damaged, or of another model.
        ConfigError: The design's own class cannot be made, or takes other images.
        FrozenTensorChangedError: The frozen tensors are not what the plan in the file says.
    """
    from semifreddo.train.checkpoint import load_checkpoint

    path = path or config.path(config.design.checkpoint)
    own = own_model(config)
    if own is not None and path.is_file() and (kind := checkpoint_kind(path)) != "user":
        raise CheckpointError(
            f"{path}: holds a built-in network ({kind}), not the {type(own).__name__} that [model] "
            "of design.toml names; remove [model], or train again"
        )
    return load_checkpoint(path, own)


def check_trained(config: BuildConfig) -> None:
    """Refuse, before anything is built, a checkpoint or a class of one's own that will not do.

    Looks only at what this machine has the packages for; a missing checkpoint is no fault.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another model.
        ConfigError: The design's own class cannot be made, or takes other images; or its training
            has not made the file that is built.
        FrozenTensorChangedError: The frozen tensors are not what the plan in the file says.
    """
    _check_exported(config)
    if find_spec("safetensors") is None:
        return
    path = config.path(config.design.checkpoint)
    if config.model is None or find_spec("torch") is None or find_spec("brevitas") is None:
        if path.is_file():
            checkpoint_kind(path)
    elif path.is_file():
        load_trained(config)
    else:
        own_model(config)


def _check_exported(config: BuildConfig) -> None:
    """Refuse a design that has yet to train or export its model; says with what."""
    model = config.path(config.design.model)
    if config.train is None or model.is_file():
        return
    trained = config.path(config.design.checkpoint).is_file()
    first = "" if trained else f"semifreddo train {config.root}, then "
    raise ConfigError(f"{model}: no such file; run {first}semifreddo export {config.root}")
