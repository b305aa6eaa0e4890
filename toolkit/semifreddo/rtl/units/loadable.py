"""The loadable channels of a weighted layer: their weights are written at run time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Bank
from semifreddo.rtl.components.shifts import Codes
from semifreddo.rtl.components.verilog import vector
from semifreddo.rtl.units.folded import FoldedEngine
from semifreddo.rtl.units.unit import bank, bank_select, phase_bits


@dataclass(frozen=True, eq=False)
class LoadableEngine(FoldedEngine):
    """The loadable channels."""

    name: ClassVar[str] = "loadable"
    prefix: ClassVar[str] = ""
    constant: ClassVar[bool] = False
    suffix: ClassVar[str] = "_loaded"

    @property
    def channels(self) -> Sequence[int]:
        return self.of.loadable

    @property
    def words(self) -> str:
        return self.array

    @property
    def advice(self) -> str:
        return "freeze more of its channels or give its weights fewer bits"

    @property
    def weight_bits(self) -> tuple[int, bool]:
        if self.shifts and self.shifts.coded:
            return self.shifts.codes.bits, False
        return (1, True) if self.signs else (self.of.weight.bits, self.of.weight.signed)

    @property
    def only_signs(self) -> bool:
        return self.of.weight.signs

    @property
    def codes(self) -> Codes | None:
        return self.of.loadable_codes

    @property
    def coded(self) -> bool:
        return WORD_BITS % self.of.weight.bits == 0

    @cached_property
    def weights_bank(self) -> Bank:
        """The weights."""
        weight = self.of.weight
        channels = min(self.mac.per_unit * self.lanes, len(self.channels))
        words = -(-channels * weight.bits // WORD_BITS)
        return self.context.bank(
            weight.name,
            self.rows,
            words,
            registered=True,
            signs=self.signs is not None,
            codes=self.shifts.codes if self.shifts and self.coded else None,
        )

    def memory(self) -> Iterator[Component]:
        yield self.select_delay(0)
        yield self.weights_bank

    def memory_registers(self) -> Parts:
        mac, bank_ = self.mac, self.weights_bank
        parts = mac.shift_registers(in_luts=bank_.register_bits > 0)
        if mac.reads:
            held = (mac.reads - 1) * bank_.per_line * bank_.read_bits
            parts.add("factor_bit", bank_.register_bits + held)
        else:
            # What is read are the factors, counted with the products.
            parts.add(mac.factor_kind, bank_.register_bits - bank_.per_line * bank_.read_bits)
        return parts

    def memory_lines(self) -> list[str]:
        mac, context = self.mac, self.context
        return [
            "// Loadable channels: multipliers.",
            *bank_select("weights", context, 0),
            f"wire {vector(phase_bits(mac.lines))} line;",
            f"wire {vector(phase_bits(mac.units))} unit;",
            *bank("weights", context, self.of.weight, self.weights_bank, "line", unit="unit"),
        ]
