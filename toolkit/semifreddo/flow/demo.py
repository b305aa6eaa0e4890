"""The demo: the whole way on the digits that ship with scikit-learn, twice taught, built once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semifreddo.core.errors import LadderError, ProjectError
from semifreddo.core.project import ProjectPlan
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.build import absent_rungs, build, stages
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.demo_design import prepare
from semifreddo.flow.ladder import figures_of
from semifreddo.flow.rungs import device_rung, qonnx_rung, streamnet_rung, torch_rung
from semifreddo.flow.stage import digest_tree
from semifreddo.flow.stages.project import PROJECT_DIR, plan_design
from semifreddo.flow.stages.rtl import VERILOG_DIR, generated_again
from semifreddo.flow.trained import load_trained
from semifreddo.flow.training import (
    Retargeted,
    dataset_of,
    export_design,
    export_model,
    retarget_device,
    train_design,
    training_of,
)
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import RungFigures
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim.ladder import climb
from semifreddo.train.checkpoint import save_checkpoint
from semifreddo.train.data import Split

__all__ = ["GROUPS_B", "TASK_B", "DemoResult", "TaskOutcome", "prepare", "run_demo"]

TASK_B = "odd_even"
GROUPS_B = {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)}

_TASK_FILES = "tb_data/"
"""The project's test bench checks one task; everything else serves all."""

Progress = Callable[[str], None]
Devices = Mapping[str, Accelerator]


@dataclass(frozen=True)
class TaskOutcome:
    """One task on the built device.

    Attributes:
        accuracy: Fraction of the test split that the runtime answered right.
        payload_bytes: What is loaded into the device.
        rungs: Every rung on the whole test split.
        stream_equal: Whether streaming through the runtime gave torch's integers, on all devices.
        frames_per_second: Of that stream, by device.
    """

    name: str
    classes: int
    images: int
    accuracy: float
    payload_bytes: int
    rungs: tuple[RungFigures, ...]
    stream_equal: bool
    frames_per_second: Mapping[str, float]


@dataclass(frozen=True)
class DemoResult:
    """What the demo shows.

    Attributes:
        tasks: Task A, which the device was built from, and task B, which it was taught later.
        sources: Generated files that both tasks share.
        sources_digest: Their digest, equal before and after teaching task B.
        seconds: By step.
        folder: Where everything lies.
    """

    tasks: tuple[TaskOutcome, TaskOutcome]
    sources: int
    sources_digest: str
    seconds: dict[str, float]
    folder: Path


