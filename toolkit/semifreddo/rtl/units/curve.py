"""Curves: a value's level from a table, or by a search among the starts of its steps.

A search is a pipeline with a comparison in each stage, which halves what is left of the sorted
starts. Stage ``s`` knows ``s`` bits of the index, and looks up the start in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semifreddo.core.fixed import IntArray
from semifreddo.ir.curves import CurveTables
from semifreddo.ir.layers import Curve
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import Lookup
from semifreddo.rtl.components.memories import Delay
from semifreddo.rtl.components.numbers import Number, Range, signed_bits
from semifreddo.rtl.components.verilog import literal, part, vector
from semifreddo.rtl.units.pointwise import Lane, PointwisePlan
from semifreddo.rtl.units.unit import delay, phase_bits


@dataclass(frozen=True, eq=False)
class CurvePlan(PointwisePlan):
    """A curve; channels that take turns in a lane have their constants in one table."""

    layer: Curve

    @cached_property
    def tables(self) -> CurveTables:
        """The constants."""
        return CurveTables.of(self.layer, self.streams[0].type, self.net.block.__getitem__)

    @property
    def registers(self) -> int:
        """One behind each comparison, and one behind the level."""
        return 1 + (self.tables.stages if self.tables.searches else 0)

    @cached_property
    def exact(self) -> Range:
        levels = self.net.block[self.layer.levels]
        return Range(int(levels.raw.min()), int(levels.raw.max()), levels.frac[0])

    @cached_property
    def compared(self) -> int:
        """Width of an argument and a start, two's complement."""
        kind, starts = self.inputs[0], self.tables.starts
        return signed_bits(min(kind.low, int(starts.min())), max(kind.high, int(starts.max())))

    # Tables --------------------------------------------------------------------------------------

    def _turns(self, constants: IntArray) -> bool:
        """Whether a lane has other constants for each group."""
        return constants.shape[1] > 1 and self.groups > 1

    def _lookup(self, lane: int, constants: IntArray, bits: int) -> Lookup:
        """A lane's table; the index is the number of the group, if it matters, and a row."""
        rows, columns = constants.shape
        index = (rows - 1).bit_length()
        if not self._turns(constants):
            found = constants[:, lane % columns].tolist()
        else:
            # Behind the last channel are results that nobody reads.
            channels = [(group * self.count + lane) % columns for group in range(self.groups)]
            found = [value for channel in channels for value in constants[:, channel].tolist()]
            index += phase_bits(self.groups)
        found += [0] * ((1 << index) - len(found))
        return Lookup(index, bits, tuple(value & (1 << bits) - 1 for value in found))

    def _middles(self, stage: int) -> IntArray:
        """The starts that a stage looks up, by the bits of the index that it knows."""
        step = 1 << self.tables.stages - stage
        return self.tables.starts[step // 2 - 1 :: step]

    def _start(self, lane: int, stage: int) -> Lookup | None:
        """The table of a stage; None if it has but one start."""
        middles = self._middles(stage)
        if len(middles) == 1 and not self._turns(middles):
            return None
        return self._lookup(lane, middles, self.compared)

    def _level(self, lane: int) -> Lookup:
        return self._lookup(lane, self.tables.levels, self.exact.bits)

    @property
    def stages(self) -> range:
        """Comparisons of a search; none of a table."""
        return range(self.tables.stages if self.tables.searches else 0)

    @property
    def groups_known(self) -> list[int]:
        """Stages, and at their end the level, that need the number of the group."""
        tables = [self._middles(stage) for stage in self.stages]
        constants = enumerate([*tables, self.tables.levels])
        return [stage for stage, each in constants if self._turns(each)]

    def components(self) -> Iterator[Component]:
        yield from super().components()
        for stage in self.groups_known:
            yield Delay(1 + stage, phase_bits(self.groups))
        for lane in range(self.count):
            found = [self._start(lane, stage) for stage in self.stages]
            yield from (each for each in found if each)
            yield self._level(lane)

    def rest(self) -> Parts:
        parts = Parts.of("word_bit", self.count * self.exact.bits)
        stages, width = len(self.stages), self.streams[0].type.width
        if stages:
            parts.add("added_bit", self.count * stages * self.compared)
            held = (stages - 1) * width + stages * (stages + 1) / 2
            parts.add("word_bit", self.count * held)
        return parts

    # Text ----------------------------------------------------------------------------------------

    def lanes(self) -> tuple[list[str], list[Lane]]:
        kind = self.streams[0].type
        signal, shared = self.selected("in_now", "in_data", kind.width)
        bits = phase_bits(self.groups)
        for stage in self.groups_known:
            shared += delay(f"group_{stage}", 1 + stage, "phase", bits)
        arguments = [part(signal, lane, kind.width) for lane in range(self.count)]
        return shared, [self._lane(*each) for each in enumerate(arguments)]

    def _lane(self, lane: int, argument: str) -> Lane:
        lines, index = [], argument
        for stage in self.stages:
            text, argument, index = self._stage(lane, stage, argument, index)
            lines += text
        bits, level, last = vector(self.exact.bits), f"level_{lane}", len(self.stages)
        ports = {"index": self._index(last, self.tables.levels, index), "value": f"{level}_found"}
        return level, [
            *lines,
            f"wire {bits} {level}_found;",
            place(self._level(lane), f"{level}_lookup", ports),
            f"reg signed {bits} {level};",
            f"always @(posedge clk) {level} <= {level}_found;",
        ]

    def _stage(
        self, lane: int, stage: int, argument: str, index: str
    ) -> tuple[list[str], str, str]:
        """The text of a comparison, and the argument and the index behind it."""
        kind, bits = self.streams[0].type, self.compared
        name, lookup = f"start_{lane}_{stage}", self._start(lane, stage)
        lines = []
        if lookup is None:
            value = int(self._middles(stage)[0, lane % self.tables.starts.shape[1]])
            lines.append(f"wire signed {vector(bits)} {name} = {literal(value, bits)};")
        else:
            ports = {"index": self._index(stage, self._middles(stage), index), "value": name}
            lines += [
                f"wire signed {vector(bits)} {name};",
                place(lookup, f"{name}_lookup", ports),
            ]
        known = f"index_{lane}_{stage + 1}"
        reached = f"{Number.of(argument, kind).text} >= {name}"
        lines += [f"wire reached_{lane}_{stage} = {reached};", f"reg {vector(stage + 1)} {known};"]
        before = f"{index}, " if stage else ""
        lines.append(f"always @(posedge clk) {known} <= {{{before}reached_{lane}_{stage}}};")
        if stage + 1 < len(self.stages):
            held = f"argument_{lane}_{stage + 1}"
            lines += [
                f"reg {vector(kind.width)} {held};",
                f"always @(posedge clk) {held} <= {argument};",
            ]
            argument = held
        return lines, argument, known

    def _index(self, stage: int, constants: IntArray, row: str) -> str:
        """The index of a table: the group, if it matters, and the row, if there are several."""
        parts = [f"group_{stage}"] * self._turns(constants) + [row] * (len(constants) > 1)
        return parts[0] if len(parts) == 1 else f"{{{', '.join(parts)}}}"
