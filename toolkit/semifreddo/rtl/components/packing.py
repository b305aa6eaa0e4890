"""Products that share an operand, several of them in one DSP slice.

A slice multiplies its operand with a word of several weights; the fields of the result are the
products. A chain of slices adds up the products of several rows, so that fewer sums are left for
adders of LUTs. ``sf_packed`` says how fields are kept apart; here is what fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semifreddo.rtl.components.numbers import signed_bits

WORD_BITS = 25
"""Width of the wider factor, two's complement: a DSP48E1 of 7 series (a DSP48E2 has 27)."""

OPERAND_BITS = 18
"""Width of the other factor, two's complement."""

LONGEST_CHAIN = 4
"""Slices of a chain: every further one waits a cycle longer for its operands, in flip-flops."""


@dataclass(frozen=True)
class Packing:
    """How products share slices.

    Attributes:
        x_bits: Of the shared operand.
        x_signed: Whether it is two's complement.
        w_bits: Of a weight.
        w_signed: Whether weights are two's complement.
        lanes: Channels that are multiplied at the same time.
        fields: Weights of a word.
        stride: Bits from one of them to the next.
        depth: Slices of a chain: rows whose products are summed up in slices.
    """

    x_bits: int
    x_signed: bool
    w_bits: int
    w_signed: bool
    lanes: int
    fields: int
    stride: int
    depth: int

    @classmethod
    def best(
        cls, x: tuple[int, bool], w: tuple[int, bool], lanes: int, rows: int
    ) -> Packing | None:
        """The fewest slices, and the longest chains that these allow; None if no two products fit.

        Args:
            x: Bits of the operand, and whether it is signed.
            w: Bits of a weight, and whether weights are signed.
            lanes: Channels that are multiplied at the same time.
            rows: Rows that are multiplied at the same time.
        """
        found = None
        for fields in range(2, lanes + 1):
            packing = cls._with(x, w, lanes, rows, fields)
            if packing is None:
                break
            if found is None or packing.slices < found.slices:
                found = packing
        return found

    @classmethod
    def _with(
        cls, x: tuple[int, bool], w: tuple[int, bool], lanes: int, rows: int, fields: int
    ) -> Packing | None:
        """The longest chains for a number of fields."""
        if x[0] + (not x[1]) > OPERAND_BITS:
            return None
        stride = (WORD_BITS - w[0] - (not w[1])) // (fields - 1)
        fitting = [
            packing
            for depth in range(1, min(rows, LONGEST_CHAIN) + 1)
            if (packing := cls(*x, *w, lanes, fields, stride, depth)).fits
        ]
        return fitting[-1] if fitting else None

    @property
    def raise_(self) -> int:
        """What a chain's sums of all but a word's highest field are too small by."""
        return 1 << (self.w_bits - 1) if self.w_signed else 0

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest sum of products of a chain of slices."""
        x_low, x_high = _range(self.x_bits, self.x_signed)
        w_low, w_high = _range(self.w_bits, self.w_signed)
        products = [x * w for x in (x_low, x_high) for w in (w_low, w_high)]
        return self.depth * min(products), self.depth * max(products)

    @property
    def fits(self) -> bool:
        """Whether no field overflows: half of its range is added to it."""
        half = 1 << (self.stride - 1)
        low, high = self.bounds
        return (
            self.stride > self.w_bits and -half <= low - self.raise_ and high - self.raise_ < half
        )

    @cached_property
    def sum_bits(self) -> int:
        """Of a chain's sum, two's complement."""
        low, high = self.bounds
        return signed_bits(low - self.raise_, high)

    @property
    def slices(self) -> int:
        """For a row of all lanes."""
        return -(-self.lanes // self.fields)

    def low(self, lane: int) -> bool:
        """Whether a lane is not the highest field of its word."""
        last = min((lane // self.fields + 1) * self.fields, self.lanes) - 1
        return lane < last

    def chains(self, rows: int) -> int:
        """Chains of slices for so many rows."""
        return -(-rows // self.depth)

    def waits(self, rows: int) -> Iterator[int]:
        """Of each row, cycles that it waits for the slices before; the last chain may be short."""
        for row in range(rows):
            own = min(self.depth, rows - row // self.depth * self.depth)
            yield self.depth - own + row % self.depth


def _range(bits: int, signed: bool) -> tuple[int, int]:
    if signed:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1
