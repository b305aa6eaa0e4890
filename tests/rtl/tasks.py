"""Several tasks, one after the other, on a simulated design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtl.conftest import Build
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.sim import reference


def exact_over_tasks(
    design: RtlDesign,
    nets: Sequence[StreamNet],
    pictures: npt.NDArray[np.int64],
    simulate: Build,
) -> npt.NDArray[np.int64]:
    """Load each task and answer all pictures with it, with and without stalls; gives the answers.

    Args:
        design: The hardware.
        nets: Its network with the values of each task.
        pictures: Raw integers ``(n, height, width, channels)``.
        simulate: The fixture that compiles a design.
    """
    packets = []
    for net in nets:
        packets.append(design.bus.task_packet(AddressMap.of(net).pack(net)))
        packets.append(design.bus.image_packet(pictures))
    expected = np.concatenate([reference.run(net, pictures) for net in nets])
    for stalls in ((0, 0), (200, 700)):
        with Simulation(simulate(design), design.bus) as simulation:
            simulation.configure(Stalls(*stalls, 6, watchdog_cycles=20_000))
            results = simulation.exchange(packets, len(expected), 60).results
            assert np.array_equal(results, expected)
    return expected
