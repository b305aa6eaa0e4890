"""FIFOs, delays, and memories with one write and one read port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.rtl.components.costs import (
    RAM_DEPTHS,
    Parts,
    block_memories,
    in_blocks,
    ram_luts,
    rom_in_blocks,
    rom_parts,
)
from semifreddo.rtl.components.shifts import Codes

BITS_IN_FLIP_FLOPS = 13
"""Width up to which Yosys makes flip-flops of a memory of two words."""


def memory(words: int, bits: int) -> Parts:
    """A memory of LUTs or flip-flops with one write and one read port."""
    parts = Parts()
    if words <= 2 and bits <= BITS_IN_FLIP_FLOPS:
        parts.add("word_bit", bits * words)
        parts.add("selector_lut", 0.55 * bits * (words - 1))
    else:
        parts.add_all(_ram(words, bits))
    return parts


def _ram(words: int, bits: int) -> Parts:
    """A memory of LUTs, and what selects among several of them."""
    parts = Parts.of("ram_lut", ram_luts(words, bits))
    parts.add("selector_lut", bits * selector(-(-words // RAM_WORDS)))
    return parts


RAM_WORDS = RAM_DEPTHS[-1][0]
"""Words of the deepest memory of LUTs; what is read of a deeper one is selected."""

_SELECTORS = (0, 0, 1, 1, 1, 2, 2, 4, 3, 5, 4.2, 4.3, 4, 5.4, 5.9, 6.4, 6.1)
_LARGER = 0.45
"""LUTs for each input of a larger selector: a mean, since Yosys makes 8 to 14 of 18 to 24."""


def selector(inputs: int) -> float:
    """LUTs of a bit that is selected from so many inputs.

    They are what Yosys 0.70 makes of them (``semifreddo study components``), which is up to twice
    the least there is, a LUT for every three inputs but one.
    """
    return _SELECTORS[inputs] if inputs < len(_SELECTORS) else _LARGER * inputs


def constants(count: int, bits: int) -> float:
    """LUTs of a constant that is selected from so many: bits that are the same function are one.

    A function of one signal takes nothing, or an inverter.
    """
    index = (count - 1).bit_length()
    functions = 2 ** (1 << index) - 2 - 2 * index if index < 4 else bits
    leaves = -(-count // RAM_WORDS)
    return min(bits, functions) * (leaves + selector(leaves))


@dataclass(frozen=True)
class Fifo:
    """A FIFO.

    Attributes:
        bits: Of a word.
        depth: Words.
        credited: Whether the writer counts the free places itself and does not read ``ready``.
    """

    module: ClassVar[str] = "sf_fifo"
    bits: int
    depth: int
    credited: bool = False

    def parameters(self) -> Mapping[str, int | str]:
        found: dict[str, int | str] = {"BITS": self.bits, "DEPTH": self.depth}
        found |= {"CREDITED": 1} if self.credited else {}
        return found | ({"BLOCK": 1} if in_blocks(self.depth, self.bits) else {})

    def counts(self) -> Parts:
        parts, place = Parts.of("fifo"), max(1, (self.depth - 1).bit_length())
        parts.add("fifo_place_bit", place)
        parts.add("word_bit", self.depth.bit_length())  # how many there are
        parts.add("fifo_room", not self.credited)
        if in_blocks(self.depth, self.bits):
            parts.add("bram18", block_memories(self.depth, self.bits))
            parts.add("bypass_bit", self.bits + 1)
            parts.add("selector_lut", place)  # the place that is read next
        else:
            parts.add_all(memory(self.depth, self.bits))
            parts.add("word_bit", place)  # Yosys keeps the place that is read twice
        return parts


@dataclass(frozen=True)
class Delay:
    """A signal some cycles later.

    Attributes:
        cycles: How many.
        bits: Of a vector; 0 is a scalar.
    """

    module: ClassVar[str] = "sf_delay"
    cycles: int
    bits: int = 0

    def parameters(self) -> Mapping[str, int | str]:
        found: dict[str, int | str] = {"CYCLES": self.cycles}
        return found | ({"BITS": self.bits} if self.bits else {})

    def counts(self) -> Parts:
        """Nothing: delays of marks are in the price of a layer's control."""
        return Parts()


