"""Every rung of this machine against the golden vectors, without building anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from semifreddo.core.errors import DataError, NetError, SemifreddoError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.csim import DEVICE, csim_rung, model_rungs
from semifreddo.flow.lower import lower_design
from semifreddo.flow.rungs import (
    absent_rungs,
    device_rung,
    qonnx_rung,
    streamnet_rung,
    torch_rung,
)
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim.ladder import LadderReport, Rung, RungResult, climb

Progress = Callable[[RungResult], None]


def check_design(config: BuildConfig, progress: Progress = lambda _: None) -> LadderReport:
    """Climb with a design's committed model and vectors, and its compiled simulation if there.

    Args:
        config: The design.
        progress: Called with each rung's result.

    Raises:
        SemifreddoError: The model or the vectors are missing or wrong.
    """
    lowered = lower_design(config)
    rungs = model_rungs(config, lowered.net)
    with _design_device(config, lowered.net, lowered.task) as device:
        return climb(
            lowered.net, lowered.vectors, [*rungs, device, *absent_rungs()], progress=progress
        )


@contextlib.contextmanager
def _design_device(config: BuildConfig, net: StreamNet, task: Task) -> Iterator[Rung]:
    executable = config.build_dir / DEVICE
    try:
        built = load_net(config.build_dir / "net.json").device_digest
    except NetError:
        built = ""
    if not executable.is_file() or not built:
        yield Rung("csim", None, f"not built yet; run `semifreddo build {config.root}`")
    elif built != net.device_digest:
        yield Rung("csim", None, f"was built from another model; `semifreddo build {config.root}`")
    else:
        with csim_rung(config, executable, net, task) as rung:
            yield rung


def check_bundle(
    path: Path, *, transport: str | None = None, progress: Progress = lambda _: None
) -> dict[str, LadderReport]:
    """Climb with every task of a bundle that has vectors.

    Args:
        path: The bundle.
        transport: Which device; None for the first that is installed here.
        progress: Called with each rung's result.

    Returns:
        A report by task name.

    Raises:
        BundleError: The bundle is missing or damaged.
        DataError: It has no vectors.
    """
    bundle = Bundle.load(path)
    if not bundle.vectors:
        raise DataError(f"{path}: holds no vectors to check with")
    reports = {}
    with _bundle_device(bundle, transport) as (accelerator, reason):
        for name, vectors in bundle.vectors.items():
            net = bundle.tasks[name].apply(bundle.net)
            if accelerator is None:
                device = Rung(transport or "csim", None, reason)
            else:
                accelerator.load_task(name)
                device = device_rung(accelerator)
            rungs = [torch_rung(None), qonnx_rung(None, net), streamnet_rung(net), device]
            reports[name] = climb(net, vectors, [*rungs, *absent_rungs()], progress=progress)
    return reports


@contextlib.contextmanager
def _bundle_device(
    bundle: Bundle, transport: str | None
) -> Iterator[tuple[Accelerator | None, str]]:
    try:
        accelerator = Accelerator.open(bundle, transport)
    except SemifreddoError as error:
        if transport is not None:  # asked for, so not to be skipped
            raise
        yield None, str(error)
        return
    with accelerator:
        yield accelerator, ""


def check_task(
    config: BuildConfig, task: Task, vectors: VectorSet, progress: Progress = lambda _: None
) -> LadderReport:
    """Climb with another task of a built design: the reference and the compiled simulation.

    Args:
        config: The design.
        task: A task of its device.
        vectors: Images and torch's answers.
        progress: Called with each rung's result.

    Raises:
        TaskError: The task is another device's.
    """
    net = task.apply(load_net(config.build_dir / "net.json"))
    with _design_device(config, net, task) as device:
        return climb(net, vectors, [streamnet_rung(net), device], progress=progress)
