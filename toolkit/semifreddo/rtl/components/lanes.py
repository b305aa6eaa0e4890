"""What layers without weights are made of: selectors, running values, blends, sums, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.memories import Fifo, memory, selector
from semifreddo.rtl.components.windows import sizes


@dataclass(frozen=True)
class Pick:
    """Selects a word's channels group by group, in a register.

    Attributes:
        bits: Of the word.
        group: Bits of a group.
        zeros: Bits of a group that are always zero, so that they cost nothing.
    """

    module: ClassVar[str] = "sf_pick"
    bits: int
    group: int
    zeros: int = 0

    def parameters(self) -> Mapping[str, int | str]:
        return {"BITS": self.bits, "GROUP": self.group}

    def counts(self) -> Parts:
        live = self.group - self.zeros
        parts = Parts.of("selector_lut", live * selector(-(-self.bits // self.group)))
        parts.add("word_bit", live)
        return parts


@dataclass(frozen=True)
class Collect:
    """Puts a word together from groups of channels and holds it until it is taken.

    Attributes:
        bits: Of a word.
        group: Bits of a group.
        groups: Of a word.
        depth: Words that have a place.
    """

    module: ClassVar[str] = "sf_collect"
    bits: int
    group: int
    groups: int
    depth: int

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "BITS": self.bits,
            "GROUP": self.group,
            "GROUPS": self.groups,
            "DEPTH": self.depth,
        }

    def counts(self) -> Parts:
        parts = Parts.of("word_bit", self.groups * self.group)
        if self.groups > 1:
            parts.add("turns")
        if self.depth == 2:
            parts.add("word_bit", self.bits)
        else:
            parts.add_all(Fifo(self.bits, self.depth, credited=True).counts())
        return parts


@dataclass(frozen=True)
class Reduce:
    """Running maximum or sum over windows that do not overlap.

    Attributes:
        channels: Of a pixel.
        lanes: Channels that are worked on at a time.
        phase: Width of the phase.
        bits: Of a value.
        signed: Whether values are two's complement.
        sums: Whether it sums; otherwise it takes the maximum.
        out_bits: Of a result.
        geometry: The windows.
    """

    module: ClassVar[str] = "sf_reduce"
    channels: int
    lanes: int
    phase: int
    bits: int
    signed: bool
    sums: bool
    out_bits: int
    geometry: Geometry

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "CHANNELS": self.channels,
            "LANES": self.lanes,
            "GROUPS": self.groups,
            "PHASE": self.phase,
            "BITS": self.bits,
            "SIGNED": int(self.signed),
            "SUM": int(self.sums),
            "OUT_BITS": self.out_bits,
            **sizes(self.geometry),
            "OUT_H": self.geometry.out[0],
            "OUT_W": self.geometry.out[1],
        }

    @property
    def groups(self) -> int:
        """Groups of ``lanes`` channels, one after the other."""
        return -(-self.channels // self.lanes)

    def counts(self) -> Parts:
        parts = Parts.of("position")
        kind = "kept_sum_bit" if self.sums else "kept_maximum_bit"
        parts.add(kind, self.lanes * self.out_bits)
        parts.add("word_bit", self.lanes * self.out_bits)
        parts.add_all(Pick(self.channels * self.bits, self.lanes * self.bits).counts())
        # One running value per output column and group; none if the last one is all it keeps.
        words = 1 << (self.geometry.out[1] - 1).bit_length() + (self.groups - 1).bit_length()
        bits = self.lanes * self.out_bits
        if words > 1:
            parts.add_all(memory(words, bits))
        return parts


@dataclass(frozen=True)
class BlendMix:
    """Mixes two values by a factor in eighths.

    Attributes:
        bits: Of a value.
        constant: Whether the factor is known.
    """

    module: ClassVar[str] = "sf_blend"
    bits: int
    constant: bool

    def parameters(self) -> Mapping[str, int | str]:
        return {"BITS": self.bits}

    def counts(self) -> Parts:
        kind = "fixed_blend_bit" if self.constant else "blend_bit"
        return Parts.of(kind, self.bits + 3)


@dataclass(frozen=True)
class Lookup:
    """A constant for every index.

    Attributes:
        index: Bits of the index.
        bits: Of a constant.
        constants: As many as there are indices; what a word of ``bits`` holds of them counts.
    """

    module: ClassVar[str] = "sf_lookup"
    index: int
    bits: int
    constants: tuple[int, ...]

    @property
    def columns(self) -> list[int]:
        """Of each bit, those of all constants, the first in the lowest place."""
        return [
            sum((constant >> bit & 1) << place for place, constant in enumerate(self.constants))
            for bit in range(self.bits)
        ]

    def parameters(self) -> Mapping[str, int | str]:
        words = 1 << self.index
        columns = ", ".join(f"{words}'h{column:x}" for column in self.columns[::-1])
        return {"INDEX": self.index, "BITS": self.bits, "COLUMNS": f"{{{columns}}}"}

    def counts(self) -> Parts:
        """A bit that is the same in all constants, or one of the index, costs nothing."""
        count = len(self.constants)
        known = {0, (1 << count) - 1}
        known |= {
            sum((place >> bit & 1) << place for place in range(count)) for bit in range(self.index)
        }
        live = sum(column not in known for column in self.columns)
        parts = Parts.of("lookup_lut", live * max(count / 64, 0.5))
        parts.add("selector_lut", live * selector(max(count // 64, 1)))
        return parts


@dataclass(frozen=True)
class Maximum:
    """The largest of several values.

    Attributes:
        terms: Values.
        bits: Of a value.
        signed: Whether they are two's complement.
    """

    module: ClassVar[str] = "sf_max"
    terms: int
    bits: int
    signed: bool

    def parameters(self) -> Mapping[str, int | str]:
        return {"TERMS": self.terms, "BITS": self.bits, "SIGNED": int(self.signed)}

    def counts(self) -> Parts:
        parts = Parts.of("compared_bit", self.bits * (self.terms - 1))
        parts.add("word_bit", self.bits * (self.terms - 1) / 3)
        return parts


@dataclass(frozen=True)
class Total:
    """The sum of several values.

    Attributes:
        terms: Values.
        bits: Of a value, two's complement.
        padded: Whether the sign bit is always zero, so that it costs nothing.
    """

    module: ClassVar[str] = "sf_sum"
    terms: int
    bits: int
    padded: bool

    def parameters(self) -> Mapping[str, int | str]:
        return {"TERMS": self.terms, "BITS": self.bits}

    def counts(self) -> Parts:
        mean = self.bits - self.padded + (self.terms - 1).bit_length() / 2
        parts = Parts.of("added_bit", mean * (self.terms - 1))
        parts.add("word_bit", mean * (self.terms - 1) / 3)
        return parts
