"""Answers to images whose class is known: what is confused with what, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.net import StreamNet


@dataclass(frozen=True)
class Confusion:
    """Images of one class that were answered with another."""

    truth: str
    answer: str
    images: int
    of: int


@dataclass(frozen=True)
class ClassResult:
    """How the images of a class were answered."""

    label: str
    images: int
    right: int

    @property
    def share(self) -> float | None:
        """Share of right answers; None without images."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class Judged:
    """One image: its class, the answer, and by how much the answer won.

    Attributes:
        index: Among the vectors.
        lead: Raw result of the answer less that of the truth; if the answer is the truth, less
            that of the next best.
    """

    index: int
    truth: str
    answer: str
    lead: int

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.truth == self.answer


@dataclass(frozen=True, eq=False)
class Answers:
    """Raw results and true classes of the same images.

    Attributes:
        labels: Class names.
        scores: ``(n, classes)`` raw results.
        truth: ``(n,)`` indices into ``labels``.
    """

    labels: tuple[str, ...]
    scores: IntArray
    truth: IntArray

    @classmethod
    def of(cls, net: StreamNet, vectors: VectorSet, labels: tuple[str, ...]) -> Answers | None:
        """Answers of golden vectors; None if nobody knows the classes, or there are none.

        A class index says nothing about the answers of several outputs.
        """
        truth = vectors.truth
        if truth is None or not len(truth) or net.output.pixels != 1 or len(labels) < 2:
            return None
        if int(truth.max()) >= len(labels):
            return None
        scores = vectors.expected[:, : len(labels)].astype(np.int64)
        return cls(labels, scores, truth.astype(np.int64))

    @cached_property
    def answers(self) -> IntArray:
        """Index of the largest result, the first one of equals: as the runtime answers."""
        best: IntArray = self.scores.argmax(axis=1)
        return best

    @property
    def images(self) -> int:
        """How many there are."""
        return len(self.truth)

    @property
    def right(self) -> int:
        """How many answers are the truth."""
        return int((self.answers == self.truth).sum())

    @cached_property
    def matrix(self) -> IntArray:
        """Images by truth (row) and answer (column)."""
        size = len(self.labels)
        places = self.truth * size + self.answers
        return np.bincount(places, minlength=size * size).reshape(size, size)

    @property
    def classes(self) -> list[ClassResult]:
        """Every class, in the order of the labels."""
        return [
            ClassResult(label, int(row.sum()), int(row[index]))
            for index, (label, row) in enumerate(zip(self.labels, self.matrix, strict=True))
        ]

    def confusions(self, count: int) -> list[Confusion]:
        """The most frequent ones first."""
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        places = sorted(np.argwhere(wrong).tolist(), key=lambda place: -wrong[tuple(place)])
        return [
            Confusion(
                self.labels[truth],
                self.labels[answer],
                int(wrong[truth, answer]),
                int(self.matrix[truth].sum()),
            )
            for truth, answer in places[:count]
        ]

    def hardest(self, count: int) -> list[Judged]:
        """Wrong answers, the surest first; then the right ones that were closest."""
        n = np.arange(self.images)
        wrong = self.answers != self.truth
        others = self.scores.copy()
        others[n, self.answers] = np.iinfo(np.int64).min
        rival = np.where(wrong, self.scores[n, self.truth], others.max(axis=1))
        lead = self.scores[n, self.answers] - rival
        order = np.lexsort((np.where(wrong, -lead, lead), ~wrong))
        return [
            Judged(
                int(index),
                self.labels[self.truth[index]],
                self.labels[self.answers[index]],
                int(lead[index]),
            )
            for index in order[:count]
        ]
