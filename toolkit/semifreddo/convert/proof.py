"""Whether double precision decides every quantizer as real numbers do, proven for every image.

The converter knows at which integers a quantizer steps, so it knows how near a boundary an
accumulator can come, and :mod:`semifreddo.convert.roundoff` how far double precision may be off.
Where the first is more than the second, no image makes a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from semifreddo.convert.bound import Bound
from semifreddo.convert.decisions import Decision
from semifreddo.convert.from_qonnx import Converted
from semifreddo.convert.functions import Function
from semifreddo.convert.roundoff import DOUBLE, bounds_of

_SHOWN = 3


@dataclass(frozen=True)
class Doubt:
    """An accumulator that comes nearer to a boundary than floating point is exact.

    Attributes:
        node: The quantizer.
        channel: Of the stream in front of it.
        level: The integer that begins at the boundary.
        argument: The accumulator.
        distance: How far from the boundary it is, in steps of the quantizer.
        error: What floating point may be off.
    """

    node: str
    channel: int
    level: int
    argument: int
    distance: float
    error: float

    def __str__(self) -> str:
        return (
            f"{self.node}, channel {self.channel}, level {self.level}: accumulator "
            f"{self.argument} is {self.distance:.1e} steps from the boundary, the error up to "
            f"{self.error:.1e}"
        )


@dataclass(frozen=True)
class Proof:
    """What is proven of a file in floating point.

    Attributes:
        quantizers: How many were looked at.
        steps: How many steps of all their channels.
        nearest: Smallest distance of an accumulator from a boundary, in steps of the quantizer;
            None if everything is computed without rounding.
        doubts: What is not proven.
        unknown: Quantizers behind an operator whose error is not known.
    """

    quantizers: int
    steps: int
    nearest: float | None
    doubts: tuple[Doubt, ...]
    unknown: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is proven."""
        return not self.doubts and not self.unknown

    def __str__(self) -> str:
        if self.holds:
            how = "computed without rounding"
            if self.nearest is not None:
                how = f"decided exactly; nearest accumulator {self.nearest:.1e} steps away"
            return (
                f"proven for every image: {self.steps} steps of {self.quantizers} quantizers {how}"
            )
        parts = [str(doubt) for doubt in self.doubts[:_SHOWN]]
        if len(self.doubts) > _SHOWN:
            parts.append(f"{len(self.doubts) - _SHOWN} more")
        parts += [f"{name}: an operator in front of it has no known error" for name in self.unknown]
        return f"not proven for every image: {'; '.join(parts)}"


def quotient_error(decision: Decision, precision: int) -> Fraction:
    """What dividing by the scale and adding the zero point may be wrong by, in steps."""
    quantizer = decision.quantizer
    if quantizer.step != 1:
        return Fraction(0)
    most = max(abs(quantizer.low), abs(quantizer.high)) + 2 * abs(quantizer.zero) + 1
    return Fraction(2 * most, 1 << precision)


def prove(converted: Converted, precision: int = DOUBLE) -> Proof:
    """Compare distances and errors of all quantizers behind the first one.

    Args:
        converted: A converted file.
        precision: Of the floating-point numbers.
    """
    bounds = bounds_of(converted, precision)
    steps, nearest = 0, None
    doubts: list[Doubt] = []
    unknown: list[str] = []
    for decision in converted.decisions:
        steps += decision.channels * len(decision.quantizer.levels)
        bound = bounds.get(decision.reads)
        if bound is None:
            unknown.append(decision.node)
        elif not _is_exact(decision, bound):
            distance, found = _doubts(decision, bound, precision)
            doubts += found
            nearest = distance if nearest is None else min(distance, nearest)
    return Proof(len(converted.decisions), steps, nearest, tuple(doubts), tuple(unknown))


def _is_exact(decision: Decision, bound: Bound) -> bool:
    """Whether nothing is rounded but by the quantizer itself."""
    unit = decision.unit
    power = not (unit.numerator & (unit.numerator - 1)) and not (
        unit.denominator & (unit.denominator - 1)
    )
    return bound.exact and power


def _doubts(decision: Decision, bound: Bound, precision: int) -> tuple[float, list[Doubt]]:
    """The smallest distance, and every one that is not larger than the error."""
    errors = decision.by_channel(bound.error)
    quotient = float(quotient_error(decision, precision))
    known: dict[tuple[Function, ...], list[tuple[int, int, float]]] = {}
    clear: dict[tuple[tuple[Function, ...], float], bool] = {}
    nearest, doubts = float("inf"), []
    for channel, error in enumerate(errors):
        key = tuple(function.select((channel,)) for function in decision.functions)
        if key not in known:
            known[key] = [(a, b, float(c)) for a, b, c in decision.nearest(channel)]
        total = float(error) / float(decision.unit) + quotient
        if (key, total) not in clear:
            clear[key, total] = decision.clear(channel, total)
        if not clear[key, total]:
            # Which integer it is does not matter: one too near is one too many.
            level, first = decision.quantizer.low, int(decision.arguments[0])
            doubts.append(Doubt(decision.node, channel, level, first, 0.0, total))
        for level, argument, distance in known[key]:
            # What lies on a boundary is decided rightly where nothing is rounded in front.
            if distance or error:
                nearest = min(nearest, distance)
                if distance <= total:
                    doubts.append(Doubt(decision.node, channel, level, argument, distance, total))
    return nearest, doubts
