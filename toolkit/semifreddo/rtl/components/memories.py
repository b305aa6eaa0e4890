"""FIFOs, delays, and memories with one write and one read port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from semifreddo.rtl.components.costs import Parts, block_memories, ram_luts

BITS_IN_FLIP_FLOPS = 16
"""Width up to which Yosys makes flip-flops of a memory of two words."""


def memory(words: int, bits: int) -> Parts:
    """A memory with one write and one read port: flip-flops, distributed, or blocks."""
    parts = Parts()
    if words <= 2 and bits <= BITS_IN_FLIP_FLOPS:
        parts.add("word_bit", bits * words)
        parts.add("mux_bit", bits * (words - 1) / 2)
    elif words <= 64:
        parts.add("ram_lut", ram_luts(words, bits))
    else:
        parts.add("bram18", block_memories(words, bits))
        parts.add("bypass_bit", bits)
    return parts


def mux(inputs: int) -> float:
    """Multiplexers with four inputs (a LUT each) that make one with more."""
    return (inputs - 1) / 3


@dataclass(frozen=True)
class Fifo:
    """A FIFO.

    Attributes:
        bits: Of a word.
        depth: Words.
        credited: Whether the writer counts the free places and never asks.
    """

    module: ClassVar[str] = "sf_fifo"
    bits: int
    depth: int
    credited: bool = False

    def parameters(self) -> Mapping[str, int | str]:
        found: dict[str, int | str] = {"BITS": self.bits, "DEPTH": self.depth}
        return found | ({"CREDITED": 1} if self.credited else {})

    def counts(self) -> Parts:
        parts = memory(self.depth, self.bits)
        parts.add("fifo")
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
