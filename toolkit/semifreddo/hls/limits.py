"""What the HLS tools can build of a layer, checked before anything is written.

Each limit is the smaller one of the two tools: integers and stream words as wide as documented, and
as many elements in registers and copies of a loop's body as their default thresholds.
"""

from __future__ import annotations

from semifreddo.core.errors import ProjectError
from semifreddo.hls.kinds import codes_of
from semifreddo.hls.schedule import ScheduledNet
from semifreddo.ir.layers import Stream

STREAM_BITS = 4_096
"""Bits of a pixel: a word of a stream."""

ELEMENTS = 4_096
"""Values in registers at once, and copies of a loop's body."""


def check_limits(scheduled: ScheduledNet) -> None:
    """Refuse a network that no HLS tool builds.

    Raises:
        ProjectError: Names the layer, the limit and what to do.
    """
    net, codes = scheduled.net, codes_of(scheduled)
    _check_stream(net.name, net.input)
    for layer in net.layers:
        _check_stream(net.name, layer.output)
        for count, what in codes[layer.name].counts:
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
