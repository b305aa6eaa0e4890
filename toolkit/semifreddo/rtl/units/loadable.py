"""The loadable channels of a weighted layer: multipliers, accumulators and casts.

The accumulators start with what is added to the products (bias, and the half of the rounding), so
that behind them bits are only selected. Channels that are computed one after the other share their
accumulator and their cast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.rtl.choices import Multiplier
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Bank, Delay, Fifo, mux
from semifreddo.rtl.components.multiply import Mac
from semifreddo.rtl.components.numbers import Number, place_cast
from semifreddo.rtl.components.verilog import concatenation, part, vector
from semifreddo.rtl.units.channels import Accumulator, Channel
from semifreddo.rtl.units.engine import Engine
from semifreddo.rtl.units.unit import bank, bank_select, delay, fifo, phase_bits


@dataclass(frozen=True, eq=False)
class LoadableEngine(Engine):
    """The loadable channels.

    Attributes:
        rows: Rows of the weights that are multiplied per cycle.
        lanes: Channels that are multiplied at the same time.
        multiplier: What multiplies.
    """

    name: ClassVar[str] = "loadable"
    rows: int
    lanes: int
    multiplier: Multiplier

    @property
    def channels(self) -> Sequence[int]:
        return self.of.loadable

    @property
    def cycles(self) -> int:
        return self.mac.cycles

    @property
    def latency(self) -> int:
        return self.mac.latency + 1

    @property
    def words(self) -> str:
        return f"{self.rows} x {self.lanes} {self.multiplier} multipliers"

    @property
    def advice(self) -> str:
        return "freeze more of its channels or give its weights fewer bits"

    @cached_property
    def accumulators(self) -> tuple[Accumulator, ...]:
        """What each lane sums up."""
        return self.of.accumulators(self.lanes)

    @cached_property
    def sum_bits(self) -> int:
        """Width of the accumulators."""
        return self.of.sum_bits(self.lanes)

    @cached_property
    def mac(self) -> Mac:
        """Multipliers and accumulators, without the width of the phase."""
        source, weight = self.of.source.type, self.of.weight
        return Mac(
            rows=weight.rows,
            per_cycle=self.rows,
            channels=len(self.channels),
            lanes=self.lanes,
            shared=not self.of.depthwise,
            x_bits=source.width,
            x_signed=source.signed,
            w_bits=weight.bits,
            w_signed=weight.signed,
            sum_bits=self.sum_bits,
            dsp=self.multiplier == "dsp",
            phase=0,
        )

    def _placed(self, phase: int) -> Mac:
        return replace(self.mac, phase=phase)

    @cached_property
    def weights_bank(self) -> Bank:
        """The weights."""
        weight = self.of.weight
        channels = min(self.mac.per_unit * self.lanes, len(self.channels))
        words = -(-channels * weight.bits // WORD_BITS)
        return self.context.bank(weight.name, self.rows, words, registered=True)

    def components(self, phase: int) -> Iterator[Component]:
        yield self.select_delay(0)
        yield self.weights_bank
        if self.bias_bank:
            yield self.select_delay(self.mac.latency - 3)
            yield self.bias_bank
        yield self._placed(phase)
        yield Delay(1)
        for lane in self.accumulators:
            yield lane.cast

    def rest(self) -> Parts:
        """Registers behind memories, starts and words."""
        parts, mac, bank_ = Parts(), self.mac, self.weights_bank
        if mac.reads:
            held = (mac.reads - 1) * bank_.per_line * bank_.read_bits
            parts.add("factor_bit", bank_.register_bits + held)
        else:
            # What is read are the factors, counted with the products.
            parts.add(mac.factor_kind, bank_.register_bits - bank_.per_line * bank_.read_bits)
        loaded, sums = set(self.loadable_bias), self.lanes * self.sum_bits
        if mac.groups > 1:
            parts.add("mux_bit", sums * mux(mac.groups))
            parts.add("word_bit", (mac.groups - 1) * self.lanes * self.of.target.width)
        if (mac.groups > 1 or loaded) and not mac.takes_sums_in:
            parts.add("word_bit", sums)
        if loaded:
            parts.add("word_bit", sums)
            if any(
                channel.constant
                for lane in self.accumulators
                for channel in lane.channels
                if channel.index in loaded
            ):
                parts.add("start_bit", sums)
        return parts

    # Text ----------------------------------------------------------------------------------------

    def text(self, _name: str, phase: int, fifo_: Fifo) -> list[str]:
        of, context, mac = self.of, self.context, self.mac
        lines = ["// Loadable channels: multipliers.", *bank_select("weights", context, 0)]
        lines.append(f"wire {vector(phase_bits(mac.lines))} line;")
        lines.append(f"wire {vector(phase_bits(mac.units))} unit;")
        lines += bank("weights", context, of.weight, self.weights_bank, "line", unit="unit")
        if of.bias is not None and self.bias_bank:
            lines += bank_select("loadable_bias", context, mac.latency - 3)
            lines += bank("loadable_bias", context, of.bias, self.bias_bank, "1'b0")
        lines += self._declarations()
        lanes = [_Lane(self, index, sums) for index, sums in enumerate(self.accumulators)]
        for lane in lanes:
            lines += lane.initial()
        initials = concatenation([f"initial_{lane.index}" for lane in lanes])
        lines += [f"assign initials =\n    {initials};", *self._mac(phase), ""]
        for lane in lanes:
            lines += lane.result()
        return lines + self._word(fifo_)

    def _declarations(self) -> list[str]:
        group = vector(phase_bits(self.mac.groups))
        return [
            "wire loadable_starts, loadable_done;",
            f"wire {group} summed_group;  // that is summed up",
            f"wire {group} following_group, coming_group;"
            "  // that will be, one and two cycles later",
            f"reg {group} loadable_group;  // whose sums are there",
            "always @(posedge clk) loadable_group <= summed_group;",
            f"wire {vector(self.lanes * self.sum_bits)} initials, loadable_sums;",
            f"wire {vector(self.lanes * self.of.target.width)} loadable_cast;",
        ]

    def _mac(self, phase: int) -> list[str]:
        of, operands, lines = self.of, "window", []
        if of.depthwise:
            operands, width = "operands", of.source.type.width
            taps = [
                part("window", tap * of.source.channels + channel, width)
                for tap in range(of.geometry.taps)
                for channel in of.loadable
            ]
            bits = vector(len(taps) * width)
            lines = [f"wire {bits} operands =\n    {concatenation(taps)};"]
        names = ("clk", "rst", "active", "phase", "weights", "initials", "line", "unit")
        ports = {name: name for name in names} | {
            "operands": operands,
            "starts": "loadable_starts",
            "group": "summed_group",
            "following": "following_group",
            "coming": "coming_group",
            "done": "loadable_done",
            "sums": "loadable_sums",
        }
        return [*lines, place(self._placed(phase), "mac", ports)]

    def _word(self, fifo_: Fifo) -> list[str]:
        """The words: of one group, or collected group by group."""
        width = self.of.target.width
        bits, size = len(self.channels) * width, self.lanes * width
        if self.mac.groups == 1:
            lines = [
                f"reg {vector(bits)} loadable_word;",
                "always @(posedge clk) loadable_word <= loadable_cast;",
            ]
            last = "loadable_done"
        else:
            top = self.mac.groups * size - 1
            lines = [
                f"reg {vector(top + 1)} collected;",
                "always @(posedge clk)",
                f"    if (loadable_done) collected <= {{loadable_cast, collected[{top}:{size}]}};",
                f"wire {vector(bits)} loadable_word = collected[{bits - 1}:0];",
            ]
            last = f"loadable_done && loadable_group == {self.mac.groups - 1}"
        return [
            *lines,
            *delay("loadable_push", 1, last),
            *fifo("loadable", fifo_, "loadable_push", "pop"),
        ]


@dataclass(frozen=True)
class _Lane:
    """The accumulator of one channel of every group."""

    engine: LoadableEngine
    index: int
    sums: Accumulator

    def initial(self) -> list[str]:
        """What the accumulator starts with, and what stays below it; from registers."""
        size, below = self.engine.sum_bits, self.sums.most_up
        channels = self.sums.channels
        if {channel.index for channel in channels} & set(self.engine.of.loadable_bias):
            lines = self._offset(channels)
            name = f"offset_{self.index}"
            starts = [f"{name}[{size + channel.up - 1}:{channel.up}]" for channel in channels]
            rests = [f"{name}[{below - 1}:0]"] * len(channels)
        else:
            lines = []
            starts = [f"{size}'h{channel.carried % (1 << size):x}" for channel in channels]
            rests = [f"{below}'d{channel.rest}" for channel in channels]
        lines += _registered(f"initial_{self.index}", size, starts, "following_group")
        if below:
            # Kept until the sum is there, which may be when the next one starts.
            name = f"rest_{self.index}"
            lines += [
                *_registered(f"{name}_next", below, rests, "following_group"),
                f"reg {vector(below)} {name};",
                f"always @(posedge clk) if (loadable_starts) {name} <= {name}_next;",
            ]
        return lines

    def _offset(self, channels: Sequence[Channel]) -> list[str]:
        """``offset``, the sum of a loaded bias and a constant: first read, then added."""
        of, size = self.engine.of, self.engine.sum_bits
        block, loaded = of.bias, of.loadable_bias
        assert block is not None
        ranges = [(channel.loaded, channel.constant) for channel in channels]
        low = min(min(bias[0], bias[0] + constant) for bias, constant in ranges)
        high = max(max(bias[1], bias[1] + constant) for bias, constant in ranges)
        # Wide enough to be cut into a part for the accumulator and a part below.
        bits = max(Number("", low, high, 0).bits, size + self.sums.most_up)
        lines, biases, constants = [], [], []
        for channel in channels:
            constants.append(f"{bits}'h{channel.constant % (1 << bits):x}")
            biases.append(f"{bits}'h0")
            if channel.index in loaded:
                signal = part("loadable_bias", loaded.index(channel.index), block.bits)
                value = Number.of(signal, block.type)
                value = value.shifted(channel.frac - block.frac[channel.index])
                biases[-1] = f"bias_{channel.index}"
                line = f"wire signed {vector(bits)} {biases[-1]} = {value.text};"
                lines += [] if line in lines else [line]
        lane = self.index
        return [
            *lines,
            *_registered(f"bias_of_lane_{lane}", bits, biases, "coming_group"),
            *_by_group(f"constant_{lane}", bits, constants, "following_group"),
            f"wire {vector(bits)} offset_{lane} = bias_of_lane_{lane} + constant_{lane};",
        ]

    def result(self) -> list[str]:
        """The cast of the accumulator's channel of the present group."""
        cast, name, texts = self.sums.cast, f"number_{self.index}", []
        own, width = self.engine.sum_bits, self.engine.of.target.width
        size = max(own + self.sums.most_up, cast.bits)
        total = part("loadable_sums", self.index, own)
        sign = f"loadable_sums[{(self.index + 1) * own - 1}]"
        for channel in self.sums.channels:
            more = size - own - channel.up
            extended = f"{{{more}{{{sign}}}}}, {total}" if more else total
            rest = f", rest_{self.index}[{channel.up - 1}:0]" if channel.up else ""
            texts.append(f"{{{extended}{rest}}}")
        result = part("loadable_cast", self.index, width)
        kept = f"{name}[{cast.bits - 1}:0]"
        return [
            *_by_group(name, size, texts, "loadable_group"),
            place_cast(cast, f"cast_{self.index}_loaded", kept, result),
        ]


def _by_group(name: str, bits: int, texts: Sequence[str], index: str) -> list[str]:
    """``name`` is the text of a group; the same for all groups, or selected by ``index``."""
    if len(set(texts)) == 1:
        return [f"wire {vector(bits)} {name} = {texts[0]};"]
    return [
        f"wire {vector(bits * len(texts))} {name}_all =\n    {concatenation(list(texts))};",
        f"wire {vector(bits)} {name} = {name}_all[{index}*{bits}+:{bits}];",
    ]


def _registered(name: str, bits: int, texts: Sequence[str], index: str) -> list[str]:
    """As :func:`_by_group`, a cycle later; a constant for all groups is a wire."""
    if len(set(texts)) == 1 and "'" in texts[0]:
        return _by_group(name, bits, texts, index)
    return [
        *_by_group(f"{name}_now", bits, texts, index),
        f"reg {vector(bits)} {name};",
        f"always @(posedge clk) {name} <= {name}_now;",
    ]
