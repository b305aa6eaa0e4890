"""What a host spends on a batch besides waiting: measured on a loop-back device.

The device answers at once with what it was sent. The time of register accesses, in which the model
of the device runs, is taken off and their number told. What is left is packing, setting up the DMA,
cache maintenance and unpacking. Other drivers run on the same simulated board. Needs ``pynq``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from semifreddo.core import scratch
from semifreddo.core.block_design import DMA, ZYNQ_ULTRA
from semifreddo.core.columns import markdown_table
from semifreddo.core.errors import TransportError
from semifreddo.core.fixed import FixedType
from semifreddo.core.tables import option
from semifreddo.ir.layers import Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime.accelerator import Accelerator
from semifreddo.runtime.bundle import Bundle
from semifreddo.runtime.pynq import open_pynq
from semifreddo.runtime.simulated.core import LoopbackCore
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.runner import Progress

SHAPE, CLASSES = (28, 28, 1), 10
Driver = Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]
_HLS4ML_DRIVER = "templates/vivado_accelerator/pynq-z2/python_drivers/axi_stream_driver.py"


@dataclass(frozen=True)
class HostCost:
    """Time of a driver for a batch.

    Attributes:
        driver: What was measured.
        images: Images in the batch.
        seconds: Median over the repeats, without the time inside the device.
        registers: Accesses to registers for the batch.
    """

    driver: str
    images: int
    seconds: float
    registers: int

    @property
    def us_per_image(self) -> float:
        """Microseconds per image."""
        return self.seconds / self.images * 1e6


@dataclass(frozen=True)
class HostCosts(Measurement):
    """The table of all drivers."""

    name: ClassVar[str] = "host_costs"
    title: ClassVar[str] = "what the host adds on PYNQ"

    images: int = option(1000, help="28x28 images in a batch", low=1)
    repeats: int = option(7, help="of which the median is taken", low=1)

    def run(self, _folder: Path, _jobs: int, _say: Progress) -> str:
        costs = host_costs(self.images, self.repeats)
        rows = [
            (
                cost.driver,
                f"{1e3 * cost.seconds:.2f}",
                f"{cost.us_per_image:.2f}",
                f"{cost.seconds / costs[0].seconds:.1f}",
                cost.registers,
            )
            for cost in costs
        ]
        head = (f"{self.images} images 28x28", "ms", "us per image", "times ours", "registers")
        return markdown_table(head, rows)


def _net() -> StreamNet:
    """Any network with the wanted shapes; every 32-bit word is one of its results."""
    pixels = SHAPE[0] * SHAPE[1]
    weight = WeightBlock(
        name="head.weight",
        role="weight",
        raw=np.zeros((pixels, CLASSES), np.int64),
        bits=4,
        signed=True,
        frac=(3,) * CLASSES,
        frozen=(False,) * CLASSES,
    )
    output = Stream("logits", (1, 1, CLASSES), FixedType.exact(32, 7, signed=True))
    head = Linear(inputs=("image",), output=output, weight="head.weight", bias=None)
    image = Stream("image", SHAPE, FixedType.exact(8, 8, signed=False))
    return StreamNet("loopback", image, (head,), (weight,))


def host_costs(images: int = 1000, repeats: int = 7) -> list[HostCost]:
    """Measure this driver, a loop over single images, and hls4ml's driver if it is installed.

    Args:
        images: 28x28 ``uint8`` images in a batch.
        repeats: Of which the median is taken, after one that is not counted.

    Raises:
        TransportError: pynq is missing.
    """
    try:
        from semifreddo.runtime.simulated.board import SimulatedBoard
    except ImportError as error:
        raise TransportError(
            f"the benchmark runs PYNQ's own code: pip install pynq ({error})"
        ) from error

    net = _net()
    batch = np.random.default_rng(0).integers(0, 256, (images, *SHAPE), np.uint8)
    with (
        scratch.folder("bench") as folder,
        SimulatedBoard(LoopbackCore(net), ZYNQ_ULTRA, latency_polls=0),
        _register_clock() as clock,
    ):
        place = Path(folder)
        makers = {"semifreddo": _ours, "loop over single images": _loop}
        if importlib.util.find_spec("hls4ml") is not None:
            makers |= {
                "hls4ml driver, float32": _hls4ml_float,
                "hls4ml driver, encode and decode": _hls4ml_fixed,
            }
        # A driver is made when the one before is done: each loads its own bitstream.
        return [
            _measure(name, make(net, place, images), batch, repeats, clock)
            for name, make in makers.items()
        ]


class _Clock:
    """Accesses to registers, and the time they took."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def timed(self, access: Callable[..., Any]) -> Callable[..., Any]:
        """The same access, counted."""

        def counted(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return access(*arguments)
            finally:
                self.seconds += time.perf_counter() - begin
                self.count += 1

        return counted


@contextlib.contextmanager
def _register_clock() -> Iterator[_Clock]:
    """Count PYNQ's register accesses, for all drivers alike.

    What they cost here is the simulation's: a board maps its registers into memory.
    """
    from pynq import MMIO

    clock, before = _Clock(), (MMIO.read, MMIO.write_reg)
    MMIO.read, MMIO.write_reg = (clock.timed(access) for access in before)
    try:
        yield clock
    finally:
        MMIO.read, MMIO.write_reg = before


def _measure(
    name: str, driver: Driver, batch: npt.NDArray[np.uint8], repeats: int, clock: _Clock
) -> HostCost:
    answer = driver(batch)
    if len(answer) != len(batch):
        raise TransportError(f"{name}: {len(answer)} answers to {len(batch)} images")
    clock.count = 0
    times = []
    for _ in range(repeats):
        before, begin = clock.seconds, time.perf_counter()
        driver(batch)
        times.append(time.perf_counter() - begin - (clock.seconds - before))
    return HostCost(name, len(batch), statistics.median(times), clock.count // repeats)


def _files(net: StreamNet, folder: Path, hierarchy: str = "") -> Path:
    """Stand-ins for a bitstream on disk."""
    from semifreddo.runtime.simulated.hwh import simulated_files

    folder = folder / (hierarchy or "top")
    folder.mkdir(exist_ok=True)
    for name, data in simulated_files(net, hierarchy=hierarchy).items():
        (folder / name).write_bytes(data)
    return folder / f"{net.name}.bit"


def _ours(net: StreamNet, folder: Path, images: int) -> Driver:
    """The whole way through the runtime, checks and class indices included."""
    del images
    task = Task.of(net, "any", tuple(map(str, range(CLASSES))))
    transport = open_pynq(
        _files(net, folder),
        DeviceInfo(net.name, net.device_digest, "pynq"),
        image_shape=SHAPE,
        outputs=CLASSES,
        words=int(task.words.size),
    )
    accelerator = Accelerator.open(Bundle(net, {task.name: task}), transport)
    return lambda batch: accelerator.predict(batch).raw


def _loop(net: StreamNet, folder: Path, images: int) -> Driver:
    """What the PYNQ documentation shows: one image per transfer, buffers made once."""
    import pynq

    del images
    dma = getattr(pynq.Overlay(str(_files(net, folder))), DMA)
    size = SHAPE[0] * SHAPE[1]
    into, out_of = (pynq.allocate((8192,), kind) for kind in (np.uint8, np.int32))
    into, out_of = into[:size], out_of[:CLASSES]

    def run(batch: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        answers = np.empty((len(batch), CLASSES), np.int32)
        for index, image in enumerate(batch):
            into[:] = image.reshape(-1)
            dma.recvchannel.transfer(out_of)
            dma.sendchannel.transfer(into)
            dma.sendchannel.wait()
            dma.recvchannel.wait()
            answers[index] = out_of
        return answers

    return run


def _encode(value: float) -> np.int16:
    """``ap_fixed<16,6>``, as the driver's documentation writes it."""
    return np.int16(round(value * 2**10))


def _decode(value: float) -> float:
    return float(value * 2**-10)


def _hls4ml(net: StreamNet, folder: Path, images: int, kind: type) -> Any:
    """hls4ml's driver, read from its package."""
    package = importlib.util.find_spec("hls4ml")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / _HLS4ML_DRIVER
    spec = importlib.util.spec_from_file_location("axi_stream_driver", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bitstream = str(_files(net, folder, "hier_0"))
    shapes = (images, SHAPE[0] * SHAPE[1]), (images, CLASSES)
    return module.NeuralNetworkOverlay(bitstream, *shapes, kind)


def _scaled(batch: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Real values: r/256, what an 8-bit input means."""
    return batch.reshape(len(batch), -1) / np.float32(256)


def _hls4ml_float(net: StreamNet, folder: Path, images: int) -> Driver:
    """A design whose stream carries ``float``."""
    overlay = _hls4ml(net, folder, images, np.float32)

    def run(batch: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        answer: npt.NDArray[Any] = overlay.predict(_scaled(batch))
        return answer.copy()  # it is the DMA buffer itself

    return run


def _hls4ml_fixed(net: StreamNet, folder: Path, images: int) -> Driver:
    """A design whose stream carries ``ap_fixed<16,6>``, as the driver's documentation shows it."""
    overlay = _hls4ml(net, folder, images, np.int16)
    encode, decode = np.vectorize(_encode), np.vectorize(_decode)

    def run(batch: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        # decode=... would replace the driver's buffer, so that the second call fails.
        return np.asarray(decode(overlay.predict(_scaled(batch), encode=encode)))

    return run
