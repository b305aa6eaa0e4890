"""torch == QONNX == StreamNet == C simulation == RTL, as integers, on the digits test split.

The RTL climbs with 200 of the images, under random stalls on both streams, once with the network's
task and once around task swaps in mid-stream. The default run takes a selection in which every
value of every property occurs, ``tox -e slow`` takes all combinations. Weights are random: whether
answers are right is another test's concern.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("hls4ml", reason="needs the hls extra")

from brevitas_models import calibrated, core_tensors, semifreddo_net, zoo  # noqa: E402
from semifreddo.boards import load_board  # noqa: E402
from semifreddo.convert import convert, export_qonnx, run_qonnx  # noqa: E402
from semifreddo.core.errors import ToolError  # noqa: E402
from semifreddo.core.vectors import VectorSet  # noqa: E402
from semifreddo.hls import plan_project  # noqa: E402
from semifreddo.hls.schedule import ScheduledNet, default_schedule  # noqa: E402
from semifreddo.hls.transport import open_project  # noqa: E402
from semifreddo.ir.address_map import AddressMap  # noqa: E402
from semifreddo.ir.freeze import FreezePlan  # noqa: E402
from semifreddo.ir.net import StreamNet  # noqa: E402
from semifreddo.ir.task import Task  # noqa: E402
from semifreddo.nn.integers import (  # noqa: E402
    integer_tensor,
    quantized_tensor_names,
    raw_outputs,
)
from semifreddo.rtl.design.design import make_design  # noqa: E402
from semifreddo.rtl.scheduler.search import choose  # noqa: E402
from semifreddo.rtl.simulation.cosim import Stalls  # noqa: E402
from semifreddo.rtl.simulation.transport import open_rtl  # noqa: E402
from semifreddo.rtl.simulation.trials import Trials  # noqa: E402
from semifreddo.rtl.simulation.verilator import build as verilate  # noqa: E402
from semifreddo.rtl.simulation.verilator import find_verilator  # noqa: E402
from semifreddo.runtime import DeviceInfo  # noqa: E402
from semifreddo.sim import reference  # noqa: E402
from semifreddo.sim.ladder import Rung, climb  # noqa: E402
from semifreddo.train.data import load_dataset  # noqa: E402

SLOW = pytest.mark.slow
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def half(channels: int) -> np.ndarray:
    return np.arange(channels) % 2 == 0


def plan_of(model: Any, names: list[str], flags: Any) -> FreezePlan:
    chosen = {name: flags(len(integer_tensor(model, name).raw)) for name in names}
    return FreezePlan.of(chosen, lambda name: integer_tensor(model, name))


STALLS = Stalls(input_per_mille=200, output_per_mille=200, seed=3)
RTL_IMAGES = 200
RATES = {8: 200_000.0, 4: None, 2: 100_000.0}
"""Frames per second by weight bits, so that schedules differ; None is as fast as it fits."""


@pytest.fixture(scope="session")
def verilated(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Folder of RTL simulations, which share Verilator's own objects; None without Verilator."""
    try:
        find_verilator()
    except ToolError:
        return None
    return tmp_path_factory.mktemp("verilated")


def climb_rtl(net: StreamNet, vectors: VectorSet, folder: Path, bits: int) -> None:
    """The Verilog of a network: stalled, and with tasks swapped while images are on their way."""
    schedule = choose(net, load_board("pynq_z2").resources, 100.0, RATES[bits]).schedule
    executable = verilate(make_design(net, schedule), folder, optimize=False)
    words = AddressMap.of(net).pack(net)
    device = open_rtl(
        executable,
        DeviceInfo(net.name, net.device_digest, "rtl"),
        image_shape=net.input.shape,
        outputs=vectors.expected.shape[1],
        words=words.size,
        stalls=STALLS,
    )
    with device:
        device.load(words, 60.0)
        rung = Rung("rtl", lambda images: device.run(images, 600.0))
        climb(net, vectors.head(RTL_IMAGES), [rung]).check()
    task = Task.of(net, "matrix", ["a"])
    swapped = Trials(executable, net).swap_tasks(task, vectors.images[:RTL_IMAGES], STALLS)
    assert swapped == (RTL_IMAGES if words.size else 0)


