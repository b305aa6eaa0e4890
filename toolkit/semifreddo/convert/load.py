"""Reading an ONNX file: everything that can be refused before looking at single operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from semifreddo.convert.metadata import ModelInfo
from semifreddo.convert.node import Node
from semifreddo.convert.qcdq import with_quantizers
from semifreddo.convert.several import join_outputs
from semifreddo.core.errors import ConversionError

_EXPORT_HINT = "export the model with semifreddo.convert.export_qonnx"
_MAX_INPUT_VALUES = 1 << 22
QONNX_DOMAIN = "qonnx.custom_op.general"
CHANNELS_LAST_AXES = (0, 2, 3, 1)
CHANNELS_LAST_DOMAIN = "qonnx.custom_op.channels_last"
_QONNX_SPELLINGS = ("onnx.brevitas", "finn.custom_op.general")
"""Domains in which older versions of Brevitas and FINN wrote the same operators."""

_PREFERRED_OPSET = 11
"""Of ONNX itself, where a file names none: what qonnx takes then."""

_MOST_CHARACTERS = 200
"""Of a library's message: it may quote what it has read."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A checked ONNX graph with one image input and one output.

    Attributes:
        where: The file, for messages.
        nodes: Those that the output depends on, in topological order.
        constants: Initializers by name.
        input: Name of the input tensor.
        input_shape: ``(channels, height, width)``; the batch is 1.
        input_axes: Order in which the file's tensor has the axes of ``(1, channels, height,
            width)``; two of them if it is a vector ``(1, channels)``.
        channels_last: Whether tensors of four dimensions have their channels last.
        output: Name of the output tensor.
        readers: How many node inputs read each tensor; the graph's output counts as one.
        info: The semifreddo metadata.
    """

    where: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, npt.NDArray[Any]]
    input: str
    input_shape: tuple[int, int, int]
    input_axes: tuple[int, ...]
    channels_last: bool
    output: str
    readers: Mapping[str, int]
    info: ModelInfo


def load_model(path: Path) -> onnx.ModelProto:
    """Read and check an ONNX file.

    Raises:
        ConversionError: Missing, not an ONNX model, damaged, or without its external data.
    """
    if not path.is_file():
        raise ConversionError(f"{path}: no such file; {_EXPORT_HINT}")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError, OSError, RecursionError) as error:
        raise ConversionError(f"{path}: not an ONNX model ({_first_line(error)})") from error
    if not model.ir_version or not model.graph.node:
        raise ConversionError(f"{path}: not an ONNX model (no graph in it); {_EXPORT_HINT}")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, TypeError, RuntimeError, onnx.checker.ValidationError) as error:
        raise ConversionError(
            f"{path}: its external data cannot be read ({_first_line(error)}); keep the data "
            "file beside the model or export it as one file"
        ) from error
    check_model_proto(model, path)
    return model


def check_model_proto(model: onnx.ModelProto, path: Path) -> None:
    """Check an ONNX model in memory.

    Args:
        model: The model.
        path: Named in the error.

    Raises:
        ConversionError: It is damaged.
    """
    try:
        _check_names(model.graph)
        _complete_imports(model)
        onnx.checker.check_model(model)
        join_outputs(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError, TypeError) as error:
        raise ConversionError(
            f"{path}: not a valid ONNX model ({_first_line(error)}); {_EXPORT_HINT}"
        ) from error


def _check_names(graph: onnx.GraphProto) -> None:
    """Protobuf gives a damaged name as bytes, or tells when it is used."""
    for node in graph.node:
        names = [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [item.name for item in node.attribute]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"a name of node {node.name!r} is no UTF-8 text")
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        if not isinstance(value.name, str):
            raise ValueError(f"the name {value.name!r} is no UTF-8 text")


def _complete_imports(model: onnx.ModelProto) -> None:
    """Import every operator set that nodes use, and call QONNX' set by its present name.

    qonnx runs files without these imports, and its own clean-up writes them.
    """
    for node in model.graph.node:
        if node.domain in _QONNX_SPELLINGS:
            node.domain = QONNX_DOMAIN
    imported = {entry.domain for entry in model.opset_import}
    for domain in sorted({node.domain for node in model.graph.node} - imported):
        version = 1 if domain else _PREFERRED_OPSET
        model.opset_import.append(onnx.helper.make_opsetid(domain, version))


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= _MOST_CHARACTERS else line[:_MOST_CHARACTERS] + "..."


def _input_shape(
    path: Path, value: onnx.ValueInfoProto, nodes: tuple[Node, ...]
) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Shape of the image, and the order of its axes in the file."""
    sizes: list[int] = []
    tensor = value.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        raise ConversionError(f"{path}: input {value.name!r} is not a float tensor; {_EXPORT_HINT}")
    for position, dim in enumerate(tensor.shape.dim):
        if position == 0:
            sizes.append(1)  # whatever batch the file was exported for
            continue
        if not dim.HasField("dim_value") or dim.dim_value < 1:
            seen = dim.dim_param or dim.dim_value or "unknown"
            raise ConversionError(
                f"{path}: input {value.name!r} has a dynamic shape (dimension {position} is "
                f"{seen!r}); export with a fixed input shape"
            )
        sizes.append(dim.dim_value)
    axes: tuple[int, ...] = (0, 1, 2, 3)
    if len(sizes) == 4 and _first_layout(value.name, nodes) != "first":
        axes = CHANNELS_LAST_AXES
        sizes = [sizes[0], sizes[3], sizes[1], sizes[2]]
    elif len(sizes) == 2:
        axes = (0, 1)
        sizes += [1, 1]
    elif len(sizes) == 3:
        axes = (0, 1, 3)
        sizes = [*sizes[:2], 1, sizes[2]]
    if len(sizes) != 4:
        raise ConversionError(
            f"{path}: input {value.name!r} has shape {tuple(sizes)}, expected one image "
            "(1, channels, height, width) or a vector (1, values)"
        )
    _, channels, height, width = sizes
    if channels * height * width > _MAX_INPUT_VALUES:
        raise ConversionError(
            f"{path}: input {value.name!r} has shape {tuple(sizes)}, more than "
            f"{_MAX_INPUT_VALUES} values; use smaller images"
        )
    return (channels, height, width), axes


