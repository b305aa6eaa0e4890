"""What ``--json`` prints: one document on standard output, of one of these forms.

``semifreddo build --json`` and ``semifreddo report --json`` print a
:class:`~semifreddo.reports.report.BuildReport`. A document names its form in ``format``; a number
there changes when a program that reads it would have to.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from semifreddo.reports.figures import RungFigures


@dataclass(frozen=True)
class Document:
    """One answer of one command."""

    FORMAT: ClassVar[str]

    def to_json(self) -> str:
        """The document's text, with a line's end."""
        return json.dumps({"format": self.FORMAT} | dataclasses.asdict(self), indent=1) + "\n"


@dataclass(frozen=True)
class CheckedTask:
    """A task, and how every rung answered.

    Attributes:
        compared: With what, in words.
    """

    name: str
    compared: str
    rungs: tuple[RungFigures, ...]


@dataclass(frozen=True)
class BaselineFigure:
    """A figure of the committed baseline and of the last build."""

    name: str
    then: float | None
    now: float | None
    status: Literal["equal", "in band", "different", "new", "not measured"]


@dataclass(frozen=True)
class CheckDocument(Document):
    """``semifreddo check``: every rung against the golden vectors.

    Attributes:
        ok: Whether all that was compared is equal, and something was.
        problem: Why not; empty if it is.
        baseline: Figures of the baseline; none if there was nothing to compare.
    """

    FORMAT: ClassVar[str] = "semifreddo-check/1"

    target: str
    tasks: tuple[CheckedTask, ...]
    baseline: tuple[BaselineFigure, ...]
    ok: bool
    problem: str


@dataclass(frozen=True)
class Answer:
    """A device's answer to one image.

    Attributes:
        image: Its file, or its number.
        label: None if the result is no class.
        raw: Raw results.
    """

    image: str
    label: str | None
    raw: tuple[int, ...]


@dataclass(frozen=True)
class Exchanges:
    """How long a batch of images takes, there and back, in milliseconds.

    Attributes:
        images: Of the largest batch.
    """

    count: int
    images: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class RunDocument(Document):
    """``semifreddo run``: answers of a device.

    Attributes:
        device: Name of the transport.
        frames_per_second: None if nothing ran.
        compared: Images that were compared with the software's answers.
        equal: Images with the same integers.
        labels: Answers by label.
        answers: As many as ``--show`` says, or all.
    """

    FORMAT: ClassVar[str] = "semifreddo-run/1"

    design: str
    device: str
    task: str
    images: int
    frames_per_second: float | None
    exchanges: Exchanges
    compared: int
    equal: int
    labels: Mapping[str, int]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class RetargetDocument(Document):
    """``semifreddo retarget``: another task for a built device.

    Attributes:
        file: The task file.
        vectors: Images and answers, if they were asked for.
    """

    FORMAT: ClassVar[str] = "semifreddo-retarget/1"

    task: str
    file: str
    labels: tuple[str, ...]
    payload_bytes: int
    test_accuracy: float
    rungs: tuple[RungFigures, ...]
    vectors: str | None


@dataclass(frozen=True)
class LabelsDocument(Document):
    """``semifreddo labels``: whether finer labels pay for a grouping.

    Attributes:
        groups: Class names by group.
        images: Validation images that the model was asked about.
        inter: Mean confusion of two classes of different groups.
        intra: Mean confusion of two classes of the same group.
        ratio: ``inter / intra``; None if nothing is confused within groups, and something across.
        chance: Median ratio of random groupings; None as above.
        threshold: Ratio from which finer labels are expected to pay.
        pays: Whether they are.
    """

    FORMAT: ClassVar[str] = "semifreddo-labels/1"

    groups: Mapping[str, tuple[str, ...]]
    images: int
    inter: float
    intra: float
    ratio: float | None
    chance: float | None
    threshold: float
    pays: bool


@dataclass(frozen=True)
class MatchedWidths:
    """A network of one weight bitwidth.

    Attributes:
        weight_bits: None for the design's own bits.
        widths: Channels of each block.
        size: Bits of all parameters.
        multiplications: Of one inference.
        luts: Predicted; None if the network does not fit the board, or not at the design's rate.
        frames_per_second: Predicted, likewise.
    """

    weight_bits: int | None
    widths: tuple[int, ...]
    size: int
    multiplications: int
    luts: int | None
    frames_per_second: float | None


@dataclass(frozen=True)
class WidthsDocument(Document):
    """``semifreddo widths``: networks of equal size, of one weight bitwidth each.

    Attributes:
        size: Bits that every network may have.
        networks: As many as bitwidths were asked for.
    """

    FORMAT: ClassVar[str] = "semifreddo-widths/1"

    size: int
    networks: tuple[MatchedWidths, ...]


@dataclass(frozen=True)
class AuditedNetwork:
    """A network under attack; shares of images, from 0 to 1.

    Attributes:
        clean: Answered right.
        attacked: Of these, made wrong by the attack.
        noised: Of these, made wrong by noise of equal norm.
    """

    name: str
    clean: float
    attacked: float
    noised: float


@dataclass(frozen=True)
class AuditDocument(Document):
    """``semifreddo audit``: how easily a task is fooled through the frozen core.

    Attributes:
        file: The task file.
        layer: The last layer that follows from frozen weights alone.
        strength: Grey levels, of 255, by which a pixel may change.
        features: Attacked, each in a run of its own.
        moved: How far the attack moves the layer's features, of their own length.
        noise_moved: The same of noise of equal norm.
        frozen_share: Mean share that blends take of the frozen core; None without blends.
        networks: The task, then what was trained for comparison.
    """

    FORMAT: ClassVar[str] = "semifreddo-audit/1"

    task: str
    file: str
    images: int
    layer: str
    strength: int
    steps: int
    features: int
    moved: float
    noise_moved: float
    frozen_share: float | None
    networks: tuple[AuditedNetwork, ...]


@dataclass(frozen=True)
class ErrorDocument(Document):
    """Any command that came to nothing."""

    FORMAT: ClassVar[str] = "semifreddo-error/1"

    error: str
    exit_code: int


DOCUMENTS: tuple[type[Document], ...] = (
    CheckDocument,
    RunDocument,
    RetargetDocument,
    LabelsDocument,
    WidthsDocument,
    AuditDocument,
    ErrorDocument,
)


def described(cls: type) -> dict[str, Any]:
    """What a class says of itself: its docstring's first line."""
    return {"description": (cls.__doc__ or "").strip().partition("\n")[0]}