class _Clock:
    """Seconds by step."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        self._progress(f"== {name}: {what}")
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)


def run_demo(
    config: BuildConfig,
    *,
    seed: int,
    progress: Progress,
    command: str,
) -> DemoResult:
    """Train, freeze, build, check, run, retarget, check and run again.

    An interrupted demo goes on where it was.

    Args:
        config: From :func:`~semifreddo.flow.demo_design.prepare`.
        seed: Of all training.
        progress: Takes one line at a time.
        command: What the user typed, for the report.

    Raises:
        LadderError: Two rungs computed different integers.
        LimitError: The accuracy is below the design's limit.
    """
    clock = _Clock(progress)
    data = dataset_of(config)
    with clock.step("train", "a core on the digits 0-4, frozen; then task A, all ten, around it"):
        train_design(config, seed=seed, progress=progress)
    with clock.step("export", "QONNX with the freeze plan inside, golden vectors"):
        export_design(config, progress=progress)
    with clock.step("build", "integer network, HLS project, Verilog, their simulations, bundle"):
        report = build(config, progress=progress, command=command)
    before = _built_digests(config)
    vectors = VectorSet.load(config.build_dir / "vectors.npz")
    with _devices(config) as devices:
        with clock.step("run", "the test split, streamed through the runtime"):
            task_a = _stream(devices, data.test, vectors, report.ladder)
        with clock.step("retarget", "task B, odd or even, for the device as it is built"):
            made = _retarget(config, seed)
        with clock.step("check", "task B on every rung, loaded into the running devices"):
            for accelerator in devices.values():
                accelerator.load_task(made.task)
            rungs = _climb(config, made, devices, progress)
            test = data.relabel(GROUPS_B).test
            task_b = _stream(devices, test, made.vectors, rungs)
    if before != _built_digests(config):
        raise ProjectError(f"{config.root}: teaching task B changed the built files; this is a bug")
    sources = _shared_sources(config, made)
    return DemoResult((task_a, task_b), *sources, clock.seconds, config.root)


@contextmanager
def _devices(config: BuildConfig) -> Iterator[Devices]:
    """Every device of the bundle, running, by the name of its transport."""
    bundle = Bundle.load(config.bundle_path)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Accelerator.open(bundle, name)) for name in bundle.transports
        }


def _built_digests(config: BuildConfig) -> dict[str, str | None]:
    """Everything that was built, except the bundle."""
    made = [name for stage in stages(config)[:-1] for name in stage.writes]
    return {name: digest_tree(config.build_dir / name) for name in made}


def _stream(
    devices: Devices,
    test: Split,
    vectors: VectorSet,
    rungs: tuple[RungFigures, ...],
) -> TaskOutcome:
    """Stream a whole test split through every device; compare with torch's integers."""
    frames_per_second = {}
    for name, accelerator in devices.items():
        start = time.perf_counter()
        answers = list(accelerator.stream(vectors.images))
        frames_per_second[name] = len(answers) / (time.perf_counter() - start)
        task = accelerator.task
        if not np.array_equal(np.stack([answer.raw for answer in answers]), vectors.expected):
            raise LadderError(f"task {task.name}: answers streamed by {name} differ from torch's")
    indices = np.array([answer.index for answer in answers])
    return TaskOutcome(
        name=task.name,
        classes=len(task.labels),
        images=len(answers),
        accuracy=float((indices == test.labels).mean()),
        payload_bytes=task.payload_bytes,
        rungs=rungs,
        stream_equal=True,
        frames_per_second=frames_per_second,
    )


def _retarget(config: BuildConfig, seed: int) -> Retargeted:
    options = dataclasses.replace(training_of(config).task, seed=seed)
    return retarget_device(
        load_net(config.build_dir / "net.json"),
        load_trained(config),
        dataset_of(config).relabel(GROUPS_B),
        options,
        name=TASK_B,
        folder=config.build_dir / "train" / TASK_B,
    )


def _climb(
    config: BuildConfig, made: Retargeted, devices: Devices, progress: Progress
) -> tuple[RungFigures, ...]:
    """Task B on every rung: its own torch model and QONNX file, and the devices of task A."""
    made.task.save(config.build_dir / f"{TASK_B}.json")
    checkpoint = config.build_dir / "train" / f"{TASK_B}.safetensors"
    save_checkpoint(made.trained, checkpoint)
    export_model(made.trained, checkpoint.with_suffix(".onnx"))
    net = made.task.apply(load_net(config.build_dir / "net.json"))
    rungs = [
        torch_rung(checkpoint),
        qonnx_rung(checkpoint.with_suffix(".onnx"), net),
        streamnet_rung(net),
        *(device_rung(accelerator) for accelerator in devices.values()),
    ]
    report = climb(
        net,
        made.vectors,
        [*rungs, *absent_rungs(rung.name for rung in rungs)],
        progress=lambda result: progress(f"      rung {result.name}: {result.status}"),
    )
    report.check()
    return figures_of(report)


def _shared_sources(config: BuildConfig, made: Retargeted) -> tuple[int, str]:
    """Number and digest of the generated files that do not depend on the task.

    HLS project and Verilog are made again from task B's network and must be, outside the test
    bench's data, what lies on disk since task A.

    Raises:
        ProjectError: A file differs.
    """
    build = config.build_dir
    net = made.task.apply(load_net(build / "net.json"))
    plan = plan_design(config, net, made.vectors, made.task)
    shared = {
        f"{PROJECT_DIR}/{name}": content
        for name, content in plan.files.items()
        if not name.startswith(_TASK_FILES)
    }
    verilog = generated_again(build, net).files
    shared |= {f"{VERILOG_DIR}/{name}": text.encode() for name, text in verilog.items()}
    for name, content in shared.items():
        if (build / name).read_bytes() != content:
            raise ProjectError(f"{build / name}: differs between tasks; this is a bug")
    return len(shared), ProjectPlan(shared).digest
