"""Large constant matrices in pieces, so that the time to solve them grows with their size only.

da4ml's time grows about with the square of a matrix' digits: 14 CPU s for 288x32 weights of 8 bits,
minutes for 576x64. Pieces of at most :data:`PIECE_DIGITS` digits are solved one by one, in 4 s and
20 s; the sums of pieces with different rows are added up. That takes about 6 % more adders for two
pieces, because sub-expressions are shared within a piece only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WHOLE_DIGITS = 16_000
"""Nonzero signed digits up to which a matrix is solved in one piece."""

PIECE_DIGITS = 12_500
"""Most digits of a piece of a larger one."""


@dataclass(frozen=True)
class Piece:
    """Rows and columns of a matrix, from the first to the one before the last."""

    rows: range
    columns: range

    def of(self, matrix: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The entries of a matrix."""
        return matrix[self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]


def signed_digit_count(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nonzero canonical signed digits of each integer."""
    magnitude: npt.NDArray[np.int64] = np.abs(values)
    marks = np.bitwise_xor(3 * magnitude, magnitude)
    count = np.zeros(magnitude.shape, np.int64)
    while marks.any():
        count += marks & 1
        marks >>= 1
    return count


def pieces(matrix: npt.NDArray[np.int64]) -> list[Piece]:
    """Pieces that cover a matrix: one, or halves of halves along the longer side."""
    rows, columns = matrix.shape
    whole = Piece(range(rows), range(columns))
    digits = signed_digit_count(matrix)
    return [whole] if digits.sum() <= WHOLE_DIGITS else list(_halved(digits, whole))


def _halved(digits: npt.NDArray[np.int64], piece: Piece) -> Iterator[Piece]:
    rows, columns = piece.rows, piece.columns
    if piece.of(digits).sum() <= PIECE_DIGITS or max(len(rows), len(columns)) == 1:
        yield piece
    elif len(rows) >= len(columns):
        middle = len(rows) // 2
        yield from _halved(digits, Piece(rows[:middle], columns))
        yield from _halved(digits, Piece(rows[middle:], columns))
    else:
        middle = len(columns) // 2
        yield from _halved(digits, Piece(rows, columns[:middle]))
        yield from _halved(digits, Piece(rows, columns[middle:]))
