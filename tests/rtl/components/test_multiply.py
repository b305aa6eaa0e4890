"""Multipliers: all operands of small formats, in logic and in DSPs, in one network."""

from __future__ import annotations

import numpy as np

from rtl.conftest import Build
from semifreddo.core.fixed import FixedType
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Cast, Conv, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted import weighted_hardware
from semifreddo.sim import reference

FORMATS = [
    # Bits and sign of the operand and of the weight.
    (4, False, 4, True),
    (4, True, 4, True),
    (3, True, 3, False),
    (5, False, 3, True),
    (1, False, 1, False),
    (2, True, 1, True),
    (4, False, 2, False),
    (8, False, 5, True),
    (8, True, 4, False),
    (3, False, 8, True),
]
SHAPE = (16, 16)


def products() -> tuple[StreamNet, RtlSchedule]:
    """For each format all operands, as pixels, times all weights, as channels."""
    layers: list = []
    blocks, choices = [], {}
    for index, (x_bits, x_signed, w_bits, w_signed) in enumerate(FORMATS):
        kind = FixedType.exact(x_bits, 0, signed=x_signed)
        layers.append(Cast(inputs=("image",), output=Stream(f"x{index}", (*SHAPE, 1), kind)))
        low = -(1 << (w_bits - 1)) if w_signed else 0
        weights = np.arange(low, low + (1 << w_bits)).reshape(1, 1, 1, -1)
        outputs = weights.size
        name = f"conv{index}"
        blocks.append(
            WeightBlock(
                name, "weight", weights, w_bits, w_signed, (0,) * outputs, (False,) * outputs
            )
        )
        wide = FixedType.exact(x_bits + w_bits + 2, 0, signed=True)
        layers.append(
            Conv(
                inputs=(f"x{index}",),
                output=Stream(name, (*SHAPE, outputs), wide),
                weight=name,
                bias=None,
                kernel=(1, 1),
                stride=(1, 1),
                padding=(0, 0, 0, 0),
                depthwise=False,
            )
        )
        choices[name] = Choice(
            channels_per_cycle=min(index, outputs), multiplier="dsp" if index == 3 else "lut"
        )
    names = tuple(f"conv{index}" for index in range(len(FORMATS)))
    total = sum(block.outputs for block in blocks)
    output = Stream("all", (*SHAPE, total), FixedType.exact(16, 0, signed=True))
    layers.append(Route(inputs=names, output=output, indices=tuple(range(total))))
    image = Stream("image", (*SHAPE, 1), FixedType.exact(8, 0, signed=False))
    return StreamNet("products", image, tuple(layers), tuple(blocks)), RtlSchedule(choices)


def places(net: StreamNet) -> list[slice]:
    """Which channels belong to each format."""
    ends = np.cumsum([block.outputs for block in net.blocks])
    return [slice(end - block.outputs, end) for block, end in zip(net.blocks, ends, strict=True)]


def test_all_products(simulate: Build) -> None:
    net, schedule = products()
    design = make_design(net, schedule)
    picture = np.arange(256).reshape(1, *SHAPE, 1)
    packets = [
        design.bus.task_packet(AddressMap.of(net).pack(net)),
        design.bus.image_packet(picture),
    ]
    with Simulation(simulate(design), design.bus) as simulation:
        results = simulation.exchange(packets, 1, 60).results
    expected = reference.run(net, picture)
    for (x_bits, x_signed, w_bits, w_signed), place in zip(FORMATS, places(net), strict=True):
        wrong = np.argwhere(results[..., place] != expected[..., place])
        assert not wrong.size, (x_bits, x_signed, w_bits, w_signed, wrong[0])


def test_stages_of_the_array() -> None:
    net, schedule = products()
    stages = {}
    for layer in net.layers:
        if isinstance(layer, Conv):
            engine = weighted_hardware(layer, Context.of(net)).loadable(schedule[layer.name])
            assert engine is not None
            stages[layer.name] = engine.mac.multiplier_stages
    # Two digits of two bits per stage; unsigned weights have a digit more.
    assert stages["conv0"] == 1 and stages["conv7"] == 2 and stages["conv8"] == 2
    assert stages["conv9"] == 2 and stages["conv4"] == 1 and stages["conv3"] == 1
