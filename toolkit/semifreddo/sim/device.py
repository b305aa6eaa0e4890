"""The integer reference as a device of the runtime: what computes where nothing is compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.sim import reference


class ReferenceDevice:
    """A Transport that executes a StreamNet with NumPy; time-outs do not apply.

    Before the first task all loadable values are zero, as on any device.
    """

    def __init__(self, net: StreamNet) -> None:
        """Compute a network, its loadable values left out."""
        self._net = net
        self._map = AddressMap.of(net)
        self.info = DeviceInfo(net.name, net.device_digest, "reference")
        self._take(np.zeros(self._map.words, np.uint32))

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on."""
        del timeout_s
        self._take(words)

    def _take(self, words: npt.NDArray[np.uint32]) -> None:
        self._loaded = self._net.with_values(self._map.unpack(words))

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Raw results ``(n, outputs)`` of raw images ``(n, height, width, channels)``."""
        del timeout_s
        return reference.run(self._loaded, images)

    def close(self) -> None:
        """Nothing to release."""
