"""Multipliers: all operands of small formats, in logic and in DSPs, in one network."""

from __future__ import annotations

import numpy as np
import pytest

from rtl.components.macs import mac
from rtl.conftest import Build
from semifreddo.core.fixed import FixedType
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Cast, Conv, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.components.memories import selector
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


def test_registers_of_rows() -> None:
    """Of 104 multipliers, each of two pairs of rows.

    Behind the first pair 12 bits of the sum and the 5 bits of the weight that the second one looks
    at, and the operand once for all lanes; behind the second pair the product.
    """
    counts = mac(288, 13, 64, 8).counts().counts
    assert counts["product_register"] == 104 * (12 + 5 + 16) + 13 * 8
    assert counts["product_bit"] == 104 * 4 * 10


def test_one_pair_of_rows_holds_its_product() -> None:
    assert mac(9, 3, 8, 4, w_bits=4).counts().counts["product_register"] == 12 * 12


def test_bits_of_weights_that_wait_are_shift_registers() -> None:
    """Yosys makes 416 of blocks_5_conv of hls_projects/cifar10_resnet8, which is this one.

    Two registers behind a block memory and one behind the first pair of rows; the lower half of the
    weight is needed before.
    """
    array = mac(288, 13, 64, 8)
    assert (array.reads, array.per_unit) == (2, 1)
    bits = 104 * 4
    assert array.shift_registers(in_luts=False).counts == {
        "shifted_bit": bits,
        "factor_bit": -2 * bits,
        "product_register": -bits,
    }


def test_two_registers_are_flip_flops() -> None:
    """A memory of LUTs with its register, and the one behind the first pair of rows."""
    array = mac(9, 3, 4, 4)
    assert array.reads == 0
    assert array.shift_registers(in_luts=True).counts == {}


def test_what_is_chosen_on_the_way_is_no_shift_register() -> None:
    array = mac(72, 2, 64, 2)
    assert (array.reads, array.per_unit) == (2, 2)
    assert array.shift_registers(in_luts=True).counts == {}


def test_operands_are_chosen_in_two_steps() -> None:
    """Of 23 first one of 16 and one of 7, then one of both."""
    array, few = mac(288, 13, 64, 8), mac(208, 13, 64, 8)
    assert array.choices == 23 and array.split and few.choices == 16 and not few.split
    more = array.counts().counts["selector_lut"] - few.counts().counts["selector_lut"]
    assert more == pytest.approx(13 * 8 * (selector(7) + selector(2)))
