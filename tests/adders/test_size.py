"""Adders are counted without solving a graph."""

from __future__ import annotations

import numpy as np

from semifreddo.adders import signed_digits
from semifreddo.adders.pieces import signed_digit_count
from semifreddo.adders.size import predicted_adders


def test_signed_digits_are_counted_like_one_by_one() -> None:
    values = np.arange(-300, 300)
    assert signed_digit_count(values).tolist() == [len(list(signed_digits(int(v)))) for v in values]


def test_one_digit_per_output_needs_no_adder() -> None:
    assert predicted_adders(np.diag([1, -4, 8])) == 0
    assert predicted_adders(np.zeros((3, 2), np.int64)) == 0


def test_outputs_of_a_depthwise_kernel_share_nothing() -> None:
    matrix = np.random.default_rng(1).integers(-8, 8, (9, 32))
    assert predicted_adders(matrix) < predicted_adders(matrix, depthwise=True)
