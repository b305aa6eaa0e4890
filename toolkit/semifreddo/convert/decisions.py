"""What every quantizer of a file decides about which integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from semifreddo.convert.functions import Affine, Function, invertible, value_of
from semifreddo.convert.node import Node
from semifreddo.convert.pieces import Pieces, pieces_of
from semifreddo.convert.steps import Quantizer, steps_of
from semifreddo.convert.values import IndexArray, Signal
from semifreddo.ir.layers import Stream


@dataclass(frozen=True, eq=False)
class Decision:
    """One quantizer behind the first one.

    Attributes:
        node: Its name.
        reads: The tensor of real numbers in front of it.
        gives: The tensor that it makes.
        source: The stream whose integers it decides about.
        result: The stream of its own integers; the source itself if they are the same.
        functions: From an integer of the source to the real number, by channel of the source.
        quantizer: What it does to that number.
        index: Position in the result stream of every entry of the unpadded tensors.
        padding: Zeros around the tensors (top, left, bottom, right).
        arguments: All integers that can occur in the source, sorted.
    """

    node: str
    reads: str
    gives: str
    source: str
    result: str
    functions: tuple[Function, ...]
    quantizer: Quantizer
    index: IndexArray
    padding: tuple[int, int, int, int]
    arguments: range | npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        node: Node,
        source: Stream,
        result: Signal,
        functions: tuple[Function, ...],
        quantizer: Quantizer,
        *,
        arguments: range | npt.NDArray[np.int64],
    ) -> Decision:
        """What a node decides about the integers of a stream."""
        return cls(
            node.name,
            node.inputs[0],
            node.outputs[0],
            source.name,
            result.stream.name,
            functions,
            quantizer,
            result.index,
            result.padding,
            arguments,
        )

    @property
    def channels(self) -> int:
        """Of the source."""
        return len(getattr(self.functions[0], "slopes", ()))

    def inside(self, tensor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """A tensor ``(n, ...)`` without the zeros around it."""
        if not any(self.padding):
            return tensor
        top, left, bottom, right = self.padding
        rows, columns = tensor.shape[2:]
        return tensor[:, :, top : rows - bottom, left : columns - right]

    def by_channel(self, tensor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The largest value of each channel of the source in a tensor with a batch of 1."""
        found = np.zeros(self.channels)
        np.maximum.at(found, self.index.ravel() % self.channels, self.inside(tensor).ravel())
        return found

    @property
    def unit(self) -> Fraction:
        """What distances are counted in: steps, or real numbers where only the sign counts."""
        return Fraction(1) if self.quantizer.step != 1 else self.quantizer.scale

    def distance(self, channel: int, level: int, argument: int) -> Fraction:
        """How far an integer's real number is from the boundary of a level, in units."""
        boundary = self.quantizer.boundary(level).bound
        return abs(value_of(self.functions, channel, argument) - boundary) / self.unit

    def nearest(self, channel: int) -> Iterator[tuple[int, int, Fraction]]:
        """Of each level of a channel: level, integer, distance of the integer from its boundary.

        The integers are the nearest ones that can occur, on both sides: all others are farther
        away, if the function is monotone. Otherwise :meth:`clear` looks at all others.
        """
        first, last = int(self.arguments[0]), int(self.arguments[-1])
        functions = invertible(self.functions)
        if functions is None:
            pieces, step = self._pieces(channel), self.quantizer.step
            ends = zip(pieces.starts, pieces.levels, pieces.levels[1:], strict=False)
            for start, one, other in ends:
                for level in range(min(one, other) + step, max(one, other) + 1, step):
                    for argument in (start - 1, start):
                        yield level, argument, self.distance(channel, level, argument)
            return
        steps = steps_of(functions, channel, self.quantizer, self.arguments)
        for level, *both in zip(self.quantizer.levels, steps.starts, steps.before, strict=True):
            for argument in both:
                if first <= argument <= last:
                    yield level, argument, self.distance(channel, level, argument)

    def clear(self, channel: int, error: float) -> bool:
        """Whether no integer comes so near to a boundary that an error of so many units matters.

        A monotone function is nearest beside its steps, which :meth:`nearest` gives.
        """
        if invertible(self.functions) is not None:
            return True
        shift = Fraction(error) * self.unit
        return self._pieces(channel, shift) == self._pieces(channel, -shift)

    def _pieces(self, channel: int, shift: Fraction = Fraction(0)) -> Pieces:
        """Where the levels of a function that is not monotone begin, and of one that is shifted."""
        own = tuple(function.select((channel,)) for function in self.functions)
        moved = (*own, Affine((Fraction(1),), (shift,))) if shift else own
        reach = int(self.arguments[0]), int(self.arguments[-1])
        return pieces_of(moved, 0, self.quantizer, reach, self.node)
