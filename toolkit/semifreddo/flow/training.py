"""Before there is a model: train, freeze, export, retarget. Needs torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semifreddo.convert import convert, export_qonnx, raw_answers, refuse_obstacles
from semifreddo.core import scratch
from semifreddo.core.errors import CheckpointError, ConfigError, TaskError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig, ModelSection
from semifreddo.flow.own_model import own_model
from semifreddo.flow.stages.lower import METRICS
from semifreddo.flow.train_section import TrainSection
from semifreddo.flow.trained import load_trained
from semifreddo.ir.freeze import FreezePlan, matching
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.methods.flightnn import terms_line
from semifreddo.methods.labels import fine_classes
from semifreddo.methods.objective import objective_of
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import quantized_tensor_names
from semifreddo.nn.network import Network
from semifreddo.train.checkpoint import TrainedModel, save_checkpoint
from semifreddo.train.checks import refuse_float
from semifreddo.train.data import Dataset, TrainVal, load_dataset
from semifreddo.train.freeze import freeze, frozen_share
from semifreddo.train.objective import Objective
from semifreddo.train.options import TrainOptions
from semifreddo.train.pictures import Shape
from semifreddo.train.recipes import (
    measured,
    retarget,
    train_core,
    train_model,
    train_task,
)
from semifreddo.train.seen import raw_images

Progress = Callable[[str], None]
Groups = Mapping[str, Sequence[int]]
Teacher = Callable[[TrainedModel, TrainVal, TrainOptions, Path | None], TrainedModel]
"""Teaches a model another task; the folder is for states."""


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
    shape: Shape | None = None
    if (network := train.architecture) is not None:
        channels, height, width = network.input_shape
        shape = channels, height, width
    folder = None if train.data is None else config.path(train.data)
    data = load_dataset(train.dataset, folder, shape=shape, validation=train.validation)
    return normalised(data, train.mean or (), train.deviation or ())


def normalised(data: Dataset, mean: Sequence[float], deviation: Sequence[float]) -> Dataset:
    """The same images, of which a model sees ``(pixel / 255 - mean) / deviation``."""
    made = dataclasses.replace(data.preprocessing, mean=tuple(mean), deviation=tuple(deviation))
    return dataclasses.replace(data, preprocessing=made)


def train_design(
    config: BuildConfig, *, seed: int | None = None, progress: Progress = lambda _: None
) -> TrainedModel:
    """Train a design's model and write its checkpoint.

    A network with a core: the core, then the task around it. Any other network, and a model of
    one's own: all of it, then what ``freeze`` leaves. States are kept in ``build/train``, so an
    interrupted training goes on where it was.

    Args:
        config: The design.
        seed: Replaces the seeds of the design.
        progress: Takes one line at a time.

    Raises:
        ConfigError: The design says nothing about training, or its model cannot learn its images.
        ConversionError: Its model cannot become hardware; lists all obstacles.
        DataError: The images are missing or do not fit.
    """
    train = training_of(config)
    topology = train.topology
    make = _train_around_core if topology is not None and topology.core else _train_whole
    trained = make(config, train, seed, progress)
    if told := terms_line(trained.model):
        progress(told)
    save_checkpoint(trained, config.path(config.design.checkpoint))
    return trained


def _images(config: BuildConfig, train: TrainSection, progress: Progress) -> Dataset:
    """The design's images; says how many there are."""
    data = dataset_of(config)
    counts = ", ".join(f"{len(split):,} {part}" for part, split in data.splits.items())
    progress(f"{train.dataset}: {counts} images")
    return data


def _train_around_core(
    config: BuildConfig, train: TrainSection, seed: int | None, progress: Progress
) -> TrainedModel:
    folder, network = config.build_dir / "train", train.architecture
    assert isinstance(network, SemifreddoConfig) and train.core_classes is not None  # load_config
    refuse_float(train.task)
    data = _images(config, train, progress)
    progress(f"core: classes {', '.join(map(str, train.core_classes))} of {train.dataset}")
    source = data.subset(train.core_classes)
    first, options = (_seeded(part, seed) for part in (train.core, train.task))
    aim = objective_of(network, first)
    core = train_core(network, source, first, folder / "core", objective=aim)
    save_checkpoint(core, folder / "core.safetensors")
    task_data = select(data, train.classes, train.groups)
    progress(f"task: {', '.join(task_data.labels)}")
    aim = objective_of(network, options)
    trained = train_task(network, core, task_data, options, folder / "task", objective=aim)
    return measured(trained, task_data)


