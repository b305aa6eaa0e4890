"""Boards that are simulated, bundles that have a bitstream. Needs ``pynq``: ``tox -e pynq3,pynq4``.

The rest of the suite runs without pynq; every file here is skipped by name then.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeDevice, bundle_of
from nets import blended
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.runtime import Accelerator, Bundle, DeviceFiles, DeviceInfo, write_bundle

REASON = "needs pynq: tox -e pynq3,pynq4"
INSTALLED = importlib.util.find_spec("pynq") is not None

if INSTALLED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq warns about this machine and its own imports
        import pynq.lib.dma  # noqa: F401


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip every test of this folder by name where pynq is missing."""
    for item in items:
        if not INSTALLED and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Device files are extracted into the test's own folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEMIFREDDO_CACHE", str(folder))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Write and read a bundle of a network with a stand-in for its bitstream."""

    def make(net: StreamNet, **options: Any) -> Bundle:
        from semifreddo.runtime.simulated.hwh import simulated_files

        files = DeviceFiles(simulated_files(net, **options))
        write_bundle(
            tmp_path / "net.sfb", dataclasses.replace(bundle_of(net), transports={"pynq": files})
        )
        return Bundle.load(tmp_path / "net.sfb")

    return make


@pytest.fixture
def board() -> Any:
    """A simulated board around the integer reference, PYNQ's active device until the test ends."""
    from semifreddo.runtime.simulated.board import SimulatedBoard
    from semifreddo.runtime.simulated.core import PacketCore

    boards = []

    def make(net: StreamNet | None = None, **options: Any) -> Any:
        net = net or blended()
        device = FakeDevice(net)
        device.loaded = net if not AddressMap.of(net).words else None
        made = SimulatedBoard(PacketCore(net, device), **options)
        made.activate()
        boards.append(made)
        return made

    yield make
    for made in reversed(boards):
        made.deactivate()


@pytest.fixture
def opened(bundle: Callable[..., Bundle]) -> Any:
    """Open a network's bundle on the active board; closed when the test ends."""
    accelerators = []

    def make(
        net: StreamNet, *, timeout_s: float = 2.0, ps: str | None = None, **options: Any
    ) -> Any:
        from semifreddo.runtime.pynq import PynqTransport

        found = bundle(net, **({} if ps is None else {"ps": ps}))
        transport = PynqTransport(
            found.device_file("pynq"),
            DeviceInfo(net.name, net.device_digest, "pynq"),
            image_shape=net.input.shape,
            outputs=net.output.pixels * net.output.channels,
            words=int(found.default_task.words.size),
            **options,
        )
        accelerators.append(Accelerator.open(found, transport, timeout_s=timeout_s))
        return accelerators[-1]

    yield make
    for accelerator in accelerators:
        accelerator.close()
