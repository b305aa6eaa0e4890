"""A QONNX file executed in double precision, by onnx' reference evaluator and qonnx' quantizers.

Single precision is no reference for networks whose scales are no powers of two: its sums depend on
their order. Double precision decides every quantizer as exact arithmetic does unless an accumulator
lies within its error of a boundary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from semifreddo.convert.double_curves import CURVES
from semifreddo.convert.load import CHANNELS_LAST_DOMAIN, QONNX_DOMAIN
from semifreddo.convert.node import Node

Array = npt.NDArray[Any]

_FLOAT, _DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


class _Quant(OpRun):  # type: ignore[misc]
    op_domain = QONNX_DOMAIN

    def _run(self, data: Array, scale: Array, zero: Array, bits: Array, **_: Any) -> tuple[Array]:
        from qonnx.custom_op.general.intquant import int_quant

        signed, narrow = (
            bool(getattr(self, name, default)) for name, default in (("signed", 1), ("narrow", 0))
        )
        mode = getattr(self, "rounding_mode", "ROUND")
        return (np.asarray(int_quant(data, scale, zero, bits, signed, narrow, mode)),)


class _IntQuant(_Quant):
    pass


class _BipolarQuant(OpRun):  # type: ignore[misc]
    op_domain = QONNX_DOMAIN

    def _run(self, data: Array, scale: Array, **_: Any) -> tuple[Array]:
        return (np.where(data >= 0, 1.0, -1.0) * scale,)


class _Trunc(OpRun):  # type: ignore[misc]
    op_domain = QONNX_DOMAIN

    def _run(self, data: Array, *operands: Array, **_: Any) -> tuple[Array]:
        from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

        mode = getattr(self, "rounding_mode", "FLOOR")
        if len(operands) < 5:
            return (np.asarray(trunc_v1(data, *operands, mode)),)
        scale, zero, before, after, bits = operands
        signed, narrow = (
            bool(getattr(self, name, default)) for name, default in (("signed", 1), ("narrow", 0))
        )
        found = trunc_v2(data, scale, zero, before, narrow, signed, after, bits, mode)
        return (np.asarray(found),)


_Quant.__name__, _IntQuant.__name__, _BipolarQuant.__name__ = "Quant", "IntQuant", "BipolarQuant"
_Trunc.__name__ = "Trunc"


class Conv(OpRun):  # type: ignore[misc]
    """Convolution as one matrix product per group."""

    op_domain = ""

    def _run(self, data: Array, weight: Array, bias: Array | None = None, **_: Any) -> tuple[Array]:
        names = ("strides", "pads", "dilations", "group", "auto_pad")
        given = {name: getattr(self, name, None) for name in names}
        total = convolution(data, weight, given)
        if bias is not None:
            total = total + bias.reshape(1, -1, *[1] * (weight.ndim - 2))
        return (total,)


def same_pads(
    mode: str, size: Sequence[int], kernel: Sequence[int], given: Mapping[str, list[int]]
) -> list[int]:
    """Padding with which there is a result for each step of the stride."""
    less, more = [], []
    for length, taps, stride, step in zip(
        size, kernel, given["strides"], given["dilations"], strict=True
    ):
        span = (taps - 1) * step + 1
        total = max(0, (math.ceil(length / stride) - 1) * stride + span - length)
        less.append(total // 2)
        more.append(total - total // 2)
    return less + more if mode == "SAME_UPPER" else more + less


class ConvTranspose(OpRun):  # type: ignore[misc]
    """Every input times the kernel, added up where the products lie."""

    op_domain = ""

    def _run(self, data: Array, weight: Array, bias: Array | None = None, **_: Any) -> tuple[Array]:
        rank = weight.ndim - 2
        given = {
            name: list(getattr(self, name, None) or default)
            for name, default in (
                ("strides", [1] * rank),
                ("pads", [0] * 2 * rank),
                ("dilations", [1] * rank),
                ("output_padding", [0] * rank),
            )
        }
        groups = int(getattr(self, "group", None) or 1)
        strides, pads, steps = given["strides"], given["pads"], given["dilations"]
        spans = [
            (size - 1) * stride + (length - 1) * step + 1 + more
            for size, stride, length, step, more in zip(
                data.shape[2:],
                strides,
                weight.shape[2:],
                steps,
                given["output_padding"],
                strict=True,
            )
        ]
        outputs = weight.shape[1]
        total = np.zeros((len(data), outputs * groups, *spans))
        parts = zip(np.split(data, groups, axis=1), np.split(weight, groups), strict=True)
        for group, (part, kernel) in enumerate(parts):
            channels = slice(group * outputs, (group + 1) * outputs)
            for tap in np.ndindex(*weight.shape[2:]):
                product = np.tensordot(part, kernel[(slice(None), slice(None), *tap)], (1, 0))
                places = tuple(
                    slice(at * step, at * step + (size - 1) * stride + 1, stride)
                    for at, step, size, stride in zip(
                        tap, steps, data.shape[2:], strides, strict=True
                    )
                )
                total[(slice(None), channels, *places)] += np.moveaxis(product, -1, 1)
        inside = tuple(
            slice(first, size - last)
            for first, last, size in zip(pads[:rank], pads[rank:], spans, strict=True)
        )
        total = total[(slice(None), slice(None), *inside)]
        if bias is not None:
            total = total + bias.reshape(1, -1, *[1] * rank)
        return (total,)


class Pad(OpRun):  # type: ignore[misc]
    """Zeros around a tensor, or less than none: onnx' evaluator refuses negative padding."""

    op_domain = ""

    def _run(self, data: Array, *operands: Array | None, **_: Any) -> tuple[Array]:
        pads = np.asarray(operands[0] if operands else self.pads)
        axes = np.arange(data.ndim)
        if len(operands) > 2 and operands[2] is not None:
            axes = operands[2] % data.ndim
        edges = np.zeros((data.ndim, 2), np.int64)
        edges[axes] = pads.reshape(2, -1).T
        inside = tuple(
            slice(max(0, -int(first)), size + min(0, int(last)))
            for (first, last), size in zip(edges, data.shape, strict=True)
        )
        return (np.pad(data[inside], np.maximum(edges, 0)),)


