"""Before there is a model: train, freeze, export, retarget. Needs torch."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from semifreddo.convert import convert, export_qonnx
from semifreddo.core.errors import CheckpointError, ConfigError, TaskError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig, TrainSection
from semifreddo.flow.lower import METRICS
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import raw_outputs
from semifreddo.nn.model import SemifreddoNet
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, load_dataset
from semifreddo.train.freeze import freeze
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, raw_images, retarget, train_core, train_task

Progress = Callable[[str], None]
Groups = Mapping[str, Sequence[int]]


def training_of(config: BuildConfig) -> TrainSection:
    """The design's ``[train]`` section.

    Raises:
        ConfigError: It has none.
    """
    if config.train is None:
        raise ConfigError(
            f"{config.root}: design.toml has no [train] section, so it is built from its model as "
            "it is"
        )
    return config.train


def select(data: Dataset, classes: Sequence[int] | None, groups: Groups | None) -> Dataset:
    """A task of a data set: all classes, some, or groups of them."""
    if groups is not None:
        return data.relabel(groups)
    return data if classes is None else data.subset(classes)


def dataset_of(config: BuildConfig) -> Dataset:
    """The design's images, with the data set's own classes."""
    train = training_of(config)
    return load_dataset(train.dataset, None if train.data is None else config.path(train.data))


def measured(trained: TrainedModel, data: Dataset) -> TrainedModel:
    """The same model, its test accuracy (from raw integers) written down."""
    test = accuracy(trained.model, data.test, len(data.labels))
    info = dict(trained.info) | {"test_accuracy": test, "test_images": len(data.test)}
    return dataclasses.replace(trained, info=info)


def train_design(
    config: BuildConfig, *, seed: int | None = None, progress: Progress = lambda _: None
) -> TrainedModel:
    """Train core and task of a design and write its checkpoint.

    States are kept in ``build/train``, so an interrupted training goes on where it was.

    Args:
        config: The design.
        seed: Replaces the seeds of the design.
        progress: Takes one line at a time.

    Raises:
        ConfigError: The design says nothing about training.
        DataError: The images are missing or do not fit.
    """
    train, folder = training_of(config), config.build_dir / "train"
    data, network = dataset_of(config), SemifreddoConfig.from_dict(train.network)
    progress(f"core: classes {', '.join(map(str, train.core_classes))} of {train.dataset}")
    source = data.subset(train.core_classes)
    core = train_core(network, source, _seeded(train.core, seed), folder / "core")
    save_checkpoint(core, folder / "core.safetensors")
    task_data = select(data, train.classes, train.groups)
    progress(f"task: {', '.join(task_data.labels)}")
    options = _seeded(train.task, seed)
    trained = measured(train_task(network, core, task_data, options, folder / "task"), task_data)
    save_checkpoint(trained, config.path(config.design.checkpoint))
    return trained


def _seeded(options: TrainOptions, seed: int | None) -> TrainOptions:
    return options if seed is None else dataclasses.replace(options, seed=seed)


def freeze_checkpoint(
    source: Path,
    target: Path,
    *,
    layers: Sequence[str],
    channels: Mapping[str, Sequence[int]],
    fraction: float,
) -> FreezePlan:
    """Freeze more of a trained model; what is frozen already stays so.

    Args:
        source: Checkpoint.
        target: Checkpoint to write.
        layers: Glob patterns of module paths or tensor names.
        channels: Output channels by pattern.
        fraction: Fraction of the output channels of ``layers``.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or a user's own model.
        ConfigError: A pattern matches nothing.
    """
    trained = load_checkpoint(source)
    wanted: dict[str, Sequence[int]] = dict(channels)
    for tensor in trained.plan.tensors:
        kept = [index for index, flag in enumerate(tensor.channels) if flag]
        wanted[tensor.name] = sorted({*wanted.get(tensor.name, ()), *kept})
    plan = freeze(trained.model, layers, wanted, fraction)
    save_checkpoint(dataclasses.replace(trained, plan=plan), target)
    return plan


def export_model(trained: TrainedModel, path: Path) -> None:
    """Write a trained model as QONNX, with plan, labels and figures in its metadata.

    Raises:
        CheckpointError: It is a user's own model, whose input shape nothing tells.
        ConversionError: It cannot be exported.
    """
    if trained.config is None:
        raise CheckpointError(
            f"{path}: the checkpoint holds a model of your own; export it with "
            "semifreddo.convert.export_qonnx"
        )
    repeats = trained.model.repeats() if isinstance(trained.model, SemifreddoNet) else ()
    channels, height, width = trained.config.input_shape
    export_qonnx(
        trained.model,
        path,
        input_shape=(channels, height, width),
        plan=trained.plan,
        labels=trained.labels,
        repeats=repeats,
        info={key: str(value) for key, value in _figures(trained.info).items()},
    )


def _figures(info: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping with a model: texts and numbers, not how long it took."""
    kinds = (str, int, float)
    return {k: v for k, v in info.items() if isinstance(v, kinds) and k != "seconds"}


