"""The C++ of every layer kind: the table, with all that modules have registered in it."""

from __future__ import annotations

from typing import Any

from semifreddo.hls import curve, pixelwise, pooling, weighted
from semifreddo.hls.layer_code import CODES, LayerCode
from semifreddo.hls.schedule import ScheduledNet

__all__ = ["CODES", "MODULES", "codes_of"]

MODULES = (weighted, pooling, pixelwise, curve)
"""Where kinds register their class."""


def codes_of(scheduled: ScheduledNet) -> dict[str, LayerCode[Any]]:
    """What every layer of a network becomes, without C++ identifiers.

    Raises:
        ProjectError: A layer kind has no HLS implementation.
    """
    net = scheduled.net
    return {layer.name: CODES(layer, net, scheduled[layer.name]) for layer in net.layers}
