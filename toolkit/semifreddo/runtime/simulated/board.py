"""A simulated PYNQ board: the unmodified ``Overlay``, drivers and ``allocate`` run on any machine.

Needs the ``pynq`` package (3.1.2 or 4.0.0) and no board. Data move between processor and device
only when a buffer is flushed or invalidated, and a transfer is done only after its status has been
read a few times, so missing cache maintenance and early access show.

Example::

    bundle = with_simulated_bitstream(Bundle.load("build/digits.sfb"))
    with SimulatedBoard.of(bundle), Accelerator.open(bundle, "pynq") as accelerator:
        print(accelerator.check())
"""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from pynq import Clocks, Device
from pynq.buffer import PynqBuffer
from pynq.interrupt import _InterruptController
from pynq.pl_server.embedded_device import Metadata, RuntimeMetadataParser

from semifreddo.core.block_design import CORE, DMA, INTERRUPT_CONTROLLER, ZYNQ7, ZYNQ_ULTRA
from semifreddo.core.errors import TransportError
from semifreddo.runtime.bundle import Bundle
from semifreddo.runtime.device_files import DeviceFiles
from semifreddo.runtime.plugins import open_transport
from semifreddo.runtime.simulated.core import PacketCore
from semifreddo.runtime.simulated.dma import AxiDma, Block, DeviceCore, Memory
from semifreddo.runtime.transport import Transport

_ARCHITECTURE = {ZYNQ7: "armv7l", ZYNQ_ULTRA: "aarch64"}
# Registers of the processing system that PYNQ reads to set clocks: PLLs at 1000 and 1500 MHz.
_PLLS = {
    ZYNQ7: {0xF800_0100: 20 << 12, 0xF800_0104: 20 << 12, 0xF800_0108: 20 << 12},
    ZYNQ_ULTRA: {0xFF5E_0020: 90 << 8 | 1 << 16, 0xFF5E_0030: 90 << 8 | 1 << 16},
}
_INTERRUPT_DELAY_S = 0.001
# Registers of the AXI interrupt controller (PG099).
_PENDING, _PENDING_ENABLED, _ENABLED, _ACKNOWLEDGE = 0x00, 0x04, 0x08, 0x0C
_SET, _CLEAR, _MASTER = 0x10, 0x14, 0x1C


class _Interrupts:
    """The interrupt controller and the kernel's UIO device behind it."""

    def __init__(self, dma: AxiDma) -> None:
        self._dma = dma
        self._latched = self._enabled = self._master = 0
        self._events: list[Any] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        dma.on_start = self._schedule

    def read(self, offset: int) -> int:
        self._latched |= self._dma.lines()
        values = {_PENDING: self._latched, _PENDING_ENABLED: self._latched & self._enabled}
        return values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == _ACKNOWLEDGE:
            self._latched &= ~value
        elif offset == _ENABLED:
            self._enabled = value
        elif offset == _SET:
            self._enabled |= value
        elif offset == _CLEAR:
            self._enabled &= ~value
        elif offset == _MASTER:
            self._master = value

    def add_event(self, event: Any, _number: int) -> None:
        """What ``pynq.uio.UioController`` offers: wake ``event`` with the next interrupt."""
        self._loop = asyncio.get_running_loop()
        self._events.append(event)
        self._schedule()

    def _schedule(self) -> None:
        if self._events and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, _INTERRUPT_DELAY_S, self._fire)

    def _fire(self) -> None:
        self._dma.advance()
        if self.read(_PENDING_ENABLED) and self._master:
            events, self._events = self._events, []
            for event in events:
                event.set()
        elif self._dma.busy:
            self._schedule()


