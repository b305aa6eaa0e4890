"""Curves equal the real function at every integer of the range, ties and ends included."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_models import Graph
from semifreddo.convert import convert, run_qonnx
from semifreddo.convert.brackets import bracketed
from semifreddo.convert.combined import Elu, Erf, Product, Softplus, Sum
from semifreddo.convert.enclosures import enclosed
from semifreddo.convert.functions import SIGMOID, TANH, Affine, Clip, Function, Leaky, value_of
from semifreddo.convert.pieces import Pieces, pieces_of
from semifreddo.convert.steps import CEILING, UP, Quantizer, steps_of
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import Rounding
from semifreddo.ir.layers import Curve
from semifreddo.sim import reference

HALF = Fraction(1, 2)


def times(slope: Fraction | int, offset: Fraction | int = 0) -> Affine:
    return Affine((Fraction(slope),), (Fraction(offset),))


GATE = (times(Fraction(1, 6), HALF), Clip(Fraction(0), Fraction(1)))
CURVES: dict[str, tuple[Function, Callable[[mpmath.mpf], mpmath.mpf]]] = {
    "sigmoid": (SIGMOID, lambda x: 1 / (1 + mpmath.exp(-x))),
    "tanh": (TANH, mpmath.tanh),
    "erf": (Erf(), mpmath.erf),
    "softplus": (Softplus(), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "elu": (Elu(Fraction(3, 4)), lambda x: x if x >= 0 else 0.75 * mpmath.expm1(x)),
    "silu": (Product((times(1),), (SIGMOID,)), lambda x: x / (1 + mpmath.exp(-x))),
    "gelu": (
        Product((times(HALF),), (times(Fraction(5, 7)), Erf(), times(1, 1))),
        lambda x: x / 2 * mpmath.erfc(-x * 5 / 7),
    ),
    "hardswish": (
        Product((times(1),), GATE),
        lambda x: x * min(max(x / 6 + mpmath.mpf(0.5), 0), 1),
    ),
    "mish": (
        Product((times(1),), (Softplus(), TANH)),
        lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    ),
    "leaky sum": (
        Sum((Leaky((Fraction(1, 4),)),), (times(-1), Clip(Fraction(0)))),
        lambda x: (x if x >= 0 else x / 4) + max(-x, 0),
    ),
}


def level(quantizer: Quantizer, value: mpmath.mpf) -> int:
    """By the definition of rounding modes, to 120 digits."""
    scaled = value * quantizer.scale.denominator / quantizer.scale.numerator + quantizer.zero
    if quantizer.step != 1:
        return 1 if value >= 0 else -1
    # What is a tie to 100 digits is one: no tail of a curve comes so near to its limit here.
    twice = 2 * scaled
    if abs(twice - mpmath.nint(twice)) < mpmath.mpf(10) ** -100:
        scaled = mpmath.nint(twice) / 2
    floor, whole = int(mpmath.floor(scaled)), scaled == mpmath.floor(scaled)
    up, positive = floor + (not whole), scaled > 0
    tie = scaled - floor == mpmath.mpf(0.5)
    nearest = up if scaled - floor > mpmath.mpf(0.5) else floor
    found = {
        Rounding.FLOOR: floor,
        Rounding.TOWARD_ZERO: floor if positive else up,
        CEILING: up,
        UP: up if positive else floor,
        Rounding.HALF_UP: up if tie else nearest,
        Rounding.HALF_DOWN: floor if tie else nearest,
        Rounding.HALF_EVEN: (floor if floor % 2 == 0 else up) if tie else nearest,
        Rounding.HALF_AWAY: (up if positive else floor) if tie else nearest,
        Rounding.HALF_TOWARD_ZERO: (floor if positive else up) if tie else nearest,
    }[quantizer.rounding]
    return min(max(found - quantizer.zero, quantizer.low), quantizer.high)


def whole(pieces: Pieces) -> list[int]:
    arguments = np.arange(pieces.first, pieces.last + 1)
    return np.array(pieces.levels)[np.searchsorted(pieces.starts, arguments, side="right")].tolist()


@pytest.mark.parametrize("name", CURVES)
@settings(max_examples=6)
@given(
    slope=st.fractions(Fraction(-1, 4), Fraction(1, 4), max_denominator=64),
    offset=st.sampled_from([Fraction(0), Fraction(0), HALF, Fraction(-5, 3)]),
    scale=st.sampled_from([Fraction(1, 255), Fraction(1, 16), Fraction(3, 40), Fraction(1)]),
    rounding=st.sampled_from([*Rounding, CEILING, UP]),
    zero=st.sampled_from([0, 0, 3]),
    step=st.sampled_from([1, 1, 1, 2]),
)
def test_every_integer_has_the_level_of_the_real_number(
    name: str,
    slope: Fraction,
    offset: Fraction,
    scale: Fraction,
    rounding: Rounding | str,
    zero: int,
    step: int,
) -> None:
    function, value = CURVES[name]
    quantizer = Quantizer(scale, -20, 90, rounding, zero)
    if step == 2:
        quantizer = Quantizer(scale, -1, 1, Rounding.FLOOR, step=2)
    pieces = pieces_of((times(slope, offset), function), 0, quantizer, (-60, 61), name)
    with mpmath.workdps(120):
        expected = [
            level(quantizer, value(mpmath.mpf(exact.numerator) / exact.denominator))
            for exact in (slope * x + offset for x in range(-60, 62))
        ]
    assert whole(pieces) == expected
    assert list(pieces.starts) == sorted(set(pieces.starts))
    assert all(one != other for one, other in pairwise(pieces.levels))


@pytest.mark.parametrize("function", [SIGMOID, TANH])
@given(
    st.fractions(-1, 1, max_denominator=10**6),
    st.integers(1, 10**6),
    st.sampled_from([*Rounding, CEILING, UP]),
)
@settings(max_examples=20)
def test_curves_equal_the_steps_that_their_inverses_give(
    function: Function, slope: Fraction, scale: int, rounding: Rounding | str
) -> None:
    """Two ways that have nothing in common, over ranges that none could try one by one."""
    chain = (times(slope / 1000), function)
    quantizer = Quantizer(Fraction(1, scale), -7, 8, rounding)
    reach = (-(1 << 22), 1 << 23)
    steps = steps_of(chain, 0, quantizer, range(reach[0], reach[1] + 1))
    pieces = pieces_of(chain, 0, quantizer, reach, "curve")
    for x in {*reach, *pieces.starts, *(start - 1 for start in pieces.starts), 0}:
        assert pieces(x) == steps(x)
    inside = {start for start in steps.starts if reach[0] < start <= reach[1]}
    assert {pieces(x) == steps(x) for x in inside} <= {True}


def test_what_is_never_reached_is_no_level() -> None:
    """Sigmoid stays below 1 and above 0, however far away the accumulator is."""
    for rounding, expected in ((Rounding.FLOOR, (0, 254)), (CEILING, (1, 255))):
        quantizer = Quantizer(Fraction(1, 255), 0, 255, rounding)
        pieces = pieces_of((times(1), SIGMOID), 0, quantizer, (-(1 << 30), 1 << 30), "far")
        assert (pieces.levels[0], pieces.levels[-1]) == expected


@pytest.mark.parametrize("name", ["silu", "gelu", "mish", "hardswish"])
def test_a_sign_is_known_far_from_zero(name: str) -> None:
    """A curve that comes nearer and nearer to zero from below never is zero."""
    chain, quantizer = (times(1), CURVES[name][0]), Quantizer(HALF, -1, 1, Rounding.FLOOR, step=2)
    pieces = pieces_of(chain, 0, quantizer, (-(1 << 30), 1 << 30), "far")
    assert pieces.levels == ((1, -1, 1) if name == "hardswish" else (-1, 1))
    assert pieces.starts == ((-2, 0) if name == "hardswish" else (0,))


def test_a_tie_is_decided_by_the_rounding_mode() -> None:
    """The value at zero is 1/2 exactly, which is 127.5 steps."""
    for rounding, expected in (
        (Rounding.HALF_EVEN, 128),
        (Rounding.HALF_DOWN, 127),
        (Rounding.HALF_UP, 128),
        (Rounding.HALF_TOWARD_ZERO, 127),
    ):
        quantizer = Quantizer(Fraction(1, 255), 0, 255, rounding)
        assert pieces_of((times(1), SIGMOID), 0, quantizer, (-1, 1), "tie")(0) == expected


@given(
    st.sampled_from(sorted(CURVES)),
    st.fractions(-40, 40, max_denominator=1000),
    st.fractions(0, 10, max_denominator=100),
)
def test_enclosures_and_brackets_hold_the_value(name: str, low: Fraction, width: Fraction) -> None:
    chain = (times(1), CURVES[name][0])
    ends = (np.array([float(low)]), np.array([float(low + width)]))
    below, above = enclosed(chain, 0, *ends)
    for part in (Fraction(0), HALF, Fraction(1)):
        point = Fraction(float(low + part * width))
        value = value_of(chain, 0, point)
        assert float(below[0]) <= value <= float(above[0])
        for digits in (30, 60):
            near = bracketed(chain, 0, (point, point), digits)
            assert near[0] <= value <= near[1]
            assert near[1] - near[0] < Fraction(10) ** (6 - digits)


def test_too_many_levels_are_refused() -> None:
    quantizer = Quantizer(Fraction(1, 1 << 17), 0, (1 << 17) - 1, Rounding.HALF_EVEN)
    with pytest.raises(ConversionError, match="wide: quantizes a curve to 131072 levels"):
        pieces_of((times(1), SIGMOID), 0, quantizer, (0, 9), "wide")


def test_a_flat_part_on_a_boundary_is_refused() -> None:
    """No digits decide a sum that is a boundary everywhere and looks like one nowhere."""
    chain = (times(1), Sum((SIGMOID,), (times(-1), SIGMOID)))
    quantizer = Quantizer(Fraction(1), 0, 3, Rounding.FLOOR)
    with pytest.raises(ConversionError, match=r"480 digits do not tell .* accumulator"):
        pieces_of(chain, 0, quantizer, (1, 3), "flat")


ACTIVATIONS: dict[str, dict[str, object]] = {
    "Sigmoid": {},
    "Tanh": {},
    "Erf": {},
    "Softplus": {},
    "Elu": {"alpha": 0.7},
    "Selu": {},
    "Celu": {"alpha": 0.3},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSwish": {},
}


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_operators_of_files(op: str, tmp_path: object) -> None:
    """Each behind a convolution with a scale of its own in every channel, some of them negative."""
    from pathlib import Path

    graph = Graph()
    weight = graph.weight("conv.weight", (3, 2, 3, 3), 0.375)
    sums = graph.node("Conv", graph.image(), weight, name="/conv/Conv")
    factor = graph.constant("factor", np.array([0.3, -0.7, 0.11]).reshape(1, 3, 1, 1))
    curved = graph.node(op, graph.node("Mul", sums, factor), name="/act/Curve", **ACTIVATIONS[op])
    made = graph.quant(curved, 0.06, 7.0, signed=1, name="/act/Quant")
    path = graph.save(Path(str(tmp_path)) / "a.onnx", made)
    net = convert(path, "net")
    assert isinstance(net.layers[-1], Curve) == (op != "HardSigmoid")
    images = np.random.default_rng(1).integers(0, 256, (200, *net.input.shape))
    expected = reference.run(net, images)
    assert len(np.unique(expected)) > 3
    assert np.array_equal(run_qonnx(path, net, images), expected)
