"""Stage ``lower``: QONNX to StreamNet, its task, and the vectors of the build."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from semifreddo.core.errors import ConfigError, DataError, ToolError, install_hint
from semifreddo.core.files import write_atomic
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.figures import net_figures, task_figures
from semifreddo.flow.freezing import converted_design
from semifreddo.flow.stage import Figures, Report, Stage, Workspace
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import save_net
from semifreddo.ir.task import Task
from semifreddo.passes.lower import lower
from semifreddo.reports.figures import VectorFigures
from semifreddo.sim import reference

_RANDOM_SEED = 0

_Outputs: TypeAlias = tuple[tuple[str, int], ...]

METRICS = ("val_accuracy", "test_accuracy", "test_images")
"""Figures of a model's metadata that its task keeps."""


def task_of(
    config: BuildConfig,
    net: StreamNet,
    labels: tuple[str, ...],
    info: Mapping[str, str],
    heads: Sequence[tuple[str, int]] = (),
) -> Task:
    """The task that the model itself holds.

    Args:
        config: The design; its labels win over the model's.
        net: The converted model.
        labels: Labels in the model's metadata, maybe none.
        info: Free entries of the metadata; some become metrics.
        heads: Name and channels of each output, if the model has several.

    Raises:
        ConfigError: There are more labels than outputs, or not as many as the model was trained on.
    """
    outputs = net.output.channels
    chosen = config.task.labels or labels or tuple(str(index) for index in range(outputs))
    if len(chosen) > outputs:
        raise ConfigError(
            f"{config.root}: {len(chosen)} labels for a model of {outputs} outputs; "
            "correct [task] labels"
        )
    if heads and len(chosen) != outputs:
        raise ConfigError(
            f"{config.root}: {len(chosen)} labels for the outputs "
            f"{', '.join(f'{name} ({count})' for name, count in heads)}; name every channel in "
            "[task] labels, or leave labels out"
        )
    if config.task.labels and labels and len(config.task.labels) != len(labels):
        raise ConfigError(
            f"{config.root}: [task] labels names {len(config.task.labels)} classes, the model was "
            f"trained on {len(labels)} ({', '.join(labels[:4])}, ...); name them all, or leave "
            "labels out"
        )
    made = Preprocessing.from_figures(info)
    return Task.of(net, config.task_name, chosen, _metrics(info), made, heads=heads)


def _metrics(info: Mapping[str, str]) -> dict[str, float]:
    metrics = {}
    for key in METRICS:
        try:
            value = float(info[key])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value):
            metrics[key] = value
    return metrics


def vectors_of(config: BuildConfig, net: StreamNet) -> VectorSet:
    """The design's golden vectors, or random images answered by the integer reference.

    Raises:
        DataError: The file is missing or does not fit the network.
    """
    if config.vectors.file is None:
        count, stream = config.vectors.random_count, net.input
        rng = np.random.default_rng(_RANDOM_SEED)
        shape = (count, *stream.shape)
        images = rng.integers(stream.type.min_raw, stream.type.max_raw + 1, shape)
        return VectorSet(images, reference.run(net, images), random=True)
    path = config.path(config.vectors.file)
    vectors = VectorSet.load(path)
    outputs = net.output.pixels * net.output.channels
    if vectors.images.shape[1:] != net.input.shape or vectors.expected.shape[1] != outputs:
        raise DataError(
            f"{path}: images {vectors.images.shape[1:]} and {vectors.expected.shape[1]} answers do "
            f"not fit a model of {net.input.shape} and {outputs}; export the vectors again"
        )
    if not len(vectors):
        raise DataError(f"{path}: holds no vectors; export them again")
    reference.check_images(net, vectors.images)
    return vectors


@dataclass(frozen=True)
class Lowered:
    """What the stage makes of a design."""

    net: StreamNet
    task: Task
    vectors: VectorSet


def lower_design(config: BuildConfig, report: Report = lambda _: None) -> Lowered:
    """Convert a design's model and read its vectors.

    Args:
        config: The design.
        report: Takes a line about what becomes logic, if the design leaves it to the toolkit.

    Raises:
        SemifreddoError: The model or the vectors are missing or wrong.
    """
    net, labels, info, outputs = _convert(config, report)
    task = task_of(config, net, labels, info, outputs)
    return Lowered(net, task, vectors_of(config, net))


def _run(work: Workspace) -> Figures:
    lowered = lower_design(work.config, work.report)
    task = lowered.task
    save_net(lowered.net, work.out / "net.json")
    write_atomic(work.out / "net.txt", str(lowered.net))
    task.save(work.out / "task.json")
    lowered.vectors.save(work.out / "vectors.npz")
    vectors = lowered.vectors
    if vectors.random:
        work.report(
            f"{vectors}: [vectors] file is not set (semifreddo.convert.export_vectors writes one)"
        )
    return {
        "net": dataclasses.asdict(net_figures(lowered.net)),
        "task": dataclasses.asdict(task_figures(task)),
        "vectors": dataclasses.asdict(VectorFigures(len(vectors), vectors.random)),
    }


def _convert(
    config: BuildConfig, report: Report
) -> tuple[StreamNet, tuple[str, ...], Mapping[str, str], _Outputs]:
    name = config.name
    try:
        from semifreddo.convert import read_converted, read_info
        from semifreddo.flow.model_file import model_file, preprocessing_of
    except ImportError as error:
        raise ToolError(
            f"{config.path(config.design.model)}: converting needs {error.name}; "
            f"{install_hint('train')}"
        ) from error
    model = model_file(config)
    converted = converted_design(
        config,
        read_info(model).plan,
        lambda frozen: read_converted(model, name, frozen=frozen),
        report,
    )
    found = converted.graph.info
    # What the file itself does in front of its first quantizer belongs to the images.
    known = Preprocessing.from_figures(found.info)
    made = preprocessing_of(config, converted.entrance, known, is_ours=found.plan is not None)
    info = {**found.info, **{key: str(value) for key, value in made.to_figures().items()}}
    return lower(converted.net), converted.labels, info, converted.outputs


LOWER = Stage(
    name="lower",
    summary="QONNX model to integer network",
    reads=(),
    writes=("net.json", "net.txt", "task.json", "vectors.npz"),
    code=("convert", "nn", "passes", "sim", "boards", "rtl", "flow"),
    run=_run,
    decides=(
        "name",
        "task_name",
        "task.labels",
        "freeze",
        "cheapest_at",
        "input",
        "vectors.random_count",
    ),
    files=("design.model", "vectors.file"),
)
