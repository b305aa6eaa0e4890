"""The table of estimated and routed delays; the tools run in ``semifreddo study clocks``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from semifreddo.rtl.synthesis.parts import Synthesized
from semifreddo.studies.hardware import clocks
from semifreddo.studies.hardware.clocks import Clocks, Timed, listing, summary
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.delays import CellDelays
from semifreddo.tools.nextpnr import Routed

NETLIST = {
    "ports": {},
    "netnames": {"go": {"bits": [2], "hide_name": 0}},
    "cells": {
        "a": {
            "type": "TRELLIS_FF",
            "connections": {"Q": [2], "DI": [2]},
            "port_directions": {"Q": "output", "DI": "input"},
        }
    },
}


def test_ratios() -> None:
    timed = [Timed("a", 10, 6.0, 5.0), Timed("b", 20, 4.0, 5.0)]
    assert listing(timed).splitlines()[2:] == [
        "| a | 10 | 6.00 | 5.00 | 1.20 |",
        "| b | 20 | 4.00 | 5.00 | 0.80 |",
    ]
    assert summary(timed) == (
        "2 layers: estimated for each routed nanosecond 1.00 on average, deviation 0.20, 0.80 to "
        "1.20"
    )


def test_large_layers_are_left_out_and_nothing_is_routed_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    routed: list[Path] = []

    def synthesize(parts, *, cache, **_):
        made = []
        for index, part in enumerate(parts):
            netlist = cache / f"{index}.netlist.gz"
            netlist.write_bytes(
                gzip.compress(json.dumps({"modules": {part.top: NETLIST}}).encode())
            )
            made.append(Synthesized(CellCounts(lut=10 + index), netlist, "kept"))
        return made

    def route(netlist: Path, constraints: None, **_) -> Routed:
        routed.append(netlist)
        return Routed(None, {"clk": 250.0, "other": 500.0}, {}, (), 1, 0.1)

    monkeypatch.setattr(clocks, "synthesize_parts", synthesize)
    monkeypatch.setattr(clocks, "place_and_route", route)
    delays = {"TRELLIS_FF": CellDelays(launched={("Q", 0): 1.4}, setup={("DI", 0): 0.0})}
    monkeypatch.setattr(clocks, "cell_delays", lambda _: delays)
    lines: list[str] = []
    first = Clocks(layers=4, most_luts=12).run(tmp_path, 1, lines.append)
    assert len(routed) == len(lines) == 3 and lines[0].endswith("2.00 ns, 4.00 routed")
    assert "3 layers: estimated for each routed nanosecond 0.50 on average" in first
    assert Clocks(layers=4, most_luts=12).run(tmp_path, 1, lines.append) == first
    assert len(routed) == 3