_RESIZE = ("mode", "coordinate_transformation_mode", "nearest_mode")


class Resize(OpRun):  # type: ignore[misc]
    """Nearest neighbours: onnx' evaluator is asked for the places of each axis, not of pixels."""

    op_domain = ""

    def _run(self, data: Array, *operands: Array | None, **_: Any) -> tuple[Array]:
        fields = {item.name: item for item in self.onnx_node.attribute if item.name in _RESIZE}
        roi, scales, sizes = (*operands, None, None, None)[:3]
        if len(operands) == 1 or self.onnx_node.op_type == "Upsample":
            roi, scales = None, operands[0]
            mode = onnx.helper.make_attribute("coordinate_transformation_mode", "asymmetric")
            floor = onnx.helper.make_attribute("nearest_mode", "floor")
            fields |= {mode.name: mode, floor.name: floor}
        del roi  # it matters to other modes
        for axis in range(data.ndim):
            places = np.arange(data.shape[axis], dtype=np.float64)
            by_size = scales is None or not scales.size
            factor = sizes if by_size else scales
            assert factor is not None
            node = onnx.helper.make_node(
                "Resize", ["x", "", *([""] if by_size else []), "factor"], ["y"]
            )
            node.attribute.extend(fields.values())
            found = ReferenceEvaluator(node).run(
                None, {"x": places, "factor": np.asarray(factor)[axis : axis + 1]}
            )[0]
            data = np.take(data, found.astype(np.int64), axis=axis)
        return (data,)


class Upsample(Resize):
    """The same under its older name."""


def convolution(data: Array, weight: Array, attributes: Mapping[str, Any]) -> Array:
    """A convolution without bias, as one matrix product per group; attributes are ONNX' own."""
    rank = weight.ndim - 2
    given = {
        name: list(attributes.get(name) or default)
        for name, default in (
            ("strides", [1] * rank),
            ("pads", [0] * 2 * rank),
            ("dilations", [1] * rank),
        )
    }
    groups = int(attributes.get("group") or 1)
    pads = given["pads"]
    if (mode := attributes.get("auto_pad") or "NOTSET").startswith("SAME"):
        pads = same_pads(mode, data.shape[2:], weight.shape[2:], given)
    edges = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    padded = np.pad(data, edges)
    spans = [
        (size - 1) * step + 1
        for size, step in zip(weight.shape[2:], given["dilations"], strict=True)
    ]
    axes = tuple(range(2, 2 + rank))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
    places = tuple(slice(None, None, step) for step in given["strides"])
    inside = tuple(slice(None, None, step) for step in given["dilations"])
    windows = windows[(slice(None), slice(None), *places, *inside)]
    fan_in, outputs = weight.shape[1], len(weight) // groups
    results = []
    for group in range(groups):
        part = windows[:, group * fan_in : (group + 1) * fan_in]
        kernel = weight[group * outputs : (group + 1) * outputs]
        over = (1, *range(2 + rank, 2 + 2 * rank))
        product = np.tensordot(part, kernel, (over, tuple(range(1, 2 + rank))))
        results.append(np.moveaxis(product, -1, 1))
    return np.concatenate(results, axis=1)