def climb_all(
    model: Any,
    plan: FreezePlan,
    images: np.ndarray,
    folder: Path,
    rtl: tuple[Path | None, int],
    repeats: Any = (),
) -> None:
    """Export, convert, build and compare every rung on all images."""
    vectors = VectorSet(images, raw_outputs(model, images))
    file = folder / "model.onnx"
    _, height, width, channels = images.shape
    export_qonnx(model, file, input_shape=(channels, height, width), plan=plan, repeats=repeats)
    net = convert(file, "matrix")
    scheduled = ScheduledNet(net, default_schedule(net))
    project = plan_project(scheduled, part="xc7z020clg400-1", clock_ns=10.0, vectors=vectors)
    project.write(folder / "project")
    device = open_project(folder / "project", jobs=1)
    try:
        if AddressMap.of(net).words:
            device.load(AddressMap.of(net).pack(net), 60.0)
        report = climb(
            net,
            vectors,
            [
                Rung("qonnx", lambda x: run_qonnx(file, net, x)),
                Rung("streamnet", lambda x: reference.run(net, x)),
                Rung("csim", lambda x: device.run(x, 300.0)),
            ],
        )
    finally:
        device.close()
    report.check()
    assert [result.status for result in report.results] == ["equal"] * 3
    place, bits = rtl
    if place is not None:
        climb_rtl(net, vectors, place / folder.name, bits)
    assert len(np.unique(vectors.expected, axis=0)) >= 40, "too few different answers to tell"


REPEATS = {"once": {}, "three": {"repeats": 3}}
SELECTION = {(False, "once", 8, False), (True, "once", 4, True), (True, "three", 2, False)}


def cases() -> list[Any]:
    """Every combination with RTL; the selection without it in the default run.

    There, ``tests/flow/test_pipeline.py`` climbs to the RTL with a trained network, and
    ``tests/rtl`` with random ones.
    """
    found = []
    for case in itertools.product((False, True), REPEATS, (8, 4, 2), (False, True)):
        if case in SELECTION:
            found.append(pytest.param(*case, False))
        found.append(pytest.param(*case, True, marks=SLOW))
    return found


@pytest.mark.parametrize(("shuffle", "repeats", "bits", "per_channel", "rtl"), cases())
def test_semifreddo_net(
    tmp_path: Path,
    verilated: Path | None,
    shuffle: bool,
    repeats: str,
    bits: int,
    per_channel: bool,
    rtl: bool,
) -> None:
    images = load_dataset("digits").test.images
    model = semifreddo_net(
        images[:64],
        widths=(4, 8, 8),
        shuffle=shuffle,
        weight_bits=bits,
        per_channel=per_channel,
        shared_repeats=not per_channel,
        **REPEATS[repeats],
    )
    plan = plan_of(model, core_tensors(model), lambda n: np.ones(n, bool))
    place = (verilated if rtl else None, bits)
    climb_all(model, plan, images, tmp_path, place, model.repeats())


@pytest.mark.parametrize("rtl", [False, pytest.param(True, marks=SLOW)])
@pytest.mark.parametrize(
    ("frozen", "bits", "per_channel"), [(0, 8, True), (50, 4, False), (100, 2, True)]
)
def test_plain_brevitas_cnn(
    tmp_path: Path,
    verilated: Path | None,
    frozen: int,
    bits: int,
    per_channel: bool,
    rtl: bool,
) -> None:
    model = calibrated(zoo(bits, per_channel=per_channel), (3, 8, 8))
    flags = {0: lambda n: np.zeros(n, bool), 50: half, 100: lambda n: np.ones(n, bool)}[frozen]
    plan = plan_of(model, list(quantized_tensor_names(model)), flags)
    gray = load_dataset("digits").test.images
    colour = np.concatenate([gray, np.roll(gray, 1, axis=2), 255 - gray], axis=3)
    climb_all(model, plan, colour, tmp_path, (verilated if rtl else None, bits))
