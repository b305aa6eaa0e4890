"""What goes over the buses of a device: ports, packets and registers.

Mirrors ``library/sf_ingress.sv``, ``sf_egress.sv`` and ``sf_registers.sv``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import numpy.typing as npt

from semifreddo.core.fixed import IntArray
from semifreddo.ir.address_map import WORD_BITS, AddressMap
from semifreddo.ir.layers import Shape
from semifreddo.ir.net import StreamNet

Words = npt.NDArray[np.uint32]

IMAGES, TASK = 0x53460001, 0x53460002
"""Header words of the two kinds of packets."""

IDENTITY = 0x53465231
"""What the identity register of every device reads."""

REGISTERS = {
    "identity": 0x00,
    "device": 0x04,
    "status": 0x08,
    "errors": 0x0C,
    "images_in": 0x10,
    "images_out": 0x14,
    "cycles": 0x18,
    "cycles_high": 0x1C,
    "task_words": 0x20,
    "task_control": 0x24,
    "task_data": 0x28,
    "batch": 0x2C,
    "tasks": 0x30,
    "format": 0x34,
}
"""Byte addresses of the AXI4-Lite registers."""

ERRORS = (
    "bad packet header",
    "image packet of a wrong length",
    "task packet too short",
    "task packet too long",
    "task checksum wrong",
    "task made for another device",
    "images before the first task",
    "task data written without a granted request",
)
"""Meaning of the error register's bits."""

ALL_ERRORS = (1 << len(ERRORS)) - 1
"""Written to the error register, clears every flag."""


@dataclass(frozen=True)
class BusPort:
    """A port of a device, as its Verilog and everything around it names it."""

    direction: Literal["input", "output"]
    name: str
    bits: int = 1


CLOCK = (BusPort("input", "aclk"), BusPort("input", "aresetn"))
"""Clock, and reset that is active low."""

AXIS_IN = (
    BusPort("input", "s_axis_tvalid"),
    BusPort("output", "s_axis_tready"),
    BusPort("input", "s_axis_tdata", WORD_BITS),
    BusPort("input", "s_axis_tlast"),
)
"""AXI4-Stream of packets into the device."""

AXIS_OUT = (
    BusPort("output", "m_axis_tvalid"),
    BusPort("input", "m_axis_tready"),
    BusPort("output", "m_axis_tdata", WORD_BITS),
    BusPort("output", "m_axis_tlast"),
)
"""AXI4-Stream of results out of the device."""

ADDRESS_BITS = 8
"""Of a register's byte address."""

