"""The ten facts that only the vendor's tools and a board can tell, and what a first run found.

A run with the tools answers the first eight, a run on the board the last two. Each run writes one
archive: the answers as ``facts.json`` and ``facts.md``, and the files they were read from.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from semifreddo.core.columns import markdown_table
from semifreddo.core.errors import DataError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.project import ProjectPlan

State = Literal["as expected", "different", "measured", "not seen"]
"""``measured``: nothing was expected; ``not seen``: the run did not get there, or cannot tell."""

_MOST_BYTES = 1 << 20

Files = Mapping[str, bytes]
"""Content by relative path."""


@dataclass(frozen=True)
class Question:
    """A fact that is not known yet.

    Attributes:
        name: One word.
        asks: The question.
        from_where: What answers it.
    """

    name: str
    asks: str
    from_where: str


QUESTIONS = (
    Question(
        "tools",
        "Do the tools take the project as it is written?",
        "stages that are done; the first error in `logs/`",
    ),
    Question(
        "size",
        "Does the core need the LUTs and flip-flops that were estimated?",
        "the core's row of `reports/utilization_hierarchical.rpt`",
    ),
    Question(
        "memories",
        "Do weight banks and line memories lie in block memories as planned?",
        "the same row: RAMB36, RAMB18 and LUTRAMs",
    ),
    Question(
        "slices",
        "Do the products that were planned for DSP slices get them?",
        "the same row: DSP blocks",
    ),
    Question(
        "around",
        "How much logic do the processor's interconnects and the DMA need?",
        "the whole design's row less the core's",
    ),
    Question("timing", "Is the clock met, and with which slack?", "`reports/timing_summary.rpt`"),
    Question(
        "handoff",
        "Does the hardware handoff tell the clock, the memory range and the registers expected?",
        "`block_design.hwh`",
    ),
    Question(
        "loops",
        "Does a core made by HLS take the cycles that its schedule predicts?",
        "`reports/csynth.xml`",
    ),
    Question(
        "answers",
        "Does the board load the bitstream, confirm its identity and answer like the software?",
        "the golden vectors of every task in the bundle",
    ),
    Question(
        "speed",
        "How many frames a second does the board answer, and how long does a new task take?",
        "batches of 1, 64 and 1,024 images; ten loads of every task",
    ),
)


@dataclass(frozen=True)
class Fact:
    """The answer to a question.

    Attributes:
        name: Of the question.
        state: How it compares with what was expected.
        found: What was seen, or why nothing was.
        expected: What was expected; empty if nothing.
    """

    name: str
    state: State
    found: str
    expected: str = ""

    def __post_init__(self) -> None:
        if self.name not in {question.name for question in QUESTIONS}:
            raise ValueError(f"nobody asks {self.name!r}")


def complete(facts: Iterable[Fact], reason: str) -> tuple[Fact, ...]:
    """One fact per question, in order; what is missing was not seen, for a reason."""
    known = {fact.name: fact for fact in facts}
    return tuple(known.get(q.name, Fact(q.name, "not seen", reason)) for q in QUESTIONS)


def page(title: str, facts: Iterable[Fact]) -> str:
    """The facts for people, as Markdown."""
    asked = {question.name: question.asks for question in QUESTIONS}
    rows = [(asked[fact.name], fact.state, fact.found, fact.expected) for fact in facts]
    return f"# {title}\n\n{markdown_table(('fact', 'state', 'found', 'expected'), rows)}"


def write_archive(
    path: Path, title: str, facts: Iterable[Fact], machine: Mapping[str, object], files: Files
) -> None:
    """Write facts and files into one ``.tar.gz``, whole or not at all.

    Args:
        path: The archive.
        title: What was run.
        facts: What it found.
        machine: Versions and names of where it ran.
        files: What the facts were read from, by relative path.
    """
    told = tuple(facts)
    data = {"title": title, "facts": [asdict(fact) for fact in told], "machine": dict(machine)}
    plan = ProjectPlan(
        {
            **files,
            "facts.json": (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode(),
            "facts.md": page(title, told).encode(),
        }
    )
    write_atomic(path, plan.tarball(path.name.removesuffix(".tar.gz")))


def read_archive(path: Path) -> dict[str, Any]:
    """The content of ``facts.json`` in an archive.

    Raises:
        DataError: It is not an archive of a first light.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name.endswith("/facts.json") and member.isfile():
                    handle = archive.extractfile(member)
                    text = handle.read(_MOST_BYTES) if handle is not None else b""
                    found: dict[str, Any] = parse_json(text)
                    return found
        raise ValueError("there is no facts.json in it")
    except (OSError, EOFError, tarfile.TarError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: not an archive of a first light ({error})") from error
