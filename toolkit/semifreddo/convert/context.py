"""The network under construction, and what every node handler needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NoReturn, TypeAlias

import numpy as np

from semifreddo.convert.blocks import Blocks, Frozen
from semifreddo.convert.decisions import Decision
from semifreddo.convert.entrance import Entrance
from semifreddo.convert.functions import Affine
from semifreddo.convert.lineage import Lineage
from semifreddo.convert.load import Graph
from semifreddo.convert.moves import moved, padded
from semifreddo.convert.names import Names, Scopes
from semifreddo.convert.node import Node
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Real, Signal, Value
from semifreddo.core.errors import ConversionError, NetError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import (
    Cast,
    Conv,
    Layer,
    Route,
    Shape,
    Stream,
    WeightBlock,
)

INPUT_NAME = "image"
_MAX_STREAM_VALUES = 1 << 22
_UNKNOWN = FixedType.exact(1, 0, signed=False)

Handler: TypeAlias = Callable[["Context", Node, "list[Value | None]"], "list[Value]"]


@dataclass(frozen=True)
class Origin:
    """Where a layer comes from: an ONNX node and the tensor that holds the layer's result.

    Attributes:
        node: Name of the node.
        tensor: Name of the tensor; empty if the file has none.
        scale: Real value of one step of the layer's integers; None if the format says it.
    """

    node: str
    tensor: str
    scale: Fraction | None = None


class Context(Lineage):
    """Collects layers while the nodes of a graph are handled in order.

    Args:
        graph: The graph.
        frozen: Which blocks are frozen.
    """

    def __init__(self, graph: Graph, frozen: Frozen) -> None:
        super().__init__(Blocks(graph.info.plan, frozen, graph.info.terms))
        self.graph = graph
        self.origins: dict[str, Origin] = {}
        self.entrance: Entrance | None = None
        self.result_tensor = graph.output
        self.decisions: list[Decision] = []
        """Of every quantizer behind the first one, in order."""
        self.is_real = False
        """Whether something stands for real numbers that no fixed-point format says."""
        self._names = Names({INPUT_NAME})
        self._scopes = Scopes(graph.constants)
        self._made: list[tuple[Signal, Stream]] = []
        """Views that have become streams."""
        self._clipped: dict[tuple[str, FixedType], Stream] = {}
        """Casts without a quantizer's node, by what they read and its format."""

    def what(self, node: Node) -> str:
        """Names a node in messages."""
        return f"{self.graph.where}: node {node.name!r} ({node.op})"

    def refuse(self, node: Node, reason: str) -> NoReturn:
        """Raise the ConversionError of a node that cannot be converted."""
        raise ConversionError(f"{self.what(node)}: {reason}")

    def raw_image(self) -> RawImage:
        """The image before it has a format."""
        channels, height, width = self.graph.input_shape
        stream = Stream(INPUT_NAME, (height, width, channels), _UNKNOWN)
        whole = Signal.image(stream, "")
        axes = self.graph.input_axes
        if len(axes) == 4:
            index = whole.index.transpose(axes)
        else:
            # A vector, or a signal of one dimension: an image of one pixel, or of one row.
            index = whole.index.reshape([whole.index.shape[axis] for axis in axes])
        return RawImage(replace(whole, index=index), (Affine.scale(Fraction(1), channels),))

    def set_input(self, node: Node, kind: FixedType, entrance: Entrance) -> Stream:
        """Give the image its format.

        Raises:
            ConversionError: It has another one already.
        """
        channels, height, width = self.graph.input_shape
        if self.input is None:
            self.input = Stream(INPUT_NAME, (height, width, channels), kind)
            self.entrance = entrance
            self.is_real |= not entrance.is_plain(kind)
        elif self.entrance != entrance:
            self.refuse(
                node,
                "quantizes the input in another way than an earlier node; use one QuantIdentity "
                "for the input",
            )
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

    def clipped(self, node: Node, source: Stream, kind: FixedType) -> Stream:
        """A stream in a narrower format, made by one cast whoever reads it."""
        key = source.name, kind
        if key not in self._clipped:
            made = self.emit(node, Cast, (source,), source.shape, into=kind, tensor="")
            self.hide(made)
            self._clipped[key] = made
        return self._clipped[key]

    def emit_scaler(
        self,
        node: Node,
        source: Stream,
        weight: WeightBlock,
        bias: WeightBlock | None = None,
        *,
        into: FixedType | None = None,
        tensor: str | None = None,
    ) -> Stream:
        """Add ``weight * x + bias`` of each channel, a depthwise 1x1 convolution.

        Args:
            node: The node that becomes the layer.
            source: What it reads.
            weight: Block of shape ``(1, 1, 1, channels)``.
            bias: Block of shape ``(channels,)``, if anything is added.
            into: As for :meth:`emit`.
            tensor: As for :meth:`emit`.
        """
        return self.emit(
            node,
            Conv,
            (source,),
            source.shape,
            into=into,
            tensor=tensor,
            weight=weight.name,
            bias=None if bias is None else bias.name,
            kernel=(1, 1),
            stride=(1, 1),
            padding=NO_PADDING,
            depthwise=True,
        )

    def replace_layer(self, node: Node, stream: Stream, **fields: Any) -> Stream:
        """Change fields of the layer that makes a stream, and its exact result type with them."""
        position = next(i for i, layer in enumerate(self.layers) if layer.name == stream.name)
        layer = replace(self.layers[position], **fields)
        inputs = self.inputs_of(layer)
        try:
            exact = exact_result(layer, inputs, self.blocks.by_name.__getitem__)
            changed = replace(stream, type=exact.type)
        except (NetError, ValueError) as error:
            self.refuse(node, f"{error}; use fewer bits or inputs")
        self.layers[position] = replace(layer, output=changed)
        self.origins[stream.name] = Origin(self.origins[stream.name].node, node.outputs[0])
        return changed

    def in_file_order(self, signal: Signal) -> bool:
        """Whether a tensor of the file has the values of a stream in the order of its images."""
        if self.graph.channels_last and signal.index.ndim == 4:
            return np.array_equal(signal.index.ravel(), np.arange(signal.index.size))
        return signal.is_whole

    def stands_for(self, stream: Stream, tensor: str, scale: Fraction) -> None:
        """Say which tensor of the file a layer's integers are.

        Args:
            stream: The layer's result.
            tensor: Name of the tensor; empty if the file has none of its shape.
            scale: Real value of one step.
        """
        self.is_real = True
        origin = self.origins[stream.name]
        self.origins[stream.name] = replace(origin, tensor=tensor, scale=scale)

    def hide(self, stream: Stream) -> None:
        """The file has no tensor of a layer's integers: it holds the real numbers they become."""
        self.is_real = True
        self.origins[stream.name] = replace(self.origins[stream.name], tensor="")

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
        if isinstance(value, Real):
            self.refuse(
                node,
                "reads real numbers of a scale that is no power of two; put a quantizer in front",
            )
        if isinstance(value, RawImage):
            self.refuse(
                node,
                "reads the image before it has a number format; add a QuantIdentity "
                "(8 bits, unsigned, scale 1/256) at the input, or name its bits and scale in "
                "[input] of design.toml",
            )
        if isinstance(value, Constant):
            self.refuse(node, f"its data input {value.name!r} is a constant; expected an image")
        self.refuse(node, "reads a difference of two streams; put a quantizer in front")

    def image(self, node: Node, signal: Signal) -> Stream:
        """A stream whose channels are those of a signal, made by a layer if need be.

        Raises:
            ConversionError: The signal moves pixels around in a way that no layer does.
        """
        channels = signal.channel_map
        is_padded = signal.padding != NO_PADDING
        if channels == tuple(range(signal.stream.channels)) and not is_padded:
            return signal.stream
        for known, stream in self._made:
            if known.same_as(signal):
                return stream
        if is_padded:
            source = self.image(node, replace(signal, padding=NO_PADDING))
            made: Stream | None = padded(self, node, signal, source)
        elif channels is not None:
            shape = (*signal.stream.shape[:2], len(channels))
            made = self.emit(
                node, Route, (signal.stream,), shape, label=signal.node, tensor="", indices=channels
            )
        else:
            made = moved(self, node, signal)
        if made is None:
            self.refuse(
                node,
                f"reads a stream reshaped to {signal.index.shape}, which moves values between "
                "pixels; selections of channels, crops, strides, depth-to-space and whole repeats "
                "are layers, other orders are none",
            )
        self._made.append((signal, made))
        return made

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
