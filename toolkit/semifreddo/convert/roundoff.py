"""How far floating point may be away from the real numbers of a file, for every image.

:func:`bounds_of` walks the nodes in order and keeps three things of every tensor: the largest real
value, the largest distance of a computed value from the real one, and a grid that all real values
lie on. What lies on a grid of no more steps than a mantissa has is computed without rounding,
whatever the order of additions. Everything else is the standard model of floating point: an
operation is wrong by at most one unit of round-off, a sum of n products by n of them, in any order
(Higham, Accuracy and Stability of Numerical Algorithms, chapters 2 and 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.bound import (
    CURVES,
    MANTISSA,
    Bound,
    Floats,
    constant_bound,
    curved,
    fits,
    is_stored,
    largest,
    lowest_bit,
    turned,
)
from semifreddo.convert.doubles import convolution, run_node
from semifreddo.convert.from_qonnx import Converted
from semifreddo.convert.load import CHANNELS_LAST_DOMAIN, Graph
from semifreddo.convert.node import Node
from semifreddo.convert.quant import QUANTIZERS
from semifreddo.convert.reindex import REINDEX
from semifreddo.convert.steps import Quantizer
from semifreddo.convert.values import Constant

SINGLE, DOUBLE = 24, MANTISSA
"""Bits of the mantissas of both precisions."""

_NORM_ROUNDINGS = 8
"""Of a batch norm, in whatever order its parameters are combined."""


class _Walk:
    """Bounds of one precision.

    Args:
        graph: The file.
        known: Values of tensors that do not depend on the image.
        decided: Quantizers behind the first one, by the tensor that they make.
        precision: Bits of a mantissa.
    """

    def __init__(
        self,
        graph: Graph,
        known: Mapping[str, npt.NDArray[Any]],
        decided: Mapping[str, Quantizer],
        precision: int,
    ) -> None:
        self._known = known
        self._decided = decided
        self._precision = precision
        self._unit = 2.0**-precision
        # The first quantizer says what its integers can be; in front of it only shapes matter.
        channels, height, width = graph.input_shape
        sizes, axes = (1, channels, height, width), graph.input_axes
        ones = np.ones([sizes[axis] for axis in axes])
        self.found: dict[str, Bound] = {graph.input: Bound(ones, 0 * ones, None)}

    def constant(self, name: str, node: Node | None) -> Bound:
        """A constant of the file, or one that a node computes."""
        values = np.asarray(self._known[name], np.float64)
        scale = None if node is None else self._known.get(node.inputs[1] if node.inputs[1:] else "")
        plain = node is None or (node.op in QUANTIZERS and scale is not None and is_stored(scale))
        return constant_bound(values, self._precision, computed=not plain)

    def _rounded(
        self, magnitude: Floats, carried: Floats, rounding: Floats, grid: int | None
    ) -> Bound:
        """A result: what is carried over, and rounding unless everything lies on a short grid."""
        if not carried.any() and fits(magnitude, grid, self._precision):
            return Bound(magnitude, np.zeros_like(magnitude), grid)
        return Bound(magnitude, carried + rounding, grid)

    def _sum(self, count: float) -> float:
        """Relative error of a sum of so many products."""
        total = count * self._unit
        return total / (1 - total)

    def step(self, node: Node) -> None:
        """Bounds of a node's results; none if an operator or an operand has none."""
        if node.outputs[0] in self._known:
            source = self._operand(node.inputs[0]) if node.inputs and node.op in REINDEX else None
            if source is not None:
                self.found.update(zip(node.outputs, self._moved(node, source), strict=False))
                return
            for name in node.outputs:
                if name in self._known and self._known[name].dtype.kind == "f":
                    self.found[name] = self.constant(name, node)
            return
        if node.outputs[0] in self._decided:
            self._quantized(node, self._decided[node.outputs[0]])
            return
        if node.op in QUANTIZERS:
            parameters = [Constant(name, self._known[name]) for name in node.inputs[1:]]
            quantizer = QUANTIZERS[node.op](node, parameters, node.name).quantizer()
            self._quantized(node, quantizer)
            return
        operands = [self._operand(name) for name in node.inputs]
        last = node.op.startswith(CHANNELS_LAST_DOMAIN)
        op = node.op.rpartition(".")[2] if last else node.op
        if operands[0] is None or (op not in _RULES and op not in REINDEX):
            return
        if last:
            operands[0] = turned(operands[0], -1, 1)
            if op == "Conv" and operands[1] is not None:
                operands[1] = turned(operands[1], -1, 1)
        if op in REINDEX:
            results = self._moved(node, operands[0])
        else:
            rule = _RULES[op](self, node, operands)
            results = [] if rule is None else [rule]
        for name, bound in zip(node.outputs, results, strict=False):
            self.found[name] = turned(bound, 1, -1) if last else bound

    def _operand(self, name: str) -> Bound | None:
        if name in self.found:
            return self.found[name]
        known = self._known.get(name)
        if known is None or known.dtype.kind != "f":
            return None
        return self.constant(name, None)

    def _quantized(self, node: Node, quantizer: Quantizer) -> None:
        """Whole numbers times a scale."""
        source, scale = self.found.get(node.inputs[0]), float(quantizer.scale)
        if source is None:
            return
        most = np.full(source.magnitude.shape, max(abs(quantizer.low), abs(quantizer.high)) * scale)
        grid = lowest_bit(np.array([scale]))
        self.found[node.outputs[0]] = self._rounded(most, 0 * most, self._unit * most, grid)

    def _moved(self, node: Node, data: Bound) -> list[Bound]:
        operands = [self._known.get(name) for name in node.inputs[1:]]
        magnitudes = REINDEX[node.op](node, data.magnitude, operands)
        errors = REINDEX[node.op](node, data.error, operands)
        return [
            Bound(magnitude, error, data.grid)
            for magnitude, error in zip(magnitudes, errors, strict=True)
        ]

    # Rules: results of one operator.

    def _add(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        left, right = operands
        if left is None or right is None:
            return None
        grid = None if left.grid is None or right.grid is None else min(left.grid, right.grid)
        # Nothing is rounded where one of them is zero.
        both = (left.most > 0) & (right.most > 0)
        return self._rounded(
            left.magnitude + right.magnitude,
            left.error + right.error,
            self._unit * (left.most + right.most) * both,
            grid,
        )

    def _product(
        self,
        left: Bound,
        right: Bound,
        multiply: Callable[[Floats, Floats], Floats],
        count: int,
    ) -> Bound:
        """A sum of so many products."""
        grid = None if left.grid is None or right.grid is None else left.grid + right.grid
        carried = multiply(left.magnitude, right.error) + multiply(left.error, right.most)
        rounding = multiply(left.most, right.most) * self._sum(count)
        return self._rounded(multiply(left.magnitude, right.magnitude), carried, rounding, grid)

    def _mul(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        left, right = operands
        if left is None or right is None:
            return None
        return self._product(left, right, np.multiply, 1)

    def _div(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        left = operands[0]
        if left is None or node.inputs[1] not in self._known:
            return None
        divisor = np.asarray(self._known[node.inputs[1]], np.float64)
        inverse = np.abs(1 / divisor)
        mantissa, _ = np.frexp(np.abs(divisor))
        if (mantissa == 0.5).all() and left.grid is not None:
            shift = lowest_bit(inverse) or 0
            return self._rounded(
                left.magnitude * inverse,
                left.error * inverse,
                self._unit * left.most * inverse,
                left.grid + shift,
            )
        wrong = self.constant(node.inputs[1], None).error * inverse
        carried = left.error * inverse + left.most * inverse * wrong / (1 - wrong)
        rounding = 2 * self._unit * left.most * inverse
        return Bound(left.magnitude * inverse, carried + rounding, None)

    def _same(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        return operands[0]

    def _extreme(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        """One of the operands: no farther off than the worst of them."""
        known = [operand for operand in operands if operand is not None]
        if len(known) < len(operands):
            return None
        grids = [each.grid for each in known]
        shape = np.broadcast_shapes(*(each.magnitude.shape for each in known))
        magnitude, error = np.zeros(shape), np.zeros(shape)
        for each in known:
            magnitude = np.maximum(magnitude, each.magnitude)
            error = np.maximum(error, each.error)
        return Bound(
            magnitude,
            error,
            None if None in grids else min(grid for grid in grids if grid is not None),
        )

    def _clip(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        """The operand, or an end of the range."""
        names = [name for name in node.inputs[1:3] if name]
        given = [self._known[name] for name in names if name in self._known]
        if len(given) < len(names):
            return None
        given += [node.attributes[name] for name in ("min", "max") if name in node.attributes]
        ends = [np.asarray(each, np.float64) for each in given]
        bounds = [constant_bound(end, self._precision, computed=False) for end in ends]
        return self._extreme(node, [operands[0], *bounds])

    def _total(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        """A sum of several, and their mean."""
        found = operands[0]
        for other in operands[1:]:
            found = self._add(node, [found, other])
        if found is None or node.op == "Sum":
            return found
        count = len(operands)
        rounding = 2 * self._unit * found.most / count
        return Bound(found.magnitude / count, found.error / count + rounding, None)

    def _leaky(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        slope = operands[1].most if len(operands) > 1 and operands[1] is not None else None
        if slope is None:
            slope = np.array(abs(float(node.attributes.get("alpha", 0.01))))
        steepest = np.maximum(slope, 1)
        return Bound(
            data.magnitude * steepest,
            data.error * steepest + 2 * self._unit * data.most * slope,
            None,
        )

    def _curve(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        return curved(node, data, self._unit)

    def _power(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        found = data
        for _ in range(int(self._known[node.inputs[1]].ravel()[0]) - 1):
            found = self._product(found, data, np.multiply, 4)
        return found

    def _norm(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        column = (1, -1, *[1] * (data.magnitude.ndim - 2))
        gamma, beta, mean, variance = (
            np.abs(np.asarray(self._known[name], np.float64)).reshape(column)
            for name in node.inputs[1:5]
        )
        slope = gamma / np.sqrt(variance + float(np.float32(node.attributes.get("epsilon", 1e-5))))
        rounding = _NORM_ROUNDINGS * self._unit * (slope * (data.most + mean) + beta)
        return Bound(slope * (data.magnitude + mean) + beta, slope * data.error + rounding, None)

    def _conv(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data, weight = operands[:2]
        if data is None or weight is None:
            return None
        attributes = node.attributes

        def multiply(left: Floats, right: Floats) -> Floats:
            return np.asarray(convolution(left, right, attributes))

        count = int(np.prod(weight.magnitude.shape[1:]))
        made = self._product(data, weight, multiply, count)
        return self._biased(made, operands, (1, -1, *[1] * (made.magnitude.ndim - 2)), count)

    def _biased(
        self,
        made: Bound,
        operands: Sequence[Bound | None],
        shape: tuple[int, ...],
        count: int,
    ) -> Bound | None:
        """A bias behind a sum of so many products: one more term of the sum."""
        if len(operands) < 3 or operands[2] is None:
            return made
        bias = operands[2]
        bias = replace(
            bias, magnitude=bias.magnitude.reshape(shape), error=bias.error.reshape(shape)
        )
        added = self._add(_NOTHING, [made, bias])
        if added is None or added.exact:
            return added
        # The bias may come first: then it takes part in every addition.
        return replace(added, error=added.error + self._sum(count) * bias.most)

    def _matmul(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data, weight = operands[:2]
        if data is None or weight is None:
            return None
        return self._product(data, weight, np.matmul, weight.magnitude.shape[0])

    def _gemm(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        weight = operands[1]
        if weight is None:
            return None
        if node.attributes.get("transB", 0):
            weight = replace(weight, magnitude=weight.magnitude.T, error=weight.error.T)
        made = self._matmul(node, [operands[0], weight])
        if made is None:
            return None
        return self._biased(made, operands, (1, -1), weight.magnitude.shape[0])

    def _maxpool(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        return Bound(largest(data.magnitude, node), largest(data.error, node), data.grid)

    def _global_maxpool(self, _: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        axes = tuple(range(2, data.magnitude.ndim))
        magnitude, error = (
            each.max(axis=axes, keepdims=True) for each in (data.magnitude, data.error)
        )
        return Bound(magnitude, error, data.grid)

    def _average(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data = operands[0]
        assert data is not None
        if node.op == "AveragePool":
            # No mean is larger than the largest value, whether or not padding counts.
            magnitude, error = (largest(each, node) for each in (data.magnitude, data.error))
            area = int(np.prod(node.attributes["kernel_shape"]))
        else:
            keep = node.op == "GlobalAveragePool" or bool(node.attributes.get("keepdims", 1))
            axes = tuple(range(2, data.magnitude.ndim))
            magnitude, error = (
                each.mean(axis=axes, keepdims=keep) for each in (data.magnitude, data.error)
            )
            area = int(np.prod(data.magnitude.shape[2:]))
        padded = any(node.attributes.get("pads", ())) or "auto_pad" in node.attributes
        halved = area & (area - 1) == 0 and data.grid is not None and not padded
        grid = data.grid - area.bit_length() + 1 if halved and data.grid is not None else None
        rounding = self._sum(area + 1) * (magnitude + error)
        return self._rounded(magnitude, error, rounding, grid)

    def _concat(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        parts = [part for part in operands if part is not None]
        if len(parts) < len(operands):
            return None
        grids = [part.grid for part in parts]
        axis = int(node.attributes.get("axis", 1))
        return Bound(
            np.concatenate([part.magnitude for part in parts], axis),
            np.concatenate([part.error for part in parts], axis),
            None if None in grids else min(grid for grid in grids if grid is not None),
        )

    def _placed(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        """Values in other places, zeros between them."""
        data = operands[0]
        assert data is not None
        given = [self._known.get(name) for name in node.inputs[1:]]
        return Bound(
            run_node(node, [data.magnitude, *given]),
            run_node(node, [data.error, *given]),
            data.grid,
        )

    def _transposed(self, node: Node, operands: Sequence[Bound | None]) -> Bound | None:
        data, weight = operands[:2]
        if data is None or weight is None:
            return None

        def multiply(left: Floats, right: Floats) -> Floats:
            return run_node(node, [left, right])

        count = int(weight.magnitude.size / weight.magnitude.shape[1])
        made = self._product(data, weight, multiply, count)
        shape = (1, -1, *[1] * (made.magnitude.ndim - 2))
        return self._biased(made, operands, shape, count)


_NOTHING = Node("", "", (), (), {})

_Rule: TypeAlias = Callable[[_Walk, Node, Sequence["Bound | None"]], "Bound | None"]

_RULES: Mapping[str, _Rule] = {
    "Add": _Walk._add,
    "Sub": _Walk._add,
    "Mul": _Walk._mul,
    "Div": _Walk._div,
    "Neg": _Walk._same,
    "Relu": _Walk._same,
    "Clip": _Walk._clip,
    "Cast": _Walk._same,
    "Abs": _Walk._same,
    **dict.fromkeys(("Max", "Min"), _Walk._extreme),
    **dict.fromkeys(("Sum", "Mean"), _Walk._total),
    "LeakyRelu": _Walk._leaky,
    "PRelu": _Walk._leaky,
    **dict.fromkeys(CURVES, _Walk._curve),
    "Pow": _Walk._power,
    "BatchNormalization": _Walk._norm,
    "Conv": _Walk._conv,
    "MatMul": _Walk._matmul,
    "Gemm": _Walk._gemm,
    "MaxPool": _Walk._maxpool,
    "AveragePool": _Walk._average,
    "GlobalAveragePool": _Walk._average,
    "ReduceMean": _Walk._average,
    "Concat": _Walk._concat,
    "GlobalMaxPool": _Walk._global_maxpool,
    "ConvTranspose": _Walk._transposed,
    **dict.fromkeys(("Pad", "Resize", "Upsample"), _Walk._placed),
}


def bounds_of(converted: Converted, precision: int) -> dict[str, Bound]:
    """Bounds of every tensor behind the first quantizer.

    Args:
        converted: A converted file.
        precision: :data:`SINGLE` or :data:`DOUBLE`.

    Returns:
        By tensor. One is missing behind an operator that has no rule.
    """
    decided = {each.gives: each.quantizer for each in converted.decisions}
    walk = _Walk(converted.graph, converted.constants, decided, precision)
    for node in converted.graph.nodes:
        walk.step(node)
    return walk.found
