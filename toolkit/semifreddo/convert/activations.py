"""Handlers of curved activations: they only append functions, which the next quantizer asks for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from semifreddo.convert.combined import Elu, Erf, Product, Softplus, Sum
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.functions import SIGMOID, TANH, Affine, Clip, Function, Softsign
from semifreddo.convert.node import Node
from semifreddo.convert.real import appended, combined, lifted
from semifreddo.convert.values import Real, Value

_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
_GELU_CUBE, _GELU_STEEPNESS = 0.044715, 0.7978845608028654
_ROOT_HALF = 0.7071067811865476
_MOST_POWER = 8


def _number(node: Node, name: str, default: float) -> Fraction:
    """An attribute, which is a number of single precision whatever its default looks like."""
    return Fraction(float(np.float32(node.attributes.get(name, default))))


def _every(real: Real, slope: Fraction, offset: Fraction = Fraction(0)) -> Affine:
    count = real.signal.stream.channels
    return Affine((slope,) * count, (offset,) * count)


def _appends(function: Function) -> Handler:
    """A handler that appends a function without parameters."""

    def handler(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
        return [appended(lifted(context, node, operands[0]), node, function)]

    return handler


def _with(real: Real, node: Node, *functions: Function) -> Real:
    for function in functions:
        real = appended(real, node, function)
    return real


def _elu(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    if node.op == "Celu":
        alpha = _number(node, "alpha", 1.0)
        _check_positive(context, node, alpha)
        return [_with(real, node, _every(real, 1 / alpha), Elu(), _every(real, alpha))]
    alpha = _number(node, "alpha", _SELU_ALPHA if node.op == "Selu" else 1.0)
    _check_positive(context, node, alpha)
    gamma = _number(node, "gamma", _SELU_GAMMA) if node.op == "Selu" else Fraction(1)
    return [_with(real, node, Elu(alpha), _every(real, gamma))]


def _check_positive(context: Context, node: Node, alpha: Fraction) -> None:
    if alpha <= 0:
        context.refuse(node, f"alpha is {float(alpha):g}; use a positive one")


def _hard_sigmoid(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    slope, offset = _number(node, "alpha", 0.2), _number(node, "beta", 0.5)
    return [_with(real, node, _every(real, slope, offset), Clip(Fraction(0), Fraction(1)))]


def _hard_swish(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    gate = _every(real, Fraction(float(np.float32(1 / 6))), Fraction(1, 2))
    gated = _with(real, node, gate, Clip(Fraction(0), Fraction(1)))
    return [combined(node, Product, real, gated)]


def _mish(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    return [combined(node, Product, real, _with(real, node, Softplus(), TANH))]


def _swish(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    inner = _every(real, _number(node, "alpha", 1.0))
    return [combined(node, Product, real, _with(real, node, inner, SIGMOID))]


def _gelu(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    """``x / 2 * (1 + erf(x / sqrt(2)))``, or the same with tanh of a polynomial.

    Constants are numbers of double precision: the operator has none of its own.
    """
    real = lifted(context, node, operands[0])
    half = _every(real, Fraction(1, 2), Fraction(1, 2))
    if node.attributes.get("approximate", "none") in ("tanh", b"tanh"):
        cube = combined(node, Product, combined(node, Product, real, real), real)
        bent = _with(cube, node, _every(real, Fraction(_GELU_CUBE)))
        inner = _with(
            combined(node, Sum, real, bent), node, _every(real, Fraction(_GELU_STEEPNESS)), TANH
        )
    else:
        inner = _with(real, node, _every(real, Fraction(_ROOT_HALF)), Erf())
    return [combined(node, Product, real, _with(inner, node, half))]


def _pow(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = lifted(context, node, operands[0])
    exponent = context.constant(node, operands[1], "exponent").values
    if exponent.size != 1 or exponent.ravel()[0] not in range(1, _MOST_POWER + 1):
        context.refuse(
            node,
            f"raises to another power than 1 to {_MOST_POWER}; use a whole one, or Sigmoid, Tanh "
            "or Softplus in its place",
        )
    found = real
    for _ in range(int(exponent.ravel()[0]) - 1):
        found = combined(node, Product, found, real)
    return [found]


ACTIVATIONS: dict[str, Handler] = {
    "Sigmoid": _appends(SIGMOID),
    "Tanh": _appends(TANH),
    "Erf": _appends(Erf()),
    "Softplus": _appends(Softplus()),
    "Softsign": _appends(Softsign()),
    "Elu": _elu,
    "Selu": _elu,
    "Celu": _elu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Mish": _mish,
    "Swish": _swish,
    "Gelu": _gelu,
    "Pow": _pow,
}
"""Handlers by operator."""
