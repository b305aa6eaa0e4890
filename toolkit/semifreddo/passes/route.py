"""Passes that simplify wiring."""

from __future__ import annotations

from dataclasses import replace

from semifreddo.ir.layers import Route
from semifreddo.ir.net import StreamNet
from semifreddo.passes.base import PassResult
from semifreddo.passes.cast import exact_of, is_lossless
from semifreddo.passes.rewrite import Rewrite, apply


class RemoveIdentityRoute:
    """Drop a Route that gives exactly its one input."""

    def __call__(self, net: StreamNet) -> PassResult:
        rewrites = []
        for layer in net.layers:
            source = net.streams[layer.inputs[0]]
            if (
                isinstance(layer, Route)
                and len(layer.inputs) == 1
                and layer.indices == tuple(range(source.channels))
                and layer.output.type.frac == source.type.frac
                and is_lossless(exact_of(net, layer), layer.output.type)
                and not (layer.name == net.output.name and source.name == net.input.name)
            ):
                rewrites.append(Rewrite({layer.name: source.name}))
        return apply(net, rewrites)


class MergeRoute:
    """Let Routes behind a Route read what that one reads, if nothing else reads it."""

    def __call__(self, net: StreamNet) -> PassResult:
        rewrites = []
        for layer in net.layers:
            readers = [reader for reader in net.consumers[layer.name] if isinstance(reader, Route)]
            if (
                isinstance(layer, Route)
                and readers
                and len(readers) == len(net.consumers[layer.name])
                and is_lossless(exact_of(net, layer), layer.output.type)
            ):
                merged = {reader.name: _merged(net, layer, reader) for reader in readers}
                rewrites.append(Rewrite({layer.name: layer.inputs[0]}, merged))
        return apply(net, rewrites)


def _channels(net: StreamNet, layer: Route) -> list[tuple[str, int]]:
    """Stream and channel of every position of the concatenated inputs."""
    return [
        (name, channel) for name in layer.inputs for channel in range(net.streams[name].channels)
    ]


def _merged(net: StreamNet, first: Route, second: Route) -> Route:
    sources, between = _channels(net, first), _channels(net, second)
    wires = []
    for index in second.indices:
        name, channel = between[index]
        wires.append(sources[first.indices[channel]] if name == first.name else (name, channel))
    inputs: dict[str, None] = {}
    for name in second.inputs:
        # All inputs stay, also those no wire is left of: a stream must have a reader.
        inputs.update(dict.fromkeys(first.inputs if name == first.name else (name,)))
    position = {
        wire: index
        for index, wire in enumerate(
            (name, channel) for name in inputs for channel in range(net.streams[name].channels)
        )
    }
    return replace(second, inputs=tuple(inputs), indices=tuple(position[wire] for wire in wires))
