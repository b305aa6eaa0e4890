"""The bus front end: packets in, results out, registers; and what takes the place of a bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Fifo, selector


def word_literal(value: int) -> str:
    """A word of the bus as a parameter."""
    return f"32'h{value:08x}"


@dataclass(frozen=True)
class Ingress:
    """Takes packets apart: pixels of images, and loadable values of tasks.

    Attributes:
        pixel_bytes: Bytes of a pixel.
        image_pixels: Pixels of an image.
        task_words: Words of a task; 0 if nothing can be loaded.
        digest: First word of the device digest.
    """

    module: ClassVar[str] = "sf_ingress"
    pixel_bytes: int
    image_pixels: int
    task_words: int
    digest: int

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "PIXEL_BYTES": self.pixel_bytes,
            "IMAGE_PIXELS": self.image_pixels,
            "TASK_WORDS": self.task_words,
            "DIGEST": word_literal(self.digest),
        }

    def counts(self) -> Parts:
        parts = Parts.of("bus_input")
        parts.add("bus_input_byte", self.pixel_bytes)
        if self.task_words:
            parts.add("bus_task")
        return parts


@dataclass(frozen=True)
class Registers:
    """The AXI4-Lite registers.

    Attributes:
        digest: First word of the device digest.
        task_words: Words of a task.
        format: What the format register reads.
    """

    module: ClassVar[str] = "sf_registers"
    digest: int
    task_words: int
    format: int

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "DIGEST": word_literal(self.digest),
            "TASK_WORDS": self.task_words,
            "FORMAT": self.format,
        }

    def counts(self) -> Parts:
        return Parts.of("bus_registers")


@dataclass(frozen=True)
class Egress:
    """Makes words of results.

    Attributes:
        channels: Of a result pixel.
        bits: Of a value.
        signed: Whether values are two's complement.
        pixels: Of a result.
    """

    module: ClassVar[str] = "sf_egress"
    channels: int
    bits: int
    signed: bool
    pixels: int

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "CHANNELS": self.channels,
            "BITS": self.bits,
            "SIGNED": int(self.signed),
            "PIXELS": self.pixels,
        }

    def counts(self) -> Parts:
        """With the FIFO of two words, each with its mark of the last one, in front of the bus."""
        parts = Parts.of("bus_output")
        parts.add("selector_lut", self.bits * selector(self.channels))
        parts.add_all(Fifo(WORD_BITS + 1, 2).counts())
        return parts


@dataclass(frozen=True)
class Serial:
    """A serial line in place of the buses.

    Attributes:
        divisor: Cycles of a bit.
    """

    module: ClassVar[str] = "sf_serial"
    divisor: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"DIVISOR": self.divisor}

    def counts(self) -> Parts:
        """Nothing: it stands around a design, whose estimate leaves the board out."""
        return Parts()
