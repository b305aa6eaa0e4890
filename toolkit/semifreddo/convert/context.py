"""The network under construction, and what every node handler needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

import numpy as np

from semifreddo.convert.blocks import Blocks, Frozen
from semifreddo.convert.load import Graph, Node
from semifreddo.convert.names import Names, Scopes
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Signal, Value
from semifreddo.core.errors import ConversionError, NetError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import Layer, Route, Shape, Stream

INPUT_NAME = "image"
_MAX_STREAM_VALUES = 1 << 22
_UNKNOWN = FixedType.exact(1, 0, signed=False)

Handler: TypeAlias = Callable[["Context", Node, "list[Value | None]"], "list[Value]"]


@dataclass(frozen=True)
class Origin:
    """Where a layer comes from: an ONNX node and the tensor that holds the layer's result."""

    node: str
    tensor: str


class Context:
    """Collects layers while the nodes of a graph are handled in order.

    Args:
        graph: The graph.
        frozen: Which blocks are frozen.
    """

    def __init__(self, graph: Graph, frozen: Frozen) -> None:
        self.graph = graph
        self.blocks = Blocks(graph.info.plan, frozen)
        self.layers: list[Layer] = []
        self.origins: dict[str, Origin] = {}
        self.input: Stream | None = None
        self._names = Names({INPUT_NAME})
        self._scopes = Scopes(graph.constants)
        self._routes: dict[tuple[str, tuple[int, ...]], Stream] = {}

    def what(self, node: Node) -> str:
        """Names a node in messages."""
        return f"{self.graph.where}: node {node.name!r} ({node.op})"

    def refuse(self, node: Node, reason: str) -> NoReturn:
        """Raise the ConversionError of a node that cannot be converted."""
        raise ConversionError(f"{self.what(node)}: {reason}")

    def set_input(self, node: Node, kind: FixedType) -> Stream:
        """Give the image its format.

        Raises:
            ConversionError: It has another one already.
        """
        channels, height, width = self.graph.input_shape
        if self.input is None:
            self.input = Stream(INPUT_NAME, (height, width, channels), kind)
        elif self.input.type != kind:
            self.refuse(
                node,
                f"quantizes the input as {kind}, another node as {self.input.type}; use one "
                "QuantIdentity for the input",
            )
        return self.input

    def emit(
        self,
        node: Node,
        kind: type[Layer],
        inputs: tuple[Stream, ...],
        shape: Shape,
        *,
        into: FixedType | None = None,
        label: str = "",
        tensor: str | None = None,
        **fields: Any,
    ) -> Stream:
        """Add a layer.

        Args:
            node: The node that becomes the layer.
            kind: Layer kind.
            inputs: Streams it reads.
            shape: Shape of its result.
            into: Format of its result; the exact one if left out.
            label: Node name to derive the layer's name from, if not ``node``'s.
            tensor: ONNX tensor the result stands for, if not the node's output; may be empty.
            fields: The kind's own fields.

        Returns:
            The result stream.

        Raises:
            ConversionError: The result is empty, too large, or needs too many bits.
        """
        if min(shape) < 1:
            self.refuse(node, f"its result would have shape {shape}; check kernel and padding")
        if shape[0] * shape[1] * shape[2] > _MAX_STREAM_VALUES:
            self.refuse(
                node,
                f"its result would have shape {shape}, more than {_MAX_STREAM_VALUES} values; "
                "use smaller images or fewer channels",
            )
        draft = Stream(
            self._names.unique(self._scopes.read(label or node.name).stream_name), shape, _UNKNOWN
        )
        layer = kind(inputs=tuple(stream.name for stream in inputs), output=draft, **fields)
        try:
            exact = exact_result(layer, inputs, self.blocks.by_name.__getitem__)
            stream = replace(draft, type=into or exact.type)
        except (NetError, ValueError) as error:
            self.refuse(node, f"{error}; use fewer bits or inputs")
        self.layers.append(replace(layer, output=stream))
        self.origins[stream.name] = Origin(
            label or node.name, node.outputs[0] if tensor is None else tensor
        )
        return stream

    def replace_layer(self, node: Node, stream: Stream, **fields: Any) -> Stream:
        """Change fields of the layer that makes a stream, and its exact result type with them."""
        position = next(i for i, layer in enumerate(self.layers) if layer.name == stream.name)
        layer = replace(self.layers[position], **fields)
        streams = {known.name: known.output for known in self.layers}
        if self.input is not None:
            streams[self.input.name] = self.input
        inputs = tuple(streams[name] for name in layer.inputs)
        try:
            exact = exact_result(layer, inputs, self.blocks.by_name.__getitem__)
            changed = replace(stream, type=exact.type)
        except (NetError, ValueError) as error:
            self.refuse(node, f"{error}; use fewer bits or inputs")
        self.layers[position] = replace(layer, output=changed)
        self.origins[stream.name] = Origin(self.origins[stream.name].node, node.outputs[0])
        return changed

    def layers_of(self, path: str) -> list[str]:
        """Names of the layers made from a module (given by its path) and what is inside it."""
        return [
            name
            for name, origin in self.origins.items()
            if self._scopes.read(origin.node).inside(path)
        ]

    def module_of(self, node: Node) -> str:
        """Path of the module that a node belongs to; empty for the model's own ``forward``."""
        return self._scopes.read(node.name).path

    def readers(self, tensor: str) -> int:
        """How many node inputs read an ONNX tensor; the graph's output counts as one."""
        return self.graph.readers.get(tensor, 0)

    def signal(self, node: Node, value: Value | None) -> Signal:
        """An operand that must be a stream.

        Raises:
            ConversionError: It is something else.
        """
        if isinstance(value, Signal):
            return value
        if isinstance(value, RawImage):
            self.refuse(
                node,
                "reads the image before it has a number format; add a QuantIdentity "
                "(8 bits, unsigned, scale 1/256) at the input",
            )
        if isinstance(value, Constant):
            self.refuse(node, f"its data input {value.name!r} is a constant; expected an image")
        self.refuse(
            node,
            "reads a difference of two streams; subtraction is supported only inside an alpha "
            "blend f * q + t * (1 - q)",
        )

    def image(self, node: Node, signal: Signal) -> Stream:
        """A stream whose channels are those of a signal, wired by a Route if need be.

        Raises:
            ConversionError: The signal moves pixels around, or is padded.
        """
        if signal.padding != NO_PADDING:
            self.refuse(node, "reads a padded image; only a convolution or pool may follow a Pad")
        channels = signal.channel_map
        if channels is None:
            self.refuse(
                node,
                f"reads a stream reshaped to {signal.index.shape}, which moves values between "
                "pixels; only selections of whole channels are wiring",
            )
        if channels == tuple(range(signal.stream.channels)):
            return signal.stream
        key = (signal.stream.name, channels)
        if key not in self._routes:
            shape = (*signal.stream.shape[:2], len(channels))
            self._routes[key] = self.emit(
                node, Route, (signal.stream,), shape, label=signal.node, tensor="", indices=channels
            )
        return self._routes[key]

    def constant(self, node: Node, value: Value | None, role: str) -> Constant:
        """An operand that must be known.

        Raises:
            ConversionError: It depends on the image or is missing.
        """
        if not isinstance(value, Constant):
            self.refuse(node, f"its {role} is not a constant; only fixed {role}s are supported")
        if value.values.dtype.kind == "f" and not np.isfinite(value.values).all():
            self.refuse(
                node,
                f"{value.parameter or value.name!r} has NaN or infinite values; training "
                "diverged, so load an earlier checkpoint",
            )
        return value
