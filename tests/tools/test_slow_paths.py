"""Slowest paths of netlists written by hand, and of random ones against a search of all paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import ToolError
from semifreddo.tools.delays import CellDelays
from semifreddo.tools.slow_paths import WIRES as OF_FAMILIES
from semifreddo.tools.slow_paths import SlowPath, Wires, slowest_paths

O = ("O", 0)  # noqa: E741 -- the port's name
DELAYS = {
    "LUT2": CellDelays(through={("I0", 0): {O: 0.2}, ("I1", 0): {O: 0.1}}),
    "FDRE": CellDelays(launched={("Q", 0): 0.3}, setup={("D", 0): 0.05, ("CE", 0): 0.1}),
    "CARRY4": CellDelays(through={("CI", 0): {("CO", 3): 0.1}, ("S", 0): {("CO", 3): 0.5}}),
}
WIRES = Wires(1.0, 0.25)


def cell(kind: str, **ports: Any) -> dict[str, Any]:
    """A cell; ports that it drives have names of outputs."""
    ends = {name: bits if isinstance(bits, list) else [bits] for name, bits in ports.items()}
    outputs = {"O", "Q", "CO", "P", "y"}
    ways = {name: "output" if name in outputs else "input" for name in ends}
    return {"type": kind, "connections": ends, "port_directions": ways, "parameters": {}}


def module(
    name: str,
    cells: dict[str, dict[str, Any]],
    names: dict[str, list[Any]] | None = None,
    ports: dict[str, list[Any]] | None = None,
) -> dict[str, Any]:
    named = {key: {"bits": bits, "hide_name": 0} for key, bits in (names or {}).items()}
    made = {key: {"bits": bits} for key, bits in (ports or {}).items()}
    return {"modules": {name: {"ports": made, "cells": cells, "netnames": named}}}


def slowest(*modules: dict[str, Any], wires: Wires = WIRES) -> dict[str, SlowPath]:
    """Of netlists of which the first contains the others."""
    found = {next(iter(each["modules"])): each for each in modules}
    return slowest_paths(found.__getitem__, found, next(iter(found)), DELAYS, wires)


def test_from_a_register_through_logic_to_a_register() -> None:
    """Clock to output, wire, LUT, wire to two readers, LUT; the last wire stays in the slice."""
    cells = {
        "a": cell("FDRE", C=1, D=2, Q=3),
        "f": cell("LUT2", I0=3, I1="1", O=4),
        "g": cell("LUT2", I0=9, I1=4, O=5),
        "h": cell("LUT2", I0=4, I1=9, O=6),
        "b": cell("FDRE", C=1, D=5, CE="1", Q=7),
    }
    names = {"clk": [1], "start": [3], "kept.word": [8, 7], "_hidden": [5]}
    found = slowest(module("top", cells, names))["top"]
    assert found.ns == pytest.approx(0.3 + 1.0 + 0.2 + 1.25 + 0.1 + 0.0 + 0.05)
    assert (found.start, found.end, found.part) == ("start", "_hidden", "top")
    assert found.cells == {"LUT2": 2}
    assert str(found) == "from start to _hidden through 2 LUT2"


def test_a_path_through_parts_ends_in_the_last() -> None:
    """The names are those of registers, with the instances around them."""
    inner = module(
        "inner",
        {"f": cell("LUT2", I0=2, I1=3, O=4), "b": cell("FDRE", D=4, Q=5)},
        {"x": [2], "y": [6, 5]},
        {"x": [2], "en": [3], "y": [5]},
    )
    outer = module(
        "outer",
        {"unit": cell("inner", x=10, en="1", y=11), "a": cell("FDRE", D=11, Q=10)},
        {"go": [10]},
    )
    found = slowest(outer, inner)
    assert found["inner"].ns == pytest.approx(0.3 + 1.0 + 0.2 + 0.05)
    assert (found["inner"].start, found["inner"].end) == ("go", "unit.y[1]")
    assert found["outer"].ns == pytest.approx(0.3 + 1.0 + 0.05), "no LUT drives it: over a wire"
    assert (found["outer"].start, found["outer"].end) == ("unit.y[1]", "go")


def test_a_port_that_is_wired_through() -> None:
    """What enters a part and leaves it is one wire, with all its readers."""
    inner = module("inner", {"b": cell("FDRE", D=2, Q=3)}, {}, {"x": [2], "y": [2]})
    outer = module(
        "outer",
        {
            "unit": cell("inner", x=10, y=11),
            "a": cell("FDRE", D=12, Q=10),
            "c": cell("FDRE", D=11, Q=13),
        },
    )
    for path in slowest(outer, inner).values():
        assert path.ns == pytest.approx(0.3 + 1.25 + 0.05)


@pytest.mark.parametrize("names", [("b", "longer"), ("longer", "b")])
def test_a_wire_of_several_names_has_the_shortest(names: tuple[str, str]) -> None:
    """Whichever of its ends has it: outside, or behind the part that wires it through."""
    inner = module("inner", {}, {}, {"x": [2], "y": [2]})
    outer = module(
        "outer",
        {
            "unit": cell("inner", x=10, y=11),
            "a": cell("FDRE", D=12, Q=10),
            "c": cell("FDRE", D=11, Q=13),
        },
        {names[0]: [10], names[1]: [11], f"{names[1]}_too": [11]},
    )
    assert slowest(outer, inner)["outer"].start == "b"


def test_carries_have_wires_of_their_own() -> None:
    cells = {
        "a": cell("FDRE", D=1, Q=2),
        "f": cell("LUT2", I0=2, I1="0", O=3),
        "low": cell("CARRY4", S=[3, "0", "0", "0"], CI="0", CO=[4, 5, 6, 7]),
        "high": cell("CARRY4", S=["0"] * 4, CI=7, CO=[8, 9, 10, 11]),
        "b": cell("FDRE", D=11, Q=12),
    }
    found = slowest(module("top", cells))["top"]
    assert found.ns == pytest.approx(0.3 + 1.0 + 0.2 + 0.0 + 0.5 + 0.0 + 0.1 + 0.0 + 0.05)
    assert found.cells == {"LUT2": 1, "CARRY4": 2}


IN_SLICE = [("CARRY4", "S"), *((kind, pin) for kind in ("MUXF7", "MUXF8") for pin in ("I0", "I1"))]
DATA = [(kind, "D") for kind in ("FDRE", "FDSE", "FDCE", "FDPE")] + [("TRELLIS_FF", "DI")]
CHAINED = [("CARRY4", "CI"), ("CCU2C", "CIN"), ("DSP48E1", "PCIN")]
WIRED = [("FDRE", "CE"), ("RAM32M", "D"), ("CARRY4", "DI"), ("MUXF7", "S"), ("DSP48E1", "A")]


@pytest.mark.parametrize(("kind", "port"), [*IN_SLICE, *DATA, *CHAINED, *WIRED])
def test_wires_that_take_no_time(kind: str, port: str) -> None:
    """Those of a column take none; those in a slice none behind its logic, to nobody else."""
    delays = DELAYS | {kind: CellDelays(launched={("Q", 0): 0.3}, setup={(port, 0): 0.5})}

    def ns(**cells: dict[str, Any]) -> float:
        netlist = module("top", cells | {"end": cell(kind, **{port: 2})})
        return slowest_paths(lambda _: netlist, {"top"}, "top", delays, WIRES)["top"].ns

    logic, other = cell("LUT2", I0="0", O=2), cell("LUT2", I1=2, O=3)
    wired = 0.0 if (kind, port) in CHAINED else 1.0
    assert ns(a=logic) == pytest.approx(0.5 + (1.0 if (kind, port) in WIRED else 0.0))
    assert ns(a=logic, b=other) == pytest.approx(0.5 + 1.25 * wired)
    assert ns(a=cell("FDRE", Q=2)) == pytest.approx(0.3 + 0.5 + wired)
    assert ns() == pytest.approx(0.5 + wired), "an input of the design"


@pytest.mark.parametrize(("readers", "ns"), [(0, 1.0), (1, 1.0), (2, 1.25), (4, 1.5), (8, 1.75)])
def test_a_wire_takes_longer_to_twice_as_many(readers: int, ns: float) -> None:
    assert WIRES.delay(readers) == ns


def test_what_wires_of_a_family_are_taken_to_delay() -> None:
    found = {family: (wires.delay(1), wires.delay(4)) for family, wires in OF_FAMILIES.items()}
    assert found == {"xc7": (0.7, 0.7 + 0.2), "ecp5": (0.6, 0.6 + 0.1)}


def test_a_cell_without_delays_is_a_register() -> None:
    cells = {"m": cell("MULT", A=1, P=2), "f": cell("LUT2", I0=2, I1="0", O=3)}
    cells |= {"n": cell("MULT", A=3, P=1)}
    found = slowest(module("top", cells))["top"]
    assert found.ns == pytest.approx(1.0 + 0.2 + 1.0)
    assert (found.start, found.end) == ("m", "n"), "names of cells, where wires have none"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("sf_bank.sv:37.13-41.16|/share/xilinx/ff_map.v:68.41-68.95", "sf_bank.sv:37"),
        ("/share/xilinx/ff_map.v:68.41-68.95", "a cell without a name"),
    ],
)
def test_the_line_of_a_cell_that_yosys_named(source: str, told: str) -> None:
    cells = {"$auto$ff.cc:337:slice$28": cell("FDRE", D=1, Q=2), "f": cell("LUT2", I0=2, O=1)}
    cells["$auto$ff.cc:337:slice$28"]["attributes"] = {"src": source}
    found = slowest(module("top", cells))["top"]
    assert (found.start, found.end) == (told, told)


def test_an_input_that_is_no_data_ends_no_path() -> None:
    """A clock comes over a wire of its own."""
    cells = {"f": cell("LUT2", I0=1, I1="0", O=2), "a": cell("FDRE", C=2, D="0", Q=3)}
    assert slowest(module("top", cells)) == {}


def test_logic_that_feeds_itself() -> None:
    cells = {"f": cell("LUT2", I0=1, I1=2, O=3), "g": cell("LUT2", I0=3, I1="0", O=2)}
    with pytest.raises(
        ToolError, match=r"^netlist: logic feeds itself without a register, at loop"
    ):
        slowest(module("top", cells, {"loop": [2]}))


@pytest.mark.parametrize("broken", [{}, {"modules": {}}, {"modules": {"top": {"ports": 1}}}])
def test_what_is_no_netlist(broken: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"^top: not the netlist that Yosys writes"):
        slowest_paths(lambda _: broken, {"top"}, "top", DELAYS, WIRES)


LUTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(LUTS, st.integers(1, 3))
def test_no_path_is_slower(luts: list[tuple[int, int]], registers: int) -> None:
    """Of registers, then LUTs that read what stands before them, each read by a register."""
    nets = [100 + index for index in range(registers)]
    cells = {f"r{index}": cell("FDRE", D="0", Q=net) for index, net in enumerate(nets)}
    inputs: dict[int, tuple[int, int]] = {}
    for index, (one, other) in enumerate(luts):
        net = 200 + index
        inputs[net] = nets[one % len(nets)], nets[other % len(nets)]
        cells[f"f{index}"] = cell("LUT2", I0=inputs[net][0], I1=inputs[net][1], O=net)
        cells[f"e{index}"] = cell("FDRE", D=net, Q=300 + index)
        nets.append(net)
    reads = [net for pair in inputs.values() for net in pair] + list(inputs)

    def wire(net: int) -> float:
        return WIRES.delay(reads.count(net))

    def at(net: int) -> float:
        if net not in inputs:
            return 0.3
        one, other = inputs[net]
        return max(at(one) + wire(one) + 0.2, at(other) + wire(other) + 0.1)

    ends = [at(net) + (wire(net) if reads.count(net) > 1 else 0.0) + 0.05 for net in inputs]
    assert slowest(module("top", cells))["top"].ns == pytest.approx(max(ends))
