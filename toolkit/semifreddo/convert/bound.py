"""What is known of a tensor in floating point, and how pools and layouts move it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.doubles import same_pads
from semifreddo.convert.node import Node

MANTISSA = 53
"""Bits of a double's mantissa."""

_CHAIN_ROUNDINGS = 8
"""Of a constant that the file computes itself."""
_CURVE_ROUNDINGS = 8
"""Of an exponential function and what stands around it."""

_STEEPEST = {
    "Sigmoid": 0.25,
    "Tanh": 1.0,
    "Erf": 1.13,
    "HardSigmoid": 1.0,
    "Softplus": 1.0,
    "Softsign": 1.0,
    "Celu": 1.0,
    "HardSwish": 1.5,
    "Swish": 1.1,
    "Gelu": 1.13,
    "Mish": 1.09,
    "Selu": 1.8,
    "Elu": 1.0,
}
"""Bounds of the slopes of curves whose alpha is at most 1."""
_LIMITED = ("Sigmoid", "Tanh", "Erf", "HardSigmoid", "Softsign")
"""Curves that stay between -1 and 1."""
CURVES = tuple(_STEEPEST)
"""Operators that :func:`curved` knows."""

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bound:
    """What is known of a tensor, for every image; arrays are shaped like it, with a batch of 1.

    Attributes:
        magnitude: Largest absolute real value.
        error: Largest distance of a computed value from the real one.
        grid: All real values are multiples of ``2**grid``; None if that is not known.
    """

    magnitude: Floats
    error: Floats
    grid: int | None

    @property
    def most(self) -> Floats:
        """Largest absolute computed value."""
        return self.magnitude + self.error

    @property
    def exact(self) -> bool:
        """Whether computed values are the real ones."""
        return not self.error.any()


def lowest_bit(values: Floats) -> int | None:
    """The largest ``k`` with all values multiples of ``2**k``; None of zeros."""
    used = values[values != 0]
    if not used.size:
        return None
    mantissa, exponent = np.frexp(used)
    whole = np.ldexp(mantissa, MANTISSA).astype(np.int64)
    zeros = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int((exponent - MANTISSA + zeros).min())


def fits(magnitude: Floats, grid: int | None, precision: int) -> bool:
    """Whether all multiples of a grid up to a magnitude are floating-point numbers."""
    return grid is not None and float(magnitude.max(initial=0)) <= 2.0 ** (precision + grid)


def is_stored(values: npt.NDArray[Any]) -> bool:
    """Whether constants are numbers of single precision, as files store them."""
    wide = np.asarray(values, np.float64)
    return bool((np.float32(wide) == wide).all())


def constant_bound(values: Floats, precision: int, *, computed: bool) -> Bound:
    """What is known of constants.

    Args:
        values: Them.
        precision: Bits of a mantissa.
        computed: Whether the file computes them, by more than one rounding.
    """
    magnitude, unit = np.abs(values), 2.0**-precision
    grid = lowest_bit(values)
    if is_stored(values):
        return Bound(magnitude, np.zeros_like(magnitude), 0 if grid is None else grid)
    if computed:
        return Bound(magnitude, _CHAIN_ROUNDINGS * unit * magnitude, None)
    exact = fits(magnitude, grid, precision)
    return Bound(magnitude, 0 * magnitude if exact else unit * magnitude, grid)


def turned(bound: Bound, source: int, target: int) -> Bound:
    """With an axis in another place: channels first or last."""
    return replace(
        bound,
        magnitude=np.moveaxis(bound.magnitude, source, target),
        error=np.moveaxis(bound.error, source, target),
    )


def windows_of(values: Floats, node: Node) -> Floats:
    """Windows of a pool, ``(1, channels, rows, columns, height, width)``; padded with zeros."""
    attributes = node.attributes
    kernel = list(attributes["kernel_shape"])
    strides = list(attributes.get("strides", [1] * len(kernel)))
    pads = list(attributes.get("pads", [0] * 2 * len(kernel)))
    if (mode := attributes.get("auto_pad", "NOTSET")).startswith("SAME"):
        given = {"strides": strides, "dilations": [1] * len(kernel)}
        pads = same_pads(mode, values.shape[2:], kernel, given)
    if attributes.get("ceil_mode", 0):
        # Windows that begin inside: more zeros behind never raise a largest absolute value.
        pads[len(kernel) :] = [p + s - 1 for p, s in zip(pads[len(kernel) :], strides, strict=True)]
    edges = [(0, 0), (0, 0), *zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)]
    axes = tuple(range(2, 2 + len(kernel)))
    view = np.lib.stride_tricks.sliding_window_view(np.pad(values, edges), kernel, axis=axes)
    return view[(slice(None), slice(None), *(slice(None, None, step) for step in strides))]


def largest(values: Floats, node: Node) -> Floats:
    """The largest value of each window of a pool."""
    kernel = len(node.attributes["kernel_shape"])
    found: Floats = windows_of(values, node).max(axis=tuple(range(-kernel, 0)))
    return found


def curved(node: Node, data: Bound, unit: float) -> Bound:
    """What is known of a curve: it grows no faster than its argument, or stays below a limit.

    Args:
        node: An operator of :data:`CURVES`.
        data: Its argument.
        unit: Of round-off.
    """
    alpha = max(abs(float(node.attributes.get("alpha", 1.0))), 1.0)
    steepest = _STEEPEST[node.op] * (1.0 if node.op == "Celu" else alpha)
    magnitude = np.full_like(data.magnitude, 2 * alpha)
    if node.op in _LIMITED:
        magnitude /= 2 * alpha
    else:
        magnitude += data.magnitude * steepest
    rounding = _CURVE_ROUNDINGS * unit * (magnitude + data.error)
    return Bound(magnitude, data.error * steepest + rounding, None)
