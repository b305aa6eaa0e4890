"""A bitstream on a board: PYNQ's overlay, opened with checks, and what the transport needs of it.

``pynq`` is imported when a board is opened and never before.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from semifreddo.core.block_design import (
    CORE,
    DMA,
    DMA_ADDRESS_BITS,
    DMA_LENGTH_BITS,
    ZYNQ7,
)
from semifreddo.core.errors import TransportError
from semifreddo.core.hls_registers import (
    CONTROL,
    FRAMES,
    IDLE,
    LOAD_TASK,
    START,
    TASK_MEMORY,
    find,
)
from semifreddo.ir.bus import IDENTITY, REGISTERS, BusFormat, Words
from semifreddo.runtime import dma
from semifreddo.runtime.transport import DeviceInfo

LEAST_BUFFER_BYTES = 8192
"""Buffers of up to 4 KiB may get addresses beyond 32 bits on Zynq UltraScale+."""

_DRIVER_TIMEOUT_S = 10.0
_COUNTER = 1 << 32


def _import_pynq() -> Any:
    try:
        import pynq
        import pynq.lib.dma
    except ImportError as error:
        raise TransportError(
            f"pynq cannot be imported ({error}); it comes with a board's PYNQ image. On another "
            "machine take transport csim or rtl, or pip install pynq and a SimulatedBoard"
        ) from error
    return pynq


def _download(pynq: Any, bitstream: Path, *, download: bool) -> Any:
    """The overlay of a bitstream, loaded."""
    if not bitstream.with_suffix(".hwh").is_file():
        raise TransportError(
            f"{bitstream}: there is no {bitstream.with_suffix('.hwh').name} beside it; PYNQ needs "
            "the handoff of the same build under the same name"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No devices found", UserWarning)
            device = pynq.Device.active_device
    except RuntimeError as error:
        raise TransportError(
            f"{bitstream}: PYNQ finds no board here ({error}); run on the board, as root"
        ) from error
    try:
        overlay = pynq.Overlay(str(bitstream), download=False, device=device)
    except Exception as error:
        raise _refused(bitstream, error) from error
    if overlay.parser.family_ps == ZYNQ7 and int(pynq.__version__.split(".")[0]) >= 4:
        raise TransportError(
            f"{bitstream}: is for Zynq-7000, which pynq {pynq.__version__} no longer drives; "
            "use the PYNQ 3.1 image of the board"
        )
    if download:
        try:
            overlay.download()
        except Exception as error:
            raise _refused(bitstream, error) from error
    return overlay


def _refused(bitstream: Path, error: Exception) -> TransportError:
    """PYNQ and its parsers raise errors of many unrelated types."""
    detail = " ".join(str(error).split())[:200]
    return TransportError(
        f"{bitstream}: PYNQ cannot load it ({type(error).__name__}: {detail}); is it for this "
        "board, and is its .hwh of the same build?"
    )


def _entry(overlay: Any, bitstream: Path, name: str) -> dict[str, Any]:
    if name not in overlay.ip_dict:
        known = ", ".join(sorted(overlay.ip_dict)) or "nothing"
        raise TransportError(
            f"{bitstream.with_suffix('.hwh')}: there is no {name} in it, only {known}; it is not "
            "the handoff of a semifreddo bitstream"
        )
    entry: dict[str, Any] = overlay.ip_dict[name]
    return entry


class HlsControl:
    """Control registers of a core that HLS made: ``ap_ctrl_hs``, ``frames``, ``load_task``, memory.

    One start is so many frames as the register says. The core takes new values out of its task
    memory before the first frame of a start while ``load_task`` is 1.
    """

    def __init__(self, mmio: Any, registers: dict[str, Any], what: str) -> None:
        """Find the registers in the handoff.

        Args:
            mmio: The core's AXI4-Lite slave.
            registers: What the handoff tells of it.
            what: How errors call the core.

        Raises:
            TransportError: A register is missing, or the core is not idle.
        """
        self._mmio = mmio
        self._places = {name: int(entry["address_offset"]) for name, entry in registers.items()}
        self._what = what
        self._pending = False
        self._frames = 0
        if not self.idle:
            raise TransportError(
                f"{what}: the core is in the middle of a frame (control register "
                f"0x{self.status:02X}), which another program has left; load the bitstream again "
                "(download=True)"
            )

    def _place(self, name: str) -> int:
        found = find(self._places, name)
        if found is not None:
            return found
        raise TransportError(
            f"{self._what}: the handoff has no register {name}, only "
            f"{', '.join(sorted(self._places))}; it is not of a core of this toolkit"
        )

    @property
    def status(self) -> int:
        """The control register."""
        return int(self._mmio.read(self._place(CONTROL)))

    @property
    def idle(self) -> bool:
        """Whether the core has ended what was started."""
        return bool(self.status & IDLE)

    def load(self, words: Words) -> None:
        """Write a task; the next frame is the first that it answers. No frame may be under way."""
        self._mmio.write(self._place(TASK_MEMORY), words.astype("<u4").tobytes())
        self._mmio.write(self._place(LOAD_TASK), 1)
        self._pending = True

    def start(self, frames: int) -> None:
        """Start frames, the last of which ends with TLAST; the core must be idle."""
        if self._frames != frames:
            self._mmio.write(self._place(FRAMES), frames)
            self._frames = frames
        self._mmio.write(self._place(CONTROL), START)

    def taken(self) -> None:
        """A start was answered, so new values have been taken."""
        if self._pending:
            self._mmio.write(self._place(LOAD_TASK), 0)
            self._pending = False


def _hls_bus(bus: BusFormat, info: DeviceInfo) -> BusFormat:
    """Lanes of the next size that holds a value; results of one or two words."""
    if info.formats is None:
        raise TransportError(f"{info.net}: a core made by HLS needs the formats of its values")
    source, result = info.formats
    return dataclasses.replace(
        bus,
        value_bytes=next(size for size in (1, 2, 4, 8) if 8 * size >= source.width),
        result_words=-(-result.width // 32),
        result_signed=result.signed,
    )


class OpenOverlay:
    """A loaded bitstream whose core has been identified and whose DMA is at rest.

    Attributes:
        bus: How the core's packets look.
        send: Channel to the device.
        receive: Channel from the device.
        hls: Control of a core made by HLS; None for an open-RTL core, which takes packets.
        tasks: Tasks that the core has accepted.
        frames: Frames that were answered since.
    """

    def __init__(
        self, bitstream: Path, info: DeviceInfo, bus: BusFormat, *, download: bool, interrupts: bool
    ) -> None:
        """Load and identify.

        Args:
            bitstream: The ``.bit`` file, its ``.hwh`` beside it.
            info: Who the device must be.
            bus: What is known of its packets; the value formats are read from the core.
            download: False uses what is loaded already.
            interrupts: Whether long waits use the DMA's interrupts, where they are wired.

        Raises:
            TransportError: No board, wrong files, or another device.
        """
        self._bitstream = bitstream
        self._pynq = _import_pynq()
        self._overlay = _download(self._pynq, bitstream, download=download)
        entry = _entry(self._overlay, bitstream, DMA)
        core = _entry(self._overlay, bitstream, CORE)
        parameters = entry["parameters"]
        if int(parameters.get("c_include_sg", 0)):
            raise TransportError(
                f"{bitstream}: {DMA} has scatter-gather; it must be in simple mode"
            )
        self.most_bytes = (1 << int(parameters.get("c_sg_length_width", DMA_LENGTH_BITS))) - 1
        self._address_bits = int(parameters.get("c_addr_width", DMA_ADDRESS_BITS))
        device = self._overlay.device
        self._core = self._pynq.MMIO(core["phys_addr"], core["addr_range"], device=device)
        self.hls: HlsControl | None = None
        self.tasks = self.frames = self._batch = 0
        if "CTRL" in core.get("registers", {}):
            self.hls = self._control(core, info)
            self.bus = _hls_bus(bus, info)
        else:
            self.bus = self._identify(info, bus)
            self.tasks = self.read("tasks")
            self._before = self.read("images_in"), self.read("images_out")
        self._mmio = self._pynq.MMIO(entry["phys_addr"], 0x60, device=device)
        dma.reset(self._mmio)
        dma.check_starts(self._mmio)
        loop = dma.InterruptLoop.shared() if entry.get("interrupts") else None
        driver = loop.call(self._driver, _DRIVER_TIMEOUT_S) if loop else self._driver()
        waiter = loop if interrupts else None
        self.send = dma.Channel(driver.sendchannel, self._mmio, waiter, receives=False)
        self.receive = dma.Channel(driver.recvchannel, self._mmio, waiter, receives=True)

    def _driver(self) -> Any:
        found = getattr(self._overlay, DMA)
        if not isinstance(found, self._pynq.lib.dma.DMA):
            raise TransportError(
                f"{self._bitstream}: PYNQ has no driver for this version of {DMA} "
                f"({type(found).__name__})"
            )
        return found

    def _control(self, core: dict[str, Any], info: DeviceInfo) -> HlsControl:
        """Control of a core made by HLS, which has its name in the handoff, but no digest."""
        name = core["type"].split(":")[2]
        if name != info.net:
            raise TransportError(
                f"{self._bitstream}: holds the core {name}, expected {info.net}; load the "
                "bitstream of this bundle"
            )
        return HlsControl(self._core, core["registers"], str(self._bitstream))

    def _identify(self, info: DeviceInfo, bus: BusFormat) -> BusFormat:
        identity, digest = self.read("identity"), self.read("device")
        if identity != IDENTITY:
            raise TransportError(
                f"{self._bitstream}: {CORE} answers 0x{identity:08X} where an open-RTL core says "
                f"0x{IDENTITY:08X}; another bitstream is loaded, or the core has no clock"
            )
        words = self.read("task_words")
        if digest != bus.digest_word or words != bus.task_words:
            raise TransportError(
                f"{self._bitstream}: holds device {digest:08x} with {words} task words, expected "
                f"{info.net} {bus.digest_word:08x} with {bus.task_words}; load the bitstream of "
                "this bundle"
            )
        return bus.with_register(self.read("format"))

    @property
    def loaded(self) -> bool:
        """Whether this process has loaded nothing else since."""
        return bool(self._overlay.is_loaded())

    def read(self, register: str) -> int:
        """Read a register of the core by name."""
        return int(self._core.read(REGISTERS[register]))

    def progress(self) -> tuple[int, int]:
        """Frames that the core took and that it answered, beyond those counted in ``frames``."""
        now = self.read("images_in"), self.read("images_out")
        taken, given = (
            (count - before - self.frames) % _COUNTER
            for count, before in zip(now, self._before, strict=True)
        )
        return taken, given

    def set_batch(self, frames: int) -> None:
        """How many results end with one TLAST; nothing may be under way."""
        if self._batch != frames:
            self.write("batch", frames)
            self._batch = frames

    def write(self, register: str, value: int) -> None:
        """Write a register of the core by name."""
        self._core.write(REGISTERS[register], value)

    def allocate(self, words: int) -> Any:
        """A ``PynqBuffer`` of 32-bit words that the DMA can reach.

        Raises:
            TransportError: There is no memory, or it lies too high.
        """
        size = max(4 * words, LEAST_BUFFER_BYTES)
        try:
            buffer = self._pynq.allocate((size // 4,), np.uint32, target=self._overlay.device)
        except (RuntimeError, OSError, ValueError, MemoryError) as error:
            raise TransportError(
                f"pynq: no {size} bytes of contiguous memory ({error}); free other buffers, or "
                "restart the kernels of other notebooks"
            ) from error
        end = buffer.device_address + buffer.nbytes
        if end > 1 << self._address_bits:
            raise TransportError(
                f"pynq: a buffer lies at 0x{buffer.device_address:X}, the DMA has "
                f"{self._address_bits} address bits; free other buffers, or restart the board"
            )
        # Dirty lines of an earlier owner must not be written over what the DMA brings.
        buffer.flush()
        buffer.invalidate()
        return buffer

    def close(self) -> None:
        """Stop the DMA.

        Raises:
            TransportError: The DMA does not react, so its buffers must not be freed.
        """
        dma.reset(self._mmio)
