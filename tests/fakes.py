"""Stand-ins for devices: a transport that computes with the integer reference."""

from __future__ import annotations

import threading
import time

import numpy as np

from semifreddo.core.errors import TransportTimeoutError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime import Bundle, DeviceInfo
from semifreddo.sim import reference


class FakeDevice:
    """A device without weights until a task is loaded; it fails when told to."""

    def __init__(self, net: StreamNet) -> None:
        self.info = DeviceInfo(net.name, net.device_digest, "fake")
        self._net = net
        self.loaded: StreamNet | None = None
        self.loads = 0
        self.batches: list[int] = []
        self.stall = ""
        self.stall_loading = False
        self.spoil: np.ndarray | None = None
        self.closed = 0
        self._busy = threading.Lock()

    def load(self, words: np.ndarray, timeout_s: float) -> None:
        self.loads += 1
        if self.stall_loading:
            self.loaded = None
            raise TransportTimeoutError(f"fake: stream 'weights' stalled for {timeout_s:g} s")
        with self._exclusive():
            values = AddressMap.of(self._net).unpack(words)
            self.loaded = self._net.with_values(values)

    def run(self, images: np.ndarray, timeout_s: float) -> np.ndarray:
        if self.stall:
            raise TransportTimeoutError(f"fake: stream {self.stall!r} stalled for {timeout_s:g} s")
        with self._exclusive():
            assert self.loaded is not None, "the device has no weights"
            self.batches.append(len(images))
            time.sleep(0.001)
            results = reference.run(self.loaded, images)
        return results if self.spoil is None else self.spoil

    def close(self) -> None:
        self.closed += 1

    def _exclusive(self) -> threading.Lock:
        assert not self._busy.locked(), "two threads use the device at once"
        return self._busy


def vectors_of(net: StreamNet, count: int = 8, seed: int = 0) -> VectorSet:
    """Random images and the reference's answers."""
    stream = net.input.type
    rng = np.random.default_rng(seed)
    images = rng.integers(stream.min_raw, stream.max_raw + 1, (count, *net.input.shape))
    return VectorSet(images, reference.run(net, images))


def bundle_of(net: StreamNet, name: str = "shapes") -> Bundle:
    """A bundle with one task and its vectors and no device file."""
    labels = tuple(f"class {index}" for index in range(net.output.channels))
    task = Task.of(net, name, labels, {"test_accuracy": 0.5})
    return Bundle(net, {name: task}, {name: vectors_of(net)})


def other_task(net: StreamNet, name: str = "two", labels: tuple[str, ...] = ("a", "b")) -> Task:
    """A task of the same device with other values."""
    blocks = net.configurable_blocks
    rng = np.random.default_rng(99)
    values = {
        block.name: block.drawn(rng, (block.rows, len(block.configurable_channels)))
        for block in blocks
    }
    return Task.of(net.with_values(values), name, labels)
