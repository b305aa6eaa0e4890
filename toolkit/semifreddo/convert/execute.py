"""The QONNX rung of the truth ladder: the exported file, executed by qonnx in floating point."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from semifreddo.convert.from_qonnx import Converted, convert_graph
from semifreddo.convert.load import load_model, read_graph
from semifreddo.convert.metadata import ModelInfo
from semifreddo.core.errors import ConversionError, DataError
from semifreddo.core.fixed import IntArray
from semifreddo.ir.exact import exact_result, product_bounds, range_of_inputs
from semifreddo.ir.layers import Cast, Layer, Stream, Weighted
from semifreddo.ir.net import StreamNet

_FLOAT_BITS = 24
_RESULT = "output of the model"
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


def _batched(path: Path, batch: int, constants: Mapping[str, npt.NDArray[Any]]) -> Any:
    """The model with another batch size, ready for qonnx."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    model = load_model(path)
    del model.graph.value_info[:]
    for value in (model.graph.input[0], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    for node in model.graph.node:
        sizes = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if sizes is not None and sizes.size and sizes[0] == 1:
            node.input[1] = f"{node.output[0]}_batched"
            # Zero keeps the batch size of the operand.
            free = np.array([0, *sizes[1:]], np.int64)
            model.graph.initializer.append(onnx.numpy_helper.from_array(free, node.input[1]))
    return ModelWrapper(model).transform(InferShapes())


def _execute(
    path: Path, net: StreamNet, images: npt.NDArray[np.integer]
) -> Iterator[tuple[int, dict[str, npt.NDArray[np.float32]]]]:
    """Run batches; gives the number of images and every tensor by name, batch first."""
    from qonnx.core.onnx_exec import execute_onnx

    stream = net.input
    if images.ndim != 4 or images.shape[1:] != stream.shape or images.dtype.kind not in "iu":
        raise DataError(
            f"{net.name}: images are {images.dtype} of shape {images.shape}, expected integers "
            f"(n, {', '.join(map(str, stream.shape))})"
        )
    if reason := float_limit(net):
        raise ConversionError(f"{path}: QONNX execution is not exact: {reason}")
    per_image = 3 * sum(s.pixels * s.channels for s in net.streams.values())
    batch = max(1, min(len(images), _BATCH_VALUES // per_image))
    model = _batched(path, batch, _converted(path).constants)
    name, output = model.graph.input[0].name, model.graph.output[0].name
    real = stream.type.to_real(images).transpose(0, 3, 1, 2).astype(np.float32)
    for start in range(0, len(images), batch):
        part = real[start : start + batch]
        padded = np.zeros((batch, *part.shape[1:]), np.float32)
        padded[: len(part)] = part
        try:
            # qonnx warns about opsets and shapes it then handles.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tensors = execute_onnx(model, {name: padded}, return_full_exec_context=True)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(f"{path}: qonnx cannot execute the model: {reason}") from error
        tensors[_RESULT] = tensors[output]
        yield len(part), tensors


def _raw(path: Path, name: str, values: npt.NDArray[Any], stream: Stream) -> IntArray:
    """Integers ``(n, height, width, channels)`` of a tensor."""
    raw = np.ldexp(values.astype(np.float64), stream.type.frac)
    if not np.isfinite(raw).all() or (raw != np.rint(raw)).any():
        raise ConversionError(
            f"{path}: tensor {name!r} is not a multiple of 2**-{stream.type.frac} as stream "
            f"{stream.name} is; a float operation is between the quantizers"
        )
    height, width, channels = stream.shape
    image = raw.reshape(len(raw), channels, height, width).transpose(0, 2, 3, 1)
    return image.astype(np.int64)


def _converted(path: Path) -> Converted:
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
        ConversionError: Single precision cannot be exact for this network, or qonnx fails.
    """
    results = [
        _raw(path, "result", tensors[_RESULT][:count], net.output)
        for count, tensors in _execute(path, net, images)
    ]
    if not results:
        return np.zeros((0, net.output.pixels * net.output.channels), np.int64)
    return np.concatenate(results).reshape(len(images), -1)


def tensor_names(path: Path, net: StreamNet) -> dict[str, str]:
    """The ONNX tensor that holds each stream of a network, converted or lowered.

    Streams that the file has no tensor for (wiring between two nodes) are left out.
    """
    converted = _converted(path)
    found: dict[str, str] = {}
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
        if tensor := converted.origins[name].tensor:
            found[layer.name] = tensor
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
        ConversionError: Single precision cannot be exact for this network, or qonnx fails.
    """
    names = tensor_names(path, net)
    parts: dict[str, list[IntArray]] = {layer: [] for layer in names}
    for count, tensors in _execute(path, net, images):
        for layer, tensor in names.items():
            parts[layer].append(_raw(path, tensor, tensors[tensor][:count], net.streams[layer]))
    return {
        layer: np.concatenate(part) if part else np.zeros((0, *net.streams[layer].shape), np.int64)
        for layer, part in parts.items()
    }
