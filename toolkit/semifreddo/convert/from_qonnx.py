"""QONNX to StreamNet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt

from semifreddo.convert.activations import ACTIVATIONS
from semifreddo.convert.advice import advice
from semifreddo.convert.arithmetic import ARITHMETIC, as_real, settle
from semifreddo.convert.blocks import Frozen
from semifreddo.convert.constants import evaluate, initializer
from semifreddo.convert.context import Context, Origin
from semifreddo.convert.decisions import Decision
from semifreddo.convert.entrance import Entrance
from semifreddo.convert.extremes import EXTREMES
from semifreddo.convert.functions import Affine
from semifreddo.convert.layouts import CHANNELS_LAST
from semifreddo.convert.load import Graph, load_model, read_graph
from semifreddo.convert.node import Node
from semifreddo.convert.one_dimension import with_height_one
from semifreddo.convert.outputs import finish, head
from semifreddo.convert.several import JOINED
from semifreddo.convert.streams import STREAMS
from semifreddo.convert.transposed import TRANSPOSED
from semifreddo.convert.values import Constant, Difference, Real, Scaled, Value
from semifreddo.convert.weighted import WEIGHTED
from semifreddo.core.errors import ConversionError, NetError
from semifreddo.core.progress import tell
from semifreddo.ir.net import Repeat, StreamNet

_LOG = logging.getLogger(__name__)

_MANY = 50_000
"""Constants of a file from which on the conversion says how far it is."""
_HEADS = dict.fromkeys(("Softmax", "LogSoftmax", "ArgMax", "TopK"), head)
_HANDLERS = (
    STREAMS
    | with_height_one(STREAMS, WEIGHTED, TRANSPOSED)
    | ARITHMETIC
    | EXTREMES
    | _HEADS
    | CHANNELS_LAST
)


@dataclass(frozen=True)
class Converted:
    """A network and where each of its layers comes from.

    Attributes:
        net: The network, one layer per ONNX node.
        graph: The ONNX graph.
        origins: ONNX node and result tensor of each layer.
        entrance: What the file does to its input before the first integers.
        result_tensor: The tensor that the device answers with.
        result: What the last integers stand for; None if their format says it.
        decisions: What each quantizer behind the first one decides, in order.
        is_real: Whether scales are no powers of two, or something else that no fixed-point
            format says; then double precision executes the file.
        constants: Values of all tensors that do not depend on the image.
        stored: Names of the weight blocks that the file holds, and not several tensors make.
        outputs: Name and number of channels of each output of the file, if it has several: the
            network's channels are those of all outputs, one after the other.
    """

    net: StreamNet
    graph: Graph
    origins: dict[str, Origin]
    constants: dict[str, npt.NDArray[Any]]
    entrance: Entrance
    result_tensor: str
    result: Affine | None
    decisions: tuple[Decision, ...]
    is_real: bool
    stored: frozenset[str]
    outputs: tuple[tuple[str, int], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the file's metadata; without, of several outputs their names and places."""
        named = (f"{name}.{place}" for name, count in self.outputs for place in range(count))
        return self.graph.info.labels or tuple(named)


def operands_of(values: dict[str, Value], context: Context, node: Node) -> list[Value | None]:
    """The values of a node's inputs; None for an omitted one.

    Raises:
        ConversionError: An input is computed by nothing.
    """
    found: list[Value | None] = []
    for name in node.inputs:
        if name and name not in values:
            context.refuse(node, f"its input {name!r} is computed by nothing; export again")
        found.append(values[name] if name else None)
    return found


