"""Adder graphs as pipelined Verilog: one operand every cycle, a register behind every two levels.

Two levels per stage cost the same logic as one and about 40 % fewer flip-flops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.adders import AdderGraph, Tap
from semifreddo.core.fixed import bits_for
from semifreddo.rtl.adders.size import GraphSize
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.verilog import Port, module, part, vector

LEVELS_PER_STAGE = 2


@dataclass(frozen=True)
class PipelinedAdders:
    """A graph and where its registers are.

    Attributes:
        graph: The linear map.
        input_bits: Width of every input; inputs are raw values of one stream.
        input_signed: Whether they are two's complement.
    """

    module: ClassVar[str] = "graph"
    graph: AdderGraph
    input_bits: int
    input_signed: bool

    def parameters(self) -> Mapping[str, int | str]:
        """None: the module is made for its place."""
        return {}

    def counts(self) -> Parts:
        return self.size.pipeline(self.input_bits)

    def inside(self) -> Iterator[Component]:
        """None."""
        return iter(())

    @cached_property
    def size(self) -> GraphSize:
        """Size of the graph."""
        return GraphSize.of(self.graph)

    @cached_property
    def sum_bits(self) -> tuple[int, ...]:
        """Width of each output, two's complement; the reader of the sum negates it."""
        return tuple(self._sum_bits(tap) for tap in self.graph.outputs)

    def _sum_bits(self, tap: Tap) -> int:
        if tap.value < 0:
            return 2
        width, signed = self.formats[tap.value]
        return width + int(not signed) + tap.shift

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Adders between the inputs and each value, inputs included (level 0)."""
        levels = [0] * len(self.graph.inputs)
        for adder in self.graph.adders:
            levels.append(1 + max(levels[adder.left], levels[adder.right]))
        return tuple(levels)

    def stage(self, value: int) -> int:
        """The pipeline stage that computes a value, from 1; inputs are there in stage 1."""
        return max(1, -(-self.levels[value] // LEVELS_PER_STAGE))

    @cached_property
    def latency(self) -> int:
        """Cycles from the taps to the sums, at least 1."""
        return max([1, *(self.stage(tap.value) for tap in self.graph.outputs if tap.value >= 0)])

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """The last stage that reads each value; 0 if no output depends on it."""
        count = len(self.graph.inputs)
        last = [0] * (count + len(self.graph.adders))
        for tap in self.graph.outputs:
            if tap.value >= 0:
                last[tap.value] = self.latency + 1
        for index in range(len(self.graph.adders) - 1, -1, -1):
            if last[index + count]:
                adder = self.graph.adders[index]
                for operand in (adder.left, adder.right):
                    last[operand] = max(last[operand], self.stage(index + count))
        return tuple(last)

    @cached_property
    def formats(self) -> tuple[tuple[int, bool], ...]:
        """Width and signedness of each value."""
        found = [(self.input_bits, self.input_signed)] * len(self.graph.inputs)
        for adder in self.graph.adders:
            width, signed = bits_for(adder.range.low, adder.range.high)
            mixed = adder.subtract or found[adder.left][1] or found[adder.right][1]
            # Never negative, but its expression is signed: keep the sign bit.
            found.append((width + 1, True) if mixed and not signed else (width, signed))
        return tuple(found)

    def name(self, value: int, stage: int) -> str:
        """The signal that holds a value while ``stage`` computes: a wire or a register."""
        count = len(self.graph.inputs)
        plain = f"x{value}" if value < count else f"v{value - count}"
        return plain if stage == self.stage(value) else f"{plain}_s{stage - 1}"


def graph_module(name: str, comment: str, graph: PipelinedAdders) -> str:
    """The text of the module: ``taps`` in, ``sum_0..`` out, ``latency`` cycles later."""
    count = len(graph.graph.inputs)
    ports = [
        Port("input", "clk"),
        Port("input", "taps", count * graph.input_bits),
        *(Port("output", f"sum_{k}", bits) for k, bits in enumerate(graph.sum_bits)),
    ]
    used = [value for value, last in enumerate(graph.last_use) if last]
    body = [_declare("wire", graph, i, f"x{i}", _tap(graph, i)) for i in used if i < count]
    for stage in range(1, graph.latency + 1):
        body.append(f"\n// Stage {stage}.")
        body += [
            _declare("wire", graph, value, graph.name(value, stage), _sum(graph, value))
            for value in used
            if value >= count and graph.stage(value) == stage
        ]
        body += _registers(graph, used, stage)
    body.append("")
    body += [
        f"assign sum_{k} = {_output(graph, tap)};" for k, tap in enumerate(graph.graph.outputs)
    ]
    return module(name, comment, ports, body)


def _declare(kind: str, graph: PipelinedAdders, value: int, name: str, text: str = "") -> str:
    width, signed = graph.formats[value]
    sign = " signed" if signed else ""
    return f"{kind}{sign} {vector(width)} {name}{' = ' + text if text else ''};"


def _tap(graph: PipelinedAdders, index: int) -> str:
    return part("taps", index, graph.input_bits)


def _signed(graph: PipelinedAdders, value: int, stage: int, most: int | None = None) -> str:
    """A value in a signed expression; of more than ``most`` bits the lowest.

    What is added or taken away may have a bit more than the result: of 8 and a number that is at
    least 1 the difference is at most 7. Linters take that bit for a mistake.
    """
    name, (width, signed) = graph.name(value, stage), graph.formats[value]
    if most is not None and width + (not signed) > most:
        return f"$signed({name})" if width == most else f"$signed({name}[{most - 1}:0])"
    return name if signed else f"$signed({{1'b0, {name}}})"


def _shifted(text: str, shift: int) -> str:
    return f"({text} <<< {shift})" if shift else text


def _sum(graph: PipelinedAdders, value: int) -> str:
    adder = graph.graph.adders[value - len(graph.graph.inputs)]
    stage, (width, signed) = graph.stage(value), graph.formats[value]
    names = [
        _signed(graph, operand, stage, width) if signed else graph.name(operand, stage)
        for operand in (adder.left, adder.right)
    ]
    left, right = _shifted(names[0], adder.left_shift), _shifted(names[1], adder.right_shift)
    return f"{left} {'-' if adder.subtract else '+'} {right}"


def _registers(graph: PipelinedAdders, used: Sequence[int], stage: int) -> list[str]:
    """Registers behind a stage: what later stages still read."""
    keep = [value for value in used if graph.stage(value) <= stage < graph.last_use[value]]
    if not keep:
        return []
    lines = [_declare("reg", graph, value, graph.name(value, stage + 1)) for value in keep]
    moves = "".join(
        f"    {graph.name(value, stage + 1)} <= {graph.name(value, stage)};\n" for value in keep
    )
    return [*lines, f"always @(posedge clk) begin\n{moves}end"]


def _output(graph: PipelinedAdders, tap: Tap) -> str:
    if tap.value < 0:
        return "'0"
    return _shifted(_signed(graph, tap.value, graph.latency + 1), tap.shift)
