"""A network of 77,360 weights by other people, on 4,000 pictures: integers, C simulation, RTL.

Its first three convolutions are frozen, everything else is loadable. Our own network of that size,
as it is committed: RTL, and cycles. The RTL of both takes another task, and the first one again,
while pictures are on their way. All of it is slow:
``pytest -m slow -s tests/ladder/test_real_size.py``, which prints what the simulations cost.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the train extra")

from semifreddo.boards import load_board
from semifreddo.convert import convert
from semifreddo.core.errors import ToolError
from semifreddo.flow.config import load_config
from semifreddo.flow.stages.rtl import schedule_of
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.rtl import choose, make_design
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.simulation.trials import Trials
from semifreddo.rtl.simulation.verilator import build, find_verilator
from semifreddo.sim import reference

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

DATA = Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODEL = DATA / "models" / "nn2_resnet8_a8w8_8863.onnx"
PICTURES = DATA / "cifar10" / "cifar10_20k4k.npz"
FROZEN = ("conv1*", "layer1*")
OURS = Path(__file__).parents[2] / "hls_projects" / "cifar10_resnet8"

Answered: TypeAlias = tuple[StreamNet, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def answered() -> Answered:
    """The network, the test pictures, and the integer reference's results."""
    for path in (MODEL, PICTURES):
        if not path.is_file():
            pytest.skip(f"{path.name} is not here (SEMIFREDDO_DATA)")
    net = convert(MODEL, "resnet8", frozen=FROZEN)
    with np.load(PICTURES) as data:
        # It was trained on pixels / 255, which its first quantizer rounds to steps of 1/64.
        pictures = np.rint(data["x_test"] / 255 * 64).astype(np.int64)
    return net, pictures, reference.run(net, pictures)


def test_accuracy_of_the_integers(answered: Answered) -> None:
    net, pictures, results = answered
    frozen = sum(block.raw.size for block in net.blocks if block.residency == "frozen")
    assert frozen == 5_040 + 48
    with np.load(PICTURES) as data:
        right = (results.argmax(axis=1) == data["y_test"]).sum()
    assert len(pictures) == 4_000
    assert right == 3_545  # 88.63 %


def test_csim_is_equal_on_all_pictures(answered: Answered, tmp_path: Path) -> None:
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    from semifreddo.hls import plan_project
    from semifreddo.hls.schedule import ScheduledNet, default_schedule
    from semifreddo.hls.transport import open_project

    net, pictures, results = answered
    scheduled = ScheduledNet(net, default_schedule(net))
    plan = plan_project(scheduled, tool="vivado", part="xc7z020clg400-1", clock_ns=10.0)
    plan.write(tmp_path)
    with open_project(tmp_path) as device:
        device.load(AddressMap.of(net).pack(net), 60)
        assert np.array_equal(device.run(pictures, 7200), results)


def cpu_seconds() -> float:
    """User time of all processes that were started and have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def simulated(net: StreamNet, design: RtlDesign, pictures: np.ndarray, folder: Path) -> None:
    """Equal under stalls; the middle third of the pictures belongs to a task of random values."""
    start = cpu_seconds()
    program = build(design, folder, timeout_s=7200)
    built = cpu_seconds()
    task = Task.of(net, net.name, tuple(str(index) for index in range(net.output.channels)))
    stalls = Stalls(100, 100, 5, watchdog_cycles=1_000_000)
    count = Trials(program, net, 4 * 3600).swap_tasks(task, pictures, stalls)
    assert count == len(pictures)
    rate = count / (cpu_seconds() - built)
    figures = f"built in {built - start:.0f} CPU s; {count} images, {rate:.1f} per CPU s"
    sys.stdout.write(f"\n{net.name}: {figures}\n")


@pytest.fixture(scope="module")
def our_own() -> tuple[StreamNet, RtlDesign]:
    """The network that is committed, and its design."""
    net = convert(OURS / "model.onnx", "cifar10_resnet8")
    return net, make_design(net, schedule_of(load_config(OURS), net).schedule)


@pytest.fixture
def photographs() -> np.ndarray:
    """Test pictures as they are."""
    if not PICTURES.is_file():
        pytest.skip(f"{PICTURES.name} is not here (SEMIFREDDO_DATA)")
    with np.load(PICTURES) as data:
        return data["x_test"].astype(np.int64)


@pytest.fixture
def _verilator() -> None:
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")


@pytest.mark.usefixtures("_verilator")
def test_rtl_is_equal_on_two_hundred_pictures(answered: Answered, tmp_path: Path) -> None:
    net, pictures, _ = answered
    chosen = choose(net, load_board("pynq_z2").resources, 100.0, 2_000.0)
    simulated(net, make_design(net, chosen.schedule), pictures[:210], tmp_path)


@pytest.mark.usefixtures("_verilator")
def test_rtl_of_our_own_is_equal_on_two_hundred_pictures(
    our_own: tuple[StreamNet, RtlDesign], photographs: np.ndarray, tmp_path: Path
) -> None:
    simulated(*our_own, photographs[:210], tmp_path)


@pytest.mark.usefixtures("_verilator")
def test_rtl_of_our_own_takes_the_predicted_cycles(
    our_own: tuple[StreamNet, RtlDesign], photographs: np.ndarray, tmp_path: Path
) -> None:
    """Equal under three patterns of stalls; without stalls, interval and latency to the cycle."""
    net, design = our_own
    pictures = photographs[:20]
    results = reference.run(net, pictures)
    program = build(design, tmp_path, timeout_s=7200)
    for stalls in (Stalls(200, 200, 1), Stalls(500, 50, 2), Stalls(50, 500, 3), Stalls()):
        with Simulation(program, design.bus) as simulation:
            task = design.bus.task_packet(AddressMap.of(net).pack(net))
            simulation.exchange([task], 0, 600)
            simulation.idle(16)  # the task's end is still checked
            simulation.configure(stalls)
            packet = design.bus.image_packet(pictures)
            found = simulation.exchange([packet], len(pictures), 3600)
        assert np.array_equal(found.results, results)
    assert found.latency_cycles == design.latency_cycles
    assert set(found.interval_cycles[10:-1].tolist()) == {design.cycles_per_image}
