"""What moves words: issuers of pipelines, bank selectors, forks, the ways of folded repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.verilog import quoted


@dataclass(frozen=True)
class Issue:
    """Counts the cycles of a word and the places behind a pipeline.

    Attributes:
        cycles: Per word.
        depth: Words that have a place behind the pipeline.
    """

    module: ClassVar[str] = "sf_issue"
    cycles: int
    depth: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"CYCLES": self.cycles, "DEPTH": self.depth}

    def counts(self) -> Parts:
        """A layer's control: the issuer with the marks that travel beside the pipeline."""
        return Parts.of("control")


@dataclass(frozen=True)
class Swap:
    """Selects the bank of loaded values that an image reads.

    Attributes:
        operands: Words of one pass.
        passes: Times per image that the layer runs.
    """

    module: ClassVar[str] = "sf_swap"
    operands: int
    passes: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"OPERANDS": self.operands, "PASSES": self.passes}

    def counts(self) -> Parts:
        return Parts.of("swap")


@dataclass(frozen=True)
class Fork:
    """Gives every word to several readers."""

    module: ClassVar[str] = "sf_fork"
    readers: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"READERS": self.readers}

    def counts(self) -> Parts:
        return Parts.of("fork_reader", self.readers)


@dataclass(frozen=True)
class RepeatIn:
    """Lets words from outside into the first pass of a folded repeat, then its own words back.

    Attributes:
        bits: Of a word.
        words: Per pass.
        passes: Per image.
        spacing: Cycles between the first words of two passes, at least.
    """

    module: ClassVar[str] = "sf_repeat_in"
    bits: int
    words: int
    passes: int
    spacing: int

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "BITS": self.bits,
            "WORDS": self.words,
            "PASSES": self.passes,
            "SPACING": self.spacing,
        }

    def counts(self) -> Parts:
        parts = Parts.of("position")
        parts.add("selector_lut", 0.55 * self.bits)
        return parts


@dataclass(frozen=True)
class RepeatOut:
    """Sends the words of the last pass onward, those of the others back.

    Attributes:
        words: Per pass.
        passes: Per image.
        back: Whether the words of other passes go back.
        onward: Whether the words of the last pass go on.
    """

    module: ClassVar[str] = "sf_repeat_out"
    words: int
    passes: int
    back: bool
    onward: bool

    def parameters(self) -> Mapping[str, int | str]:
        return {
            "WORDS": self.words,
            "PASSES": self.passes,
            "BACK": int(self.back),
            "ONWARD": int(self.onward),
        }

    def counts(self) -> Parts:
        """Nothing of its own: its counter is in the price of :class:`RepeatIn`."""
        return Parts()


@dataclass(frozen=True)
class Probe:
    """Tells a simulation what passes on a stream.

    Attributes:
        name: Under which it is told.
        bits: Of a word.
        words: Of one pass; 0 if there are no passes.
        passes: Per image.
        number: Of the pass that is told.
    """

    module: ClassVar[str] = "sf_probe"
    name: str
    bits: int
    words: int = 0
    passes: int = 1
    number: int = 0

    def parameters(self) -> Mapping[str, int | str]:
        found: dict[str, int | str] = {"NAME": quoted(self.name), "BITS": self.bits}
        if self.words:
            found |= {"WORDS": self.words, "PASSES": self.passes, "PASS": self.number}
        return found

    def counts(self) -> Parts:
        """Nothing: synthesis does not see it."""
        return Parts()
