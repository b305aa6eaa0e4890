"""A curve as both backends build it: a table of its arguments, or a search among its starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Curve, WeightBlock

TABLE_BITS = 10
"""Width of an argument up to which a table is no larger than a search."""

_Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CurveTables:
    """The constants of a curve; columns are channels, or one for all of them.

    Attributes:
        searches: Whether the argument is searched for among the starts, which takes
            :attr:`stages` comparisons; otherwise it is the index of its level.
        starts: One less than a power of two of them, sorted.
        levels: One more than starts; of a table one for every argument, by its bits.
    """

    searches: bool
    starts: _Array
    levels: _Array

    @property
    def stages(self) -> int:
        """Comparisons of a search, or bits of an index."""
        return (len(self.levels) - 1).bit_length()

    @classmethod
    def of(
        cls, layer: Curve, source: FixedType, block: Callable[[str], WeightBlock]
    ) -> CurveTables:
        """The constants of a layer.

        Args:
            layer: The curve.
            source: Format of its input.
            block: Finds a block by name.
        """
        starts, levels = block(layer.starts).raw, block(layer.levels).raw
        if source.width <= TABLE_BITS:
            return cls(False, starts[:0], _table(starts, levels, source))
        # The last step is repeated until there is a comparison for every bit of the index.
        lacking = (1 << len(starts).bit_length()) - len(levels)
        return cls(True, _extended(starts, lacking), _extended(levels, lacking))


def _extended(rows: _Array, count: int) -> _Array:
    return np.concatenate([rows, np.repeat(rows[-1:], count, axis=0)])


def _table(starts: _Array, levels: _Array, source: FixedType) -> _Array:
    """Levels by the bits of the argument: negative ones come last."""
    arguments = np.arange(1 << source.width)
    arguments[arguments > source.max_raw] -= 1 << source.width
    columns = []
    for column in range(max(starts.shape[1], levels.shape[1])):
        reached = np.searchsorted(starts[:, column % starts.shape[1]], arguments, side="right")
        columns.append(levels[reached, column % levels.shape[1]])
    return np.stack(columns, axis=1)