def _train_whole(
    config: BuildConfig, train: TrainSection, seed: int | None, progress: Progress
) -> TrainedModel:
    section, folder = config.model or train, config.build_dir / "train"
    first, second = (_seeded(options, seed) for options in (train.core, train.task))
    if section.freeze:
        refuse_float(second)
    torch.manual_seed(second.seed)
    model, data = _fresh_model(config, train), _images(config, train, progress)
    task_data = select(data, train.classes, train.groups)
    made_by = config.model.source if config.model is not None else "the network"
    refuse_obstacles(model, data.input_shape, f"{config.root}: {made_by}")
    plan = None
    if section.freeze:
        source = task_data if train.core_classes is None else data.subset(train.core_classes)
        plan = _train_frozen_part(
            model,
            source,
            section,
            options=first,
            folder=folder / "core",
            objective=objective_of(train.architecture, first),
            progress=progress,
        )
    progress(f"task: {', '.join(task_data.labels)}")
    trained = train_model(
        model,
        task_data,
        second,
        plan,
        folder / "task",
        network=train.architecture,
        objective=objective_of(train.architecture, second),
    )
    return measured(trained, task_data)


def _train_frozen_part(
    model: nn.Module,
    source: TrainVal,
    section: ModelSection | TrainSection,
    *,
    options: TrainOptions,
    folder: Path,
    objective: Objective | None,
    progress: Progress,
) -> FreezePlan:
    """The first training, and what is frozen behind it."""
    known = quantized_tensor_names(model)
    for pattern in section.freeze:
        matching(known, pattern)  # a typing error ends the command before the first training
    progress(f"first: {', '.join(source.labels)}")
    train_model(model, source, options, folder=folder, objective=objective)
    plan = freeze(model, section.freeze, fraction=section.fraction)
    frozen, weights = frozen_share(model, plan)
    progress(f"frozen: {frozen} of {weights} weights ({frozen / weights:.1%})")
    return plan


def _fresh_model(config: BuildConfig, train: TrainSection) -> nn.Module:
    own, topology, network = own_model(config), train.topology, train.architecture
    if own is not None:
        return own
    assert topology is not None and network is not None  # load_config sees to it
    return topology.build(network)


def _seeded(options: TrainOptions, seed: int | None) -> TrainOptions:
    return options if seed is None else dataclasses.replace(options, seed=seed)


def freeze_checkpoint(
    trained: TrainedModel,
    target: Path,
    *,
    layers: Sequence[str],
    channels: Mapping[str, Sequence[int]],
    fraction: float,
) -> TrainedModel:
    """Freeze more of a trained model; what is frozen already stays so.

    Args:
        trained: The model.
        target: Checkpoint to write.
        layers: Glob patterns of module paths or tensor names.
        channels: Output channels by pattern.
        fraction: Fraction of the output channels of ``layers``.

    Returns:
        The same model with the new plan.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    wanted: dict[str, Sequence[int]] = dict(channels)
    for tensor in trained.plan.tensors:
        kept = [index for index, flag in enumerate(tensor.channels) if flag]
        wanted[tensor.name] = sorted({*wanted.get(tensor.name, ()), *kept})
    plan = freeze(trained.model, layers, wanted, fraction)
    frozen = dataclasses.replace(trained, plan=plan)
    save_checkpoint(frozen, target)
    return frozen


def export_model(trained: TrainedModel, path: Path) -> None:
    """Write a trained model as QONNX, with plan, labels and figures in its metadata.

    Raises:
        CheckpointError: Nothing tells its input shape.
        ConversionError: It cannot be exported.
    """
    if trained.input_shape is None:
        raise CheckpointError(f"{path}: the checkpoint does not say what images the model takes")
    repeats = trained.model.repeats() if isinstance(trained.model, Network) else ()
    export_qonnx(
        trained.model,
        path,
        input_shape=trained.input_shape,
        plan=trained.plan,
        labels=trained.labels,
        repeats=repeats,
        info=trained.figures,
    )


def export_design(config: BuildConfig, *, progress: Progress = lambda _: None) -> None:
    """Write a design's model and, if it names a file, golden vectors: images of the test split.

    Raises:
        CheckpointError: There is no checkpoint; train first.
    """
    trained = load_trained(config)
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
    """The test split as the device reads it, with the model's raw answers and the true classes."""
    images = raw_images(trained.model, data.test)
    return VectorSet(images, raw_answers(trained.model, images), truth=data.test.labels)


