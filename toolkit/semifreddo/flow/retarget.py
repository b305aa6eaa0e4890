"""A new task for something that is built already: a design or a bundle. Needs torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.errors import CheckpointError, ConfigError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.check import Progress, check_task
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.rungs import streamnet_rung
from semifreddo.flow.trained import checkpoint_kind, load_trained
from semifreddo.flow.training import (
    Groups,
    Retargeted,
    Teacher,
    dataset_of,
    fine_tune,
    retarget_device,
)
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.runtime import Bundle
from semifreddo.sim.ladder import LadderReport, climb
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint
from semifreddo.train.data import Dataset, load_dataset
from semifreddo.train.options import TrainOptions


@dataclass(frozen=True)
class Target:
    """What gets a new task.

    Attributes:
        device: The built network.
        checkpoint: The model it was built from.
        config: The design, if the target is one.
    """

    device: StreamNet
    checkpoint: Path
    config: BuildConfig | None


def find_target(path: Path, checkpoint: Path | None) -> Target:
    """Open a built design or a bundle.

    Args:
        path: A design's folder or a bundle.
        checkpoint: The model; a design knows its own.

    Raises:
        ConfigError: A bundle without a checkpoint, or a design that is not built.
        BundleError: The bundle is missing or damaged.
    """
    if path.suffix == ".sfb":
        if checkpoint is None:
            raise ConfigError(f"{path}: a bundle holds no model; name it with --checkpoint")
        return Target(Bundle.load(path).net, checkpoint, None)
    config = load_config(path)
    net = config.build_dir / "net.json"
    if not net.is_file():
        raise ConfigError(f"{path}: is not built yet; run `semifreddo build {path}`")
    return Target(load_net(net), checkpoint or config.path(config.design.checkpoint), config)


def load_model(target: Target) -> TrainedModel:
    """The model that the target was built from.

    Raises:
        CheckpointError: Missing, damaged, of another model, or a user's own model of a bundle.
        ConfigError: The design's own class cannot be made.
    """
    if target.config is not None:
        return load_trained(target.config, target.checkpoint)
    if target.checkpoint.is_file() and checkpoint_kind(target.checkpoint) == "user":
        raise CheckpointError(
            f"{target.checkpoint}: holds a model of your own, and a bundle names no code; retarget "
            "the folder of its design, whose [model] names the class"
        )
    return load_checkpoint(target.checkpoint)


def images_of(target: Target, dataset: str | None, data: Path | None) -> Dataset:
    """Images of the new task: named ones, or those of the design.

    Raises:
        ConfigError: Neither is known.
    """
    if dataset is not None:
        height, width, channels = target.device.input.shape
        return load_dataset(dataset, data, shape=(channels, height, width))
    if target.config is None:
        raise ConfigError("a bundle names no images; name them with --dataset")
    if target.config.train is None:
        raise ConfigError(
            f"{target.config.root}: design.toml names no images ([train] dataset); name them with "
            "--dataset"
        )
    return dataset_of(target.config)


def options_of(target: Target, *, epochs: int | None, seed: int | None) -> TrainOptions:
    """How to train: as the design's task was tuned, with changes."""
    config = target.config
    options = TrainOptions() if config is None or config.train is None else config.train.task
    options = options.folded
    if epochs is not None:
        options = dataclasses.replace(options, epochs=epochs)
    return options if seed is None else dataclasses.replace(options, seed=seed)


def _proof(config: BuildConfig, vectors: VectorSet) -> VectorSet:
    """What a new task is proved with: a design that limits its test images limits these, too."""
    limit = config.vectors.test_images
    return vectors if limit is None else vectors.head(limit or config.vectors.bundled_count)


def train_new_task(
    target: Target,
    data: Dataset,
    options: TrainOptions,
    *,
    name: str,
    groups: Groups | None = None,
    teacher: Teacher = fine_tune,
    progress: Progress = lambda _: None,
) -> tuple[Retargeted, LadderReport]:
    """Train a task for a target, and prove it on every rung that needs no rebuilding.

    Args:
        target: The built device.
        data: The new task.
        options: How to train.
        name: Name of the task.
        groups: If given, the device learns the classes of ``data`` and answers with their groups.
        teacher: In which way.
        progress: Called with each rung's result.

    Returns:
        The task, and the climb of its whole test split: torch's answers against the reference and
        the compiled device.

    Raises:
        TaskError: The checkpoint is not the target's model.
        ConfigError: The task has more classes than the device outputs.
        LadderError: A rung differs.
    """
    build = None if target.config is None else target.config.build_dir
    made = retarget_device(
        target.device,
        load_model(target),
        data,
        options,
        name=name,
        folder=None if build is None else build / "train" / f"task-{name}",
        groups=groups,
        teacher=teacher,
    )
    if target.config is not None:
        report = check_task(target.config, made.task, _proof(target.config, made.vectors), progress)
    else:
        net = made.task.apply(target.device)
        report = climb(net, made.vectors, [streamnet_rung(net)], progress=progress)
    report.check()
    return made, report
