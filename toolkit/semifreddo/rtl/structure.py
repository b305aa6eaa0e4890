"""What a layer is made of, counted without making it; mirrors the unit modules and the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.layers import Layer, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.costs import Area, Parts, block_memories, in_blocks, ram_luts
from semifreddo.rtl.rhythm import Rhythm
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.unit import Unit, is_wiring


@dataclass(frozen=True)
class LayerModel:
    """A layer as counts of parts.

    Attributes:
        net: The network.
        layer: One of its layers.
        passes: Times per image that it runs: those of a folded repeat, otherwise 1.
        pass_blocks: See :attr:`semifreddo.rtl.folding.Block.pass_blocks`.
    """

    net: StreamNet
    layer: Layer
    passes: int = 1
    pass_blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def regions(self, block: str) -> int:
        """Passes for which a memory holds values of their own; 1 if they share a weight block."""
        return len(self.pass_blocks.get(block, (block,)))

    @property
    def output(self) -> Stream:
        """The stream it makes."""
        return self.layer.output

    @cached_property
    def wiring(self) -> bool:
        """Whether it is nothing but wires, so that there is nothing to choose."""
        return is_wiring(self.layer, self.net)

    def cycles(self, choice: Choice) -> int:
        """Cycles per image, all passes together."""
        unit = self.unit(choice)
        if self.passes == 1:
            return unit.cycles
        rhythm = Rhythm.of(unit, self.layer, together=False)
        return self.passes * (rhythm.busy if rhythm else self.output.pixels)

    def unit(self, choice: Choice) -> Unit:
        """The unit without its text; its latency, and so its FIFO, is predicted."""
        raise NotImplementedError

    def parts(self, choice: Choice) -> Parts:
        """What it is made of."""
        raise NotImplementedError

    def area(self, choice: Choice) -> Area:
        """What it costs, in whole numbers."""
        return self.parts(choice).area().rounded()


@dataclass(frozen=True)
class Bank:
    """A double-buffered memory of ``library/sf_bank.sv``.

    Attributes:
        rows: Rows of weights.
        row_bits: Bits of a row.
        per_line: Rows that are read at once.
        unit_words: Words of such a row that are read at once; 0 is all of them.
        regions: Passes with values of their own.
        registered: Whether nothing but a register sees what is read.
    """

    rows: int
    row_bits: int
    per_line: int = 1
    unit_words: int = 0
    regions: int = 1
    registered: bool = False

    @cached_property
    def units(self) -> int:
        """Parts in which a row is read."""
        row_words = -(-self.row_bits // WORD_BITS)
        return -(-row_words // self.unit_words) if self.unit_words else 1

    @cached_property
    def read_bits(self) -> int:
        """Bits of a row that are read at once."""
        return self.row_bits if self.units == 1 else self.unit_words * WORD_BITS

    @cached_property
    def words(self) -> int:
        """Depth of each of its memories: of both banks, lines and units in powers of two."""
        lines = -(-self.rows // self.per_line)
        line = max(1, (lines - 1).bit_length())
        return 2 << line + (self.units - 1).bit_length() + (self.regions - 1).bit_length()

    @cached_property
    def memories(self) -> list[int]:
        """Widths of the memories that a row is read from."""
        whole, rest = divmod(self.read_bits, WORD_BITS)
        return [WORD_BITS] * whole + [rest] * bool(rest)

    @cached_property
    def register_bits(self) -> int:
        """Bits that are read and need flip-flops: a block memory has its own."""
        distributed = [bits for bits in self.memories if not in_blocks(self.words, bits)]
        return self.per_line * sum(distributed)

    def add_to(self, parts: Parts) -> None:
        """Count its parts, the register of its reader left out."""
        parts.add("load")
        parts.add("load_word", self.per_line * len(self.memories))
        parts.add("word_bit", max(self.memories, default=0))  # that is written next
        for bits in self.memories:
            if self.registered and in_blocks(self.words, bits):
                parts.add("bram18", self.per_line * block_memories(self.words, bits))
                continue
            parts.add("ram_lut", self.per_line * ram_luts(self.words, bits))
            parts.add("memory_mux_bit", self.per_line * bits * (-(-self.words // 64) - 1))
