"""The texts of a project: filled-in C++ programs, README, address map and description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from semifreddo.core.columns import markdown_table
from semifreddo.core.fixed import FixedType
from semifreddo.hls import cycles
from semifreddo.hls.kinds import codes_of
from semifreddo.hls.schedule import ScheduledNet
from semifreddo.ir.layers import Stream

if TYPE_CHECKING:
    from semifreddo.hls.top import Design

_TEMPLATES = Path(__file__).parent / "templates"

_TOOLS = {"vivado": "Vivado HLS", "vitis": "Vitis HLS"}


def image_lane_bits(kind: FixedType) -> int:
    """Bits of one value on the image port (``semifreddo_axis.h`` computes the same)."""
    return next(bits for bits in (8, 16, 32, 64) if kind.width <= bits)


def result_lane_bits(kind: FixedType) -> int:
    """Bits of one value on the result port."""
    return 32 if kind.width <= 32 else 64


def _port(stream: Stream, bits: int) -> str:
    values = stream.pixels * stream.channels
    return (
        f"{values} values of {bits} bits ({'x'.join(map(str, stream.shape))}, raw "
        f"`{stream.type.ap_name}`) in {-(-values * bits // 32)} words"
    )


def fill(name: str, design: Design) -> str:
    """A C++ template with the design's sizes."""
    image, result = design.dataflow.image.stream, design.dataflow.result.stream
    words = design.addresses.words if design.loadable else 0
    tasks = ["load_task", "task_memory"] if words else []
    arguments = ["image", "result", "frames", *tasks]
    return Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(
        name=design.name,
        device_digest=design.device_digest,
        image_pixels=image.pixels,
        result_pixels=result.pixels,
        task_words=words,
        task_array=max(1, words),
        call=f"{design.name}({', '.join(arguments)})",
    )


def address_map(design: Design) -> str:
    """``ADDRESS_MAP.md``: where each loadable value lives in the task memory."""
    lines = [
        f"# Task memory of {design.name}",
        "",
        f"`task_memory` holds {design.addresses.words} words of 32 bits. A region holds the rows "
        "of one block; a row holds one value per loadable output channel, in channel order, "
        "two's complement, least significant bit first, padded with zeros to whole words. The "
        "rows of a weight are in (kernel height, kernel width, input channel) order; a bias or "
        "alpha has one row.",
        "",
    ]
    head = ("block", "role", "offset (words)", "words", "rows", "words per row", "channels")
    rows = [
        (
            region.block,
            region.role,
            region.offset_words,
            region.words,
            region.rows,
            region.row_words,
            region.channels,
            region.bits,
            region.values_text,
            ", ".join(p.name for p in design.loadable if region.block in p.task_blocks),
        )
        for region in design.addresses.regions
    ]
    return "\n".join([*lines, markdown_table((*head, "bits", "range", "used by"), rows)])


def task_memory_bram18(words: int) -> int:
    """Block memories of 512 words behind the AXI4-Lite port, which rounds up to a power of two."""
    return -(-(1 << (words - 1).bit_length()) // 512) if words else 0


def _stream(stream: Stream) -> dict[str, object]:
    return {"name": stream.name, "shape": list(stream.shape), "type": str(stream.type)}


def description(
    scheduled: ScheduledNet,
    design: Design,
    target: Mapping[str, object],
    versions: Mapping[str, str],
) -> str:
    """``semifreddo.json``: what the project was made from, for programs."""
    net, schedule, codes = scheduled.net, scheduled.schedule, codes_of(scheduled)
    data = {
        "format": "semifreddo-hls/1",
        "net": net.name,
        "device_digest": net.device_digest,
        **target,
        "versions": dict(versions),
        "task_words": design.addresses.words,
        "task_memory_bram18": task_memory_bram18(design.addresses.words),
        "input": _stream(net.input) | {"lane_bits": image_lane_bits(net.input.type)},
        "output": _stream(net.output) | {"lane_bits": result_lane_bits(net.output.type)},
        "streams": [_stream(layer.output) for layer in net.layers],
        "address_map": [
            {
                "block": region.block,
                "role": region.role,
                "offset_words": region.offset_words,
                "words": region.words,
                "rows": region.rows,
                "channels": region.channels,
                "bits": region.bits,
                "min": region.min_value,
                "max": region.max_value,
                **({"values": list(region.listed)} if region.listed else {}),
            }
            for region in design.addresses.regions
        ],
        "interval_cycles": cycles.interval(scheduled),
        "schedule": {
            "input_fifo_depth": schedule.input_fifo_depth,
            "layers": {
                layer.name: {
                    "rows_per_cycle": scheduled[layer.name].rows_per_cycle,
                    "frozen": scheduled[layer.name].frozen,
                    "fifo_depth": scheduled[layer.name].fifo_depth,
                    "cycles": codes[layer.name].cycles,
                }
                for layer in net.layers
            },
        },
    }
    return json.dumps(data, indent=1) + "\n"


def readme(scheduled: ScheduledNet, design: Design, tool: str) -> str:
    """``README.md`` of the project."""
    net = scheduled.net
    image, result = net.input, net.output
    tasks = ", ".join(f"`{process.name}`" for process in design.loadable) or "none"
    repeats = "".join(
        f"\nThe repeated block `{repeat.name}` is unrolled: each of its {len(repeat.passes)} "
        "passes is hardware of its own. A loadable block that several passes share is stored "
        "once in the task memory and sent to each of them.\n"
        for repeat in net.repeats
    )
    csim = (
        "g++ -std=c++14 -O2 -fwrapv -isystem firmware/ap_types "
        f"firmware/{net.name}.cpp csim/main.cpp -o csim/{net.name}"
    )
    return Template((_TEMPLATES / "README.md").read_text(encoding="utf-8")).substitute(
        name=net.name,
        device_digest=net.device_digest,
        tool=_TOOLS[tool],
        image=_port(image, image_lane_bits(image.type)),
        result=_port(result, result_lane_bits(result.type)),
        task_words=design.addresses.words,
        tasks=tasks,
        repeats=repeats,
        interval=cycles.interval(scheduled),
        csim=csim,
    )
