"""The QONNX rung of the truth ladder: the exported file, executed in floating point.

qonnx executes it in single precision where that is exact: all scales are powers of two, and every
accumulator is small enough. Otherwise onnx and qonnx execute it in double precision
(:mod:`semifreddo.convert.doubles`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from semifreddo.convert.context import Origin
from semifreddo.convert.doubles import execute, in_doubles
from semifreddo.convert.from_qonnx import Converted, convert_graph
from semifreddo.convert.functions import Affine
from semifreddo.convert.load import CHANNELS_LAST_DOMAIN, load_model, read_graph
from semifreddo.convert.metadata import ModelInfo
from semifreddo.core.errors import ConversionError, DataError
from semifreddo.core.fixed import IntArray
from semifreddo.ir.exact import exact_result, product_bounds, range_of_inputs
from semifreddo.ir.layers import Cast, Layer, Stream, Weighted
from semifreddo.ir.net import StreamNet

_FLOAT_BITS = 24
_ROUND_OFF = 2.0**-16
"""What double precision may be away from an integer that was divided by its scale again."""

_BATCH_VALUES = 1 << 25
"""All tensors of a batch together stay near this many values (4 bytes each)."""


def _weighted_reach(layer: Weighted, net: StreamNet) -> int:
    """Largest integer that a weighted layer computes, in units of its last bit."""
    weight, bias = net.weights_of(layer)
    source = net.input_streams(layer)[0].type
    fixed = replace(weight, frozen=(True,) * weight.outputs)
    low, high = product_bounds(source, fixed)
    products = np.array(weight.frac) + source.frac
    if bias is None:
        return int(np.maximum(-low, high).max())
    biases = np.array(bias.frac)
    finest = np.maximum(products, biases)
    reach = np.ldexp(np.maximum(-low, high).astype(np.float64), finest - products)
    return int((reach + np.ldexp(np.abs(bias.raw).astype(np.float64), finest - biases)).max())


def _reach(layer: Layer, net: StreamNet) -> int:
    """Largest integer that a layer computes, in units of its last bit; 0 if it only chooses."""
    if isinstance(layer, Weighted):
        return _weighted_reach(layer, net)
    inputs = net.input_streams(layer)
    exact = exact_result(layer, inputs, net.block.__getitem__)
    return 0 if exact == range_of_inputs(inputs) else max(-exact.low, exact.high)


def float_limit(net: StreamNet) -> str:
    """Why single precision cannot execute a network exactly; empty if it can.

    A float holds integers up to 2**24. The check is a worst case over all images.
    """
    for layer in net.layers:
        reach = _reach(layer, net)
        if reach > 1 << _FLOAT_BITS:
            return (
                f"layer {layer.name} can reach {reach} (2**{reach.bit_length() - 1} and more), and "
                f"single precision is exact only up to 2**{_FLOAT_BITS}"
            )
    return ""


def _batched(path: Path, batch: int, constants: Mapping[str, npt.NDArray[Any]]) -> onnx.ModelProto:
    """The model with another batch size."""
    model = load_model(path)
    del model.graph.value_info[:]
    for value in (model.graph.input[0], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    for node in model.graph.node:
        sizes = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if sizes is not None and sizes.size and sizes[0] == 1:
            node.input[1] = f"{node.output[0]}_batched"
            # Zero keeps the batch size of the operand, unless it is taken for a size.
            kept = [item for item in node.attribute if item.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
            free = np.array([0, *sizes[1:]], np.int64)
            model.graph.initializer.append(onnx.numpy_helper.from_array(free, node.input[1]))
    return model


_Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes of all tensors, if operators are among it that qonnx asks for them.

    qonnx infers no shape in front of its channels-last operators, so an execution tells them.
    """
    graph = model.graph
    if not any(node.domain == CHANNELS_LAST_DOMAIN for node in graph.node):
        return model
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    names = {name for node in graph.node for name in node.output if name}
    names -= {output.name for output in graph.output}  # whose shapes the file has
    evaluator = in_doubles(copied, sorted(names))
    sizes = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
    for name, values in execute(evaluator, {graph.input[0].name: np.zeros(sizes)}).items():
        kind = np.dtype(np.float32) if values.dtype == np.float64 else values.dtype
        element = onnx.helper.np_dtype_to_tensor_dtype(kind)
        graph.value_info.append(onnx.helper.make_tensor_value_info(name, element, values.shape))
    return model


