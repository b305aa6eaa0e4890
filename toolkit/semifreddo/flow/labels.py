"""Whether the classes of a trained design are worth their labels, for a task of groups."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from semifreddo.methods.labels import (
    Confusion,
    Grouping,
    confusion_counts,
    confusion_of,
    random_grouping,
)
from semifreddo.nn.integers import exact_logits
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import TrainVal
from semifreddo.train.seen import raw_images

PAYS = 1.5
"""Confusion ratio from which finer labels are expected to pay: in our study they gained on each of
the four groupings of nine that have such a ratio, and on one of the five others
(docs/studies/label_granularity.md)."""

_RANDOM = 20


@dataclass(frozen=True)
class Judgement:
    """What a model's confusions say of a grouping.

    Attributes:
        images: Validation images that were asked.
        confusion: Of the grouping.
        chance: Median ratio of random groupings of the same classes and sizes.
    """

    images: int
    confusion: Confusion
    chance: float

    @property
    def pays(self) -> bool:
        """Whether finer labels are expected to make the groups' answer better."""
        return self.confusion.ratio >= PAYS


def judge(trained: TrainedModel, data: TrainVal, groups: Grouping) -> Judgement:
    """Ask a model that knows the finer classes about its validation images.

    Args:
        trained: A model of the finer classes.
        data: Its task.
        groups: Of its classes.

    Raises:
        ConfigError: The groups do not fit, or each has a single class.
    """
    classes = len(data.labels)
    logits = exact_logits(trained.model, raw_images(trained.model, data.val))[:, :classes]
    counts = confusion_counts(data.val.labels, np.asarray(logits.argmax(1)), classes)
    found = confusion_of(counts, groups)
    chance = [confusion_of(counts, random_grouping(groups, seed)).ratio for seed in range(_RANDOM)]
    return Judgement(len(data.val), found, statistics.median(chance))
