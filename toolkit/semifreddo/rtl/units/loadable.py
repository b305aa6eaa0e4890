"""The loadable channels of a weighted layer: multipliers, accumulators and casts.

The accumulators start with what is added to the products (bias, and the half of the rounding), so
that behind them bits are only selected. Channels that are computed one after the other share their
accumulator and their cast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.numbers import Number, place_cast
from semifreddo.rtl.components.verilog import concatenation, part, vector
from semifreddo.rtl.units.channels import Accumulator, Channel
from semifreddo.rtl.units.unit import bank, bank_select, delay, fifo, phase_bits
from semifreddo.rtl.units.weighted_plan import Weighted


def loadable_lines(plan: Weighted) -> list[str]:
    """From ``window`` to the words of the loadable channels, ``loadable_out``."""
    of, context = plan.of, plan.context
    lines = bank_select("weights", context, 0)
    lines.append(f"wire {vector(phase_bits(plan.lines))} line;")
    lines.append(f"wire {vector(phase_bits(plan.units))} unit;")
    lines += bank("weights", context, of.weight, plan.weights_bank, "line", unit="unit")
    if of.bias is not None and (biases := plan.bias_bank(of.loadable)):
        lines += bank_select("loadable_bias", context, plan.mac.latency - 3)
        lines += bank("loadable_bias", context, of.bias, biases, "1'b0")
    lines += _declarations(plan)
    lanes = [_Lane(plan, index, sums) for index, sums in enumerate(plan.accumulators)]
    for lane in lanes:
        lines += lane.initial()
    initials = concatenation([f"initial_{lane.index}" for lane in lanes])
    lines += [f"assign initials =\n    {initials};", *_mac(plan), ""]
    for lane in lanes:
        lines += lane.result()
    return lines + _word(plan)


def _declarations(plan: Weighted) -> list[str]:
    group = vector(phase_bits(plan.groups))
    return [
        "wire loadable_starts, loadable_done;",
        f"wire {group} summed_group;  // that is summed up",
        f"wire {group} following_group, coming_group;  // that will be, one and two cycles later",
        f"reg {group} loadable_group;  // whose sums are there",
        "always @(posedge clk) loadable_group <= summed_group;",
        f"wire {vector(plan.lanes * plan.sum_bits)} initials, loadable_sums;",
        f"wire {vector(plan.lanes * plan.of.target.width)} loadable_cast;",
    ]


def _mac(plan: Weighted) -> list[str]:
    of, operands, lines = plan.of, "window", []
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
    return [*lines, place(plan.mac, "mac", ports)]


@dataclass(frozen=True)
class _Lane:
    """The accumulator of one channel of every group."""

    plan: Weighted
    index: int
    sums: Accumulator

    def initial(self) -> list[str]:
        """What the accumulator starts with, and what stays below it; from registers."""
        size, below = self.plan.sum_bits, self.sums.most_up
        channels = self.sums.channels
        if {channel.index for channel in channels} & set(self.plan.of.loadable_bias):
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
        plan, block, loaded = self.plan, self.plan.of.bias, self.plan.of.loadable_bias
        assert block is not None
        ranges = [(channel.loaded, channel.constant) for channel in channels]
        low = min(min(bias[0], bias[0] + constant) for bias, constant in ranges)
        high = max(max(bias[1], bias[1] + constant) for bias, constant in ranges)
        # Wide enough to be cut into a part for the accumulator and a part below.
        bits = max(Number("", low, high, 0).bits, plan.sum_bits + self.sums.most_up)
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
        plan, cast, name, texts = self.plan, self.sums.cast, f"number_{self.index}", []
        size = max(plan.sum_bits + self.sums.most_up, cast.bits)
        total = part("loadable_sums", self.index, plan.sum_bits)
        sign = f"loadable_sums[{(self.index + 1) * plan.sum_bits - 1}]"
        for channel in self.sums.channels:
            more = size - plan.sum_bits - channel.up
            extended = f"{{{more}{{{sign}}}}}, {total}" if more else total
            rest = f", rest_{self.index}[{channel.up - 1}:0]" if channel.up else ""
            texts.append(f"{{{extended}{rest}}}")
        result = part("loadable_cast", self.index, plan.of.target.width)
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


def _word(plan: Weighted) -> list[str]:
    """The words: of one group, or collected group by group."""
    width = plan.of.target.width
    bits, size = len(plan.of.loadable) * width, plan.lanes * width
    if plan.groups == 1:
        lines = [
            f"reg {vector(bits)} loadable_word;",
            "always @(posedge clk) loadable_word <= loadable_cast;",
        ]
        last = "loadable_done"
    else:
        top = plan.groups * size - 1
        lines = [
            f"reg {vector(top + 1)} collected;",
            "always @(posedge clk)",
            f"    if (loadable_done) collected <= {{loadable_cast, collected[{top}:{size}]}};",
            f"wire {vector(bits)} loadable_word = collected[{bits - 1}:0];",
        ]
        last = f"loadable_done && loadable_group == {plan.groups - 1}"
    return [
        *lines,
        *delay("loadable_push", 1, last),
        *fifo("loadable", plan.fifo(plan.of.loadable), "loadable_push", "pop"),
    ]
