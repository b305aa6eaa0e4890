"""The formers of sliding windows and of blocks of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.rtl.components.costs import Parts, block_memories, in_blocks
from semifreddo.rtl.components.geometry import Blocks, Geometry
from semifreddo.rtl.components.memories import Fifo, constants, memory, selector


def sizes(geometry: Geometry) -> dict[str, int | str]:
    """Image, kernel, stride and number of windows, as library modules name them."""
    return {
        "HEIGHT": geometry.height,
        "WIDTH": geometry.width,
        "KH": geometry.kernel[0],
        "KW": geometry.kernel[1],
        "SH": geometry.stride[0],
        "SW": geometry.stride[1],
    }


def slide(geometry: Geometry) -> dict[str, int | str]:
    """How a kernel slides, as ``sf_slide`` is told.

    PATIENCE is a parameter of the module around it, set where that is placed.
    """
    return {
        **sizes(geometry),
        "LEFT": geometry.left,
        "LAG": geometry.lag,
        "LAST_U": geometry.last_column,
        "SPAN": geometry.span,
        "TRAILS": int(geometry.trails),
        "SKIP": geometry.skip,
        "LAST_ROW": geometry.last_row,
        "DRAIN": geometry.drain,
        "OVERLAP": geometry.overlap,
        "PATIENCE": "(PATIENCE)",
    }


@dataclass(frozen=True)
class Window:
    """A line memory and a register window.

    Attributes:
        geometry: The windows; not trivial.
        bits: Of a pixel, all channels.
    """

    module: ClassVar[str] = "sf_window"
    geometry: Geometry
    bits: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"BITS": self.bits, **slide(self.geometry), "BLOCK": int(self._in_blocks)}

    def counts(self) -> Parts:
        geometry, bits = self.geometry, self.bits
        rows, columns = geometry.kernel
        parts = Parts.of("position")
        parts.add("window_bit", rows * (columns + 1) * bits)  # and the column that goes in next
        right = geometry.left + geometry.width - 1 - geometry.last_column
        # A masked column has registers beside those that move on; nothing moves on from the oldest.
        masked = sum(x < geometry.left or x > right for x in range(1, columns))
        parts.add("masked_bit", masked * rows * bits)
        if rows > 1:
            parts.add_all(self._lines())
        return parts

    def _lines(self) -> Parts:
        """The rows above the newest."""
        words, bits = self.geometry.width, self._line_bits
        parts = Parts()
        if self._in_blocks:
            parts.add("bram18", block_memories(words, bits))
            parts.add("window_bit", -bits)  # a block memory has a register of its own
        else:
            parts.add_all(memory(words, bits))
        return parts

    @property
    def _line_bits(self) -> int:
        """Of one column of the rows above the newest."""
        return (self.geometry.kernel[0] - 1) * self.bits

    @property
    def _in_blocks(self) -> bool:
        return self._line_bits > 0 and in_blocks(self.geometry.width, self._line_bits)


@dataclass(frozen=True)
class Taps:
    """A memory of the pixels of a window, of which parts are read one after the other.

    Attributes:
        geometry: The windows; not trivial.
        bits: Of a pixel, all channels.
        parts: Parts of a pixel, a power of two.
    """

    module: ClassVar[str] = "sf_taps"
    geometry: Geometry
    bits: int
    parts: int

    def parameters(self) -> Mapping[str, int | str]:
        sliding = {"BITS": self.bits, **slide(self.geometry)}
        own = {"WORDS": self.words, "PARTS": self.parts, "BLOCK": int(self.in_blocks)}
        return sliding | own

    @property
    def part_bits(self) -> int:
        """Of what is read in a cycle."""
        return self.bits // self.parts

    @cached_property
    def in_blocks(self) -> bool:
        """Whether pixels are in block memories."""
        return in_blocks(self._places(1), self.bits)

    @property
    def words(self) -> int:
        """Pixels that it holds."""
        return self._places(int(self.in_blocks))

    def _places(self, more: int) -> int:
        """Of the oldest pixel to the newest, and more, in a power of two.

        Block memories are not written where they are read: it takes one more.
        """
        geometry = self.geometry
        pixels = (geometry.kernel[0] - 1) * geometry.span + geometry.kernel[1] + more
        return 1 << max(1, (pixels - 1).bit_length())

    def counts(self) -> Parts:
        rows, columns = self.geometry.kernel
        taps, place = rows * columns, (self.words - 1).bit_length()
        parts = Parts.of("position")
        parts.add("window_bit", self.bits + taps + columns + place)
        parts.add("selector_lut", self.part_bits * selector(self.parts) + selector(taps))
        parts.add("selector_lut", constants(taps, place))
        parts.add("added_bit", 2 * place)  # the next place, and how far behind it is read
        if self.in_blocks:
            parts.add("bram18", block_memories(self.words, self.bits))
        else:
            parts.add_all(memory(self.words, self.bits))
            parts.add("window_bit", self.part_bits)
        return parts


@dataclass(frozen=True)
class Upsampler:
    """Makes a block of pixels of every pixel.

    Attributes:
        blocks: The blocks, and which of their pixels are wanted.
        bits: Of a pixel, all channels.
        keep: Bits of it that later rows of its block need.
    """

    module: ClassVar[str] = "sf_upsample"
    blocks: Blocks
    bits: int
    keep: int

    def parameters(self) -> Mapping[str, int | str]:
        blocks = self.blocks
        return {
            "BITS": self.bits,
            "KEEP": self.keep,
            "HEIGHT": blocks.height,
            "WIDTH": blocks.width,
            "FH": blocks.factor[0],
            "FW": blocks.factor[1],
            "TOP": blocks.origin[0],
            "LEFT": blocks.origin[1],
            "OUT_H": blocks.size[0],
            "OUT_W": blocks.size[1],
            "BLOCK": int("BLOCK" in self._row.parameters()),
        }

    @property
    def place_bits(self) -> tuple[int, int]:
        """Width of a row's number in its block, and of a column's."""
        rows, columns = self.blocks.factor
        return max(1, (rows - 1).bit_length()), max(1, (columns - 1).bit_length())

    @property
    def _row(self) -> Fifo:
        """What later rows of a block need of a row of the image."""
        return Fifo(self.keep, self.blocks.width, credited=True)

    def counts(self) -> Parts:
        rows, columns = self.blocks.factor
        parts = Parts.of("position")
        if rows > 1:
            parts.add_all(self._row.counts())
            parts.add("selector_lut", 0.55 * self.keep)
        if columns > 1:
            parts.add("word_bit", self.bits)
            parts.add("selector_lut", 0.55 * self.bits)
        return parts
