"""A netlist of standard cells, clocked: what it answers, and how often each pin changes.

Cells have no delay, so a pin changes at most once per cycle: glitches are not seen. Several copies
of the netlist run beside each other, with inputs of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ToolError

Bits: TypeAlias = npt.NDArray[np.uint8]
Group: TypeAlias = tuple[npt.NDArray[np.intp], Bits, npt.NDArray[np.intp]]
"""Gates beside each other: nets in (count, inputs), tables (count, 2 ** inputs), nets out."""

Modules: TypeAlias = Mapping[str, Any]
"""Modules of Yosys' JSON by name."""

_ZERO, _ONE = 0, 1
"""Numbers of the nets that never change."""

_MOST_INPUTS = 8
_GATES: Mapping[str, Callable[..., int]] = {
    "$_BUF_": lambda A: A,
    "$_NOT_": lambda A: 1 - A,
    "$_AND_": lambda A, B: A & B,
    "$_NAND_": lambda A, B: 1 - (A & B),
    "$_OR_": lambda A, B: A | B,
    "$_NOR_": lambda A, B: 1 - (A | B),
    "$_XOR_": lambda A, B: A ^ B,
    "$_XNOR_": lambda A, B: 1 - (A ^ B),
    "$_ANDNOT_": lambda A, B: A & (1 - B),
    "$_ORNOT_": lambda A, B: A | (1 - B),
    "$_MUX_": lambda A, B, S: B if S else A,
}
_STATE = "(state)"
_FLIP_FLOP = "$_DFF_P_"


@dataclass(frozen=True)
class _Output:
    """What a pin of a cell shows: a table over pins, the first one the lowest bit."""

    pin: str
    inputs: tuple[str, ...]
    table: tuple[int, ...]


@dataclass(frozen=True)
class _Kind:
    """A cell: its outputs, and of a flip-flop the next state."""

    outputs: tuple[_Output, ...]
    next_state: _Output | None


