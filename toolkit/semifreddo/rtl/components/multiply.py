"""Multipliers and accumulators of loadable channels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Rom, selector
from semifreddo.rtl.components.packing import Packing
from semifreddo.rtl.components.shifts import Shifts
from semifreddo.rtl.components.signs import SIGN_BITS, Signs

DSP_PRODUCT_BITS = 9
"""Narrower products are logic: Yosys makes no DSP slice of them, and it would be wasted."""


CHOICES_AT_ONCE = 16
"""Operands from which one is chosen in a cycle; ``sf_mac`` chooses among more in two."""

SHORTEST_SHIFT = 3
"""Registers in a row, with nothing between them, of which Yosys makes a shift register."""

STAGE_ROWS = 2
"""Rows of a multiplier of LUTs between two registers; each takes two bits of a weight."""

DEEP_LINES = 9
"""Lines of weights from which on a bank, which is twice as deep, can be in block memories."""


def wide_enough(x_bits: int, w_bits: int) -> bool:
    """Whether a product may be a DSP slice."""
    return x_bits + w_bits >= DSP_PRODUCT_BITS


@dataclass(frozen=True)
class Mac:
    """Sums of products, some rows and channels at a time.

    Attributes:
        rows: Of the weights: products of a sum.
        per_cycle: Rows that are multiplied in a cycle.
        channels: That are summed.
        lanes: Channels that are summed at the same time.
        shared: Whether all channels see the same operands (not in depthwise layers).
        x_bits: Of an operand.
        x_signed: Whether operands are two's complement.
        w_bits: Of a weight.
        w_signed: Whether weights are two's complement.
        sum_bits: Of an accumulator.
        dsp: Whether products are meant for DSP slices.
        phase: Width of the phase.
        constant: Whether weights come from a memory of constants, word by word as they are needed.
        packing: How products share DSP slices; None if each has a multiplier of its own.
        signs: How products with weights of -1 and 1 are summed up; None if weights are numbers.
        shifts: How products with sums of powers of two are summed up; None if they are multiplied.
        given: Whether operands come line by line, each a cycle after it was asked for.
    """

    module: ClassVar[str] = "sf_mac"
    rows: int
    per_cycle: int
    channels: int
    lanes: int
    shared: bool
    x_bits: int
    x_signed: bool
    w_bits: int
    w_signed: bool
    sum_bits: int
    dsp: bool
    phase: int
    constant: bool = False
    packing: Packing | None = None
    signs: Signs | None = None
    shifts: Shifts | None = None
    given: bool = False

    def parameters(self) -> Mapping[str, int | str]:
        found: dict[str, int | str] = {
            "ROWS": self.rows,
            "PER_CYCLE": self.per_cycle,
            "CHANNELS": self.channels,
            "LANES": self.lanes,
            "SHARED": int(self.shared),
            "X_BITS": self.x_bits,
            "X_SIGNED": int(self.x_signed),
            "W_BITS": self.w_bits,
            "W_SIGNED": int(self.w_signed),
            "SUM_BITS": self.sum_bits,
            "DSP": int(self.dsp),
            "PHASE": self.phase,
            "LINES": self.lines,
            "GROUPS": self.groups,
            "STEPS": self.cycles,
            "CHOICES": self.choices,
            "PER_UNIT": self.per_unit,
            "UNITS": self.units,
            "READ": self.read_bits,
            "READS": self.reads,
            "SPLIT": int(self.split),
            "PRODUCT": self.product_bits,
            "DIGITS": self.booth_rows,
            "LATENCY": self.latency,
        }
        if self.packing:
            found["DEPTH"] = self.packing.depth
            found["FIELDS"] = self.packing.fields
            found["STRIDE"] = self.packing.stride
        if self.shifts:
            codes = self.shifts.codes
            found |= {"SHIFTS": codes.terms, "CODED": int(self.shifts.coded)}
            found |= {"DEPTH": self.shifts.depth} | codes.parameters()
        found |= {"SIGNS": 1} if self.signs else {}
        return found | ({"GIVEN": 1} if self.given else {})

    @cached_property
    def groups(self) -> int:
        """Groups of channels, one after the other."""
        return -(-self.channels // self.lanes)

    @cached_property
    def lines(self) -> int:
        """Cycles of a group."""
        return -(-self.rows // self.per_cycle)

    @cached_property
    def per_unit(self) -> int:
        """Groups whose weights are read at once: as few as fill whole words of the address map."""
        if self.constant:
            return 1
        bits = self.lanes * self.w_bits
        return min(self.groups, self.word_bits // math.gcd(bits, self.word_bits))

    @property
    def word_bits(self) -> int:
        """Bits of a word of the address map as the weights' memory keeps it."""
        if self.signs:
            return WORD_BITS // SIGN_BITS
        if self.shifts and self.shifts.coded:
            return WORD_BITS // (self.shifts.codes.powers + 1) * self.w_bits
        return WORD_BITS

    @property
    def units(self) -> int:
        """Parts of a row, each read on its own; constants are read by their step."""
        return 1 if self.constant else -(-self.groups // self.per_unit)

    @cached_property
    def rom(self) -> Rom:
        """The weights that are constants."""
        return Rom(self.cycles, self.per_cycle * self.lanes * self.w_bits)

    @property
    def deep(self) -> bool:
        """Whether the weights may be in block memories, which answer late in a cycle.

        What is read is then held once more before it is used: a block memory of an ECP5 takes 6 ns.
        """
        if self.constant:
            return self.rom.in_blocks
        return self.lines * self.units >= DEEP_LINES

    @property
    def cycles(self) -> int:
        """Cycles of all groups."""
        return self.groups * self.lines

    @property
    def reads(self) -> int:
        """Registers between the weights' memory and a group's share of what is read.

        Of constants nothing else is read. There is one more register of them where operands need
        the time.
        """
        if self.constant:
            return int(self.deep or self.given or self.choices > CHOICES_AT_ONCE)
        return int(self.groups > 1) + int(self.deep)

    @property
    def read_bits(self) -> int:
        """Bits of a row of the weights that are read at once."""
        whole = self.units == 1 and not self.constant
        channels = self.channels if whole else self.per_unit * self.lanes
        return channels * self.w_bits

    @property
    def choices(self) -> int:
        """Operands that each row is multiplied with, one after the other."""
        return self.lines if self.shared else self.cycles

    @property
    def split(self) -> bool:
        """Whether operands are chosen in two steps: there is time while the weights are read."""
        return self.reads > 0 and self.choices > CHOICES_AT_ONCE and not self.given

    @property
    def booth_rows(self) -> int:
        """Rows of a multiplier of LUTs: two bits of the weight each."""
        return (self.w_bits + (not self.w_signed) + 1) // 2

    @property
    def multiplier_stages(self) -> int:
        """Cycles of a multiplication: a register behind every second row, or a slice's own."""
        if self.packing:
            return self.packing.depth + 1
        if self.signs:
            return self.signs.stages
        if self.shifts:
            return self.shifts.stages
        return 1 if self.dsp else -(-self.booth_rows // STAGE_ROWS)

    @property
    def latency(self) -> int:
        """Cycles from the last phase of a group to its sums."""
        return 2 + self.reads + self.multiplier_stages + (self.tree_levels + 1) // 2

    @property
    def terms(self) -> int:
        """Numbers that a lane's adders sum up in a cycle: products, or sums of some of them."""
        if self.signs:
            return 1
        if self.shifts:
            return self.shifts.chains
        return self.packing.chains(self.per_cycle) if self.packing else self.per_cycle

    @property
    def tree_levels(self) -> int:
        """Levels of these adders."""
        return (self.terms - 1).bit_length()

    @property
    def short(self) -> int:
        """What the sums of lanes that are not the highest of their slice are too small by."""
        return self.lines * self.terms * self.packing.raise_ if self.packing else 0

    @property
    def sliced(self) -> bool:
        """Whether products are DSP slices: the choice says so, and they are wide enough."""
        return self.dsp and (bool(self.packing) or wide_enough(self.x_bits, self.w_bits))

    @property
    def takes_sums_in(self) -> bool:
        """Whether a slice takes its accumulator in, and what that starts with."""
        return self.sliced and self.per_cycle == 1 and not self.packing

    @property
    def product_bits(self) -> int:
        """Of a term; unsigned times unsigned still gets a sign bit."""
        if self.packing:
            return self.packing.sum_bits
        if self.signs:
            return self.signs.sum_bits
        if self.shifts:
            return self.shifts.sum_bits
        return self.x_bits + self.w_bits + (not self.w_signed and not self.x_signed)

    @property
    def factor_kind(self) -> str:
        """What a bit of a factor's register is."""
        return "dsp_factor_bit" if self.sliced else "factor_bit"

    @cached_property
    def _operand_bits(self) -> int:
        """Bits of the operands of a cycle."""
        return self.per_cycle * self.x_bits * (1 if self.shared else self.lanes)

    @property
    def _operand_luts(self) -> float:
        """LUTs that choose a bit of an operand, in one step or two."""
        if self.given:
            return 0
        if not self.split:
            return selector(self.choices)
        whole, rest = divmod(self.choices, CHOICES_AT_ONCE)
        first = whole * selector(CHOICES_AT_ONCE) + selector(rest)
        return first + selector(whole + (rest > 0))

    def counts(self) -> Parts:
        """Without the registers behind the weights' memory, which depend on that."""
        parts = Parts.of("multiply")
        parts.add("selector_lut", self._operand_bits * self._operand_luts)
        parts.add(
            "selector_lut", self.per_cycle * self.lanes * self.w_bits * selector(self.per_unit)
        )
        split = -(-self.choices // CHOICES_AT_ONCE) - 1 if self.split else 0
        parts.add("factor_bit", self._operand_bits * (1 + self.reads + split - self.given))
        self._add_products(parts)
        # Every second slice takes in the sum of its product and its neighbour's.
        taken = self.terms // 2 if self.sliced and not self.packing else 0
        sums = (self.terms - 1 - taken) * self.lanes
        parts.add("tree_bit", sums * (self.product_bits + self.tree_levels / 2))
        kind = "dsp_total_bit" if self.takes_sums_in else "total_bit"
        parts.add(kind, self.lanes * self.sum_bits)
        return parts

    def _add_products(self, parts: Parts) -> None:
        multipliers, width, bits = self.per_cycle * self.lanes, self.x_bits, self.w_bits
        if self.packing:
            self._add_packed(parts, self.packing)
            return
        parts.add(self.factor_kind, multipliers * bits)
        if self.signs:
            parts.add_all(self.signs.counts())
            return
        if self.shifts:
            parts.add_all(self.shifts.counts(), self.lanes)
            return
        if self.sliced:
            parts.add("dsp", multipliers)
        elif self.dsp:
            parts.add("plain_product_bit", multipliers * width * bits)
            parts.add("product_register", multipliers * self.product_bits)
        else:
            self._add_booth(parts)

    def _add_booth(self, parts: Parts) -> None:
        """Rows of two bits of a weight, with a register behind every second one."""
        multipliers, width = self.per_cycle * self.lanes, self.x_bits
        parts.add("product_bit", multipliers * self.booth_rows * (width + 2))
        for stage in range(1, self.multiplier_stages + 1):
            rows = min(STAGE_ROWS * stage, self.booth_rows)
            held = min(width + 2 * rows, self.product_bits)
            if stage < self.multiplier_stages:
                held += max(0, self.w_bits - 2 * rows + 1)  # the lowest of them was seen before
                parts.add("product_register", self._operand_bits)
            parts.add("product_register", multipliers * held)

    def _add_packed(self, parts: Parts, packing: Packing) -> None:
        """Slices, what waits for the slice before, and the sums with which chains begin."""
        rows = self.per_cycle
        waits = sum(packing.waits(rows))
        parts.add("dsp", rows * packing.slices)
        parts.add("packed_factor_bit", rows * self.lanes * self.w_bits)
        parts.add("packed_wait_bit", waits * self.lanes * self.w_bits)
        parts.add("factor_bit", waits * self.x_bits)
        if packing.raise_:
            parts.add("added_bit", (rows - self.terms) * (self.x_bits + 1))
            parts.add("inverted_bit", self.terms * (self.x_bits + 2))
            parts.add("inverted_bit", rows * (self.lanes - packing.slices))
            parts.add("factor_bit", self.terms * (self.x_bits + (packing.depth - 1).bit_length()))

    def shift_registers(self, *, in_luts: bool) -> Parts:
        """What changes where registers of weights in a row become shift registers.

        Args:
            in_luts: Whether the weights' memory has a register of flip-flops behind it.
        """
        parts = Parts()
        through = self.reads == 0 or self.per_unit == 1  # nothing is chosen on the way
        held = int(in_luts) + self.reads if through else 1
        factor, waiting = "factor_bit", "product_register"
        if self.packing:
            factor, waiting = "packed_factor_bit", "packed_wait_bit"
        for bits, wait in self._waiting():
            if held + wait >= SHORTEST_SHIFT:
                parts.add("shifted_bit", bits)
                parts.add(factor, -bits * min(held, 1))
                parts.add("factor_bit", -bits * max(held - 1, 0))
                parts.add(waiting, -bits * wait)
        return parts

    def _waiting(self) -> Iterator[tuple[int, int]]:
        """Bits of weights that nothing looks at on the way, and cycles they wait as factors."""
        if self.packing:
            bits = self.lanes * self.w_bits
            if self.packing.raise_:
                bits -= self.lanes - self.packing.slices  # inverted on the way
            for wait in self.packing.waits(self.per_cycle):
                yield bits, wait
        elif not (self.dsp or self.signs or self.shifts):
            per_stage = 2 * STAGE_ROWS
            for wait in range(self.multiplier_stages):
                late = max(0, min(per_stage, self.w_bits - per_stage * wait))
                yield self.per_cycle * self.lanes * late, wait
