"""The slowest paths of netlists that are black boxes to each other, before anything is placed.

Cells have the delays of :mod:`semifreddo.tools.delays`. How long a wire will be is known to nobody
before placement, so every wire is taken to be of a length that follows from its readers alone;
wires that stay inside a slice take no time. What comes out is an estimate of the clock, and the
places where registers are missing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from semifreddo.boards.spec import Family
from semifreddo.core.errors import ToolError
from semifreddo.tools.delays import CellDelays, Pin


@dataclass(frozen=True)
class Wires:
    """What a wire between slices is taken to delay.

    Attributes:
        ns: To a single reader.
        doubling: More for each time that there are twice as many readers.
    """

    ns: float
    doubling: float

    def delay(self, readers: int) -> float:
        """Nanoseconds of a wire with so many readers."""
        return self.ns + self.doubling * math.log2(max(1, readers))


WIRES: Mapping[Family, Wires] = {"xc7": Wires(0.7, 0.1), "ecp5": Wires(0.6, 0.05)}
"""Of ECP5 chosen so that layers are on average as slow as nextpnr makes them (``semifreddo study
clocks``); of 7 series assumed, because no free tool places them."""

_CHAINED = {("CARRY4", "CI"), ("CCU2C", "CIN"), ("DSP48E1", "PCIN")}
"""Inputs that only the next cell of the same column drives, over a wire of its own."""

_IN_SLICE = {("CARRY4", "S"), ("MUXF7", "I0"), ("MUXF7", "I1"), ("MUXF8", "I0"), ("MUXF8", "I1")}
"""Inputs that a LUT or multiplexer of the same slice drives."""

_STORED = {"FDRE", "FDSE", "FDCE", "FDPE", "TRELLIS_FF"}
"""Flip-flops, whose data come out of the slice's own logic where nobody else reads it."""

_DATA = ("D", "DI")


@dataclass(frozen=True)
class SlowPath:
    """A path from a clock's edge, or an input, to the next edge.

    Attributes:
        ns: Its delay.
        start: Where it begins: the name of a register's output, as in the Verilog; of one without
            a name the cell's, or the line of Verilog that it comes from.
        end: Where it ends: the name of that register, or of what it reads.
        part: The module in which it ends.
        cells: Cells between both, by type.
    """

    ns: float
    start: str
    end: str
    part: str
    cells: Mapping[str, int]

    def __str__(self) -> str:
        through = ", ".join(f"{count} {kind}" for kind, count in sorted(self.cells.items()))
        return f"from {self.start} to {self.end}" + (f" through {through}" if through else "")


def slowest_paths(
    read: Callable[[str], Mapping[str, Any]],
    modules: Collection[str],
    top: str,
    delays: Mapping[str, CellDelays],
    wires: Wires,
) -> dict[str, SlowPath]:
    """The slowest path that ends in each module.

    Inputs of the top module are registers' outputs, and its outputs are read by registers. A cell
    without delays is a register that takes no time.

    Args:
        read: Gives Yosys' JSON of a module, which is flat but for other ``modules``.
        modules: Names of all that have a netlist.
        top: The one that contains the others.
        delays: Of the cells, by type.
        wires: What wires are taken to delay.

    Returns:
        By module; without those in which no path ends.

    Raises:
        ToolError: Logic feeds itself without a register, or a netlist is none.
    """
    try:
        graph = _Graph(read, modules, delays)
        graph.place(top, "", {})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ToolError(f"{top}: not the netlist that Yosys writes ({error!r})") from None
    return graph.slowest(wires)


@dataclass(frozen=True)
class _Cell:
    """A cell with the nets of its pins, and which ports it drives."""

    name: str
    kind: str
    part: str
    nets: Mapping[Pin, int]
    outputs: frozenset[str]


@dataclass(frozen=True)
class _Read:
    """A pin that reads a net."""

    cell: _Cell
    pin: Pin


@dataclass
class _Net:
    """A wire of one bit.

    Attributes:
        name: As in the Verilog, with the instances around it.
        driver: The cell that drives it, and where; None for an input of the design.
        readers: Who reads it.
    """

    name: str = ""
    driver: _Read | None = None
    readers: list[_Read] = field(default_factory=list)