def _first_layout(name: str, nodes: tuple[Node, ...]) -> Literal["first", "turned", "last"]:
    """Where the first window over the image has the channels, and whether they are brought there.

    An image with its channels last is ``turned`` if a transposition makes them the first ones.
    """
    reached = {name}
    for node in nodes:
        if not reached.intersection(node.inputs):
            continue
        if node.op.startswith(CHANNELS_LAST_DOMAIN):
            return "last"
        if node.op == "Transpose" and list(node.attributes.get("perm", ())) == [0, 3, 1, 2]:
            return "turned"
        if node.op in ("Transpose", "Conv", "MatMul", "Gemm", "Reshape"):
            return "first"
        reached.update(node.outputs)
    return "first"


def _constants(path: Path, graph: onnx.GraphProto) -> dict[str, npt.NDArray[Any]]:
    if graph.sparse_initializer:
        raise ConversionError(f"{path}: sparse weights are not supported; export dense ones")
    found: dict[str, npt.NDArray[Any]] = {}
    for tensor in graph.initializer:
        try:
            found[tensor.name] = as_array(tensor)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConversionError(
                f"{path}: initializer {tensor.name!r} is damaged ({_first_line(error)})"
            ) from error
    return found


def as_array(tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    """Values of an ONNX tensor, floats as float64.

    Raises:
        ValueError: Not a numeric tensor.
    """
    array = np.asarray(onnx.numpy_helper.to_array(tensor))
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind not in "biu":
        raise ValueError(f"tensor {tensor.name!r} holds {array.dtype}, not numbers")
    return array


def _node(proto: onnx.NodeProto) -> Node:
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in proto.attribute}
    for key, value in attributes.items():
        if isinstance(value, bytes):
            attributes[key] = value.decode()
    name = proto.name or (proto.output[0] if proto.output else proto.op_type)
    known = proto.domain in ("", "ai.onnx", QONNX_DOMAIN)
    op = proto.op_type if known else f"{proto.domain}.{proto.op_type}"
    return Node(name, op, tuple(proto.input), tuple(proto.output), attributes)


def _nodes(path: Path, graph: onnx.GraphProto, output: str) -> tuple[Node, ...]:
    found: list[Node] = []
    for proto in graph.node:
        try:
            found.append(_node(proto))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConversionError(
                f"{path}: node {proto.name!r} ({proto.op_type}) is damaged ({_first_line(error)})"
            ) from error
    return _needed(found, output)


def _needed(nodes: Sequence[Node], output: str) -> tuple[Node, ...]:
    """The nodes that a tensor depends on."""
    needed = {output}
    kept: list[Node] = []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(name for name in node.inputs if name)
    return tuple(reversed(kept))


def _stored(path: Path, nodes: Sequence[Node]) -> dict[str, npt.NDArray[Any]]:
    """Values of Constant nodes by name."""
    found = {}
    for node in nodes:
        if node.op == "Constant" and node.attributes:
            value = next(iter(node.attributes.values()))
            try:
                array = as_array(value) if hasattr(value, "dims") else np.asarray(value)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ConversionError(
                    f"{path}: node {node.name!r} (Constant) is damaged ({_first_line(error)})"
                ) from error
            found[node.outputs[0]] = array
    return found


def read_graph(model: onnx.ModelProto, path: Path) -> Graph:
    """Reduce a model to what conversion needs.

    Raises:
        ConversionError: Not one image input and one output, dynamic shape, or damaged tensors.
    """
    graph = model.graph
    constants = _constants(path, graph)
    inputs = [value for value in graph.input if value.name not in constants]
    for what, values in (("inputs", inputs), ("outputs", graph.output)):
        if len(values) != 1:
            names = ", ".join(repr(value.name) for value in values) or "none"
            raise ConversionError(
                f"{path}: the model has {len(values)} {what} ({names}); exactly one is supported"
            )
    output = graph.output[0].name
    nodes = _nodes(path, graph, output)
    if any(node.op == "DequantizeLinear" for node in nodes):
        known = constants | _stored(path, nodes)
        merged, constants = with_quantizers(str(path), nodes, known)
        nodes = _needed(merged, output)
    readers = {output: 1}
    for node in nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    shape, axes = _input_shape(path, inputs[0], nodes)
    return Graph(
        where=str(path),
        nodes=nodes,
        constants=constants,
        input=inputs[0].name,
        input_shape=shape,
        input_axes=axes,
        channels_last=len(axes) == 4 and _first_layout(inputs[0].name, nodes) == "last",
        output=output,
        readers=readers,
        info=_info(model, path),
    )


def _info(model: onnx.ModelProto, path: Path) -> ModelInfo:
    props = {entry.key: entry.value for entry in model.metadata_props}
    return ModelInfo.from_props(props, str(path))


def read_info(path: Path) -> ModelInfo:
    """The freeze plan, labels and further entries that an exported model carries.

    Raises:
        ConversionError: Missing, not an ONNX model, or damaged.
        CheckpointError: The freeze plan is damaged.
    """
    return _info(load_model(path), path)
