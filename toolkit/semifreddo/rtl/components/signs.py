"""Sums of products with weights that are -1 or 1.

``sf_signs`` says how they are made without a multiplier; here is how large that is.
"""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.rtl.components.costs import Parts

SIGN_BITS = 2
"""Bits in which a task holds a value that is -1 or 1; the higher one is its sign."""

LEAF_BITS = 3
"""Bits that are summed up with their signs by functions of six signals."""


@dataclass(frozen=True)
class Signs:
    """Some values, each with a sign for every lane, summed up in every lane.

    Attributes:
        x_bits: Of a value.
        x_signed: Whether values are two's complement.
        lanes: Sums.
        rows: Values.
    """

    x_bits: int
    x_signed: bool
    lanes: int
    rows: int

    @property
    def leaf(self) -> int:
        """Values that are one function of their bits and signs."""
        return LEAF_BITS if self.x_bits == 1 and not self.x_signed else 1

    @property
    def half_bits(self) -> int:
        """Of the half of a leaf."""
        return 2 if self.leaf > 1 else self.x_bits

    @property
    def leaves(self) -> int:
        """Numbers that an adder tree sums up."""
        return -(-self.rows // self.leaf)

    @property
    def levels(self) -> int:
        """Of the tree."""
        return (self.leaves - 1).bit_length()

    @property
    def sum_bits(self) -> int:
        """Of the sum: a half of the last level, and the bit that all lanes share."""
        return self.half_bits + self.levels + 1

    @property
    def stages(self) -> int:
        """Registers from values to sums."""
        return 1 + (self.levels + 1) // 2

    def counts(self) -> Parts:
        """What it is made of."""
        parts, count = Parts(), self.leaves
        kind = "sign_leaf_bit" if self.leaf > 1 else "sign_value_bit"
        parts.add(kind, self.lanes * self.half_bits * self._used_leaves)
        parts.add("factor_bit", self.lanes * self.half_bits * count + count)
        for level in range(1, self.levels + 1):
            pairs, count = count // 2, -(-count // 2)
            parts.add("sign_sum_bit", self.lanes * pairs * (self.half_bits + level - 1))
            if level % 2 == 0 or level == self.levels:
                parts.add("factor_bit", self.lanes * count * (self.half_bits + level) + count)
        return parts

    @property
    def _used_leaves(self) -> float:
        """Leaves, a last one with a single value counted as half of one."""
        single = self.leaf > 1 and self.rows % self.leaf == 1
        return self.leaves - single / 2
