"""Sums of products with weights that are sums of signed powers of two.

``sf_shift`` says how they are made without a multiplier; here is how large that is, and the codes
that it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.ir.allowed import MOST_TERMS, sums_of_powers
from semifreddo.rtl.components.costs import Parts

CHAIN = 4
"""Terms that are added one after the other, two in a cycle, before a tree adds what is left."""


@dataclass(frozen=True)
class Codes:
    """How a weight is written for shifting.

    Attributes:
        terms: Powers of two that it is the sum of, at most.
        powers: How many powers there are: ``2**0`` to ``2**(powers - 1)``.
    """

    terms: int
    powers: int

    @classmethod
    def of(cls, values: IntArray) -> Codes | None:
        """Those of some integers, of the fewest terms and powers; None if they are no such sums."""
        digits = int(np.abs(values).max()).bit_length()
        for terms in range(1, MOST_TERMS + 1):
            for powers in range(max(1, digits - 1), digits + 2):
                if np.isin(values, sums_of_powers(powers + 1, terms)).all():
                    return cls(terms, powers)
        return None

    @property
    def exponent_bits(self) -> int:
        """Bits of the exponent of a term, which also say that it is zero."""
        return self.powers.bit_length()

    @property
    def term_bits(self) -> int:
        """Bits of a term: exponent and sign."""
        return self.exponent_bits + 1

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        return self.terms * self.term_bits

    def encode(self, values: IntArray) -> IntArray:
        """The codes of some weights, as ``sf_terms`` makes them.

        Raises:
            KeyError: A value is no such sum.
        """
        table = _table(self)
        found = [table[value] for value in values.ravel().tolist()]
        return np.array(found, np.int64).reshape(values.shape)

    def parameters(self) -> dict[str, int | str]:
        """Of the modules that read or make codes."""
        return {"POWERS": self.powers, "CODE": self.term_bits}

    def encoder(self) -> Parts:
        """What makes the codes of a value."""
        parts = Parts()
        if self.powers > 1:
            parts.add("code_bit", self.exponent_bits if self.terms == 1 else 4 * self.powers)
        return parts


@lru_cache(maxsize=64)
def _table(codes: Codes) -> dict[int, int]:
    ones = (1 << codes.exponent_bits) - 1

    def code(exponent: int, *, negative: bool) -> int:
        return negative << codes.exponent_bits | ones - exponent

    found = {0: 0}
    for value in sums_of_powers(codes.powers + 1, codes.terms):
        size, negative = abs(value), value < 0
        low, high = (size & -size).bit_length() - 1, size.bit_length() - 1
        if not value:
            continue
        if low == high:
            terms = [0, code(low, negative=negative)]
        elif size & size >> 1 & size >> 2:
            terms = [code(low, negative=not negative), code(high + 1, negative=negative)]
        else:
            terms = [code(low, negative=negative), code(high, negative=negative)]
        found[value] = terms[-1] << (codes.bits - codes.term_bits) | (
            terms[0] if codes.terms > 1 else 0
        )
    return found


@dataclass(frozen=True)
class Shifts:
    """Products that are shifted operands, summed up.

    Attributes:
        codes: Of the weights.
        coded: Whether weights are kept as codes; otherwise codes are made of what is read.
        x_bits: Of an operand.
        rows: Products of a cycle, in a lane.
    """

    codes: Codes
    coded: bool
    x_bits: int
    rows: int

    @property
    def depth(self) -> int:
        """Rows of a chain."""
        return min(self.rows, CHAIN // self.codes.terms)

    @property
    def chains(self) -> int:
        """Sums of a cycle, in a lane."""
        return -(-self.rows // self.depth)

    @property
    def sum_bits(self) -> int:
        """Of such a sum."""
        return self._bits(self.depth * self.codes.terms - 1)

    @property
    def stages(self) -> int:
        """Registers from operands to sums."""
        return 1 + _pairs(self.depth * self.codes.terms)

    def _bits(self, place: int) -> int:
        """Width of the sum of the terms up to one of them."""
        return self.x_bits + self.codes.powers + place.bit_length()

    @property
    def _fine_bits(self) -> int:
        """Width of an operand that is shifted by the lower bits of an exponent."""
        return self.x_bits + (1 << self._high) - 1

    @property
    def _high(self) -> int:
        """Lower bits of an exponent."""
        return (self.codes.powers - 1).bit_length() - 1 if self.codes.powers > 2 else 0

    def counts(self) -> Parts:
        """What the products of a lane are made of."""
        parts, powers = Parts(), self.codes.powers
        for chain in range(self.chains):
            rows = min(self.depth, self.rows - chain * self.depth)
            terms = rows * self.codes.terms
            late = _pairs(self.depth * self.codes.terms) - _pairs(terms)
            for place in range(terms):
                if self._high:
                    parts.add("shift_bit", self._fine_bits)
                parts.add("shift_bit", 1 + (powers & (powers - 1) > 0))
                parts.add("shift_bit", self._bits(place))
                parts.add("factor_bit", (self._fine_bits + 3) * (1 + place // 2))
                if place % 2 or place == terms - 1:
                    parts.add("factor_bit", self._bits(place))
            parts.add("factor_bit", late * self.sum_bits)
        if not self.coded:
            parts.add_all(self.codes.encoder(), self.rows)
        return parts


def _pairs(terms: int) -> int:
    """Cycles in which so many terms are added, two in each."""
    return -(-terms // 2)