class _Model:
    """A cell as Yosys reads it from the liberty file."""

    def __init__(self, name: str, module: Mapping[str, Any]) -> None:
        self.name = name
        self.pins = {
            pin: (port["direction"], port["bits"][0]) for pin, port in module["ports"].items()
        }
        self.drivers = {cell["connections"][_out(cell)][0]: cell for cell in self._cells(module)}
        self.names = {bit: pin for pin, (way, bit) in self.pins.items() if way == "input"}

    @staticmethod
    def _cells(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        return (cell for cell in module["cells"].values() if cell["type"] != "$scopeinfo")

    def kind(self) -> _Kind:
        outputs = [(pin, bit) for pin, (way, bit) in self.pins.items() if way == "output"]
        states = {id(state): state for _, bit in outputs for state in self._states(bit)}
        if len(states) > 1 or any(state["type"] != _FLIP_FLOP for state in states.values()):
            raise ToolError(
                f"standard cells: {self.name} is no gate and no flip-flop that takes its input at "
                "the rising edge; the toggle rates of designs with it are not known"
            )
        following = None
        for state in states.values():
            following = self._table("", state["connections"]["D"][0])
        return _Kind(tuple(self._table(pin, bit) for pin, bit in outputs), following)

    def _states(self, bit: Any) -> Iterator[Mapping[str, Any]]:
        cell = self.drivers.get(bit)
        if cell is None:
            return
        if cell["type"] not in _GATES:
            yield cell
            return
        for port, (source,) in cell["connections"].items():
            if port != "Y":
                yield from self._states(source)

    def _leaves(self, bit: Any) -> Iterator[str]:
        cell = self.drivers.get(bit)
        if bit in self.names:
            yield self.names[bit]
        elif cell is not None and cell["type"] not in _GATES:
            yield _STATE
        elif cell is not None:
            for port, (source,) in cell["connections"].items():
                if port != "Y":
                    yield from self._leaves(source)

    def _table(self, pin: str, bit: Any) -> _Output:
        inputs = tuple(sorted(set(self._leaves(bit))))
        if len(inputs) > _MOST_INPUTS:
            raise ToolError(f"standard cells: {self.name} has more than {_MOST_INPUTS} inputs")
        table = []
        for values in itertools.product((0, 1), repeat=len(inputs)):
            known = dict(zip(reversed(inputs), values, strict=True))
            table.append(self._value(bit, known))
        return _Output(pin, inputs, tuple(table))

    def _value(self, bit: Any, known: Mapping[str, int]) -> int:
        if isinstance(bit, str):
            return int(bit == "1")
        if bit in self.names:
            return known[self.names[bit]]
        cell = self.drivers[bit]
        if cell["type"] not in _GATES:
            return known[_STATE]
        operands = {
            port: self._value(source, known)
            for port, (source,) in cell["connections"].items()
            if port != "Y"
        }
        return _GATES[cell["type"]](**operands)


def _out(cell: Mapping[str, Any]) -> str:
    return "Q" if "Q" in cell["connections"] else "Y"


@dataclass(frozen=True)
class _Gate:
    """An output pin of a cell, flattened: nets in, net out."""

    inputs: tuple[int, ...]
    table: tuple[int, ...]
    output: int


class GateNetlist:
    """A design of standard cells, flattened.

    Attributes:
        ports: Nets of the top module's ports, lowest bit first.
        pins: Net of every pin of a cell: the names of the instances around the cell, the cell and
            the pin, with slashes between.
    """

    def __init__(self, modules: Modules, top: str, models: Modules) -> None:
        """Flatten a design.

        Args:
            modules: All modules of the design; one that the others only declare is there once,
                with its cells.
            top: The module with the pins.
            models: Of the cells, :func:`semifreddo.tools.liberty.cell_models`.

        Raises:
            ToolError: A cell is unknown or of a kind that is not simulated, or gates form a loop.
        """
        self.pins: dict[str, int] = {}
        self._modules, self._models = modules, models
        self._kinds: dict[str, _Kind] = {}
        self._gates: list[_Gate] = []
        self._flops: list[tuple[_Gate, int]] = []
        self._nets = 2
        self.ports = {
            name: [self._new() for _ in port["bits"]]
            for name, port in modules[top]["ports"].items()
        }
        self._flatten(top, "", self.ports)
        self._driven = {gate.output: gate for gate in self._gates}
        self._levels = self._levelled()

    def _new(self) -> int:
        self._nets += 1
        return self._nets - 1

    def _flatten(self, name: str, path: str, ports: Mapping[str, Sequence[int]]) -> None:
        module = self._modules[name]
        nets: dict[Any, int] = {"0": _ZERO, "1": _ONE, "x": _ZERO, "z": _ZERO}
        aliases: list[tuple[int, int]] = []
        # Inputs first: what an output shares with an input follows the input.
        for port in sorted(ports, key=lambda port: module["ports"][port]["direction"]):
            about, outer = module["ports"][port], ports[port]
            for bit, net in zip(about["bits"], outer, strict=True):
                if bit not in nets:
                    nets[bit] = net
                elif about["direction"] == "output":
                    # Two ports on one net, or a constant: the second follows the first.
                    aliases.append((nets[bit], net))

        def net_of(bit: Any) -> int:
            if bit not in nets:
                nets[bit] = self._new()
            return nets[bit]

        for source, net in aliases:
            self._gates.append(_Gate((source,), (0, 1), net))
        for instance, cell in module["cells"].items():
            kind, wires = cell["type"], cell["connections"]
            inner = f"{path}{instance}"
            if kind in self._modules:
                connected = {port: [net_of(bit) for bit in bits] for port, bits in wires.items()}
                self._flatten(kind, f"{inner}/", connected)
            elif kind != "$scopeinfo":
                self._place(
                    inner, kind, {pin: net_of(bits[0]) for pin, bits in wires.items() if bits}
                )

    def _place(self, path: str, kind: str, wires: Mapping[str, int]) -> None:
        if kind not in self._kinds:
            if kind not in self._models:
                raise ToolError(f"standard cells: {path} is a {kind}, which the library has not")
            self._kinds[kind] = _Model(kind, self._models[kind]).kind()
        found = self._kinds[kind]
        known = dict(wires)
        if found.next_state is not None:
            known[_STATE] = self._new()
            self._flops.append((_gate(found.next_state, known, known[_STATE]), known[_STATE]))
        self.pins.update((f"{path}/{pin}", net) for pin, net in wires.items())
        for output in found.outputs:
            if output.pin in wires:
                self._gates.append(_gate(output, known, wires[output.pin]))

    def _levelled(self) -> list[Group]:
        """Gates in groups that read only what earlier groups made: nets, tables, output nets."""
        level: dict[int, int] = {}
        for start in self._driven:
            stack = [(start, False)]
            while stack:
                net, ready = stack.pop()
                gate = self._driven.get(net)
                if gate is None or (net in level and level[net] >= 0):
                    continue
                if ready:
                    level[net] = 1 + max((level.get(other, 0) for other in gate.inputs), default=0)
                    continue
                if level.get(net) == -1:
                    raise ToolError("standard cells: gates form a loop; the netlist has no answer")
                level[net] = -1
                stack.append((net, True))
                stack += [
                    (other, False)
                    for other in gate.inputs
                    if other in self._driven and level.get(other, -2) < 0
                ]
        groups: dict[tuple[int, int], list[_Gate]] = {}
        for net, gate in self._driven.items():
            groups.setdefault((level[net], len(gate.inputs)), []).append(gate)
        return [_arrays(groups[key]) for key in sorted(groups)]

    def run(self, copies: int) -> Run:
        """Start, every flip-flop at zero."""
        return Run(self, copies)


def _gate(output: _Output, wires: Mapping[str, int], net: int) -> _Gate:
    return _Gate(tuple(wires.get(pin, _ZERO) for pin in output.inputs), output.table, net)


def _arrays(gates: Sequence[_Gate]) -> Group:
    inputs = np.array([gate.inputs for gate in gates], np.intp).reshape(len(gates), -1)
    tables = np.array([gate.table for gate in gates], np.uint8)
    return inputs, tables, np.array([gate.output for gate in gates], np.intp)


class Run:
    """Copies of a netlist that run beside each other.

    Attributes:
        toggles: How often each net has changed, in all copies together, since counting began.
        cycles: Cycles that were counted, of one copy.
    """

    def __init__(self, netlist: GateNetlist, copies: int) -> None:
        self._netlist, self._copies = netlist, copies
        self._values: Bits = np.zeros((netlist._nets, copies), np.uint8)
        self._values[_ONE] = 1
        self._before = self._values.copy()
        flops = [gate for gate, _ in netlist._flops]
        by_inputs: dict[int, list[_Gate]] = {}
        for gate in flops:
            by_inputs.setdefault(len(gate.inputs), []).append(gate)
        self._flops = [_arrays(group) for group in by_inputs.values()]
        self.toggles = np.zeros(netlist._nets, np.int64)
        self.cycles = 0

    def drive(self, port: str, values: npt.NDArray[np.unsignedinteger[Any]] | int) -> None:
        """Set an input port, one value for each copy or, of any width, one for all."""
        nets = self._netlist.ports[port]
        if isinstance(values, int):
            for bit, net in enumerate(nets):
                self._values[net] = values >> bit & 1
            return
        words = np.broadcast_to(values.astype(np.uint64), (self._copies,))
        for bit, net in enumerate(nets):
            self._values[net] = words >> np.uint64(bit) & np.uint64(1)

    def read(self, port: str) -> npt.NDArray[np.uint64]:
        """An output port, one value for each copy; after :meth:`settle`."""
        total = np.zeros(self._copies, np.uint64)
        for bit, net in enumerate(self._netlist.ports[port]):
            total |= self._values[net].astype(np.uint64) << np.uint64(bit)
        return total

    def read_bits(self, port: str) -> Bits:
        """An output port of any width, (bits, copies), lowest bit first; after :meth:`settle`."""
        return self._values[self._netlist.ports[port]]

    def settle(self) -> None:
        """Let the gates follow inputs and flip-flops."""
        for inputs, tables, outputs in self._netlist._levels:
            self._values[outputs] = self._looked_up(inputs, tables)

    def edge(self, count: bool) -> None:
        """The rising edge of the clock; everything has settled."""
        if count:
            self.toggles += (self._values != self._before).sum(1)
            self.cycles += 1
        np.copyto(self._before, self._values)
        following = [self._looked_up(inputs, tables) for inputs, tables, _ in self._flops]
        for (_, _, outputs), values in zip(self._flops, following, strict=True):
            self._values[outputs] = values

    def _looked_up(self, inputs: npt.NDArray[np.intp], tables: Bits) -> Bits:
        index = np.zeros((len(inputs), self._copies), np.uint8)
        for place in range(inputs.shape[1]):
            index |= self._values[inputs[:, place]] << np.uint8(place)
        values: Bits = tables[np.arange(len(tables))[:, None], index]
        return values

    def rates(self, clock: str) -> dict[str, float]:
        """Changes per cycle of every pin of a cell, by name, but of pins that the clock drives."""
        most = max(1, self.cycles * self._copies)
        ticking = set(self._netlist.ports[clock])
        return {
            pin: int(self.toggles[net]) / most
            for pin, net in self._netlist.pins.items()
            if net not in ticking
        }
