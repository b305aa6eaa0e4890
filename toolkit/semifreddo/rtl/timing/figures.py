"""What the times of a layer follow from."""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.rtl.components.geometry import Blocks, Geometry


@dataclass(frozen=True)
class Figures:
    """One layer of hardware, as the times of a network see it.

    Attributes:
        latency: Cycles from the last operand of a word to the word on the output stream.
        word_cycles: Cycles that one result word keeps the unit busy.
        geometry: Its windows; None if it has none.
        blocks: What its pixels become; None if it takes one word of every input per result, or
            has windows.
        depth: Words of the FIFO behind the pipeline; 0 if it is wiring without one.
    """

    latency: int
    word_cycles: int = 1
    geometry: Geometry | None = None
    depth: int = 0
    blocks: Blocks | None = None
