"""How often the pins of a netlist of standard cells change while it computes images.

The netlist is clocked over the bus, or, where words are wider than the bus, on the streams of its
layers. What it answers must be the network's integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

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


T = TypeVar("T")


@dataclass(frozen=True)
class _Stream:
    """Names of a stream's ports; ``last`` marks the end of a packet, if there are any."""

    valid: str
    ready: str
    data: str
    last: str = ""


_BUS = (
    _Stream("s_axis_tvalid", "s_axis_tready", "s_axis_tdata", "s_axis_tlast"),
    _Stream("m_axis_tvalid", "m_axis_tready", "m_axis_tdata"),
)
_LAYERS = (
    _Stream("in_valid", "in_ready", "in_data"),
    _Stream("out_valid", "out_ready", "out_data"),
)


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
    _reset(run, _BUS, "aresetn", 0)
    patience = _PATIENCE * design.latency_cycles

    def word() -> int:
        return int(run.read(_BUS[1].data)[0])

    if net.configurable_blocks:
        task = bus.task_packet(AddressMap.of(net).pack(net)).tolist()
        _exchange(run, _BUS, task, wanted=0, patience=patience, take=word, counted=range(0))
    packet = bus.image_packet(images).tolist()
    wanted, counted = len(images) * bus.output_cycles, range(len(packet) + 1)
    words = _exchange(
        run, _BUS, packet, wanted=wanted, patience=patience, take=word, counted=counted
    )
    _check_exact(design, bus.results(np.array(words, np.uint32)), images)
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
    _reset(run, _LAYERS, "rst", 1)
    if net.configurable_blocks:
        _load(run, AddressMap.of(net).pack(net))
    source, target = net.input, net.output
    words = _words(images.reshape(-1, source.channels), source.type.width)
    wanted, counted = len(images) * target.pixels, range(source.pixels, len(words))

    def bits() -> Bits:
        return run.read_bits(_LAYERS[1].data)[:, 0]

    patience = _PATIENCE * design.latency_cycles
    got = _exchange(
        run, _LAYERS, words, wanted=wanted, patience=patience, take=bits, counted=counted
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


def _reset(run: Run, ends: tuple[_Stream, _Stream], reset: str, active: int) -> None:
    run.drive(ends[1].ready, 1)
    for cycle in range(_RESET_CYCLES + _SETTLING_CYCLES):
        run.drive(reset, active if cycle < _RESET_CYCLES else 1 - active)
        run.settle()
        run.edge(count=False)


def _exchange(
    run: Run,
    ends: tuple[_Stream, _Stream],
    words: Sequence[int],
    *,
    wanted: int,
    patience: int,
    take: Callable[[], T],
    counted: range,
) -> list[T]:
    """Send words without a pause until as many as are wanted have come.

    Args:
        run: The netlist.
        ends: Where words go in, and where they come out.
        words: What is sent.
        wanted: How many come.
        patience: Cycles without a word in or out before it hangs.
        take: Reads the word that comes.
        counted: How many words have been sent in the cycles that count.

    Raises:
        ToolError: It hangs.
    """
    into, out = ends
    got: list[T] = []
    sent, still = 0, 0
    while sent < len(words) or len(got) < wanted:
        offered = sent < len(words)
        run.drive(into.valid, int(offered))
        if offered:
            run.drive(into.data, words[sent])
            if into.last:
                run.drive(into.last, int(sent == len(words) - 1))
        run.settle()
        taken = offered and bool(run.read(into.ready)[0])
        given = bool(run.read(out.valid)[0])
        if given:
            got.append(take())
        run.edge(count=sent in counted)
        sent += taken
        still = 0 if taken or given else still + 1
        if still > patience:
            raise ToolError(
                f"netlist of standard cells: took {sent} of {len(words)} words, gave {len(got)} "
                f"of {wanted}, and then nothing for {patience} cycles"
            )
    run.drive(into.valid, 0)
    return got