AXI_LITE = (
    BusPort("input", "s_axi_awvalid"),
    BusPort("output", "s_axi_awready"),
    BusPort("input", "s_axi_awaddr", ADDRESS_BITS),
    BusPort("input", "s_axi_wvalid"),
    BusPort("output", "s_axi_wready"),
    BusPort("input", "s_axi_wdata", WORD_BITS),
    BusPort("input", "s_axi_wstrb", WORD_BITS // 8),
    BusPort("output", "s_axi_bvalid"),
    BusPort("input", "s_axi_bready"),
    BusPort("output", "s_axi_bresp", 2),
    BusPort("input", "s_axi_arvalid"),
    BusPort("output", "s_axi_arready"),
    BusPort("input", "s_axi_araddr", ADDRESS_BITS),
    BusPort("output", "s_axi_rvalid"),
    BusPort("input", "s_axi_rready"),
    BusPort("output", "s_axi_rdata", WORD_BITS),
    BusPort("output", "s_axi_rresp", 2),
)
"""AXI4-Lite of the registers."""

PORTS = (*CLOCK, *AXIS_IN, *AXIS_OUT, *AXI_LITE)
"""Every port of a device's top module, in order."""

REGISTER_PORTS = {
    port.name.removeprefix("s_axi_"): port
    for port in AXI_LITE
    if not port.name.endswith(("resp", "wstrb"))
}
"""What ``sf_registers.sv`` has of them, by its names: it takes whole words and never fails."""


def error_texts(flags: int) -> str:
    """The meanings of the bits of an error register that are set."""
    return ", ".join(text for bit, text in enumerate(ERRORS) if flags >> bit & 1)


@dataclass(frozen=True)
class BusFormat:
    """How images, tasks and results of a device look on its buses.

    Attributes:
        name: The design.
        digest_word: First 32 bits of the device digest.
        image_shape: ``(height, width, channels)``.
        outputs: Values per result.
        task_words: 32-bit words of a task.
        value_bytes: Bytes of one image value.
        result_words: 32-bit words of one result value.
        result_signed: Whether results are two's complement.
    """

    name: str
    digest_word: int
    image_shape: Shape
    outputs: int
    task_words: int
    value_bytes: int
    result_words: int
    result_signed: bool

    @classmethod
    def of(cls, net: StreamNet) -> BusFormat:
        """The format of a network's device."""
        return cls(
            name=net.name,
            digest_word=int(net.device_digest[:8], 16),
            image_shape=net.input.shape,
            outputs=prod(net.output.shape),
            task_words=AddressMap.of(net).words,
            value_bytes=-(-net.input.type.width // 8),
            result_words=-(-net.output.type.width // WORD_BITS),
            result_signed=net.output.type.signed,
        )

    @classmethod
    def unread(
        cls, net: str, device_digest: str, *, image_shape: Shape, outputs: int, task_words: int
    ) -> BusFormat:
        """What is known of a device before :meth:`with_register` tells its value formats."""
        return cls(
            name=net,
            digest_word=int(device_digest[:8], 16),
            image_shape=image_shape,
            outputs=outputs,
            task_words=task_words,
            value_bytes=1,
            result_words=1,
            result_signed=True,
        )

    def with_register(self, code: int) -> BusFormat:
        """The same with the value formats that a device's format register tells."""
        return dataclasses.replace(
            self,
            value_bytes=code & 15,
            result_words=code >> 4 & 15,
            result_signed=bool(code >> 8 & 1),
        )

    @property
    def register(self) -> int:
        """What the format register reads."""
        return self.value_bytes | self.result_words << 4 | int(self.result_signed) << 8

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        return self.image_shape[2] * self.value_bytes

    @property
    def input_cycles(self) -> int:
        """Cycles that the bus and the pixel stream need for an image."""
        pixels = self.image_shape[0] * self.image_shape[1]
        return max(pixels, -(-pixels * self.pixel_bytes * 8 // WORD_BITS))

    @property
    def output_cycles(self) -> int:
        """Cycles that the bus needs for a result."""
        return self.outputs * self.result_words

    def packet_words(self, images: int) -> int:
        """Words of the packet of a number of images."""
        return 2 + -(-images * prod(self.image_shape) * self.value_bytes // 4)

    def pack_images(self, images: npt.NDArray[np.integer], out: Words) -> int:
        """Write the packet of raw images ``(n, height, width, channels)``, in any memory layout.

        Args:
            images: Values that fit ``value_bytes``.
            out: At least :meth:`packet_words` words; nothing is allocated beside it.

        Returns:
            Words written.
        """
        words, size = self.packet_words(len(images)), images.size * self.value_bytes
        out[:2] = IMAGES, len(images)
        octets = out[2:words].view(np.uint8)
        octets[size:] = 0
        if self.value_bytes in (1, 2, 4, 8):
            values = octets[:size].view(f"<u{self.value_bytes}").reshape(images.shape)
            np.copyto(values, images, casting="unsafe")
        else:
            wide = images.astype("<i8").reshape(-1, 1).view(np.uint8)
            octets[:size].reshape(-1, self.value_bytes)[:] = wide[:, : self.value_bytes]
        return words

    def image_packet(self, images: npt.NDArray[np.integer]) -> Words:
        """The packet of any number of raw images ``(n, height, width, channels)``."""
        packet = np.empty(self.packet_words(len(images)), np.uint32)
        self.pack_images(images, packet)
        return packet

    def task_packet(self, words: Words) -> Words:
        """The packet of a task's words."""
        return np.concatenate([np.array([TASK], np.uint32), self.task_payload(words)])

    def task_payload(self, words: Words) -> Words:
        """Digest, words and checksums: what follows the header, or goes into the task register."""
        running = np.cumsum(words.astype(np.uint64)) & np.uint64(0xFFFFFFFF)
        sum_a = int(running[-1]) if running.size else 0
        sum_b = int(running.sum()) & 0xFFFFFFFF
        ends = np.array([self.digest_word, sum_a, sum_b], np.uint32)
        return np.concatenate([ends[:1], words.astype(np.uint32), ends[1:]])

    def results(self, words: Words) -> IntArray:
        """Raw results ``(n, outputs)`` of result words."""
        kinds = {(1, True): "<i4", (1, False): "<u4", (2, True): "<i8", (2, False): "<u8"}
        kind = kinds[self.result_words, self.result_signed]
        values = np.ascontiguousarray(words, "<u4").view(kind).astype(np.int64)
        return values.reshape(-1, self.outputs)
