"""Constant matrices to adder graphs, with da4ml or from canonical signed digits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.adders.graph import Adder, AdderGraph, Range, Tap, merge, signed_digits
from semifreddo.adders.pieces import pieces, signed_digit_count
from semifreddo.core.fixed import FixedType
from semifreddo.core.progress import tell

_FLOAT_BITS = 24
"""Bits of constants that single precision holds."""

TOLD_DIGITS = 4_000
"""Nonzero digits from which on a matrix takes a second or more."""


def solve(matrix: npt.NDArray[np.int64], source: FixedType, name: str = "") -> AdderGraph:
    """Make the adder graph of a constant matrix.

    Args:
        matrix: Integers ``(inputs, outputs)``.
        source: Format of the raw inputs.
        name: What the constants are, for progress: a large matrix takes long, and says so.

    Returns:
        The same graph on every call with the same matrix.
    """
    if np.abs(matrix).max(initial=0) >= 1 << _FLOAT_BITS:
        graph = solve_digits(matrix, source)  # da4ml has constants in single precision
    else:
        try:
            graph = _solve_pieces(matrix, source, name)
        except ImportError:
            graph = solve_digits(matrix, source)
    assert np.array_equal(graph.evaluate(np.eye(len(matrix), dtype=np.int64)), matrix)
    return graph


def _solve_pieces(matrix: npt.NDArray[np.int64], source: FixedType, name: str) -> AdderGraph:
    """The graph that da4ml finds; of a large matrix one for each piece, and the sums of those."""
    parts, shape = pieces(matrix), " x ".join(map(str, matrix.shape))
    if len(parts) == 1:
        if signed_digit_count(matrix).sum() >= TOLD_DIGITS:
            tell(f"{name or 'matrix'}: {shape} constants to adders")
        return solve_shared(matrix, source)
    graphs = []
    for count, part in enumerate(parts, 1):
        tell(f"{name or 'matrix'}: {shape} constants to adders, piece {count} of {len(parts)}")
        graphs.append(solve_shared(np.ascontiguousarray(part.of(matrix)), source))
    whole = merge(graphs, [list(part.rows) for part in parts], len(matrix))
    columns = [column for part in parts for column in part.columns]
    adders, outputs = list(whole.adders), []
    for column in range(matrix.shape[1]):
        taps = [
            tap
            for tap, place in zip(whole.outputs, columns, strict=True)
            if place == column and tap.value >= 0
        ]
        outputs.append(_total(whole.inputs, adders, taps))
    return AdderGraph(whole.inputs, tuple(adders), tuple(outputs))


def _total(inputs: Sequence[Range], adders: list[Adder], taps: Sequence[Tap]) -> Tap:
    """The sum of taps as a balanced tree; appends its adders."""
    while len(taps) > 1:
        pairs = zip(taps[::2], taps[1::2], strict=False)
        last = taps[-1:] if len(taps) % 2 else []
        taps = [*(_combine(inputs, adders, left, right) for left, right in pairs), *last]
    return taps[0] if taps else Tap(-1, 0, False)


def _combine(inputs: Sequence[Range], adders: list[Adder], left: Tap, right: Tap) -> Tap:
    """Append the sum of two taps; the left one, if any is, is the positive one."""
    if left.negate and not right.negate:
        left, right = right, left
    base = min(left.shift, right.shift)
    ranges = []
    for tap in (left, right):
        count = len(inputs)
        found = inputs[tap.value] if tap.value < count else adders[tap.value - count].range
        ranges.append(found.shifted(tap.shift - base))
    subtract = left.negate != right.negate
    if subtract:
        result = Range(ranges[0].low - ranges[1].high, ranges[0].high - ranges[1].low)
    else:
        result = Range(ranges[0].low + ranges[1].low, ranges[0].high + ranges[1].high)
    adders.append(
        Adder(left.value, left.shift - base, right.value, right.shift - base, subtract, result)
    )
    return Tap(len(inputs) + len(adders) - 1, base, left.negate and right.negate)


def solve_digits(matrix: npt.NDArray[np.int64], source: FixedType) -> AdderGraph:
    """The graph without shared sub-expressions: a balanced tree of signed digits per output."""
    inputs = _inputs(len(matrix), source)
    adders: list[Adder] = []
    outputs = []
    for column in matrix.T:
        taps = [
            Tap(row, shift, digit < 0)
            for row, value in enumerate(column)
            for shift, digit in signed_digits(int(value))
        ]
        outputs.append(_total(inputs, adders, taps))
    return AdderGraph(inputs, tuple(adders), tuple(outputs))


def _inputs(count: int, source: FixedType) -> tuple[Range, ...]:
    return (Range(source.min_raw, source.max_raw),) * count


def _exponent(step: float) -> int:
    return round(math.log2(step))


def solve_shared(matrix: npt.NDArray[np.int64], source: FixedType) -> AdderGraph:
    """The graph that da4ml finds, in integers.

    da4ml's values are real numbers with a power-of-two step; ours are the integers in front of it.
    """
    from da4ml.trace import FixedVariableArray, HWConfig, comb_trace

    rows = len(matrix)
    used = np.flatnonzero(matrix.any(axis=0))
    variables = FixedVariableArray.from_kif(
        np.full(rows, int(source.signed), np.int8),
        np.full(rows, source.width - int(source.signed), np.int8),
        np.zeros(rows, np.int8),
        HWConfig(1, -1, -1),
        0.0,
        {"search_all_decompose_dc": False},
    )
    outputs = [Tap(-1, 0, False)] * matrix.shape[1]
    if not used.size:
        return AdderGraph(_inputs(rows, source), (), tuple(outputs))
    comb = comb_trace(variables, variables @ matrix[:, used].astype(np.float64))
    adders, taps = _from_comb(comb, rows)
    for column, tap in zip(used, taps, strict=True):
        outputs[column] = tap
    return AdderGraph(_inputs(rows, source), adders, tuple(outputs))


def _from_comb(comb: Any, rows: int) -> tuple[tuple[Adder, ...], list[Tap]]:
    adders: list[Adder] = []
    index: list[int] = []
    exponents: list[int] = []
    for op in comb.ops:
        exponent = _exponent(op.qint.step)
        if op.opcode == -1:
            index.append(op.id0)
            exponents.append(exponent)
            continue
        assert op.opcode in (0, 1), f"da4ml operation {op.opcode} in a linear map"
        bounds = Range(round(op.qint.min / op.qint.step), round(op.qint.max / op.qint.step))
        left_shift = exponents[op.id0] - exponent
        right_shift = exponents[op.id1] + op.data - exponent
        adders.append(
            Adder(index[op.id0], left_shift, index[op.id1], right_shift, op.opcode == 1, bounds)
        )
        index.append(rows + len(adders) - 1)
        exponents.append(exponent)
    taps = [
        Tap(index[value], exponents[value] + shift, bool(negate))
        for value, shift, negate in zip(comb.out_idxs, comb.out_shifts, comb.out_negs, strict=True)
    ]
    return tuple(adders), taps


def solve_depthwise(matrix: npt.NDArray[np.int64], source: FixedType) -> list[AdderGraph]:
    """One graph per channel of a depthwise kernel ``(kernel positions, channels)``."""
    return [solve(matrix[:, [channel]], source) for channel in range(matrix.shape[1])]
