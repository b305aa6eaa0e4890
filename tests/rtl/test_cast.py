"""Every rounding and every overflow on every input value."""

from __future__ import annotations

import numpy as np

from rtl.conftest import Build
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import Cast, Route, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.cosim import Simulation
from semifreddo.rtl.design import make_design
from semifreddo.sim import reference


def casts() -> StreamNet:
    """Modes side by side; some formats drop more bits than there are, some add bits."""
    source = FixedType.exact(8, 4, signed=True)
    layers = []
    shapes = [
        (4, 2, True),
        (3, 2, False),
        (5, -1, True),
        (2, -4, True),
        (9, 6, True),
        (4, 6, False),
    ]
    modes = [(rounding, Overflow.SATURATE) for rounding in Rounding]
    modes += [(Rounding.HALF_EVEN, overflow) for overflow in Overflow][1:]
    for index, (rounding, overflow) in enumerate(modes):
        width, frac, signed = shapes[index % len(shapes)]
        signed = signed or overflow is Overflow.SATURATE_SYMMETRIC
        kind = FixedType(width, frac, signed, rounding, overflow)
        stream = Stream(f"{rounding.name}.{overflow.name}", (16, 16, 1), kind)
        layers.append(Cast(inputs=("image",), output=stream))
    wide = FixedType(24, 8, True, Rounding.FLOOR, Overflow.SATURATE)
    names = tuple(layer.name for layer in layers)
    together = Stream("together", (16, 16, len(names)), wide)
    layers.append(Route(inputs=names, output=together, indices=tuple(range(len(names)))))
    return StreamNet("casts", Stream("image", (16, 16, 1), source), tuple(layers), ())


def test_all_modes_on_all_values(simulate: Build) -> None:
    net = casts()
    design = make_design(net)
    picture = np.arange(-128, 128).reshape(1, 16, 16, 1)
    simulation = Simulation(simulate(design), design.bus, probe=True)
    found = simulation.exchange([design.bus.image_packet(picture)], 1, 60)
    assert np.array_equal(found.results, reference.run(net, picture))
    expected = reference.trace(net, picture)
    for name, words in simulation.trace(net).items():
        assert np.array_equal(words, expected[name].reshape(words.shape)), name
