"""Everything that keeps a model from becoming hardware, at once and by layer.

The model is exported in memory and converted as a file would be. A node that is refused does not
end the walk: its result is replaced by a stand-in of the same shape, so that what stands behind it
is judged too. There is no second list of rules here: the handlers decide what is refused, and in
which words.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from semifreddo.convert.arithmetic import settle
from semifreddo.convert.context import Context
from semifreddo.convert.entrance import Entrance
from semifreddo.convert.from_qonnx import (
    convert_graph,
    handle,
    operands_of,
    outputs_of,
    start,
    unsupported,
)
from semifreddo.convert.load import Graph, check_model_proto, read_graph
from semifreddo.convert.node import Node
from semifreddo.convert.outputs import finish
from semifreddo.convert.quant import QUANTIZERS
from semifreddo.convert.steps import Quantizer
from semifreddo.convert.trace import trace
from semifreddo.convert.values import (
    NO_PADDING,
    Constant,
    Difference,
    Quantized,
    RawImage,
    Real,
    Scaled,
    Signal,
    Value,
)
from semifreddo.convert.weighted import WEIGHTED
from semifreddo.core.errors import ConfigError, ConversionError, SemifreddoError
from semifreddo.core.fixed import FixedType, Rounding
from semifreddo.ir.layers import Cast, Stream
from semifreddo.passes.lower import lower

if TYPE_CHECKING:
    from torch import nn

_BITS = 8
_FORMAT = FixedType.exact(_BITS, 0, signed=False)
_WHOLE = "the model"
_NODE = re.compile(rf"^{_WHOLE}: (node '[^']*' \([^)]*\): )?")
_UNKNOWN_SHAPE = (ValueError, TypeError, RuntimeError, IndexError)


@dataclass(frozen=True)
class Obstacle:
    """One reason why a model cannot be built.

    Attributes:
        layer: Path of the module, as ``named_modules`` gives it; ``forward`` for an operation of
            the model's own ``forward``, and ``the model`` for what no single layer causes.
        reason: What was seen, and behind a semicolon what to do.
    """

    layer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.reason}"


def check_model(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[Obstacle, ...]:
    """List everything that keeps a model, as it is, from being exported and built.

    Args:
        model: Any torch model; it is not changed. It need not be trained.
        input_shape: Image as (channels, height, width).

    Returns:
        All obstacles, in the order of the computation; none if the model can be exported. Batch
        norms that are not folded yet are listed: ``train_model`` folds those that follow a layer.
    """
    own = copy.deepcopy(model).eval()
    if refused := _cannot_run(own, input_shape):
        return (refused,)
    try:
        proto = trace(own, Path(_WHOLE), input_shape)
    except ConversionError as error:
        return (Obstacle(_WHOLE, _NODE.sub("", str(error))),)
    return obstacles_of(proto)


def refuse_obstacles(model: nn.Module, input_shape: tuple[int, int, int], where: str) -> None:
    """Refuse a model that training cannot make fit for hardware. Batch norms may be unfolded.

    Args:
        model: Any Brevitas model; it is not changed.
        input_shape: Image as (channels, height, width).
        where: Named in the error.

    Raises:
        ConversionError: Lists every obstacle.
    """
    import torch

    from semifreddo.nn.fold import fold_batch_norm

    own = copy.deepcopy(model).eval()
    try:
        fold_batch_norm(own, torch.zeros(1, *input_shape))
    except (ConfigError, RuntimeError, TypeError, ValueError, LookupError):
        own = model  # the list says so, too
    refuse(check_model(own, input_shape), where)


def refuse(found: Sequence[Obstacle], where: str) -> None:
    """Raise all obstacles as one error.

    Raises:
        ConversionError: There is one.
    """
    if found:
        count = "" if len(found) == 1 else f" ({len(found)} obstacles)"
        raise ConversionError(f"{where}: cannot be built{count}: {' | '.join(map(str, found))}")


def obstacles_of(proto: onnx.ModelProto) -> tuple[Obstacle, ...]:
    """Obstacles of an exported model, which is not changed."""
    path, proto = Path(_WHOLE), copy.deepcopy(proto)
    try:
        check_model_proto(proto, path)
        graph = read_graph(proto, path)
        found = tuple(dict.fromkeys(_walk(graph)))
        if not found:
            lower(convert_graph(graph, "model", "all").net)
    except SemifreddoError as error:
        return (Obstacle(_WHOLE, _NODE.sub("", str(error))),)
    return found


def _cannot_run(model: nn.Module, shape: tuple[int, int, int]) -> Obstacle | None:
    """Why one forward pass fails, and in which layer; None if it does not."""
    import torch

    entered: list[str] = []
    handles = []
    for name, module in model.named_modules():

        def enter(_: Any, __: Any, name: str = name) -> None:
            entered.append(name)

        def leave(*_: Any) -> None:
            entered.pop()

        handles += [
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave),
        ]
    parameter = next(model.parameters(), torch.zeros(1))
    try:
        with torch.no_grad():
            model(torch.full((1, *shape), 0.5, dtype=parameter.dtype))
    except Exception as error:  # noqa: BLE001 -- the user's code may raise anything
        text = " ".join(str(error).split()) or type(error).__name__
        layer = next((name for name in reversed(entered) if name), "forward")
        return Obstacle(
            layer,
            f"fails on an image of shape {shape} (channels, height, width): {text}; correct the "
            "layer, or name the shape that the model takes",
        )
    finally:
        for handle in handles:
            handle.remove()
    return None


def _walk(graph: Graph) -> Iterator[Obstacle]:
    """Convert node by node, going on behind each that is refused."""
    context = Context(graph, "all")
    walk = _Walk(context)
    values = start(context)
    for node in graph.nodes:
        try:
            operands = operands_of(values, context, node)
        except ConversionError as error:
            yield walk.obstacle(node, error)
            return  # a graph with holes cannot be judged further
        results = yield from walk.results(node, operands)
        values.update(zip(node.outputs, results, strict=False))
    if walk.stand_ins:
        return
    last = graph.nodes[-1]
    try:
        counts = [count for _, count in outputs_of(context, values)]
        finish(context, last, settle(context, last, values.get(graph.output)), counts)
    except ConversionError as error:
        yield walk.obstacle(last, error)


class _Walk:
    """Handles nodes, and stands in for what cannot be handled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.stand_ins: set[str] = set()
        """Streams that no handler made."""

    def obstacle(self, node: Node, error: ConversionError) -> Obstacle:
        """What a handler refused, by the layer's name."""
        layer = self._context.module_of(node) or f"forward ({node.op})"
        return Obstacle(layer, _NODE.sub("", str(error)))

    def results(
        self, node: Node, operands: list[Value | None]
    ) -> Generator[Obstacle, None, list[Value]]:
        """The values of a node's outputs; yields what it was refused for."""
        # Whether a constant is a bias depends on what is before it, and that is not known here.
        bias = node.op == "Add" and any(isinstance(value, Constant) for value in operands)
        follows = bias and any(self._is_stand_in(value) for value in operands)
        while True:
            try:
                return handle(self._context, node, operands)
            except ConversionError as error:
                if not follows:
                    yield self.obstacle(node, error)
            mended = self._mended(node, operands)
            if mended is None:
                return [self._stand_in(node, operands) for _ in node.outputs]
            operands = mended

    def _is_stand_in(self, value: Value | None) -> bool:
        if isinstance(value, Scaled | Real):
            value = value.signal
        if isinstance(value, Difference):
            return self._is_stand_in(value.left) or self._is_stand_in(value.right)
        return isinstance(value, Signal) and value.stream.name in self.stand_ins

    def _mended(self, node: Node, operands: list[Value | None]) -> list[Value | None] | None:
        """Operands without their first fault, to see whether there is a second; None if none."""
        if unsupported(node):
            return None
        for slot, value in enumerate(operands):
            if isinstance(value, RawImage) and node.op not in QUANTIZERS:
                image = Signal.image(self._input(node), node.name)
                return [*operands[:slot], image, *operands[slot + 1 :]]
            if node.op in WEIGHTED and isinstance(value, Constant) and value.quantized is None:
                if slot > 1:
                    continue  # a bias may be any number
                return [*operands[:slot], _quantized(value), *operands[slot + 1 :]]
        return None

    def _input(self, node: Node) -> Stream:
        known = self._context.input
        if known is not None:
            return known
        functions = self._context.raw_image().functions
        quantizer = Quantizer(Fraction(1, 256), 0, 255, Rounding.HALF_EVEN)
        return self._context.set_input(node, _FORMAT, Entrance(functions, quantizer))

    def _stand_in(self, node: Node, operands: list[Value | None]) -> Value:
        first = operands[0] if operands else None
        if all(value is None or isinstance(value, Constant) for value in operands):
            return _quantized(first) if isinstance(first, Constant) else _ZERO
        if isinstance(first, RawImage) and node.op in QUANTIZERS:
            return Signal.image(self._input(node), node.name)
        shape = self._shape(node, operands)
        if len(shape) == 4:
            stream = self._stream((shape[2], shape[3], shape[1]))
            return Signal.image(stream, node.name)
        if len(shape) == 3:
            return Signal.whole(self._stream((1, shape[2], shape[1])), 3, node.name)
        stream = self._stream((1, 1, int(np.prod(shape))))
        return Signal(stream, np.arange(np.prod(shape)).reshape(shape), node=node.name)

    def _stream(self, shape: tuple[int, int, int]) -> Stream:
        stream = Stream(f"stand_in_{len(self.stand_ins)}", shape, _FORMAT)
        self.stand_ins.add(stream.name)
        # Only its name and format are ever read; the layers never become a network.
        self._context.layers.append(Cast(inputs=("image",), output=stream))
        return stream

    def _shape(self, node: Node, operands: list[Value | None]) -> tuple[int, ...]:
        """Shape of a node's first output, as ONNX has it."""
        shapes = [_shape_of(value) for value in operands]
        if node.op in QUANTIZERS:
            return shapes[0]
        try:
            return _inferred(node, operands, shapes)
        except (*_UNKNOWN_SHAPE, onnx.shape_inference.InferenceError):
            return shapes[0]


