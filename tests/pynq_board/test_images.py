"""Real images, real networks, and real simulations behind the simulated board."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from board_nets import clothes
from fakes import bundle_of
from nets import blended
from semifreddo.core.errors import ToolError, TransportError
from semifreddo.core.vectors import VectorSet
from semifreddo.runtime import Accelerator, Bundle, DeviceInfo
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
    from semifreddo.runtime.simulated import SimulatedBoard, with_simulated_bitstream

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
    from semifreddo.runtime.simulated import SimulatedBoard, with_simulated_bitstream

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


def test_a_compiled_c_simulation() -> None:
    from semifreddo.runtime.simulated import SimulatedBoard, with_simulated_bitstream

    path = ROOT / "hls_projects" / "digits" / "build" / "digits.sfb"
    if not path.is_file():
        pytest.skip("needs `semifreddo build hls_projects/digits` first")
    bundle = with_simulated_bitstream(Bundle.load(path))
    with SimulatedBoard.of(bundle), opened(bundle) as accelerator:
        assert accelerator.check().ok


def test_the_verilated_design(tmp_path: Path) -> None:
    """The RTL with its own front end: packets, registers and TLAST are the hardware's."""
    from semifreddo.rtl.board import SimulatedRtl
    from semifreddo.rtl.cosim import Simulation
    from semifreddo.rtl.design import make_design
    from semifreddo.rtl.verilator import build, find_verilator
    from semifreddo.runtime.simulated import SimulatedBoard, with_simulated_bitstream

    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"needs Verilator: {error}")
    net = blended()
    design = make_design(net)
    program = build(design, tmp_path)
    bundle = with_simulated_bitstream(bundle_of(net))
    with (
        Simulation(program, design.bus) as simulation,
        SimulatedBoard(SimulatedRtl(simulation)) as board,
        opened(bundle) as accelerator,
    ):
        assert accelerator.check().ok
        images = np.resize(bundle.vectors["shapes"].images, (300, 4, 4, 1))
        assert np.array_equal(accelerator.predict(images).raw, reference.run(net, images))
        assert board.dma.transfers["receive"] == 3
        with pytest.raises(TransportError, match="cannot be configured again; start another"):
            board._core.reset()


def test_a_bundle_without_a_bitstream() -> None:
    from semifreddo.runtime.simulated import SimulatedBoard

    with pytest.raises(TransportError, match=r"the bundle has no bitstream; with_simulated_bits"):
        SimulatedBoard.of(bundle_of(blended()))
