"""StreamNet to a set of Verilog files: a pure function, the same bytes for the same input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from semifreddo.core.digest import digest_json
from semifreddo.core.files import write_atomic
from semifreddo.ir.address_map import WORD_BITS, AddressMap
from semifreddo.ir.bus import PORTS, REGISTER_PORTS, BusFormat
from semifreddo.ir.net import StreamNet
from semifreddo.rtl import library
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.verilog import LOAD, Port, identifier, instance, module, vector
from semifreddo.rtl.design.network import Core, make_core
from semifreddo.rtl.timing.latency import Replay
from semifreddo.rtl.timing.pace import INPUT_DEPTH
from semifreddo.rtl.units.unit import Context, word_bits

BUS_BITS = WORD_BITS

_LATENCY_IMAGES = 4
"""More images than the first one can wait for."""


@dataclass(frozen=True)
class RtlDesign:
    """A network as Verilog.

    Attributes:
        net: The network it computes.
        core: Its layers.
        top: Name of the top module, with AXI4-Stream and AXI4-Lite ports.
        files: Text by file name.
    """

    net: StreamNet
    core: Core
    top: str
    files: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """Digest of all files."""
        return digest_json(dict(self.files))

    @cached_property
    def bus(self) -> BusFormat:
        """How images, tasks and results look on the buses."""
        return BusFormat.of(self.net)

    @property
    def cycles_per_image(self) -> int:
        """Cycles between two results when images follow each other without a pause."""
        return self.core.sized.clockwork.period

    @cached_property
    def latency_cycles(self) -> int:
        """Cycles from an image packet's first word in to its first image's last result word out.

        Other images follow without a pause, and no stream stalls.
        """
        return int(Replay(self.core.sized, _LATENCY_IMAGES, 1).results[0])

    @property
    def bottleneck(self) -> str:
        """What sets :attr:`cycles_per_image`: a layer, a folded repeat, ``input`` or ``output``."""
        return self.core.sized.clockwork.bottleneck

    def write(self, directory: Path) -> list[Path]:
        """Write all files; each appears whole or not at all."""
        paths = []
        for name, text in self.files.items():
            paths.append(directory / name)
            write_atomic(paths[-1], text)
        return paths


def make_design(net: StreamNet, schedule: RtlSchedule | None = None) -> RtlDesign:
    """Make the Verilog of a network.

    Args:
        net: The network. Its loadable values do not appear in the files.
        schedule: Hardware choices; the least hardware if left out.

    Raises:
        ConfigError: The schedule does not fit the network.
        ProjectError: A layer has no hardware.
    """
    schedule = schedule or RtlSchedule()
    schedule.check(net)
    names: dict[str, str] = {}
    taken = {f"{net.name}_layers", f"{net.name}_top"}
    for layer in net.layers:
        names[layer.name] = identifier(f"{net.name}_{layer.name}", taken)
        taken |= {names[layer.name], f"{names[layer.name]}_graph"}
    context = Context(net, AddressMap.of(net), names)
    core = make_core(context, schedule)
    modules = dict(text for unit in core.units for text in unit.files)
    modules[core.module] = core.text
    top = f"{net.name}_top"
    modules[top] = _top(context, core, top)
    files = {f"{name}.sv": text for name, text in modules.items()}
    files |= library.needed(files.values())
    return RtlDesign(net, core, top, dict(sorted(files.items())))


def _top(context: Context, core: Core, name: str) -> str:
    net = context.net
    bus = BusFormat.of(net)
    digest = f"32'h{bus.digest_word:08x}"
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
        *_ingress(net, bus, digest),
        "",
        _registers(bus, digest),
        "",
        instance(
            core.module,
            "core",
            {},
            {
                port: port
                for port in (
                    "clk",
                    "rst",
                    *(f"{side}_{end}" for side in ("in", "out") for end in _ENDS),
                    *((p.name for p in LOAD) if core.loadable else ()),
                )
            },
        ),
        "",
        _egress(net),
    ]
    ports = [Port(port.direction, port.name, port.bits) for port in PORTS]
    comment = (
        f"{net.name}: AXI4-Stream in and out, AXI4-Lite registers.\nDevice {net.device_digest}"
    )
    return module(name, comment, ports, body)


_ENDS = ("valid", "ready", "data")


def _range(bits: int) -> str:
    return f"{vector(bits)} " if bits > 1 else ""


def _ingress(net: StreamNet, bus: BusFormat, digest: str) -> list[str]:
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
    parameters: dict[str, int | str] = {
        "PIXEL_BYTES": bus.pixel_bytes,
        "IMAGE_PIXELS": net.input.pixels,
        "TASK_WORDS": bus.task_words,
        "DIGEST": digest,
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
        place(Fifo(BUS_BITS + 1, INPUT_DEPTH), "taken_words", before),
        instance("sf_ingress", "ingress", parameters, ports),
        place(Fifo(word_bits(net.input), INPUT_DEPTH), "taken_pixels", behind),
    ]


def _registers(bus: BusFormat, digest: str) -> str:
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
    parameters: dict[str, int | str] = {
        "DIGEST": digest,
        "TASK_WORDS": bus.task_words,
        "FORMAT": bus.register,
    }
    return instance("sf_registers", "registers", parameters, ports)


def _egress(net: StreamNet) -> str:
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
    parameters = {
        "CHANNELS": net.output.channels,
        "BITS": net.output.type.width,
        "SIGNED": int(net.output.type.signed),
        "PIXELS": net.output.pixels,
    }
    return instance("sf_egress", "egress", parameters, ports)