def _single(model: onnx.ModelProto) -> Callable[[_Tensors], _Tensors]:
    """Execution by qonnx, which gives every tensor."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wrapped = ModelWrapper(_with_shapes(model)).transform(InferShapes())

    def run(feeds: _Tensors) -> _Tensors:
        singles = {name: values.astype(np.float32) for name, values in feeds.items()}
        found: _Tensors = execute_onnx(wrapped, singles, return_full_exec_context=True)
        return found

    return run


def _double(model: onnx.ModelProto, tensors: Sequence[str]) -> Callable[[_Tensors], _Tensors]:
    """Execution in double precision, which gives the named tensors."""
    evaluator = in_doubles(model, tensors)
    return lambda feeds: execute(evaluator, feeds)


def executed(
    path: Path,
    net: StreamNet,
    images: npt.NDArray[np.integer],
    converted: Converted,
    tensors: Sequence[str],
    *,
    is_double: bool | None = None,
) -> Iterator[tuple[int, _Tensors]]:
    """Run batches; gives the number of images and the tensors by name, batch first."""
    stream = net.input
    if images.ndim != 4 or images.shape[1:] != stream.shape or images.dtype.kind not in "iu":
        raise DataError(
            f"{net.name}: images are {images.dtype} of shape {images.shape}, expected integers "
            f"(n, {', '.join(map(str, stream.shape))})"
        )
    per_image = 3 * sum(s.pixels * s.channels for s in net.streams.values())
    batch = max(1, min(len(images), _BATCH_VALUES // per_image))
    if _joins_constants(converted):
        batch = 1  # of which constants have been exported
    model = _batched(path, batch, converted.constants)
    name, axes = model.graph.input[0].name, converted.graph.input_axes
    if is_double is None:
        is_double = converted.is_real or bool(float_limit(net))
    try:
        run = _double(model, tensors) if is_double else _single(model)
    except Exception as error:
        raise _not_executed(path, error) from error
    real = _as_stored(converted.entrance.real(images), axes)
    for start in range(0, len(images), batch):
        part = real[start : start + batch]
        padded = np.zeros((batch, *part.shape[1:]))
        padded[: len(part)] = part
        try:
            # qonnx warns about opsets and shapes it then handles.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = run({name: padded})
        except Exception as error:
            raise _not_executed(path, error) from error
        yield len(part), found


def _joins_constants(converted: Converted) -> bool:
    """Whether constants and images are concatenated, which must be as many of each."""
    return any(
        node.op == "Concat" and node.outputs[0] not in known and known.keys() & {*node.inputs}
        for known in [converted.constants]
        for node in converted.graph.nodes
    )


def _not_executed(path: Path, error: Exception) -> ConversionError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ConversionError(f"{path}: qonnx cannot execute the model: {reason}")


def _as_stored(real: npt.NDArray[np.float64], axes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Images ``(n, height, width, channels)`` in the shape that the file takes."""
    first = real.transpose(0, 3, 1, 2)
    if len(axes) == 4:
        return first.transpose(axes)
    # A vector, or a signal of one dimension.
    return first.reshape([first.shape[axis] for axis in axes])


def _raw(
    path: Path,
    tensor: str,
    values: npt.NDArray[Any],
    stream: Stream,
    *,
    converted: Converted,
    scale: Fraction | None = None,
    result: Affine | None = None,
) -> IntArray:
    """Integers ``(n, height, width, channels)`` of a tensor.

    Args:
        path: The file, for messages.
        tensor: Name of the tensor, for messages.
        values: Its values.
        stream: The stream it stands for.
        converted: The network of the file.
        scale: Real value of one step; None if the stream's format says it.
        result: What the integers stand for, if they are the last ones.
    """
    real, nearest = _in_channels(values.astype(np.float64), stream, converted), _ROUND_OFF
    if result is not None:
        real = (real - [float(offset) for offset in result.offsets]) / [
            float(slope) for slope in result.slopes
        ]
    elif scale is not None:
        real = real / float(scale)
    else:
        real, nearest = np.ldexp(real, stream.type.frac), 0.0
    raw = np.rint(real)
    if not np.isfinite(real).all() or (np.abs(real - raw) > nearest).any():
        raise ConversionError(
            f"{path}: tensor {tensor!r} is not a multiple of the step of stream {stream.name}; a "
            "float operation is between the quantizers"
        )
    return raw.astype(np.int64)