def fine_tune(
    trained: TrainedModel, data: TrainVal, options: TrainOptions, folder: Path | None = None
) -> TrainedModel:
    """Go on from the trained values, with what the network is trained with."""
    aim = objective_of(trained.config, options)
    return retarget(trained, data, options, folder, objective=aim)


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


def net_of(trained: TrainedModel, name: str) -> StreamNet:
    """The integer network of a trained model.

    Raises:
        ConversionError: It cannot become hardware.
    """
    with scratch.folder("training") as folder:
        path = Path(folder) / "model.onnx"
        export_model(trained, path)
        return convert(path, name)


def make_task(
    device: StreamNet,
    trained: TrainedModel,
    name: str,
    metrics: Mapping[str, float],
    answer: Answer | None = None,
) -> Task:
    """The task file's content of a trained model.

    Args:
        device: The built network.
        trained: A model of the same device.
        name: Name of the task.
        metrics: Figures to keep with it.
        answer: What the model's outputs mean, if not its own labels.

    Raises:
        TaskError: The model is another device.
    """
    net = net_of(trained, device.name)
    if net.device_digest != device.device_digest:
        raise TaskError(
            f"task {name!r}: the model is device {net.device_digest[:12]}, the built one is "
            f"{device.device_digest[:12]}; start from the checkpoint it was built from"
        )
    made = Preprocessing.from_figures(trained.info)
    answer = answer or Answer(trained.labels)
    return Task.of(net, name, answer.labels, metrics, made, outputs=answer.outputs)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the outputs of a model mean.

    Attributes:
        labels: Names of the answers.
        outputs: The label of each output; empty if output i means label i.
    """

    labels: tuple[str, ...]
    outputs: tuple[int, ...] = ()


def retarget_device(
    device: StreamNet,
    trained: TrainedModel,
    data: Dataset,
    options: TrainOptions,
    *,
    name: str,
    folder: Path | None = None,
    groups: Groups | None = None,
    teacher: Teacher = fine_tune,
) -> Retargeted:
    """Train another task for a built device.

    Args:
        device: The built network.
        trained: The model it was built from.
        data: The new task's images.
        options: How to train.
        name: Name of the task.
        folder: For states, so that an interrupted call goes on.
        groups: If given, the classes that stand in groups are learned one by one, and the device
            answers with their groups; accuracies are those of groups.
        teacher: In which way.

    Raises:
        TaskError: ``trained`` is not the model of the device.
        ConfigError: The task has more classes than the device outputs, or the groups do not fit.
    """
    make_task(device, trained, name, {})  # refuse a wrong checkpoint before training
    seen = Preprocessing.from_figures(trained.info)
    # Images named by the user have no mean and deviation yet; the model was trained with them.
    data = normalised(data, seen.mean, seen.deviation)
    if groups is None:
        new = measured(teacher(trained, data, options, folder), data)
        metrics = {key: float(new.info[key]) for key in METRICS}
        task = make_task(device, new, name, metrics)
        return Retargeted(new, task, vectors_of(new, data))
    fine, outputs = fine_classes(data, groups)
    new = teacher(trained, fine, options, folder)
    task = make_task(device, new, name, {}, Answer(tuple(groups), outputs))
    vectors = vectors_of(new, fine)
    truth = {part: np.array(outputs)[split.labels] for part, split in fine.splits.items()}
    right = {
        "val_accuracy": task.answers(raw_answers(new.model, raw_images(new.model, fine.val)))
        == truth["val"],
        "test_accuracy": task.answers(vectors.expected) == truth["test"],
    }
    metrics = {key: float(flags.mean()) for key, flags in right.items()}
    metrics["test_images"] = float(len(vectors))
    task = dataclasses.replace(task, metrics=metrics)
    return Retargeted(new, task, VectorSet(vectors.images, vectors.expected, truth=truth["test"]))
