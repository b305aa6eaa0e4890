"""The top of a design: AXI4-Stream in and out, AXI4-Lite registers, and the layers between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.bus import PORTS, REGISTER_PORTS, BusFormat
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.buses import Egress, Ingress, Registers
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.verilog import LOAD, Port, instance, module, vector
from semifreddo.rtl.timing.pace import INPUT_DEPTH
from semifreddo.rtl.units.unit import word_bits


@dataclass(frozen=True)
class BusParts:
    """The components of the bus front end, each made once: text and estimate read the same.

    Attributes:
        taken_words: Where words from the bus wait.
        ingress: Takes packets apart.
        taken_pixels: Where pixels wait for the layers.
        registers: The registers.
        egress: Makes words of results.
    """

    taken_words: Fifo
    ingress: Ingress
    taken_pixels: Fifo
    registers: Registers
    egress: Egress

    @classmethod
    def of(cls, net: StreamNet) -> BusParts:
        """Those of a network, which no schedule changes."""
        bus, target = BusFormat.of(net), net.output
        kind = target.type
        return cls(
            Fifo(WORD_BITS + 1, INPUT_DEPTH),
            Ingress(bus.pixel_bytes, net.input.pixels, bus.task_words, bus.digest_word),
            Fifo(word_bits(net.input), INPUT_DEPTH),
            Registers(bus.digest_word, bus.task_words, bus.register),
            Egress(target.channels, kind.width, kind.signed, target.pixels),
        )

    def components(self) -> Iterator[Component]:
        """All of them."""
        yield from (self.taken_words, self.ingress, self.taken_pixels)
        yield from (self.registers, self.egress)


def top_module(net: StreamNet, parts: BusParts, name: str, layers: str, *, loadable: bool) -> str:
    """The text of the top module.

    Args:
        net: The network.
        parts: The bus front end.
        name: Of the module.
        layers: Name of the module with the layers.
        loadable: Whether that has ports for loading.
    """
    body = [
        "wire clk = aclk;",
        "reg rst;",
        "always @(posedge clk) rst <= !aresetn;",
        *(f"wire {_range(port.bits)}{port.name};" for port in LOAD),
        "wire [15:0] batch;",
        "wire lite_request, lite_granted, lite_valid;",
        "wire [31:0] lite_data, images_in, images_out, tasks;",
        "wire [7:0] errors;",
        "wire in_valid, in_ready, out_valid, out_ready;",
        f"wire {vector(word_bits(net.input))} in_data;",
        f"wire {vector(word_bits(net.output))} out_data;",
        "assign s_axi_bresp = 2'b00;",
        "assign s_axi_rresp = 2'b00;",
        "",
        *_ingress(net, parts),
        "",
        _registers(parts.registers),
        "",
        instance(
            layers,
            "core",
            {},
            {
                port: port
                for port in (
                    "clk",
                    "rst",
                    *(f"{side}_{end}" for side in ("in", "out") for end in _ENDS),
                    *((p.name for p in LOAD) if loadable else ()),
                )
            },
        ),
        "",
        _egress(parts.egress),
    ]
    ports = [Port(port.direction, port.name, port.bits) for port in PORTS]
    comment = (
        f"{net.name}: AXI4-Stream in and out, AXI4-Lite registers.\nDevice {net.device_digest}"
    )
    return module(name, comment, ports, body)


_ENDS = ("valid", "ready", "data")


def _range(bits: int) -> str:
    return f"{vector(bits)} " if bits > 1 else ""


def _ingress(net: StreamNet, parts: BusParts) -> list[str]:
    bus = BusFormat.of(net)
    octets, width = bus.value_bytes * 8, net.input.type.width
    pixel_bits = bus.pixel_bytes * 8
    values = [f"pixel[{k * octets + width - 1}:{k * octets}]" for k in range(net.input.channels)]
    ports = {
        "clk": "clk",
        "rst": "rst",
        "in_valid": "word_valid",
        "in_ready": "word_ready",
        "in_data": "word[31:0]",
        "in_last": "word[32]",
        **{f"lite_{end}": f"lite_{end}" for end in ("request", "granted", "valid", "data")},
        "pixel_valid": "pixel_valid",
        "pixel_ready": "pixel_ready",
        "pixel_data": "pixel",
        **{port.name: port.name for port in LOAD},
        "images": "images_in",
        "images_out": "images_out",
        "tasks": "tasks",
        "errors": "errors",
    }
    before = {"clk": "clk", "rst": "rst", "in_valid": "s_axis_tvalid", "in_ready": "s_axis_tready"}
    before |= {"in_data": "{s_axis_tlast, s_axis_tdata}"}
    before |= {"out_valid": "word_valid", "out_ready": "word_ready", "out_data": "word"}
    behind = {"clk": "clk", "rst": "rst", "in_valid": "pixel_valid", "in_ready": "pixel_ready"}
    behind |= {"in_data": "pixel_word"} | {f"out_{end}": f"in_{end}" for end in _ENDS}
    return [
        "wire word_valid, word_ready, pixel_valid, pixel_ready;",
        "wire [32:0] word;",
        f"wire {vector(pixel_bits)} pixel;",
        f"wire {vector(word_bits(net.input))} pixel_word = {{{', '.join(values[::-1])}}};",
        place(parts.taken_words, "taken_words", before),
        place(parts.ingress, "ingress", ports),
        place(parts.taken_pixels, "taken_pixels", behind),
    ]


def _registers(registers: Registers) -> str:
    ports = {"clk": "clk", "rst": "rst"}
    ports |= {name: port.name for name, port in REGISTER_PORTS.items()}
    ports |= {
        "batch": "batch",
        **{f"lite_{end}": f"lite_{end}" for end in ("request", "granted", "valid", "data")},
        "bank": "flip_bank",
        "images_in": "images_in",
        "images_out": "images_out",
        "tasks": "tasks",
        "error_pulses": "errors",
    }
    return place(registers, "registers", ports)


def _egress(egress: Egress) -> str:
    ports = {
        "clk": "clk",
        "rst": "rst",
        "batch": "batch",
        **{f"in_{end}": f"out_{end}" for end in _ENDS},
        "out_valid": "m_axis_tvalid",
        "out_ready": "m_axis_tready",
        "out_data": "m_axis_tdata",
        "out_last": "m_axis_tlast",
        "images": "images_out",
    }
    return place(egress, "egress", ports)
