"""How many cycles a design needs for an image: the prediction, from the bounds of its loops."""

from __future__ import annotations

from semifreddo.hls.kinds import codes_of
from semifreddo.hls.schedule import ScheduledNet

DRAIN = 20
"""Cycles in which a pipeline fills and drains, once per image: a guess until a report says."""


def interval(scheduled: ScheduledNet) -> int:
    """Predicted cycles between two images: those of the slowest process.

    Images come in, and results leave, one value per cycle.
    """
    net = scheduled.net
    ports = [stream.pixels * stream.channels for stream in (net.input, net.output)]
    layers = [code.cycles for code in codes_of(scheduled).values()]
    return max(*ports, *layers) + DRAIN
