"""How often the pins of a netlist of standard cells change while it computes images.

The netlist is clocked over the bus, or, where words are wider than the bus, on the streams of its
layers. What it answers must be the network's integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from semifreddo.core.errors import LadderError, ToolError
from semifreddo.core.fixed import FixedType, IntArray
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import BusFormat, Words
from semifreddo.rtl.design.written import Verilog
from semifreddo.rtl.synthesis.gates import Bits, GateNetlist, Modules, Run
from semifreddo.sim import reference

_RESET_CYCLES = 4
_SETTLING_CYCLES = 2
_PATIENCE = 4
"""Of an image's latency: after so long a silence the netlist hangs."""


@dataclass(frozen=True)
class Activity:
    """What the clocked netlist did.

    Attributes:
        rates: Changes per cycle of each pin, from the first word of the first image to the last
            result; without the bus, from the first word of the second image to the last word.
        cycles: So many cycles that was.
        images: So many images.
    """

    rates: Mapping[str, float]
    cycles: int
    images: int


def activity_of(design: Verilog, modules: Modules, models: Modules, images: IntArray) -> Activity:
    """Clock a design's netlist on images that follow each other.

    Args:
        design: The design.
        modules: Its netlist: every module with its cells, as Yosys' JSON.
        models: Of the cells.
        images: Raw images (count, height, width, channels).

    Raises:
        LadderError: It does not compute the network's integers.
        ToolError: It hangs, or a cell is of a kind that cannot be clocked.
    """
    net, bus = design.net, BusFormat.of(design.net)
    run = GateNetlist(modules, design.top, models).run(1)
    _reset(run)
    patience = _PATIENCE * design.latency_cycles
    if net.configurable_blocks:
        task = bus.task_packet(AddressMap.of(net).pack(net))
        _exchange(run, task, 0, patience, count=False)
    wanted = len(images) * bus.output_cycles
    words = _exchange(run, bus.image_packet(images), wanted, patience, count=True)
    _check_exact(design, bus.results(words), images)
    return Activity(run.rates("aclk"), run.cycles, len(images))


def stream_activity(
    design: Verilog, modules: Modules, models: Modules, images: IntArray
) -> Activity:
    """Clock the netlist of a design's layers on images that follow each other word by word.

    The first image fills the pipeline and is not counted.

    Args:
        design: The design.
        modules: The netlist of its layers: every module with its cells, as Yosys' JSON.
        models: Of the cells.
        images: Raw images (count, height, width, channels), at least two.

    Raises:
        LadderError: It does not compute the network's integers.
        ToolError: It hangs, or a cell is of a kind that cannot be clocked.
    """
    net = design.net
    run = GateNetlist(modules, design.layers.module, models).run(1)
    run.drive("out_ready", 1)
    for cycle in range(_RESET_CYCLES + _SETTLING_CYCLES):
        run.drive("rst", int(cycle < _RESET_CYCLES))
        run.settle()
        run.edge(count=False)
    if net.configurable_blocks:
        _load(run, AddressMap.of(net).pack(net))
    source, target = net.input, net.output
    words = _words(images.reshape(-1, source.channels), source.type.width)
    first, wanted = source.pixels, len(images) * target.pixels
    got: list[Bits] = []
    sent, still, patience = 0, 0, _PATIENCE * design.latency_cycles
    while sent < len(words) or len(got) < wanted:
        offered = sent < len(words)
        run.drive("in_valid", int(offered))
        if offered:
            run.drive("in_data", words[sent])
        run.settle()
        taken = offered and bool(run.read("in_ready")[0])
        given = bool(run.read("out_valid")[0])
        if given:
            got.append(run.read_bits("out_data")[:, 0])
        run.edge(count=first <= sent < len(words))
        sent += taken
        still = 0 if taken or given else still + 1
        if still > patience:
            raise ToolError(
                f"netlist of standard cells: took {sent} of {len(words)} words, gave {len(got)} "
                f"of {wanted}, and then nothing for {patience} cycles"
            )
    results = _values(np.array(got), target.type).reshape(-1, *target.shape)
    _check_exact(design, results, images)
    return Activity(run.rates("clk"), run.cycles, len(images))


def _load(run: Run, words: Words) -> None:
    """Write a task into the idle bank, and let the first image use that."""
    run.drive("load_bank", 1)
    for cycle in range(-1, len(words) + _SETTLING_CYCLES):
        run.drive("load_start", int(cycle < 0))
        valid = 0 <= cycle < len(words)
        run.drive("load_valid", int(valid))
        if valid:
            run.drive("load_address", cycle)
            run.drive("load_data", int(words[cycle]))
        run.settle()
        run.edge(count=False)
    run.drive("flip_bank", 1)
    for _ in range(_SETTLING_CYCLES):
        run.settle()
        run.edge(count=False)


def _words(pixels: IntArray, width: int) -> list[int]:
    """A stream's words: all channels of a pixel, the first one in the lowest bits."""
    mask = (1 << width) - 1
    return [
        sum((value & mask) << (place * width) for place, value in enumerate(pixel))
        for pixel in pixels.tolist()
    ]


def _values(words: Bits, kind: FixedType) -> IntArray:
    """Raw values (words, channels) of a stream's words (words, bits)."""
    bits = words.reshape(len(words), -1, kind.width).astype(np.int64)
    weights = np.int64(1) << np.arange(kind.width)
    if kind.signed:
        weights[-1] = -weights[-1]
    values: IntArray = bits @ weights
    return values


def _check_exact(design: Verilog, results: IntArray, images: IntArray) -> None:
    net = design.net
    if not np.array_equal(results, reference.run(net, images).reshape(results.shape)):
        raise LadderError(
            f"{net.name}: the netlist of standard cells does not compute the network's integers; "
            "nothing was measured"
        )


def _reset(run: Run) -> None:
    run.drive("m_axis_tready", 1)
    for cycle in range(_RESET_CYCLES + _SETTLING_CYCLES):
        run.drive("aresetn", int(cycle >= _RESET_CYCLES))
        run.settle()
        run.edge(count=False)


def _exchange(run: Run, packet: Words, wanted: int, patience: int, *, count: bool) -> Words:
    """Send a packet without a pause; the result words until as many as are wanted have come."""
    got: list[int] = []
    sent, still = 0, 0
    while sent < len(packet) or len(got) < wanted:
        offered = sent < len(packet)
        run.drive("s_axis_tvalid", int(offered))
        if offered:
            run.drive("s_axis_tdata", int(packet[sent]))
            run.drive("s_axis_tlast", int(sent == len(packet) - 1))
        run.settle()
        taken = offered and bool(run.read("s_axis_tready")[0])
        given = bool(run.read("m_axis_tvalid")[0])
        if given:
            got.append(int(run.read("m_axis_tdata")[0]))
        run.edge(count=count)
        sent += taken
        still = 0 if taken or given else still + 1
        if still > patience:
            raise ToolError(
                f"netlist of standard cells: took {sent} of {len(packet)} words, gave {len(got)} "
                f"of {wanted}, and then nothing for {patience} cycles"
            )
    run.drive("s_axis_tvalid", 0)
    return np.array(got, np.uint32)
