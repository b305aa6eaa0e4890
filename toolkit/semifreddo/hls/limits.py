"""What the HLS tools can build of a layer, checked before anything is written.

Each limit is the smaller one of the two tools: integers and stream words as wide as documented, and
as many elements in registers and copies of a loop's body as their default thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm

from semifreddo.core.errors import ProjectError
from semifreddo.hls.lower import pool_function
from semifreddo.ir.layers import AvgPool, Conv, Layer, Linear, MaxPool, Stream
from semifreddo.ir.schedule import ScheduledNet

STREAM_BITS = 4_096
"""Bits of a pixel: a word of a stream."""

ELEMENTS = 4_096
"""Values in registers at once, and copies of a loop's body."""


def check_limits(scheduled: ScheduledNet) -> None:
    """Refuse a network that no HLS tool builds.

    Raises:
        ProjectError: Names the layer, the limit and what to do.
    """
    net = scheduled.net
    _check_stream(net.name, net.input)
    for layer in net.layers:
        _check_stream(net.name, layer.output)
        for count, what in _counts(scheduled, layer):
            if count > ELEMENTS:
                raise ProjectError(
                    f"{net.name}: layer {layer.name!r} has {count} {what}, HLS takes at most "
                    f"{ELEMENTS}; make it smaller, or build the RTL core"
                )


def _check_stream(name: str, stream: Stream) -> None:
    bits = stream.channels * stream.type.width
    if bits > STREAM_BITS:
        raise ProjectError(
            f"{name}: layer {stream.name!r}: a pixel of {stream.channels} channels of "
            f"{stream.type.width} bits has {bits} bits, a word of an HLS stream at most "
            f"{STREAM_BITS}; use fewer channels or bits, or build the RTL core"
        )


def _counts(scheduled: ScheduledNet, layer: Layer) -> Iterator[tuple[int, str]]:
    net = scheduled.net
    source = net.streams[layer.inputs[0]]
    pool = isinstance(layer, MaxPool | AvgPool) and pool_function(layer).endswith("windows")
    if isinstance(layer, Conv) or pool:
        assert isinstance(layer, Conv | MaxPool | AvgPool)
        height, width = layer.kernel
        yield height * width * source.channels, "values in a window"
    if not isinstance(layer, Conv | Linear):
        return
    weight, choice = net.block[layer.weight], scheduled[layer.name]
    frozen = len(weight.frozen_channels)
    if isinstance(layer, Linear):
        banks = lcm(source.channels, choice.rows_per_cycle)
        adders = bool(frozen) and choice.frozen == "adders"
        yield weight.rows if adders else banks, "values of an image in registers"
    multiplied = [len(weight.configurable_channels)]
    multiplied += [frozen] if choice.frozen == "constants" else []
    yield max(multiplied) * choice.rows_per_cycle, "multiplications at once"
