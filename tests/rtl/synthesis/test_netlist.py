"""What synthesis made, simulated against the integers; and that the simulation would notice."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nets import blended, images
from rtl.conftest import Build
from rtl.random_nets import random_net, with_powers, with_roms
from semifreddo.core.errors import ToolError, TransportTimeoutError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.synthesis import netlist
from semifreddo.rtl.synthesis.netlist import CELLS_FILE, models_of_cells, netlist_design
from semifreddo.sim import reference
from semifreddo.tools.yosys import Yosys, find_yosys

STALLS = ((0, 0), (300, 400), (0, 700), (800, 0))


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")


def results(net: StreamNet, design: RtlDesign, executable: Path, stalls: tuple[int, int]):
    with Simulation(executable, design.bus) as simulation:
        simulation.configure(Stalls(*stalls, seed=7, watchdog_cycles=20_000))
        packets = [design.bus.image_packet(images(net, 9))]
        if net.configurable_blocks:
            packets.insert(0, design.bus.task_packet(AddressMap.of(net).pack(net)))
        found = simulation.exchange(packets, 9, 120).results
        simulation.check_errors()
        return found


def check(net: StreamNet, design: RtlDesign, simulate: Build) -> None:
    executable = simulate(design)
    expected = reference.run(net, images(net, 9))
    assert len(np.unique(expected)) > 1
    for stalls in STALLS:
        assert np.array_equal(results(net, design, executable, stalls), expected), stalls


@pytest.mark.slow
def test_netlists_of_layers_and_a_changed_look_up_table(simulate: Build, tmp_path: Path) -> None:
    net, schedule = random_net(38)
    design = netlist_design(make_design(net, schedule), tmp_path)
    layer = f"{design.layers.units[-1].module}.sv"
    assert "FDRE" in design.files[layer] and "always" not in design.files[layer]
    assert "specify" not in design.files[CELLS_FILE]
    check(net, design, simulate)
    # The same with every last LUT of the last layer inverted must not pass.
    text = re.sub(r"(LUT\d #\(\s+\.INIT\(\d+'h)(\w)", r"\g<1>5", design.files[layer])
    broken = replace(design, files={**design.files, layer: text})
    expected = reference.run(net, images(net, 9))
    executable = simulate(broken)
    try:
        found = results(net, broken, executable, (0, 0))
    except TransportTimeoutError as error:  # a stall is as good
        assert "nothing moved" in str(error)
    else:
        assert not np.array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [14, 41, 157])
def test_netlists_of_random_networks(seed: int, simulate: Build, tmp_path: Path) -> None:
    net, schedule = random_net(seed)
    check(net, netlist_design(make_design(net, schedule), tmp_path), simulate)


@pytest.mark.slow
def test_netlists_of_roms(simulate: Build, tmp_path: Path) -> None:
    net, schedule = random_net(44)
    design = make_design(net, with_roms(net, schedule, 44))
    layers = [unit.layer for unit in design.layers.units if f"{unit.module}_rom.sv" in design.files]
    assert len(layers) == 2
    check(net, netlist_design(design, tmp_path, parts=layers), simulate)


@pytest.mark.slow
def test_netlists_of_shifts(simulate: Build, tmp_path: Path) -> None:
    """Codes that are made as a task is written, and adders that shift, without a multiplier."""
    net, schedule = with_powers(*random_net(27))
    design = make_design(net, schedule)
    assert sum(".SHIFTS(" in text for text in design.files.values()) == 2
    check(net, netlist_design(design, tmp_path), simulate)


@pytest.mark.slow
@pytest.mark.parametrize("use_dsp", [True, False])
def test_netlists_of_everything(use_dsp: bool, simulate: Build, tmp_path: Path) -> None:
    net = blended()
    design = make_design(net)
    parts = [unit.layer for unit in design.layers.units] + ["streams", "bus"]
    check(net, netlist_design(design, tmp_path, parts=parts, use_dsp=use_dsp), simulate)


def test_cells_without_a_model() -> None:
    text = models_of_cells(["  LUT6 #(\n", "  FDRE one (\n"], "xc7")
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["FDRE", "LUT6"]
    assert "specify" not in text
    text = models_of_cells(["  CCU2C #(\n"], "ecp5")
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["CCU2C", "LUT2", "LUT4"]
    for cell, family in (("RAMB18E1", "xc7"), ("DP16KD", "ecp5")):
        with pytest.raises(ToolError, match=f"has {cell} cells, for which Yosys has no simulation"):
            models_of_cells([f"  {cell} #(\n"], family)


def test_models_of_a_yosys_that_somebody_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "yosys"
    monkeypatch.setattr(netlist, "find_yosys", lambda: Yosys(program, (0, 60)))
    monkeypatch.setattr(netlist, "find_spec", lambda _: None)
    with pytest.raises(ToolError, match=r"bin/yosys: has no xilinx/cells_sim\.v, the models"):
        models_of_cells([], "xc7")
    models = tmp_path / "share" / "yosys" / "xilinx" / "cells_sim.v"
    models.parent.mkdir(parents=True)
    models.write_text("module INV(input I, output O);\nassign O = ~I;\nendmodule\n")
    assert "assign O = ~I" in models_of_cells(["  INV #(\n"], "xc7")
