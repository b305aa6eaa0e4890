"""How many cycles a layer's loop takes for an image: its bound in the C++, and the prediction."""

from __future__ import annotations

from semifreddo.ir.layers import Conv, Layer, Linear, MaxPool
from semifreddo.ir.net import StreamNet
from semifreddo.ir.schedule import LayerSchedule, ScheduledNet

DRAIN = 20
"""Cycles in which a pipeline fills and drains, once per image: a guess until a report says."""


def steps(net: StreamNet, layer: Layer, choice: LayerSchedule) -> int:
    """Cycles in which the rows of a weighted layer are multiplied for one result; 1 for adders."""
    if not isinstance(layer, Conv | Linear):
        return 1
    weight = net.block[layer.weight]
    table = choice.frozen == "constants" and len(weight.frozen_channels)
    multiplied = len(weight.configurable_channels) or table
    return weight.rows // choice.rows_per_cycle if multiplied else 1


def of_layer(net: StreamNet, layer: Layer, choice: LayerSchedule) -> int:
    """Cycles for an image, without filling and draining.

    A convolution takes a padded pixel per cycle, and one more cycle for each further step of each
    result. A fully connected layer takes its pixels first and then its steps.
    """
    source = net.streams[layer.inputs[0]]
    if isinstance(layer, Linear):
        return source.pixels + steps(net, layer, choice)
    if isinstance(layer, Conv | MaxPool):
        top, left, bottom, right = layer.padding
        padded = (source.shape[0] + top + bottom) * (source.shape[1] + left + right)
        return padded + layer.output.pixels * (steps(net, layer, choice) - 1)
    return source.pixels


def interval(scheduled: ScheduledNet) -> int:
    """Predicted cycles between two images: those of the slowest process.

    Images come in, and results leave, one value per cycle.
    """
    net = scheduled.net
    ports = [stream.pixels * stream.channels for stream in (net.input, net.output)]
    layers = [of_layer(net, layer, scheduled[layer.name]) for layer in net.layers]
    return max(*ports, *layers) + DRAIN