class _Graph:
    """All cells of a design and the nets between them."""

    def __init__(
        self,
        read: Callable[[str], Mapping[str, Any]],
        modules: Collection[str],
        delays: Mapping[str, CellDelays],
    ) -> None:
        self._read, self._modules, self._delays = read, modules, delays
        self._same: list[int] = []
        self._nets: dict[int, _Net] = {}
        self._cells: list[_Cell] = []

    def _root(self, net: int) -> int:
        while self._same[net] != net:
            self._same[net] = self._same[self._same[net]]
            net = self._same[net]
        return net

    def _new(self) -> int:
        self._same.append(len(self._same))
        return self._same[-1]

    def place(self, module: str, path: str, ports: Mapping[str, Sequence[int | None]]) -> None:
        """Add an instance of a netlist.

        Args:
            module: Its module.
            path: Names of the instances around it and its own, each with a dot behind it.
            ports: Nets of its ports; None for a constant.
        """
        found = self._read(module)["modules"][module]
        known: dict[int, int] = {}
        for name, port in found["ports"].items():
            for bit, net in zip(port["bits"], ports.get(name, ()), strict=False):
                if isinstance(bit, int) and net is not None:
                    if bit in known:
                        self._same[self._root(known[bit])] = self._root(net)
                    known[bit] = net

        def nets(bits: Sequence[int | str]) -> list[int | None]:
            return [
                None
                if isinstance(bit, str)
                else known[bit]
                if bit in known
                else known.setdefault(bit, self._new())
                for bit in bits
            ]

        for name, cell in found["cells"].items():
            kind, ends = cell["type"], cell["connections"]
            if kind in self._modules:
                self.place(kind, f"{path}{name}.", {key: nets(bits) for key, bits in ends.items()})
                continue
            pins = {
                (key, index): net
                for key, bits in ends.items()
                for index, net in enumerate(nets(bits))
                if net is not None
            }
            ways = cell["port_directions"]
            outputs = frozenset(port for port, way in ways.items() if way == "output")
            place = f"{path}{_place(name, cell)}"
            self._cells.append(_Cell(place, kind, module, pins, outputs))
        self._name(found["netnames"], path, known)

    def _name(self, names: Mapping[str, Any], path: str, known: Mapping[int, int]) -> None:
        """Give nets the names that people gave them; the innermost counts, then the shortest."""
        for name, about in names.items():
            if about["hide_name"]:
                continue
            bits = about["bits"]
            for index, bit in enumerate(bits):
                if bit in known:
                    net = self._nets.setdefault(known[bit], _Net())
                    own = f"{path}{name}" + (f"[{index}]" if len(bits) > 1 else "")
                    if not net.name or len(own) < len(net.name):
                        net.name = own

    def _join(self) -> dict[int, _Net]:
        """Every net with its driver and its readers."""
        nets: dict[int, _Net] = {}
        for number in range(len(self._same)):
            net = nets.setdefault(self._root(number), _Net())
            named = self._nets.get(number)
            if named is not None and (not net.name or len(named.name) < len(net.name)):
                net.name = named.name
        for cell in self._cells:
            for pin, number in cell.nets.items():
                net = nets[self._root(number)]
                if pin[0] in cell.outputs:
                    net.driver = _Read(cell, pin)
                else:
                    net.readers.append(_Read(cell, pin))
        return nets

    def slowest(self, wires: Wires) -> dict[str, SlowPath]:
        """See :func:`slowest_paths`."""
        nets = self._join()
        arrivals = _Arrivals(nets, self._root, self._delays, wires)
        return arrivals.slowest()


def _place(name: str, cell: Mapping[str, Any]) -> str:
    """The name of a cell; of one that Yosys has named the line of Verilog that it comes from."""
    if "$" not in name:
        return name
    line = re.match(r"\w+\.sv:\d+", cell.get("attributes", {}).get("src", ""))
    return line[0] if line else "a cell without a name"