def _in_channels(
    values: npt.NDArray[np.float64], stream: Stream, converted: Converted
) -> npt.NDArray[np.float64]:
    """A tensor of the file with the axes of a stream."""
    height, width, channels = stream.shape
    if values.ndim == 4 and converted.graph.channels_last:
        return values.reshape(len(values), height, width, channels)
    return values.reshape(len(values), channels, height, width).transpose(0, 2, 3, 1)


def formats_of(path: Path) -> Converted:
    """The network of a file, for its number formats; freezing and repeats do not matter."""
    graph = replace(read_graph(load_model(path), path), info=ModelInfo())
    return convert_graph(graph, "model", "all")


def run_qonnx(path: Path, net: StreamNet, images: npt.NDArray[np.integer]) -> IntArray:
    """Execute an exported model with qonnx.

    Args:
        path: The QONNX file.
        net: The network made from it, converted or lowered: it tells the number formats.
        images: Raw integers ``(n, height, width, channels)``.

    Returns:
        Raw integers ``(n, outputs)``, flattened (height, width, channel).

    Raises:
        DataError: The images do not fit the input.
        ConversionError: qonnx or onnx cannot execute the model.
    """
    converted = formats_of(path)
    name = converted.result_tensor
    results = [
        _raw(
            path,
            name,
            tensors[name][:count],
            net.output,
            converted=converted,
            result=converted.result,
        )
        for count, tensors in executed(path, net, images, converted, [name])
    ]
    if not results:
        return np.zeros((0, net.output.pixels * net.output.channels), np.int64)
    return np.concatenate(results).reshape(len(images), -1)


def _origins(converted: Converted, net: StreamNet) -> dict[str, Origin]:
    """Where the streams of a network, converted or lowered, are in the file."""
    found: dict[str, Origin] = {}
    for layer in net.layers:
        name = layer.name
        if name not in converted.origins:
            continue
        # A lowered layer has swallowed the casts behind it: its result is that of the last one.
        while True:
            readers = converted.net.consumers[name]
            if len(readers) != 1 or not isinstance(readers[0], Cast):
                break
            if readers[0].name in net.streams:
                break
            name = readers[0].name
        if converted.origins[name].tensor:
            found[layer.name] = converted.origins[name]
    return found


def trace_qonnx(path: Path, net: StreamNet, images: npt.NDArray[np.integer]) -> dict[str, IntArray]:
    """Execute an exported model and keep what corresponds to the streams of a network.

    Args:
        path: The QONNX file.
        net: The network made from it, converted or lowered.
        images: Raw integers ``(n, height, width, channels)``.

    Returns:
        Raw integers ``(n, height, width, channels)`` by layer name, in layer order.

    Raises:
        DataError: The images do not fit the input.
        ConversionError: qonnx or onnx cannot execute the model.
    """
    converted = formats_of(path)
    names = _origins(converted, net)
    parts: dict[str, list[IntArray]] = {layer: [] for layer in names}
    tensors = sorted({origin.tensor for origin in names.values()})
    for count, found in executed(path, net, images, converted, tensors):
        for layer, origin in names.items():
            stream, tensor = net.streams[layer], origin.tensor
            integers = _raw(
                path,
                tensor,
                found[tensor][:count],
                stream,
                converted=converted,
                scale=origin.scale,
                result=converted.result if layer == net.output.name else None,
            )
            parts[layer].append(integers)
    return {
        layer: np.concatenate(part) if part else np.zeros((0, *net.streams[layer].shape), np.int64)
        for layer, part in parts.items()
    }
