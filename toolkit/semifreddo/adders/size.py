"""How many adders a constant matrix takes, without solving its graph.

The adders are those of the canonical signed digits, times the share that is left when a solver lets
sums share sub-expressions. The share falls with the size of the matrix and with the digits per
weight, and rises with the weights' entropy: the fewer different weights there are, the more often
the same sub-expression comes. The exponents were fitted to graphs that da4ml found for 500 random
matrices; ``semifreddo study adder_graphs`` measures the errors on others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from semifreddo.adders.pieces import pieces, signed_digit_count

IntMatrix = npt.NDArray[np.int64]


def _adders(digits: float, rows: int, columns: int, entropy: float) -> float:
    """Adders that are left after sharing."""
    naive = max(digits - columns, 0.0)
    if naive <= 1:
        return naive
    density = digits / (rows * columns)
    share = 0.72 * entropy**0.47 * density**-0.55 * rows**-0.1 * columns**-0.13
    return float(naive * min(1.0, share))


def _entropy(values: IntMatrix) -> float:
    """Bits of information of a weight."""
    _, counts = np.unique(values, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.05


def predicted_adders(matrix: IntMatrix, *, depthwise: bool = False) -> float:
    """About how many two-input adders a constant matrix takes.

    Args:
        matrix: Integers ``(inputs, outputs)``.
        depthwise: Whether each output has inputs of its own, so that outputs share nothing.
    """
    entropy = _entropy(matrix)
    if depthwise:
        digits = signed_digit_count(matrix).sum(axis=0)
        used = (matrix != 0).sum(axis=0)
        return sum(
            _adders(float(d), int(n), 1, entropy) for d, n in zip(digits, used, strict=True) if d
        )
    parts = [piece.of(matrix) for piece in pieces(matrix)]
    # A column has a sum in every piece in which it is not zero, and they are added up.
    sums = sum(int(part.any(axis=0).sum()) for part in parts)
    return sum(_piece(part, entropy) for part in parts) + sums - int(matrix.any(axis=0).sum())


def _piece(matrix: IntMatrix, entropy: float) -> float:
    digits = float(signed_digit_count(matrix).sum())
    rows, columns = int(matrix.any(axis=1).sum()), int(matrix.any(axis=0).sum())
    return _adders(digits, rows, columns, entropy) if columns else 0.0
