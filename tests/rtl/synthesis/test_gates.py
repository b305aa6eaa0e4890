"""Netlists of standard cells, clocked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from semifreddo.core.errors import ToolError
from semifreddo.rtl.synthesis.gates import GateNetlist

Cells = dict[str, Any]


def module(inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], cells: Cells) -> Any:
    ports = {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    ports |= {name: {"direction": "input", "bits": bits} for name, bits in inputs.items()}
    return {"ports": ports, "cells": cells}


def cell(kind: str, **pins: Any) -> Any:
    return {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}


MODELS = {
    "INV": module({"A": [2]}, {"Y": [3]}, {"1": cell("$_NOT_", A=2, Y=3)}),
    "MUX": module(
        {"A": [2], "B": [3], "S": [4]}, {"Y": [5]}, {"1": cell("$_MUX_", A=2, B=3, S=4, Y=5)}
    ),
    "ADD": module(
        {"A": [2], "B": [3]},
        {"S": [4], "C": [5]},
        {"1": cell("$_XOR_", A=2, B=3, Y=4), "2": cell("$_AND_", A=2, B=3, Y=5)},
    ),
    "DFF": module(
        {"CK": [2], "D": [3]},
        {"Q": [4], "QN": [5]},
        {"1": cell("$_DFF_P_", C=2, D=3, Q=4), "2": cell("$_NOT_", A=4, Y=5)},
    ),
    "DFFE": module(
        {"CK": [2], "D": [3], "E": [4]},
        {"Q": [5]},
        {"1": cell("$_MUX_", A=5, B=3, S=4, Y=6), "2": cell("$_DFF_P_", C=2, D=6, Q=5)},
    ),
    "LATCH": module({"G": [2], "D": [3]}, {"Q": [4]}, {"1": cell("$_DLATCH_P_", E=2, D=3, Q=4)}),
}
COUNTER = module(
    {"clk": [2], "enable": [3]},
    {"q": [4, 5]},
    {
        "low": cell("ADD", A=4, B=3, S=6, C=7),
        "high": cell("ADD", A=5, B=7, S=8),
        "q0": cell("DFF", CK=2, D=6, Q=4),
        "q1": cell("DFF", CK=2, D=8, Q=5, QN=9),
    },
)


def test_a_counter_counts_and_its_pins_change_as_often_as_they_must() -> None:
    run = GateNetlist({"top": COUNTER}, "top", MODELS).run(2)
    run.settle()
    run.edge(count=False)
    seen = []
    for _ in range(8):
        run.drive("enable", np.array([1, 0], np.uint64))
        run.settle()
        seen.append(run.read("q").tolist())
        run.edge(count=True)
    assert seen == [[value % 4, 0] for value in range(8)]
    rates = run.rates("clk")
    assert not any(pin.endswith("/CK") for pin in rates)
    # Of two copies one stands still: 8 cycles, 7 changes of the low bit, 3 of the high one.
    assert rates["q0/Q"] == rates["low/A"] == 7 / 16
    assert rates["q1/Q"] == rates["q1/QN"] == 3 / 16
    assert rates["low/B"] == 1 / 16, "the enable rises once"


def test_nothing_is_counted_unless_it_is_wanted() -> None:
    run = GateNetlist({"top": COUNTER}, "top", MODELS).run(1)
    run.drive("enable", 1)
    for count in (False, False, True):
        run.settle()
        run.edge(count=count)
    assert run.cycles == 1
    assert run.rates("clk")["q0/Q"] == 1.0


def test_instances_have_paths_and_wires_go_through_them() -> None:
    inner = module({"a": [2]}, {"same": [2], "no": [3], "one": ["1"]}, {"n": cell("INV", A=2, Y=3)})
    top = module(
        {"x": [2, 3]},
        {"y": [4, 5, 6]},
        {
            "box": {
                "type": "inner",
                "connections": {"a": [3], "same": [4], "no": [5], "one": [7]},
            },
            "m": cell("MUX", A="0", B=7, S=2, Y=6),
        },
    )
    netlist = GateNetlist({"top": top, "inner": inner}, "top", MODELS)
    assert "box/n/Y" in netlist.pins
    run = netlist.run(4)
    run.drive("x", np.arange(4, dtype=np.uint64))
    run.settle()
    # Bits of y: x[1], its complement, and x[0] through the multiplexer.
    assert run.read("y").tolist() == [0b010, 0b110, 0b001, 0b101]


def test_a_flip_flop_with_an_enable_keeps_its_state() -> None:
    top = module(
        {"clk": [2], "d": [3], "e": [4]}, {"q": [5]}, {"f": cell("DFFE", CK=2, D=3, E=4, Q=5)}
    )
    run = GateNetlist({"top": top}, "top", MODELS).run(1)
    seen = []
    for data, enable in ((1, 0), (1, 1), (0, 0), (0, 1), (1, 0)):
        run.drive("d", data)
        run.drive("e", enable)
        run.settle()
        seen.append(int(run.read("q")[0]))
        run.edge(count=False)
    assert seen == [0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"l": cell("LATCH", G=2, D=3, Q=4)}, "LATCH is no gate and no flip-flop"),
        ({"l": cell("NONE", A=2, Y=4)}, "l is a NONE, which the library has not"),
        (
            {"a": cell("INV", A=5, Y=4), "b": cell("INV", A=4, Y=5)},
            "gates form a loop; the netlist has no answer",
        ),
    ],
)
def test_what_cannot_be_clocked(cells: Cells, message: str) -> None:
    top = module({"clk": [2], "d": [3]}, {"q": [4]}, cells)
    with pytest.raises(ToolError, match=message):
        GateNetlist({"top": top}, "top", MODELS)


def test_long_chains_of_gates() -> None:
    chain = {f"n{index}": cell("INV", A=index + 2, Y=index + 3) for index in range(5000)}
    run = GateNetlist({"top": module({"a": [2]}, {"y": [5002]}, chain)}, "top", MODELS).run(1)
    run.drive("a", 1)
    run.settle()
    assert int(run.read("y")[0]) == 1


def test_ports_of_any_width() -> None:
    bits = list(range(2, 102))
    wires = {"top": module({"a": bits}, {"y": bits}, {})}
    run = GateNetlist(wires, "top", MODELS).run(2)
    run.drive("a", 1 << 99 | 1)
    run.settle()
    assert [int(each.sum()) for each in run.read_bits("y").T] == [2, 2]
    assert run.read_bits("y")[[0, 99]].all()
