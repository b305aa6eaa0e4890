"""Adder graphs compute the matrix they were made from, inside the ranges they state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo import adders
from semifreddo.adders import signed_digits, solver
from semifreddo.adders.pieces import PIECE_DIGITS, WHOLE_DIGITS, pieces, signed_digit_count
from semifreddo.adders.size import predicted_adders
from semifreddo.core.fixed import FixedType
from semifreddo.core.progress import heard_by


@given(st.integers(-(2**40), 2**40))
def test_signed_digits(value: int) -> None:
    digits = list(signed_digits(value))
    assert sum(digit << shift for shift, digit in digits) == value
    shifts = [shift for shift, _ in digits]
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(shifts))


def check(graph: adders.AdderGraph, matrix: np.ndarray, source: FixedType) -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(source.min_raw, source.max_raw + 1, (40, len(matrix)))
    data[0], data[1] = source.min_raw, source.max_raw
    assert np.array_equal(graph.evaluate(data), data @ matrix)
    values = list(data.T)
    for adder in graph.adders:
        left = values[adder.left] << adder.left_shift
        right = values[adder.right] << adder.right_shift
        values.append(left - right if adder.subtract else left + right)
        assert adder.range.low <= values[-1].min() <= values[-1].max() <= adder.range.high


@pytest.mark.parametrize(("largest", "digits"), [(2**24 - 1, False), (2**24, True)])
def test_where_da4ml_ends(monkeypatch: pytest.MonkeyPatch, largest: int, digits: bool) -> None:
    """It solves all constants that single precision holds exactly."""
    pytest.importorskip("da4ml", reason="needs the rtl extra")
    taken: list[bool] = []
    own = solver.solve_digits
    monkeypatch.setattr(solver, "solve_digits", lambda *a: (taken.append(True), own(*a))[1])
    matrix = np.array([[largest, 3], [1, 5]])
    check(
        adders.solve(matrix, FixedType.exact(4, 0, signed=True)),
        matrix,
        FixedType.exact(4, 0, signed=True),
    )
    assert bool(taken) == digits


@pytest.mark.parametrize("bits", [23, 24, 25, 30])
def test_constants_that_single_precision_does_not_hold(bits: int) -> None:
    """da4ml would round them; wide constants become digits of their own."""
    matrix = np.array([[(1 << bits) - 1, 3], [-(1 << bits) + 1, (1 << (bits - 1)) + 1]])
    source = FixedType.exact(8, 0, signed=True)
    check(adders.solve(matrix, source), matrix, source)


matrices = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1)).map(
    lambda drawn: (
        np.random.default_rng(drawn[2]).integers(-100, 101, drawn[:2])
        * np.random.default_rng(drawn[2]).integers(0, 2, drawn[:2])
    )
)
sources = st.tuples(st.integers(2, 9), st.booleans()).map(
    lambda drawn: FixedType.exact(drawn[0], 3, signed=drawn[1])
)


@settings(deadline=None, max_examples=40)
@given(matrices, sources)
def test_plain_graphs(matrix: np.ndarray, source: FixedType) -> None:
    check(adders.solve_digits(matrix, source), matrix, source)


@settings(deadline=None, max_examples=40)
@given(matrices, sources)
def test_shared_graphs(matrix: np.ndarray, source: FixedType) -> None:
    pytest.importorskip("da4ml", reason="needs the hls extra", exc_type=ImportError)
    check(adders.solve_shared(matrix, source), matrix, source)


def test_sharing_saves_adders_and_the_estimate_is_near() -> None:
    pytest.importorskip("da4ml", reason="needs the hls extra", exc_type=ImportError)
    matrix = np.random.default_rng(0).integers(-128, 128, (72, 16))
    source = FixedType.exact(8, 4, signed=False)
    shared, plain = adders.solve_shared(matrix, source), adders.solve_digits(matrix, source)
    assert len(shared.adders) < 0.6 * len(plain.adders)
    assert 0.7 < predicted_adders(matrix) / len(shared.adders) < 1.4
    assert adders.solve_shared(matrix, source) == shared


def test_without_da4ml_the_plain_graph_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ImportError("no da4ml")

    monkeypatch.setattr(solver, "solve_shared", missing)
    matrix = np.array([[3, 0], [-5, 7]])
    source = FixedType.exact(4, 0, signed=True)
    assert adders.solve(matrix, source) == adders.solve_digits(matrix, source)


def test_depthwise_graphs_read_their_own_channel() -> None:
    matrix = np.array([[3, -2], [5, 7], [0, 1]])
    source = FixedType.exact(4, 0, signed=False)
    graph = adders.merge(adders.solve_depthwise(matrix, source), [[0, 2, 4], [1, 3, 5]], 6)
    whole = np.zeros((6, 2), int)
    whole[0::2, 0], whole[1::2, 1] = matrix.T
    check(graph, whole, source)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (240, 2), (1, 90)])
@pytest.mark.parametrize("signed", [True, False])
def test_a_large_matrix_is_solved_in_pieces(
    shape: tuple[int, int], signed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("da4ml", reason="needs the hls extra")
    rng = np.random.default_rng(5)
    matrix = rng.integers(-100, 101, shape) * rng.integers(0, 2, shape)
    matrix[:, 0] = 0  # a column of zeros, and one that is zero in the first half of its rows
    matrix[: shape[0] // 2, -1] = 0
    source = FixedType.exact(8, 0, signed=signed)
    whole = adders.solve(matrix, source)
    monkeypatch.setattr("semifreddo.adders.pieces.WHOLE_DIGITS", 100)
    monkeypatch.setattr("semifreddo.adders.pieces.PIECE_DIGITS", 60)
    split = adders.solve(matrix, source)
    check(split, matrix, source)
    assert len(pieces(matrix)) > 1
    assert len(whole.adders) <= len(split.adders)
    assert adders.solve(matrix, source) == split


def test_pieces_cover_a_matrix_once() -> None:
    rng = np.random.default_rng(6)
    matrix = rng.integers(-128, 128, (300, 47))
    found = pieces(matrix)
    cover = np.zeros(matrix.shape, int)
    for piece in found:
        cover[np.ix_(piece.rows, piece.columns)] += 1
        assert signed_digit_count(piece.of(matrix)).sum() <= PIECE_DIGITS
    assert (cover == 1).all()
    assert len(found) > 1
    small = matrix[:100]
    assert signed_digit_count(small).sum() <= WHOLE_DIGITS
    assert len(pieces(small)) == 1


def test_pieces_are_halved_down_to_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What still has too many digits then, is a piece all the same."""
    monkeypatch.setattr("semifreddo.adders.pieces.WHOLE_DIGITS", 1)
    monkeypatch.setattr("semifreddo.adders.pieces.PIECE_DIGITS", 1)
    found = pieces(np.array([[5, 1], [5, 0]]))
    places = [(*piece.rows, *piece.columns) for piece in found]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_the_size_of_pieces_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("da4ml", reason="needs the hls extra")
    matrix = np.random.default_rng(7).integers(-128, 128, (96, 16))
    monkeypatch.setattr("semifreddo.adders.pieces.WHOLE_DIGITS", 2_000)
    monkeypatch.setattr("semifreddo.adders.pieces.PIECE_DIGITS", 1_000)
    assert len(pieces(matrix)) == 8
    found = len(adders.solve(matrix, FixedType.exact(8, 0, signed=True)).adders)
    assert predicted_adders(matrix) == pytest.approx(found, rel=0.1)


def test_large_matrices_tell_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("da4ml")
    monkeypatch.setattr("semifreddo.adders.pieces.WHOLE_DIGITS", 100)
    monkeypatch.setattr("semifreddo.adders.pieces.PIECE_DIGITS", 80)
    monkeypatch.setattr(solver, "TOLD_DIGITS", 40)
    rng, source = np.random.default_rng(5), FixedType.exact(4, 0, signed=False)
    heard: list[str] = []
    with heard_by(heard.append):
        for rows in (2, 6, 12):
            adders.solve(rng.choice([3, 5, -5], (rows, 6)), source, f"conv{rows}.weight")
    assert heard == [
        "conv6.weight: 6 x 6 constants to adders",
        "conv12.weight: 12 x 6 constants to adders, piece 1 of 2",
        "conv12.weight: 12 x 6 constants to adders, piece 2 of 2",
    ]
