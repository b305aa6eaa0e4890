"""How large the adder graph of a constant matrix will be, without solving it.

The number of adders follows from the canonical signed digits of the matrix and from how many of
them a solver can share, which depends on the matrix's shape and on how dense its digits are. The
coefficients were fitted to graphs that da4ml found for 560 random matrices of 4 to 4,608 weights
(2 to 8 bits; uniform, normal, sparse and powers of two): the median error of the adders is 5 %, of
their bits 7 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log

import numpy as np
import numpy.typing as npt

from semifreddo.core.fixed import FixedType
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import WeightBlock
from semifreddo.rtl.unit import signed_bits

IntMatrix = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GraphSize:
    """Predicted size of a graph.

    Attributes:
        taps: Inputs that are used.
        adders: Two-input adders.
        adder_bits: Sum of their widths.
        depth: Adders between an input and a sum.
    """

    taps: int
    adders: float
    adder_bits: float
    depth: int


def signed_digit_count(values: IntMatrix) -> IntMatrix:
    """Nonzero canonical signed digits of each integer."""
    magnitude: IntMatrix = np.abs(values)
    marks = np.bitwise_xor(3 * magnitude, magnitude)
    count = np.zeros(magnitude.shape, np.int64)
    while marks.any():
        count += marks & 1
        marks >>= 1
    return count


def _adders(digits: float, rows: int, columns: int, bits: int) -> float:
    """Adders that are left after sharing."""
    naive = max(digits - columns, 0.0)
    if naive <= 1:
        return naive
    density = digits / (rows * columns)
    share = exp(
        -0.38 - 0.082 * log(rows) - 0.112 * log(columns) + 0.31 * log(bits) - 0.38 * log(density)
    )
    return naive * min(1.0, share)


@lru_cache(maxsize=256)
def graph_size(weight: WeightBlock, source: FixedType, *, depthwise: bool) -> GraphSize:
    """Size of the graph of a block's frozen channels."""
    matrix = weight.matrix[:, weight.frozen_channels]
    low, high = (bound[weight.frozen_channels] for bound in product_bounds(source, weight))
    sums = [signed_bits(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    ors = np.bitwise_or.reduce(matrix, axis=0, initial=0)
    live = [bool(value) for value in ors]
    digits = signed_digit_count(matrix).sum(axis=0)
    columns = sum(live)
    rows = int(matrix.any(axis=1).sum())
    if depthwise:
        adders = sum(
            _adders(float(d), int((matrix[:, i] != 0).sum()), 1, weight.bits)
            for i, d in enumerate(digits)
            if d
        )
    else:
        adders = _adders(float(digits.sum()), rows, columns, weight.bits) if columns else 0.0
    mean_sum = float(np.mean([bits for bits, used in zip(sums, live, strict=True) if used] or [1]))
    width = 1.4 * source.width**0.38 * mean_sum**0.5
    terms = int(digits.max()) if len(digits) else 1
    return GraphSize(
        taps=int((matrix != 0).sum()) if depthwise else rows,
        adders=adders,
        adder_bits=adders * width,
        depth=(max(terms, 1) - 1).bit_length() + int(terms > 2),
    )