def _results(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    if all(operand is None or isinstance(operand, Constant) for operand in operands):
        known = [operand for operand in operands if isinstance(operand, Constant | None)]
        constants = evaluate(node, known, context.what(node))
        if constants is not None:
            return list(constants)
    handler = _HANDLERS.get(node.op)
    if handler is None:
        context.refuse(
            node,
            f"operator {node.op} is not supported; {advice(node.op)}",
        )
    if node.op not in ARITHMETIC and node.op not in EXTREMES and node.op not in _HEADS:
        settled = as_real if node.op in ACTIVATIONS else settle
        operands = [
            settled(context, node, operand) if isinstance(operand, Scaled | Difference) else operand
            for operand in operands
        ]
    return handler(context, node, operands)


def unsupported(node: Node) -> bool:
    """Whether no handler knows a node's operator."""
    return node.op not in _HANDLERS


def handle(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    """The values of a node's outputs.

    Raises:
        ConversionError: The node has no exact fixed-point meaning.
    """
    try:
        return _results(context, node, operands)
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        NetError,
        TypeError,
        ValueError,
    ) as error:
        # The file comes from outside: a node may contradict itself in more ways than are worth
        # a message each.
        context.refuse(node, f"is malformed ({error!r}); export the model again")


def _repeats(context: Context) -> tuple[Repeat, ...]:
    """Layers of each pass: those of a module, in order, are shared out evenly among its passes."""
    passes: list[list[str]] = [[] for _ in context.graph.info.repeats]
    for paths in zip(*context.graph.info.repeats, strict=True):
        for path in dict.fromkeys(paths):
            users = [number for number, other in enumerate(paths) if other == path]
            layers = context.layers_of(path)
            length, rest = divmod(len(layers), len(users))
            if rest or not layers:
                raise ConversionError(
                    f"{context.graph.where}: repeated module {path!r} has {len(layers)} layers for "
                    f"{len(users)} passes; export the model again"
                )
            for position, number in enumerate(users):
                passes[number] += layers[position * length : (position + 1) * length]
    if len({len(names) for names in passes}) > 1:
        raise ConversionError(
            f"{context.graph.where}: the passes of the repeated block have "
            f"{', '.join(str(len(names)) for names in passes)} layers; export the model again"
        )
    if not passes or not all(_same_logic(context, group) for group in zip(*passes, strict=True)):
        return ()
    return (Repeat("repeat", tuple(map(tuple, passes))),)


def _same_logic(context: Context, names: tuple[str, ...]) -> bool:
    """Whether layers can be one piece of hardware: their frozen weights are the same."""
    layers = {layer.name: layer for layer in context.layers}
    for blocks in zip(*(layers[name].block_names for name in names), strict=False):
        first, *others = (context.blocks.by_name[block] for block in blocks)
        for other in others:
            frozen = first.frozen_channels
            if (first.frozen, first.frac) != (other.frozen, other.frac) or (
                first.raw[..., frozen] != other.raw[..., frozen]
            ).any():
                return False
    return True


def _promise_alike(context: Context, repeats: Sequence[Repeat]) -> None:
    """Weights of all passes are promised to be sums of as many powers of two: the most of any."""
    layers = {layer.name: layer for layer in context.layers}
    for repeat in repeats:
        for names in zip(*repeat.passes, strict=True):
            for found in zip(*(layers[name].block_names for name in names), strict=True):
                blocks = [context.blocks.by_name[name] for name in found]
                counts = [block.terms for block in blocks]
                terms = max(counts) if all(counts) else 0
                for block in blocks:
                    context.blocks.by_name[block.name] = replace(block, terms=terms)


def _net(context: Context, name: str) -> StreamNet:
    if context.input is None or not context.layers:
        raise ConversionError(f"{context.graph.where}: the model does nothing with its input")
    used = {block for layer in context.layers for block in layer.block_names}
    repeats = _repeats(context)
    _promise_alike(context, repeats)
    return StreamNet(
        name=name,
        input=context.input,
        layers=tuple(context.layers),
        blocks=tuple(block for key, block in context.blocks.by_name.items() if key in used),
        repeats=repeats,
    )


def start(context: Context) -> dict[str, Value]:
    """What is known before the first node: all constants, and the image."""
    graph = context.graph
    values: dict[str, Value] = {
        key: initializer(key, array) for key, array in graph.constants.items()
    }
    return values | {graph.input: context.raw_image()}


def outputs_of(context: Context, values: dict[str, Value]) -> tuple[tuple[str, int], ...]:
    """Name and channels of each of several outputs."""
    last = context.graph.nodes[-1]
    if last.name != JOINED:
        return ()
    found = []
    for name in last.inputs:
        value = values[name]
        signal = value.signal if isinstance(value, Real | Scaled) else value
        found.append((name, context.signal(last, cast(Value, signal)).index.shape[1]))
    return tuple(found)


def convert_graph(graph: Graph, name: str, frozen: Frozen) -> Converted:
    """Convert a checked graph; see :func:`from_qonnx`."""
    context = Context(graph, frozen)
    values = start(context)
    weights = sum(array.size for array in graph.constants.values())
    for node in graph.nodes:
        results = handle(context, node, operands_of(values, context, node))
        values.update(zip(node.outputs, results, strict=False))
        if weights >= _MANY and (node.op in WEIGHTED or node.op in TRANSPOSED):
            done = sum(block.raw.size for block in context.blocks.by_name.values())
            tell(f"{node.name}: converted, {done:,} constants so far")
    last = graph.nodes[-1]
    outputs = outputs_of(context, values)
    counts = [count for _, count in outputs]
    result = finish(context, last, settle(context, last, values.get(graph.output)), counts)
    if context.is_real and context.layers:
        name = context.layers[-1].name
        context.origins[name] = replace(context.origins[name], tensor=context.result_tensor)
    context.blocks.verify()
    if graph.info.plan is None and frozen == "plan":
        _LOG.warning("%s has no freeze plan: every weight becomes hardware", graph.where)
    try:
        net = _net(context, name)
    except NetError as error:
        raise ConversionError(f"{graph.where}: {error}") from error
    known = {key: value.values for key, value in values.items() if isinstance(value, Constant)}
    assert context.entrance is not None
    return Converted(
        net,
        graph,
        context.origins,
        known,
        context.entrance,
        context.result_tensor,
        result,
        tuple(context.decisions),
        context.is_real,
        frozenset(context.blocks.stored),
        outputs,
    )


def from_qonnx(path: Path | str, name: str, *, frozen: Frozen = "plan") -> StreamNet:
    """Convert an exported model, one layer per ONNX node.

    Args:
        path: A QONNX file with one image input of fixed shape (1, channels, height, width), whose
            first node is the input quantizer.
        name: Identifier of the design.
        frozen: ``plan`` follows the freeze plan in the file, and freezes everything if there is
            none; ``all`` and ``none`` disregard it. Patterns name the tensors that are frozen in a
            file without a plan.

    Returns:
        The integer network; its input stream has the format of the input quantizer.

    Raises:
        ConversionError: The file is missing, damaged or not a QONNX model, or a node has no exact
            fixed-point meaning; names the node and says what to do.
        CheckpointError: The freeze plan does not belong to the model.
        FrozenTensorChangedError: A frozen weight differs from the one in the freeze plan.
    """
    return read_converted(path, name, frozen=frozen).net


def read_converted(path: Path | str, name: str, *, frozen: Frozen = "plan") -> Converted:
    """As :func:`from_qonnx`, with where everything comes from."""
    path = Path(path)
    return convert_graph(read_graph(load_model(path), path), name, frozen)