class SimulatedBoard(Device):  # type: ignore[misc]
    """A board whose programmable logic is a DMA model and a core.

    It becomes PYNQ's active device inside ``with`` (or between :meth:`activate` and
    :meth:`deactivate`); one board at a time, because PYNQ has one active device.

    Attributes:
        dma: The DMA, with the faults to inject.
        downloads: How often a bitstream was loaded.
    """

    def __init__(
        self,
        core: DeviceCore,
        ps: str = ZYNQ_ULTRA,
        *,
        latency_polls: int = 3,
        latency_s: float = 0.0,
    ) -> None:
        """Make a board.

        Args:
            core: What the programmable logic is.
            ps: Kind of processing system; PYNQ 4 drives ``zynq_ultra_ps_e`` only.
            latency_polls: Status reads before a DMA transfer can be done.
            latency_s: Seconds before it can be done; makes drivers wait for the interrupt.
        """
        super().__init__("simulated")
        self.name = "simulated"
        self.arch = _ARCHITECTURE[ps]
        self.capabilities = {"REGISTER_RW": True}
        self.dma = AxiDma(self._new_memory(ps), core, latency_polls, latency_s)
        self.downloads = 0
        self.bitfile_name: str | None = None
        self.timestamp = ""
        self._core = core
        self._interrupts = _Interrupts(self.dma)
        self._system = dict(_PLLS[ps])
        self._before: object = None
        self._places: dict[str, tuple[int, int]] = {}

    @classmethod
    def of(cls, bundle: Bundle, device: Transport | None = None, **options: Any) -> SimulatedBoard:
        """The board of a bundle that has a ``pynq`` transport.

        Args:
            bundle: Its handoff tells the processing system.
            device: What computes; None opens another transport of the bundle (a C or RTL
                simulation), which runs until the process ends.
            options: Of the constructor.

        Raises:
            TransportError: The bundle has no files for PYNQ, or nothing that could compute.
        """
        files = bundle.transports.get("pynq")
        if not isinstance(files, DeviceFiles):
            raise TransportError(
                f"{bundle.net.name}: the bundle has no bitstream; with_simulated_bitstream(bundle) "
                "gives it a stand-in"
            )
        if device is None:
            others = {name: file for name, file in bundle.transports.items() if name != "pynq"}
            device = open_transport(dataclasses.replace(bundle, transports=others))
        handoffs = [data for name, data in files.content.items() if name.endswith(".hwh")]
        ps = ZYNQ7 if any(ZYNQ7.encode() in data for data in handoffs) else ZYNQ_ULTRA
        return cls(PacketCore(bundle.net, device), ps, **options)

    def _new_memory(self, ps: str) -> Memory:
        self._memory = Memory(high=ps == ZYNQ_ULTRA)
        return self._memory

    def activate(self) -> None:
        """Become PYNQ's active device."""
        self._before = getattr(Device, "_active_device", None)
        _forget_clocks()
        Device.active_device = self

    def deactivate(self) -> None:
        """Give PYNQ its former device back."""
        _forget_clocks()
        _InterruptController._controllers.clear()
        _InterruptController._uio_devices.clear()
        if self._before is None:
            del Device._active_device
        else:
            Device.active_device = self._before

    def __enter__(self) -> SimulatedBoard:
        self.activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.deactivate()

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Parse the handoff beside a bitstream with PYNQ's own parser."""
        path = Path(bitfile_name).with_suffix(".hwh")
        if partial or not path.is_file():
            raise RuntimeError("Unable to find metadata for bitstream")
        return RuntimeMetadataParser(Metadata(str(path)))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Configure the programmable logic: everything starts anew."""
        self._places = {
            name.rpartition("/")[2]: (entry["phys_addr"], entry["addr_range"])
            for name, entry in parser.ip_dict.items()
            if "phys_addr" in entry
        }
        self._core.reset()
        self.dma.write(0, 4)
        self.downloads += 1
        for controller in parser.interrupt_controllers.values():
            _InterruptController._uio_devices[controller["raw_irq"]] = self._interrupts
        self.post_download(bitstream, parser, self.name)

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> Any:
        """A buffer that the processor and the device see only through cache maintenance."""
        dtype = np.dtype(dtype)
        block = self._memory.allocate(int(np.prod(shape)) * dtype.itemsize)
        return PynqBuffer(
            shape,
            dtype,
            bo=block,
            device=self,
            buffer=block.host,
            device_address=block.address,
            coherent=False,
        )

    def flush(self, block: Block, offset: int, _address: int, size: int) -> None:
        """Processor to device."""
        block.device[offset : offset + size] = block.host[offset : offset + size]

    def invalidate(self, block: Block, offset: int, _address: int, size: int) -> None:
        """Device to processor."""
        block.host[offset : offset + size] = block.device[offset : offset + size]

    def read_registers(self, address: int, length: int) -> bytes:
        """Read words of any slave."""
        words = [self._read(address + step) for step in range(0, length, 4)]
        return np.array(words, "<u4").tobytes()

    def write_registers(self, address: int, data: bytes) -> None:
        """Write words of any slave."""
        for step, word in enumerate(np.frombuffer(bytes(data), "<u4")):
            self._write(address + 4 * step, int(word))

    def _slave(self, address: int) -> tuple[Any, int]:
        slaves = {DMA: self.dma, INTERRUPT_CONTROLLER: self._interrupts, CORE: self._core}
        for name, (base, size) in self._places.items():
            if name in slaves and base <= address < base + size:
                return slaves[name], address - base
        return None, address

    def _read(self, address: int) -> int:
        slave, offset = self._slave(address)
        return slave.read(offset) if slave is not None else self._system.get(address, 0)

    def _write(self, address: int, value: int) -> None:
        slave, offset = self._slave(address)
        if slave is not None:
            slave.write(offset, value)
        else:
            self._system[address] = value


def _forget_clocks() -> None:
    """Drop PYNQ's clock driver, which PYNQ keeps although it belongs to an earlier device."""
    if hasattr(Clocks, "_real_instance"):
        del Clocks._real_instance