def export_design(config: BuildConfig, *, progress: Progress = lambda _: None) -> None:
    """Write a design's model and, if it names a file, golden vectors: images of the test split.

    Raises:
        CheckpointError: There is no checkpoint; train first.
    """
    trained = load_checkpoint(config.path(config.design.checkpoint))
    export_model(trained, config.path(config.design.model))
    progress(f"model: {config.path(config.design.model)}")
    if config.vectors.file is None or config.train is None:
        progress("no golden vectors: the design names no [vectors] file or no [train] images")
        return
    count = config.vectors.test_images
    if count == 0:
        progress("golden vectors left as they are ([vectors] test_images = 0)")
        return
    data = select(dataset_of(config), config.train.classes, config.train.groups).limit(test=count)
    vectors = vectors_of(trained, data)
    vectors.save(config.path(config.vectors.file))
    progress(f"vectors: {config.path(config.vectors.file)}, {len(vectors)} images")


def vectors_of(trained: TrainedModel, data: Dataset) -> VectorSet:
    """The test split as the device reads it, with the model's raw answers."""
    images = raw_images(trained.model, data.test)
    return VectorSet(images, raw_outputs(trained.model, images))


@dataclasses.dataclass(frozen=True, eq=False)
class Retargeted:
    """A new task for a built device.

    Attributes:
        trained: The model that computes it in torch.
        task: What the device loads.
        vectors: The task's test split with torch's raw answers.
    """

    trained: TrainedModel
    task: Task
    vectors: VectorSet


def make_task(
    device: StreamNet, trained: TrainedModel, name: str, metrics: Mapping[str, float]
) -> Task:
    """The task file's content of a trained model.

    Args:
        device: The built network.
        trained: A model of the same device.
        name: Name of the task.
        metrics: Figures to keep with it.

    Raises:
        TaskError: The model is another device.
    """
    with tempfile.TemporaryDirectory(prefix="semifreddo-") as folder:
        path = Path(folder) / "model.onnx"
        export_model(trained, path)
        net = convert(path, device.name)
    if net.device_digest != device.device_digest:
        raise TaskError(
            f"task {name!r}: the model is device {net.device_digest[:12]}, the built one is "
            f"{device.device_digest[:12]}; start from the checkpoint it was built from"
        )
    made = Preprocessing.from_figures(trained.info)
    return Task.of(net, name, trained.labels, metrics, made)


def retarget_device(
    device: StreamNet,
    trained: TrainedModel,
    data: Dataset,
    options: TrainOptions,
    *,
    name: str,
    folder: Path | None = None,
) -> Retargeted:
    """Train another task for a built device.

    Args:
        device: The built network.
        trained: The model it was built from.
        data: The new task's images.
        options: How to train.
        name: Name of the task.
        folder: For states, so that an interrupted call goes on.

    Raises:
        TaskError: ``trained`` is not the model of the device.
        ConfigError: The task has more classes than the device outputs.
    """
    make_task(device, trained, name, {})  # refuse a wrong checkpoint before training
    new = measured(retarget(trained, data, options, folder), data)
    metrics = {key: float(new.info[key]) for key in METRICS}
    task = make_task(device, new, name, metrics)
    return Retargeted(new, task, vectors_of(new, data))