_ZERO = Constant("0", np.zeros(1))


def _quantized(constant: Constant) -> Constant:
    """The nearest 8-bit fixed-point constant."""
    values = np.nan_to_num(constant.values.astype(np.float64), posinf=0, neginf=0)
    top = float((1 << (_BITS - 1)) - 1)
    peak = float(np.abs(values).max(initial=0))
    frac = int(-np.frexp(peak / top)[1]) if peak else 0
    rounded = np.clip(np.rint(np.ldexp(values, frac)), -top, top)
    form = Quantized(np.full(values.shape, frac), _BITS, True)
    return replace(constant, values=np.ldexp(rounded, -frac), quantized=form)


def _shape_of(value: Value | None) -> tuple[int, ...]:
    if isinstance(value, Scaled | Real | RawImage):
        value = value.signal
    if isinstance(value, Difference):
        value = value.left
    if isinstance(value, Constant):
        return value.values.shape
    if not isinstance(value, Signal):
        return ()
    top, left, bottom, right = value.padding
    if value.padding == NO_PADDING:
        return value.index.shape
    *others, width = value.index.shape
    if len(others) == 3:
        others[-1] += top + bottom
    return (*others, width + left + right)


def _inferred(
    node: Node, operands: Sequence[Value | None], shapes: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    """What ONNX's own shape inference says of one node."""
    proto = onnx.helper.make_node(
        node.op, list(node.inputs), list(node.outputs), **dict(node.attributes)
    )
    inputs, initializers = [], []
    for name, value, shape in zip(node.inputs, operands, shapes, strict=True):
        if not name:
            continue
        if isinstance(value, Constant):
            kind = value.values.dtype.kind
            array = value.values.astype(np.int64 if kind in "iu" else np.float32)
            initializers.append(onnx.numpy_helper.from_array(array, name))
        else:
            inputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.outputs]
    graph = onnx.helper.make_graph([proto], "node", inputs, outputs, initializers)
    known = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph), data_prop=True)
    dims = known.graph.output[0].type.tensor_type.shape.dim
    sizes = tuple(dim.dim_value for dim in dims)
    if not sizes or min(sizes) < 1:
        raise ValueError(f"no shape of {node.op}")
    return sizes
