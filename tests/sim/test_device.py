"""The integer reference as a device."""

from __future__ import annotations

import numpy as np

from nets import blended, images
from semifreddo.ir.address_map import AddressMap
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.sim import reference
from semifreddo.sim.device import ReferenceDevice


def test_it_computes_with_the_task_that_it_has() -> None:
    """With zeros before it has one."""
    net = blended()
    device, batch, memory = ReferenceDevice(net), images(net, 3), AddressMap.of(net)
    assert device.info == DeviceInfo("blended", net.device_digest, "reference", None)
    zeros = np.zeros(memory.words, np.uint32)
    without = reference.run(net.with_values(memory.unpack(zeros)), batch)
    own = reference.run(net, batch)
    assert not np.array_equal(own, without)
    assert np.array_equal(device.run(batch, 1.0), without)
    device.load(memory.pack(net), 1.0)
    assert np.array_equal(device.run(batch, 1.0), own)
    device.load(zeros, 1.0)
    assert np.array_equal(device.run(batch, 1.0), without)
    device.close()