class BatchNormalization(OpRun):  # type: ignore[misc]
    """Batch norm with its stored statistics, whatever operator set: models here are trained."""

    op_domain = ""

    def _run(
        self, data: Array, scale: Array, shift: Array, mean: Array, variance: Array, **_: Any
    ) -> tuple[Array]:
        columns = (1, -1, *[1] * (data.ndim - 2))
        root = np.sqrt(variance + float(np.float32(getattr(self, "epsilon", None) or 1e-5)))
        centred = (data - mean.reshape(columns)) / root.reshape(columns)
        return (centred * scale.reshape(columns) + shift.reshape(columns),)


def _along(operator: OpRun, data: Array, values: Array) -> Array:
    """Parameters of a quantizer, spread along its axis."""
    if values.size == 1:
        return values.reshape(())
    axis = getattr(operator, "axis", None)
    shape = [1] * data.ndim
    shape[1 if axis is None else axis] = values.size
    return values.reshape(shape)


class QuantizeLinear(OpRun):  # type: ignore[misc]
    """To integers of the zero point's type, for every operator set."""

    op_domain = ""

    def _run(self, data: Array, scale: Array, zero: Array, **_: Any) -> tuple[Array]:
        limits = np.iinfo(zero.dtype)
        whole = np.rint(data / _along(self, data, scale)) + _along(self, data, zero)
        return (whole.clip(limits.min, limits.max).astype(zero.dtype),)


class DequantizeLinear(OpRun):  # type: ignore[misc]
    """Back to real numbers, for every operator set."""

    op_domain = ""

    def _run(self, data: Array, scale: Array, zero: Array, **_: Any) -> tuple[Array]:
        whole = data.astype(np.float64) - _along(self, data, zero.astype(np.float64))
        return (whole * _along(self, data, scale),)


class _LastConv(Conv):
    op_domain = CHANNELS_LAST_DOMAIN

    def _run(self, data: Array, weight: Array, bias: Array | None = None, **_: Any) -> tuple[Array]:
        first = np.moveaxis(data, -1, 1)
        (result,) = super()._run(first, np.moveaxis(weight, -1, 1), bias)
        return (np.moveaxis(result, 1, -1),)


class _LastMaxPool(OpRun):  # type: ignore[misc]
    op_domain = CHANNELS_LAST_DOMAIN

    def _run(self, data: Array, **_: Any) -> tuple[Array]:
        node = onnx.helper.make_node("MaxPool", ["x"], ["y"])
        node.attribute.extend(self.onnx_node.attribute)
        (result,) = ReferenceEvaluator(node).run(None, {"x": np.moveaxis(data, -1, 1)})
        return (np.moveaxis(result, 1, -1),)


class _LastBatchNormalization(BatchNormalization):
    op_domain = CHANNELS_LAST_DOMAIN

    def _run(self, data: Array, *parameters: Array, **_: Any) -> tuple[Array]:
        (result,) = super()._run(np.moveaxis(data, -1, 1), *parameters)
        return (np.moveaxis(result, 1, -1),)


_LastConv.__name__, _LastMaxPool.__name__ = "Conv", "MaxPool"
_LastBatchNormalization.__name__ = "BatchNormalization"

_OPERATORS: Sequence[type[OpRun]] = (
    _Quant,
    _IntQuant,
    _BipolarQuant,
    _Trunc,
    Conv,
    _LastConv,
    _LastMaxPool,
    _LastBatchNormalization,
    ConvTranspose,
    Pad,
    Resize,
    Upsample,
    *CURVES,
    BatchNormalization,
    QuantizeLinear,
    DequantizeLinear,
)


def in_doubles(model: onnx.ModelProto, tensors: Sequence[str]) -> ReferenceEvaluator:
    """An evaluator of a model in double precision that gives the named tensors.

    Args:
        model: A checked model; it is changed.
        tensors: Names of results.
    """
    graph = model.graph
    for tensor in graph.initializer:
        _widen(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _DOUBLE
    del graph.value_info[:]
    del graph.output[:]
    for value in graph.input:
        if value.type.tensor_type.elem_type == _FLOAT:
            value.type.tensor_type.elem_type = _DOUBLE
    for name in tensors:
        graph.output.append(onnx.helper.make_tensor_value_info(name, _DOUBLE, None))
    return ReferenceEvaluator(model, new_ops=list(_OPERATORS))


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == _FLOAT:
        values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def execute(evaluator: ReferenceEvaluator, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All results by name."""
    return dict(zip(evaluator.output_names, evaluator.run(None, dict(feeds)), strict=True))


def run_node(node: Node, operands: Sequence[Array | None]) -> Array:
    """The first result of one node, in double precision; None for an omitted operand."""
    names = ["" if operand is None else f"operand{i}" for i, operand in enumerate(operands)]
    proto = onnx.helper.make_node(node.op, names, ["result"], **node.attributes)
    evaluator = ReferenceEvaluator(proto, new_ops=list(_OPERATORS))
    feeds = {name: each for name, each in zip(names, operands, strict=True) if name}
    return np.asarray(evaluator.run(None, feeds)[0])
