"""What a study is: a claim, the cells that are measured for it, and the page that tells the result.

A study chooses with development data only; the type of what :meth:`Study.validate` is given has no
test split. :mod:`semifreddo.studies.runner` seals settings, choices and margin before it hands out
the test split, once.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from semifreddo.core.digest import digest_json

JSON: TypeAlias = Any
Figures: TypeAlias = Mapping[str, JSON]
"""Measured values by name, as JSON keeps them."""

Development = TypeVar("Development")
Test = TypeVar("Test")


@dataclass(frozen=True)
class Cell:
    """A unit of work: measured on its own, by any worker, once.

    Attributes:
        way: Which of the compared ways.
        seed: Of everything random in it.
        point: Other coordinates, for instance a width or a number of bits.
    """

    way: str
    seed: int
    point: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of its folder: readable, and different for different cells."""
        words = [self.way, str(self.seed), *(f"{k}={v}" for k, v in sorted(self.point.items()))]
        readable = re.sub(r"[^A-Za-z0-9=.-]+", "_", "-".join(words))
        return f"{readable[:80]}-{digest_json(asdict(self))[:8]}"


@dataclass(frozen=True)
class Measured:
    """A cell and what was measured.

    Attributes:
        cell: The cell.
        validation: Figures from development data.
        test: Figures from the test split; ``None`` before the test.
        seconds: How long validation took.
    """

    cell: Cell
    validation: Figures
    test: Figures | None
    seconds: float


@dataclass(frozen=True)
class Material(Generic[Development, Test]):
    """Data in two hands.

    Attributes:
        development: For everything that is chosen.
        test: Looked at once, by the runner.
    """

    development: Development
    test: Test


@dataclass(frozen=True)
class Verdict:
    """Whether the claim holds by the margin that was written before the test.

    Attributes:
        outcome: The answer.
        why: The numbers behind it, in one sentence.
    """

    outcome: Literal["holds", "does not hold", "undecided"]
    why: str


class Study(abc.ABC, Generic[Development, Test]):
    """A claim and its measurement; an instance is one choice of settings.

    Attributes:
        name: Of the verb's argument, the page and the record.
        title: Heading of the page.
        claim: One sentence: what the table must show.
        origin: Where the claim is from.
        margin: What counts as shown; written before the first test.
        data: The data set that ``--data`` must hold, or "" if none is needed.
        attempt: The number of this attempt; each of them has looked at the test split.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[str]
    origin: ClassVar[str]
    margin: ClassVar[str]
    data: ClassVar[str] = ""
    attempt: int = 1

    @abc.abstractmethod
    def settings(self) -> JSON:
        """Everything that decides the results; other settings have other folders of results."""

    @abc.abstractmethod
    def cells(self, seeds: Sequence[int], done: Sequence[Measured], /) -> Sequence[Cell]:
        """All cells known so far; a search asks for more when it sees ``done``."""

    @abc.abstractmethod
    def load(self, directory: Path | None) -> Material[Development, Test]:
        """The data.

        Raises:
            DataError: They are missing or damaged.
        """

    @abc.abstractmethod
    def validate(self, cell: Cell, data: Development, folder: Path) -> Figures:
        """Measure a cell; what :meth:`test` will need is written into ``folder``."""

    @abc.abstractmethod
    def test(self, cell: Cell, folder: Path, split: Test) -> Figures:
        """Measure what :meth:`validate` left in ``folder`` on the test split."""

    @abc.abstractmethod
    def verdict(self, results: Sequence[Measured]) -> Verdict:
        """Apply the margin to tested results."""

    @abc.abstractmethod
    def body(self, results: Sequence[Measured]) -> str:
        """Markdown: facts, tables and how to read them; before the test, without test figures."""

    def picture(self, results: Sequence[Measured]) -> str:  # noqa: ARG002 -- most tell it in a table
        """SVG text of tested results, which stands beside the page; "" if there is none."""
        return ""


def by_way(results: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Results by way, in order of their first appearance."""
    found: dict[str, list[Measured]] = {}
    for item in results:
        found.setdefault(item.cell.way, []).append(item)
    return found
