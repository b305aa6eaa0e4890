"""Whether finer labels pay: the Average Confusion Ratio of a grouping.

A task asks for groups of classes. Training with the classes themselves and mapping the answer to
its group can be more accurate than training with the groups, the more so the more a model confuses
classes of *different* groups. Source: Chen et al., Understanding the Impact of Label Granularity
on CNN-based Image Classification, ICDM Workshops 2018, arXiv 1901.07012; the ratio as in the
authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ConfigError
from semifreddo.train.data import Splits

Grouping = Mapping[str, Sequence[int]]
"""Groups of classes by name; every class stands in one of them at most."""


@dataclass(frozen=True)
class Confusion:
    """How much classes are confused, on average over pairs of classes.

    Attributes:
        inter: Pairs of different groups.
        intra: Pairs of the same group.
    """

    inter: float
    intra: float

    @property
    def ratio(self) -> float:
        """The Average Confusion Ratio, ``inter / intra``.

        0 where nothing is confused across groups, also for a perfect model: finer labels have
        nothing left to gain. Infinite where classes are confused across groups only.
        """
        if not self.inter:
            return 0.0
        return self.inter / self.intra if self.intra else math.inf


def group_table(groups: Grouping, classes: int) -> npt.NDArray[np.int64]:
    """The group of each class, ``(classes,)``; -1 for a class in no group.

    Raises:
        ConfigError: An unknown class, one that stands in two groups, an empty group or fewer than
            two groups.
    """
    if len(groups) < 2:
        raise ConfigError(f"groups: {len(groups)} named, and an answer needs at least two")
    table = np.full(classes, -1, np.int64)
    for index, (name, members) in enumerate(groups.items()):
        if not members:
            raise ConfigError(f"group {name!r} is empty; name its classes")
        for member in members:
            if not 0 <= member < classes:
                raise ConfigError(f"group {name!r}: class {member}; classes are 0..{classes - 1}")
            if table[member] >= 0:
                raise ConfigError(f"group {name!r}: class {member} stands in two groups")
            table[member] = index
    return table


def fine_classes(data: Splits, groups: Grouping) -> tuple[Splits, tuple[int, ...]]:
    """The classes of groups, to be learned one by one, and the group that each output means.

    Args:
        data: With fine labels; images of classes in no group are left out.
        groups: At least two.

    Raises:
        ConfigError: The groups do not fit, or each has a single class.
    """
    table = group_table(groups, len(data.labels))
    used = [int(member) for member in np.flatnonzero(table >= 0)]
    if len(used) == len(groups):
        raise ConfigError("groups: each has one class, so no labels are finer than they are")
    return data.subset(used), tuple(int(table[member]) for member in used)


def confusion_counts(
    truth: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], classes: int
) -> npt.NDArray[np.int64]:
    """How many images of each class (row) were answered as each class (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, answers), 1)
    return counts


def confusion_of(counts: npt.NDArray[np.integer], groups: Grouping) -> Confusion:
    """Average confusion of a grouping.

    Each column of the counts is divided by its sum (of all images that were answered as a class,
    the share that is of another), the result is made symmetric and averaged over pairs.

    Args:
        counts: Of held-out images, true class by answered class, ``(classes, classes)``. A model
            that fits its training images confuses none of them.
        groups: At least two, at least one of them with two classes.

    Raises:
        ConfigError: The groups do not fit, or each has a single class: then nothing is finer.
    """
    table = group_table(groups, len(counts))
    used = np.flatnonzero(table >= 0)
    if len(used) == len(groups):
        raise ConfigError("groups: each has one class, so no labels are finer than they are")
    totals = counts.sum(0)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    mutual = ((shares + shares.T) / 2)[np.ix_(used, used)]
    pairs = np.triu_indices(len(used), 1)
    same = (table[used][:, None] == table[used])[pairs]
    values = mutual[pairs]
    return Confusion(float(values[~same].mean()), float(values[same].mean()))


def random_grouping(groups: Grouping, seed: int) -> dict[str, tuple[int, ...]]:
    """The same classes in groups of the same sizes, by chance: what no relation between them is."""
    members = [member for group in groups.values() for member in group]
    shuffled = iter(np.random.default_rng(seed).permutation(members).tolist())
    return {name: tuple(sorted(next(shuffled) for _ in group)) for name, group in groups.items()}


def noisy_labels(
    labels: npt.NDArray[np.int64], groups: Grouping, classes: int, share: float, seed: int
) -> npt.NDArray[np.int64]:
    """Labels of which some are exchanged within their group; the groups stay right.

    Args:
        labels: Fine labels, ``(n,)``.
        groups: Classes in no group keep their labels.
        classes: Fine classes.
        share: Of the images that take the label of a random image of the same group.
        seed: Of the choice.
    """
    random = np.random.default_rng(seed)
    table, noisy = group_table(groups, classes), labels.copy()
    group = table[labels]
    for index in np.flatnonzero((random.random(len(labels)) < share) & (group >= 0)):
        noisy[index] = labels[random.choice(np.flatnonzero(group == group[index]))]
    return noisy


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rank correlation; ties get their mean rank, and 0 where one side does not vary.

    Raises:
        ConfigError: Fewer than two values, or lists of different lengths.
    """
    if len(a) != len(b) or len(a) < 2:
        raise ConfigError(f"rank correlation of {len(a)} and {len(b)} values")
    ranks = [_ranks(np.asarray(values, float)) for values in (a, b)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean of the positions that equal values take when they are sorted."""
    below = (values[:, None] > values).sum(1)
    equal = (values[:, None] == values).sum(1)
    ranks: npt.NDArray[np.float64] = below + (equal - 1) / 2
    return ranks
