"""Every rung of this machine against the golden vectors, without building anything."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from semifreddo.core.errors import DataError, NetError, SemifreddoError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Device
from semifreddo.flow.build import BACKENDS, absent_rungs
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.rungs import (
    device_rung,
    model_rungs,
    qonnx_rung,
    streamnet_rung,
    torch_rung,
)
from semifreddo.flow.stages.lower import lower_design
from semifreddo.flow.stages.vendor import last_results
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim.ladder import LadderReport, Rung, RungResult, climb

Progress = Callable[[RungResult], None]


def check_design(config: BuildConfig, progress: Progress = lambda _: None) -> LadderReport:
    """Climb with a design's committed model and vectors, and the devices built of it.

    Args:
        config: The design.
        progress: Called with each rung's result.

    Raises:
        SemifreddoError: The model or the vectors are missing or wrong.
    """
    lowered = lower_design(config)
    net = lowered.net
    with _design_devices(config, net, lowered.task) as devices:
        rungs = _with_absent([*model_rungs(config, net), *devices])
        report = climb(net, lowered.vectors, rungs, progress=progress)
    before = last_results(config)
    results = tuple(before.get(result.name, result) for result in report.results)
    return dataclasses.replace(report, results=results)


def _with_absent(rungs: list[Rung]) -> list[Rung]:
    return [*rungs, *absent_rungs(rung.name for rung in rungs)]


@contextlib.contextmanager
def _design_devices(config: BuildConfig, net: StreamNet, task: Task) -> Iterator[list[Rung]]:
    """Every device that was built of a design, and reasons for those that were not."""
    try:
        built = load_net(config.build_dir / "net.json").device_digest
    except NetError:
        built = ""
    with contextlib.ExitStack() as stack:
        rungs = []
        for backend in BACKENDS:
            if (device := backend.device) is None:
                continue
            if not built or not (config.build_dir / device.file).is_file():
                rungs.append(_absent_device(device, backend.absent(), config))
            elif built != net.device_digest:
                reason = f"was built from another model; `semifreddo build {config.root}`"
                rungs.append(Rung(device.name, None, reason))
            else:
                rung = device.rung(config, config.build_dir / device.file, net, task)
                rungs.append(stack.enter_context(rung))
        yield rungs


def _absent_device(device: Device, reasons: Sequence[Rung], config: BuildConfig) -> Rung:
    """A device that is not there: this machine cannot make it, or has not yet."""
    built = Rung(device.name, None, f"not built yet; run `semifreddo build {config.root}`")
    return next((rung for rung in reasons if rung.name == device.name), built)


def check_bundle(
    path: Path, *, transport: str | None = None, progress: Progress = lambda _: None
) -> dict[str, LadderReport]:
    """Climb with every task of a bundle that has vectors.

    Args:
        path: The bundle.
        transport: Which device; None for all that are in the bundle.
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
    names = list(bundle.transports) if transport is None else [transport]
    with contextlib.ExitStack() as stack:
        devices = {
            name: stack.enter_context(_bundle_device(bundle, name, wanted=transport is not None))
            for name in names
        }
        for name, vectors in bundle.vectors.items():
            net = bundle.tasks[name].apply(bundle.net)
            rungs = [torch_rung(None), qonnx_rung(None, net), streamnet_rung(net)]
            for device, (accelerator, reason) in devices.items():
                if accelerator is None:
                    rungs.append(Rung(device, None, reason))
                else:
                    accelerator.load_task(name)
                    rungs.append(device_rung(accelerator))
            reports[name] = climb(net, vectors, _with_absent(rungs), progress=progress)
    return reports


@contextlib.contextmanager
def _bundle_device(
    bundle: Bundle, transport: str, *, wanted: bool
) -> Iterator[tuple[Accelerator | None, str]]:
    try:
        accelerator = Accelerator.open(bundle, transport)
    except SemifreddoError as error:
        if wanted:  # asked for, so not to be skipped
            raise
        yield None, str(error)
        return
    with accelerator:
        yield accelerator, ""


def check_task(
    config: BuildConfig, task: Task, vectors: VectorSet, progress: Progress = lambda _: None
) -> LadderReport:
    """Climb with another task of a built design: the reference and its devices.

    Args:
        config: The design.
        task: A task of its device.
        vectors: Images and torch's answers.
        progress: Called with each rung's result.

    Raises:
        TaskError: The task is another device's.
    """
    net = task.apply(load_net(config.build_dir / "net.json"))
    with _design_devices(config, net, task) as devices:
        return climb(net, vectors, [streamnet_rung(net), *devices], progress=progress)
