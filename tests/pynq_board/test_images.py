"""Real images, real networks, and real simulations behind the simulated board."""

from __future__ import annotations

import dataclasses
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from board_nets import clothes
from fakes import bundle_of, other_task
from nets import blended
from semifreddo.core.errors import TransportError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import BusFormat
from semifreddo.runtime import Accelerator, Bundle, DeviceInfo
from semifreddo.runtime.plugins import open_transport
from semifreddo.sim import reference
from semifreddo.sim.device import ReferenceDevice

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEMIFREDDO_DATA", ROOT.parent / "shared" / "data"))
CLOTHES = DATA / "fashion_mnist" / "fashion_mnist.npz"
FEW = DATA / "mini" / "fashion_mnist_mini.npz"


def opened(bundle: Bundle) -> Accelerator:
    from semifreddo.runtime.pynq import open_pynq

    net = bundle.net
    transport = open_pynq(
        bundle.device_file("pynq"),
        DeviceInfo(net.name, net.device_digest, "pynq"),
        image_shape=net.input.shape,
        outputs=net.output.pixels * net.output.channels,
        words=int(bundle.default_task.words.size),
    )
    return Accelerator.open(bundle, transport, timeout_s=60)


def test_digits() -> None:
    """The whole test split, both tasks of the committed bundle."""
    from semifreddo.runtime.simulated.board import SimulatedBoard
    from semifreddo.runtime.simulated.hwh import with_simulated_bitstream

    bundle = with_simulated_bitstream(Bundle.load(ROOT / "tests" / "golden" / "digits.sfb"))
    vectors = VectorSet.load(ROOT / "hls_projects" / "digits" / "vectors.npz")
    with (
        SimulatedBoard.of(bundle, ReferenceDevice(bundle.net)),
        opened(bundle) as accelerator,
    ):
        assert str(accelerator.check(vectors)) == "450 of 450 images equal"
        accelerator.load_task("odd_even")
        assert accelerator.check().ok
        accelerator.load_task("digits")
        assert accelerator.check(vectors).ok


@pytest.mark.data
@pytest.mark.parametrize(("path", "count"), [(FEW, 500), (CLOTHES, 10_000)], ids=["mini", "whole"])
def test_fashion_mnist(path: Path, count: int) -> None:
    """The test split through a network of its size, whose weights are random."""
    from semifreddo.runtime.simulated.board import SimulatedBoard
    from semifreddo.runtime.simulated.hwh import with_simulated_bitstream

    if not path.is_file():
        pytest.skip("benchmark images are not here (SEMIFREDDO_DATA)")
    net = clothes()
    with np.load(path) as archive:
        images = archive["x_test"]
    assert images.shape == (count, 28, 28, 1)
    bundle = with_simulated_bitstream(bundle_of(net))
    with SimulatedBoard.of(bundle, ReferenceDevice(net)), opened(bundle) as accelerator:
        answers = accelerator.predict(images)
    assert np.array_equal(answers.raw, reference.run(net, images))
    assert len(np.unique(answers.indices)) > 1


@pytest.fixture
def built() -> Bundle:
    """The network that `tox -e built` compiled, with a stand-in for its bitstream."""
    from semifreddo.runtime.simulated.hwh import with_simulated_bitstream

    folder = os.environ.get("SEMIFREDDO_BUILT")
    path = Path(folder or "", "blended.sfb")
    if folder is None or not path.is_file():
        # Where nobody looks, a skipped test is a missing one.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs `tox -e built` first")
    return with_simulated_bitstream(Bundle.load(path))


def driven(accelerator: Accelerator, bundle: Bundle) -> None:
    """More images than a buffer holds, and a second task in between."""
    net = bundle.net
    assert accelerator.check().ok
    images = np.resize(bundle.vectors["shapes"].images, (300, *net.input.shape))
    assert np.array_equal(accelerator.predict(images).raw, reference.run(net, images))
    second = other_task(net, labels=tuple("abcdef"[: net.output.channels]))
    accelerator.load_task(second)
    values = AddressMap.of(net).unpack(second.words)
    expected = reference.run(net.with_values(values), images)
    assert not np.array_equal(expected, reference.run(net, images))
    assert np.array_equal(accelerator.predict(images).raw, expected)


def test_a_compiled_c_simulation(built: Bundle) -> None:
    """The generated C++ computes behind PYNQ's own driver."""
    from semifreddo.runtime.simulated.board import SimulatedBoard

    alone = dataclasses.replace(built, transports={"csim": built.transports["csim"]})
    with (
        closing(open_transport(alone)) as device,
        SimulatedBoard.of(built, device) as board,
        opened(built) as accelerator,
    ):
        driven(accelerator, built)
        assert board.dma.transfers["receive"] > 3


def test_the_verilated_design(built: Bundle) -> None:
    """The RTL with its own front end: packets, registers and TLAST are the hardware's."""
    from semifreddo.rtl.simulation.board_core import SimulatedRtl
    from semifreddo.rtl.simulation.cosim import Simulation
    from semifreddo.runtime.simulated.board import SimulatedBoard

    net = built.net
    bus = BusFormat.unread(
        net.name,
        net.device_digest,
        image_shape=net.input.shape,
        outputs=net.output.pixels * net.output.channels,
        task_words=int(built.default_task.words.size),
    )
    with (
        Simulation(built.device_file("rtl"), bus) as simulation,
        SimulatedBoard(SimulatedRtl(simulation)) as board,
        opened(built) as accelerator,
    ):
        driven(accelerator, built)
        assert board.dma.transfers["receive"] > 3
        with pytest.raises(TransportError, match="cannot be configured again; start another"):
            board._core.reset()


def test_a_bundle_without_a_bitstream() -> None:
    from semifreddo.runtime.simulated.board import SimulatedBoard

    with pytest.raises(TransportError, match=r"the bundle has no bitstream; with_simulated_bits"):
        SimulatedBoard.of(bundle_of(blended()))
