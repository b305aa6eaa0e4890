"""The ratio of confusion: by hand, and what must hold for any counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semifreddo.core.errors import ConfigError
from semifreddo.methods.labels import (
    Confusion,
    confusion_counts,
    confusion_of,
    group_table,
    noisy_labels,
    random_grouping,
    rank_correlation,
)

PAIRS = {"a": (0, 1), "b": (2, 3)}
COUNTS = arrays.arrays(np.int64, (6, 6), elements=st.integers(0, 20))


def test_by_hand():
    # Answered as 0: 6 of class 0, 2 of class 1, 2 of class 2.
    counts = np.array([[6, 0, 0, 0], [2, 4, 0, 1], [2, 0, 5, 0], [0, 0, 0, 4]])
    found = confusion_of(counts, PAIRS)
    # Pairs of one group: 0-1 (2/10 + 0)/2, 2-3 0. Of two: 0-2 (2/10 + 0)/2, 1-3 (1/5)/2, 0, 0.
    assert found.intra == pytest.approx((0.1 + 0) / 2)
    assert found.inter == pytest.approx((0.1 + 0.1 + 0 + 0) / 4)
    assert found.ratio == pytest.approx(1)


def test_a_perfect_model_has_a_ratio():
    assert confusion_of(np.diag([5, 5, 5, 5]), PAIRS).ratio == 0


def test_a_class_that_is_never_answered():
    counts = np.array([[5, 0, 0, 0], [5, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]])
    assert confusion_of(counts, PAIRS) == Confusion(0.0, 0.125)


@given(COUNTS, st.integers(2, 9))
def test_more_images_of_the_same_kind_change_nothing(counts, factor):
    groups = {"a": (0, 2, 4), "b": (1, 3), "c": (5,)}
    a, b = confusion_of(counts, groups), confusion_of(counts * factor, groups)
    assert (a.inter, a.intra) == pytest.approx((b.inter, b.intra))
    assert 0 <= a.inter <= 1 and 0 <= a.intra <= 1


@given(COUNTS, st.permutations(range(6)))
def test_names_of_classes_change_nothing(counts, order):
    groups = {"a": (0, 1, 2), "b": (3, 4), "c": (5,)}
    place = {old: new for new, old in enumerate(order)}
    renamed = {name: [place[member] for member in group] for name, group in groups.items()}
    a = confusion_of(counts, groups)
    b = confusion_of(counts[np.ix_(order, order)], renamed)
    assert (a.inter, a.intra) == pytest.approx((b.inter, b.intra))


def test_confusion_across_groups_only_is_infinite():
    counts = np.array([[4, 0, 1, 0], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 4]])
    assert confusion_of(counts, PAIRS).ratio == math.inf
    assert confusion_of(counts, {"a": (0, 2), "b": (1, 3)}).ratio == 0


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ({"a": (0, 1)}, "1 named, and an answer needs at least two"),
        ({"a": (0,), "b": ()}, "group 'b' is empty"),
        ({"a": (0,), "b": (4,)}, "group 'b': class 4; classes are 0..3"),
        ({"a": (0, 1), "b": (1,)}, "group 'b': class 1 stands in two groups"),
        ({"a": (0,), "b": (1,)}, "each has one class"),
    ],
)
def test_groups_that_mean_nothing(groups, what):
    with pytest.raises(ConfigError, match=what):
        confusion_of(np.eye(4, dtype=np.int64), groups)


def test_counts_have_the_truth_in_rows():
    counts = confusion_counts(np.array([0, 0, 2]), np.array([1, 1, 2]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert group_table({"a": (2,), "b": (0,)}, 3).tolist() == [1, -1, 0]


@given(st.integers(0, 99))
def test_a_random_grouping_keeps_sizes_and_classes(seed):
    groups = {"a": (0, 1, 4), "b": (2, 3, 5, 7), "c": (9,)}
    found = random_grouping(groups, seed)
    assert {name: len(group) for name, group in found.items()} == {"a": 3, "b": 4, "c": 1}
    assert sorted(sum(found.values(), ())) == [0, 1, 2, 3, 4, 5, 7, 9]


@given(st.floats(0, 1), st.integers(0, 5))
def test_noise_stays_within_its_group(share, seed):
    labels = np.random.default_rng(0).integers(0, 6, 60)
    groups = {"a": (0, 1, 2), "b": (3, 4)}
    noisy = noisy_labels(labels, groups, 6, share, seed)
    table = group_table(groups, 6)
    assert (table[noisy] == table[labels]).all() and (noisy[labels == 5] == 5).all()
    if not share:
        assert (noisy == labels).all()


def test_how_many_labels_are_noise():
    """Of two classes that are equally frequent half of those that are exchanged stay."""
    labels = np.arange(4000) % 4
    changed = [
        (noisy_labels(labels, {"a": (0, 1), "b": (2,)}, 4, share, 1) != labels).reshape(-1, 4)
        for share in (0.5, 1.0)
    ]
    assert not changed[0][:, 2:].any() and not changed[1][:, 2:].any()
    assert [found[:, :2].mean() for found in changed] == pytest.approx([0.25, 0.5], abs=0.05)


def test_ranks():
    assert rank_correlation([1, 2, 3, 9], [10, 20, 30, 31]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # Ties: ranks 0.5, 0.5, 2 against 0, 1, 2.
    assert rank_correlation([1, 1, 5], [1, 2, 3]) == pytest.approx(0.8660254)
    assert rank_correlation([1, 1], [1, 2]) == 0
    with pytest.raises(ConfigError, match="of 2 and 1 values"):
        rank_correlation([1, 2], [1])
