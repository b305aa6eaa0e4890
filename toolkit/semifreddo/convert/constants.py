"""Evaluating the parts of the graph that do not depend on the image."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from semifreddo.convert.doubles import run_node
from semifreddo.convert.load import as_array
from semifreddo.convert.node import Node
from semifreddo.convert.quant import QUANTIZERS
from semifreddo.convert.reindex import REINDEX
from semifreddo.convert.values import Constant

# Parameters keep their torch names; names the exporter makes up have other characters in them.
_PARAMETER = re.compile(r"([A-Za-z_]\w*|\d+(?=\.))(\.\w+)*", re.ASCII)


_MAX_FILLED = 1 << 16


def initializer(name: str, values: npt.NDArray[Any]) -> Constant:
    """A tensor stored in the file."""
    if not _PARAMETER.fullmatch(name):
        return Constant(name, values)
    index = np.arange(values.size).reshape(values.shape)
    return Constant(name, values, name, index, values.shape)


def _divide(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if left.dtype.kind == "f" or right.dtype.kind == "f":
        quotient: npt.NDArray[Any] = np.divide(left, right)
        return quotient
    # Integers here are sizes; ONNX divides them toward zero.
    whole: npt.NDArray[Any] = np.floor_divide(left, right)
    return whole


_ARITHMETIC: dict[str, Callable[..., npt.NDArray[Any]]] = {
    "Div": _divide,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Sqrt": np.sqrt,
    "Reciprocal": lambda values: 1 / values,
    "Abs": np.abs,
    "Exp": np.exp,
    "Sigmoid": lambda values: 1 / (1 + np.exp(-values)),
    "Max": np.maximum,
    "Min": np.minimum,
}


_EVALUATED = (
    *("Ceil", "Clip", "Erf", "Floor", "Log", "Mean", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceSum", "Relu", "Round", "Sign", "Softplus", "Sum", "Tanh", "Where"),
)
"""Operators that onnx' evaluator computes in double precision."""


def _reindexed(node: Node, data: Constant, operands: Sequence[Constant | None]) -> list[Constant]:
    arrays = [None if operand is None else operand.values for operand in operands]

    def moved(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        return REINDEX[node.op](node, array, arrays)

    results = [
        replace(data, name=name, values=values)
        for name, values in zip(node.outputs, moved(data.values), strict=False)
    ]
    if data.index is not None:
        indices = moved(data.index)
        results = [replace(out, index=new) for out, new in zip(results, indices, strict=False)]
    if (old := data.quantized) is not None:
        results = [
            replace(out, quantized=replace(old, frac=frac, scale=None))
            for out, frac in zip(results, moved(old.frac), strict=False)
        ]
        if old.scale is not None:
            results = [
                replace(out, quantized=replace(out.quantized, scale=scale))
                for out, scale in zip(results, moved(old.scale), strict=False)
                if out.quantized is not None
            ]
    return results


def reshaped(constant: Constant, shape: tuple[int, ...]) -> Constant:
    """The same constant in another shape of the same size."""
    node = Node(constant.name, "Reshape", (), (constant.name,), {"shape": shape})
    return _reindexed(node, constant, [])[0]


def transposed(constant: Constant, axes: tuple[int, ...] = (1, 0)) -> Constant:
    """The same constant with its axes in another order."""
    node = Node(constant.name, "Transpose", (), (constant.name,), {"perm": axes})
    return _reindexed(node, constant, [])[0]


def _computed(node: Node, operands: Sequence[Constant]) -> Constant:
    values = _ARITHMETIC[node.op](*(operand.values for operand in operands))
    parents = [operand for operand in operands if operand.parameter is not None]
    if len(parents) == 1 and parents[0].values.shape == values.shape:
        return replace(parents[0], name=node.outputs[0], values=values, quantized=None)
    return Constant(node.outputs[0], values)


def _cast(node: Node, data: Constant) -> Constant:
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(node.attributes["to"])))
    values = data.values.astype(np.float64 if kind.kind == "f" else kind)
    return replace(data, name=node.outputs[0], values=values)


def _filled(node: Node, shape: Constant) -> Constant:
    sizes = [int(size) for size in shape.values.ravel()]
    if math.prod(sizes) > _MAX_FILLED:
        raise ValueError(f"a constant of shape {sizes}")
    value = node.attributes.get("value")
    fill = np.zeros(1) if value is None else as_array(value)
    return Constant(node.outputs[0], np.full(sizes, fill.ravel()[0]))


def evaluate(node: Node, operands: Sequence[Constant | None], what: str) -> list[Constant] | None:
    """Results of a node whose inputs are all known; None for an operator that is not evaluated.

    Args:
        node: The node.
        operands: Its inputs; None for an omitted one.
        what: Names the node in messages.

    Raises:
        ConversionError: A quantizer is not fixed point.
    """
    given = [operand for operand in operands if operand is not None]
    if node.op == "Constant":
        value = next(iter(node.attributes.values()))
        tensor = as_array(value) if hasattr(value, "dims") else np.asarray(value)
        return [Constant(node.outputs[0], tensor)]
    if node.op in REINDEX and given:
        return _reindexed(node, given[0], operands[1:])
    if node.op in QUANTIZERS:
        quantized = QUANTIZERS[node.op](node, given[1:], what).apply(given[0])
        return [replace(quantized, name=node.outputs[0])]
    if node.op == "Cast":
        return [_cast(node, given[0])]
    if node.op == "ConstantOfShape":
        return [_filled(node, given[0])]
    if node.op == "Shape":
        return [Constant(node.outputs[0], np.array(given[0].values.shape))]
    if node.op == "Concat":
        axis = int(node.attributes["axis"])
        values = np.concatenate([operand.values for operand in given], axis)
        return [Constant(node.outputs[0], values)]
    if node.op in _ARITHMETIC:
        return [_computed(node, given)]
    if node.op in _EVALUATED:
        arrays = [None if operand is None else operand.values for operand in operands]
        return [Constant(node.outputs[0], run_node(node, arrays))]
    return None
