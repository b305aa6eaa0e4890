"""A network of 77,360 weights by other people, on 4,000 pictures: integers, C simulation, RTL.

Its first three convolutions are frozen, everything else is loadable. Our own network of that size,
as it is committed, on 20 of the pictures: RTL under stalls, and cycles. All of it is slow:
``pytest -m slow tests/ladder/test_real_size.py``.
"""

from __future__ import annotations

import os
import shutil
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
from semifreddo.rtl import choose, make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
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


def test_rtl_is_equal_on_a_hundred_pictures(answered: Answered, tmp_path: Path) -> None:
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    net, pictures, results = answered
    count = 100
    design = make_design(net, choose(net, load_board("pynq_z2").resources, 100.0, 2_000.0).schedule)
    packets = [
        design.bus.task_packet(AddressMap.of(net).pack(net)),
        design.bus.image_packet(pictures[:count]),
    ]
    with Simulation(build(design, tmp_path, timeout_s=7200), design.bus) as simulation:
        simulation.configure(Stalls(100, 100, 5, watchdog_cycles=1_000_000))
        found = simulation.exchange(packets, count, 4 * 3600).results
    assert np.array_equal(found, results[:count])


def test_rtl_of_our_own_takes_the_predicted_cycles(tmp_path: Path) -> None:
    """Equal under three patterns of stalls; without stalls, interval and latency to the cycle."""
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    if not PICTURES.is_file():
        pytest.skip(f"{PICTURES.name} is not here (SEMIFREDDO_DATA)")
    net = convert(OURS / "model.onnx", "cifar10_resnet8")
    design = make_design(net, schedule_of(load_config(OURS), net).schedule)
    with np.load(PICTURES) as data:
        pictures = data["x_test"][:20].astype(np.int64)
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