class _Arrivals:
    """When a signal is on each net, at the latest, counted from the clock's edge."""

    def __init__(
        self,
        nets: Mapping[int, _Net],
        root: Callable[[int], int],
        delays: Mapping[str, CellDelays],
        wires: Wires,
    ) -> None:
        self._nets, self._root, self._delays, self._wires = nets, root, delays, wires
        self._at = dict.fromkeys(nets, 0.0)
        self._from: dict[int, tuple[int, str]] = {}
        self._walk()

    def _steps(self, number: int) -> Iterator[tuple[int, float, str]]:
        """Nets that follow a net through one cell, with the delay, and the cell's type."""
        net = self._nets[number]
        for read in net.readers:
            delays = self._delays.get(read.cell.kind)
            through = delays.through.get(read.pin, {}) if delays else {}
            if not through:
                continue
            wire = self._wire(net, read)
            for pin, delay in through.items():
                if pin in read.cell.nets:
                    yield self._root(read.cell.nets[pin]), wire + delay, read.cell.kind

    def _wire(self, net: _Net, read: _Read) -> float:
        kind, port = read.cell.kind, read.pin[0]
        if (kind, port) in _CHAINED:
            return 0.0
        alone = len(net.readers) == 1
        inside = (kind, port) in _IN_SLICE or (kind in _STORED and port in _DATA)
        made_here = net.driver is not None and net.driver.cell.kind not in _STORED
        if inside and alone and made_here:
            return 0.0
        return self._wires.delay(len(net.readers))

    def _walk(self) -> None:
        steps = {number: list(self._steps(number)) for number in self._nets}
        waits = Counter(target for found in steps.values() for target, _, _ in found)
        ready = [number for number in self._nets if not waits[number]]
        for number in ready:
            net = self._nets[number]
            if net.driver is not None:
                made = self._delays.get(net.driver.cell.kind, CellDelays())
                self._at[number] = max(self._at[number], made.launched.get(net.driver.pin, 0.0))
            for target, delay, kind in steps[number]:
                if self._at[number] + delay > self._at[target]:
                    self._at[target] = self._at[number] + delay
                    self._from[target] = (number, kind)
                waits[target] -= 1
                if not waits[target]:
                    ready.append(target)
        if len(ready) < len(self._nets):
            fed = self._named([number for number, count in waits.items() if count > 0])
            raise ToolError(f"netlist: logic feeds itself without a register, at {fed}")

    def slowest(self) -> dict[str, SlowPath]:
        """The slowest path that ends in each module."""
        worst: dict[str, tuple[float, int, _Read]] = {}
        for number, net in self._nets.items():
            for read in net.readers:
                setup = self._setup(read)
                if setup is None:
                    continue
                end = self._at[number] + self._wire(net, read) + setup
                if read.cell.part not in worst or end > worst[read.cell.part][0]:
                    worst[read.cell.part] = (end, number, read)
        return {part: self._path(*found) for part, found in worst.items()}

    def _setup(self, end: _Read) -> float | None:
        """Time before the clock's edge; None if no path ends there."""
        delays = self._delays.get(end.cell.kind, CellDelays())
        if not delays.setup and end.pin not in delays.through:
            return 0.0
        return delays.setup.get(end.pin)

    def _path(self, ns: float, number: int, end: _Read) -> SlowPath:
        cells = Counter[str]()
        start = number
        while start in self._from:
            start, kind = self._from[start]
            cells[kind] += 1
        first = self._nets[start].driver
        begins = self._named([start], first.cell.name if first else "")
        ends = self._named(self._stored(end), end.cell.name)
        return SlowPath(ns, begins, ends, end.cell.part, cells)

    def _stored(self, end: _Read) -> list[int]:
        """What a register that ends a path drives, first, and what it reads."""
        nets = end.cell.nets
        made = [net for (port, _), net in nets.items() if port in end.cell.outputs]
        return [self._root(net) for net in (*made, nets[end.pin])]

    def _named(self, numbers: Sequence[int], otherwise: str = "") -> str:
        """The shortest name of some nets; otherwise that of a cell."""
        names = (self._nets[number].name for number in numbers)
        return min(filter(None, names), key=len, default=otherwise or "a wire without a name")
