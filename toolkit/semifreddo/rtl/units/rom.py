"""The frozen channels of a weighted layer on multipliers, their weights in a memory of constants.

Nothing is written, so there is one bank, and it has no more bits than the weights need. The word of
each cycle is at the number of the phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Rom
from semifreddo.rtl.components.shifts import Codes
from semifreddo.rtl.components.verilog import Port, instance, module, vector
from semifreddo.rtl.units.folded import FoldedEngine
from semifreddo.rtl.units.unit import phase_bits


@dataclass(frozen=True, eq=False)
class RomEngine(FoldedEngine):
    """The frozen channels, one group after the other."""

    name: ClassVar[str] = "frozen"
    prefix: ClassVar[str] = "rom_"
    constant: ClassVar[bool] = True
    suffix: ClassVar[str] = ""

    @property
    def channels(self) -> Sequence[int]:
        return self.of.frozen

    @property
    def words(self) -> str:
        return f"ROM, {self.array}"

    @property
    def advice(self) -> str:
        return "give its weights fewer bits"

    @property
    def weight_bits(self) -> tuple[int, bool]:
        if self.shifts:
            return self.shifts.codes.bits, False
        return (1, True) if self.signs else self.of.frozen_bits

    @property
    def only_signs(self) -> bool:
        return self.of.frozen_signs

    @property
    def codes(self) -> Codes | None:
        return self.of.frozen_codes

    @property
    def coded(self) -> bool:
        return True

    @property
    def rom(self) -> Rom:
        """The weights."""
        return self.mac.rom

    def memory(self) -> Iterator[Component]:
        yield self.rom

    def memory_registers(self) -> Parts:
        """The word that is read is a factor, counted with the products, or waits to be one."""
        parts = self.mac.shift_registers(in_luts=not self.rom.in_blocks)
        if self.mac.reads and not self.rom.in_blocks:
            parts.add("factor_bit", self.rom.bits)
        return parts

    # Text ----------------------------------------------------------------------------------------

    @cached_property
    def table(self) -> IntArray:
        """Weights, their signs or codes, by (step, row of a line, lane); zero behind the last."""
        mac, matrix = self.mac, self.of.frozen_matrix
        if self.signs:
            matrix = np.minimum(matrix, 0)
        if self.shifts:
            matrix = self.shifts.codes.encode(matrix)
        filled = np.zeros((mac.lines * mac.per_cycle, mac.groups * mac.lanes), np.int64)
        filled[: mac.rows, : mac.channels] = matrix
        parts = filled.reshape(mac.lines, mac.per_cycle, mac.groups, mac.lanes)
        return parts.transpose(2, 0, 1, 3).reshape(mac.cycles, mac.per_cycle, mac.lanes)

    def memory_lines(self) -> list[str]:
        place = f"phase[{phase_bits(self.rom.words) - 1}:0]"
        ports = {"clk": "clk", "place": place, "word": "rom_weights"}
        return [
            "// Frozen channels: multipliers, weights in a ROM.",
            f"wire {vector(phase_bits(self.mac.lines))} rom_line;",
            f"wire {vector(phase_bits(self.mac.units))} rom_unit;",
            f"wire {vector(self.rom.bits)} rom_weights;",
            instance(rom_name(self.context.names[self.of.layer.name]), "rom", {}, ports),
        ]

    def files(self, name: str, _phase: int) -> list[tuple[str, str]]:
        mac, rom, name = self.mac, self.rom, rom_name(name)
        shifts = mac.w_bits * np.arange(mac.per_cycle * mac.lanes)
        mask = (1 << mac.w_bits) - 1
        lines = []
        for step, values in enumerate(self.table.reshape(mac.cycles, -1).tolist()):
            word = sum(
                (value & mask) << int(shift) for value, shift in zip(values, shifts, strict=True)
            )
            lines.append(f"    words[{step}] = {rom.bits}'h{word:x};")
        # Yosys takes no "distributed" of a memory that nobody writes.
        style = 'ram_style = "block", rom_style = "block"' if rom.in_blocks else "logic_block"
        body = [
            f"(* {style} *) reg {vector(rom.bits)} words[0:{rom.words - 1}];",
            "initial begin",
            *lines,
            "end",
            f"reg {vector(rom.bits)} out;",
            "always @(posedge clk) out <= words[place];",
            "assign word = out;",
        ]
        comment = (
            f"Frozen weights {self.of.weight.name} ({mac.rows} x {mac.channels}) of {mac.w_bits} "
            f"bits: {rom.words} words of {mac.per_cycle} rows of {mac.lanes} channels."
        )
        ports = [
            Port("input", "clk"),
            Port("input", "place", phase_bits(rom.words)),
            Port("output", "word", rom.bits),
        ]
        return [(name, module(name, comment, ports, body))]


def rom_name(name: str) -> str:
    """Name of the module with the weights of a layer's module."""
    return f"{name}_rom"