@dataclass(frozen=True)
class Bank:
    """A double-buffered memory of loadable values.

    Attributes:
        rows: Rows of values.
        row_bits: Bits of a row.
        per_line: Rows that are read at once.
        unit_words: Words of such a row that are read at once.
        offsets: Where a task has the values: of one region, or of one for every pass.
        used_bits: Bits of a row that anyone reads; 0 is all of them.
        registered: Whether what is read comes a cycle later, out of a register of the bank.
        kept: Bits of a word that are kept: all, of every two the higher one, or those of the codes
            of its values. Bits of a row are those that are kept.
        codes: Of what is kept; None if that is some bits of the values themselves.
    """

    module: ClassVar[str] = "sf_bank"
    rows: int
    row_bits: int
    per_line: int
    unit_words: int
    offsets: tuple[int, ...]
    used_bits: int = 0
    registered: bool = False
    kept: int = WORD_BITS
    codes: Codes | None = None

    def parameters(self) -> Mapping[str, int | str]:
        offsets = ", ".join(f"32'd{offset}" for offset in self.offsets[::-1])
        found: dict[str, int | str] = {
            "ROWS": self.rows,
            "PER_LINE": self.per_line,
            "UNIT_WORDS": self.unit_words,
            "REGIONS": len(self.offsets),
            "OFFSETS": f"{{{offsets}}}",
            "LINES": self.lines,
            "ROW_WORDS": self.row_words,
            "UNITS": self.units,
            "READ": self.read_bits,
        }
        if self.registered:
            found |= {"REGISTERED": 1, "BLOCK_BITS": self.block_bits}
        if self.codes:
            value = {"TERMS": self.codes.terms, "VALUE": WORD_BITS // self.word_values}
            return found | {"KEPT": self.kept} | value | self.codes.parameters()
        return found | ({"KEPT": self.kept} if self.kept < WORD_BITS else {})

    @property
    def word_values(self) -> int:
        """Values of a word, of which codes are kept."""
        return self.kept // self.codes.bits if self.codes else 0

    @cached_property
    def block_bits(self) -> int:
        """Width from which on a memory is one of blocks; 0 if none is."""
        widths = (bits for bits in range(1, self.kept + 1) if in_blocks(self.words, bits))
        return next(widths, 0)

    @cached_property
    def units(self) -> int:
        """Parts in which a row is read."""
        return -(-self.row_words // self.unit_words)

    @property
    def lines(self) -> int:
        """Lines of rows, each read at once."""
        return -(-self.rows // self.per_line)

    @property
    def row_words(self) -> int:
        """Words of a row in the address map."""
        return -(-self.row_bits // self.kept)

    @cached_property
    def read_bits(self) -> int:
        """Bits of a row that are read at once."""
        return self.row_bits if self.units == 1 else self.unit_words * self.kept

    @cached_property
    def words(self) -> int:
        """Depth of each of its memories: of both banks, lines and units in powers of two."""
        line = max(1, (self.lines - 1).bit_length())
        return 2 << line + (self.units - 1).bit_length() + (len(self.offsets) - 1).bit_length()

    @cached_property
    def memories(self) -> list[int]:
        """Widths of the memories that a row is read from."""
        whole, rest = divmod(self.used_bits or self.read_bits, self.kept)
        return [self.kept] * whole + [rest] * bool(rest)

    @cached_property
    def register_bits(self) -> int:
        """Bits that are read and need flip-flops: a block memory has its own."""
        distributed = [bits for bits in self.memories if not in_blocks(self.words, bits)]
        return self.per_line * sum(distributed)

    def counts(self) -> Parts:
        """The register of its reader is not among them."""
        parts = Parts.of("load")
        parts.add("load_word", self.per_line * len(self.memories))
        parts.add("word_bit", max(self.memories, default=0))  # that is written next
        if self.codes:
            parts.add_all(self.codes.encoder(), self.word_values)
        for bits in self.memories:
            if self.registered and in_blocks(self.words, bits):
                parts.add("bram18", self.per_line * block_memories(self.words, bits))
                continue
            parts.add_all(_ram(self.words, bits), self.per_line)
        return parts


@dataclass(frozen=True)
class Rom:
    """A memory of constants, made for one layer, whose words come out of a register.

    Attributes:
        words: How many.
        bits: Of a word.
    """

    module: ClassVar[str] = "rom"
    words: int
    bits: int

    def parameters(self) -> Mapping[str, int | str]:
        return {}

    @cached_property
    def in_blocks(self) -> bool:
        """Whether it is made of block memories, which have the register."""
        return rom_in_blocks(self.words, self.bits)

    def counts(self) -> Parts:
        """The register of LUTs is not among them: it may be that of a multiplier."""
        if self.in_blocks:
            return Parts.of("bram18", block_memories(self.words, self.bits))
        return rom_parts(self.words, self.bits)
