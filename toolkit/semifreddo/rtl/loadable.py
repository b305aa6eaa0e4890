"""The loadable channels of a weighted layer: multipliers, accumulators and casts.

The accumulators start with what is added to the products (bias, and the half of the rounding), so
that behind them bits are only selected. Channels that are computed one after the other share their
accumulator and their cast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semifreddo.rtl.components.numbers import Number, cast
from semifreddo.rtl.components.verilog import concatenation, instance, part, vector
from semifreddo.rtl.unit import Context, bank, bank_select, delay, fifo, phase_bits
from semifreddo.rtl.weighted_plan import Channel, Weighted


def loadable_lines(context: Context, plan: Weighted) -> list[str]:
    """From ``window`` to the words of the loadable channels, ``loadable_out``."""
    lines = bank_select("weights", context, 0)
    lines.append(f"wire {vector(phase_bits(plan.lines))} line;")
    lines.append(f"wire {vector(phase_bits(plan.units))} unit;")
    unit = ("unit", plan.unit_words)
    lines += bank("weights", context, plan.weight, plan.choice.rows_per_cycle, "line", unit=unit)
    if set(plan.loadable) & set(plan.loadable_bias):
        assert plan.bias is not None
        lines += bank_select("loadable_bias", context, plan.mac_latency - 3)
        lines += bank("loadable_bias", context, plan.bias, 1, "1'b0")
    lines += _declarations(plan)
    lanes = [_Lane(plan, index) for index in range(plan.lanes)]
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
        f"wire {vector(plan.lanes * plan.target.width)} loadable_cast;",
    ]


def _mac(plan: Weighted) -> list[str]:
    kind = plan.source.type
    operands, lines = "window", []
    if plan.depthwise:
        operands = "operands"
        taps = [
            part("window", tap * plan.source.channels + channel, kind.width)
            for tap in range(plan.geometry.taps)
            for channel in plan.loadable
        ]
        bits = vector(len(taps) * kind.width)
        lines = [f"wire {bits} operands =\n    {concatenation(taps)};"]
    parameters: dict[str, int | str] = {
        "ROWS": plan.weight.rows,
        "PER_CYCLE": plan.choice.rows_per_cycle,
        "CHANNELS": len(plan.loadable),
        "LANES": plan.lanes,
        "PER_UNIT": plan.groups_per_unit,
        "SHARED": int(not plan.depthwise),
        "X_BITS": kind.width,
        "X_SIGNED": int(kind.signed),
        "W_BITS": plan.weight.bits,
        "W_SIGNED": int(plan.weight.signed),
        "SUM_BITS": plan.sum_bits,
        "DSP": int(plan.choice.multiplier == "dsp"),
        "DEEP": int(plan.deep),
        "PHASE": phase_bits(plan.cycles),
    }
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
    return [*lines, instance("sf_mac", "mac", parameters, ports)]


@dataclass(frozen=True)
class _Lane:
    """The accumulator of one channel of every group."""

    plan: Weighted
    index: int

    @property
    def channels(self) -> list[int]:
        """Group by group; a last group that is not full repeats a channel that nobody reads."""
        found = self.plan.lane(self.index)
        return found + found[-1:] * (self.plan.groups - len(found))

    @property
    def most_up(self) -> int:
        """Bits of the number below the accumulator."""
        return max(self.plan.channel(channel).up for channel in self.channels)

    def initial(self) -> list[str]:
        """What the accumulator starts with, and what stays below it; from registers."""
        size, below = self.plan.sum_bits, self.most_up
        channels = [self.plan.channel(index) for index in self.channels]
        if set(self.channels) & set(self.plan.loadable_bias):
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
        plan = self.plan
        assert plan.bias is not None
        ranges = [(plan.bias_range(channel.index), channel.constant) for channel in channels]
        low = min(min(bias[0], bias[0] + constant) for bias, constant in ranges)
        high = max(max(bias[1], bias[1] + constant) for bias, constant in ranges)
        # Wide enough to be cut into a part for the accumulator and a part below.
        bits = max(Number("", low, high, 0).bits, plan.sum_bits + self.most_up)
        lines, biases, constants = [], [], []
        for channel in channels:
            constants.append(f"{bits}'h{channel.constant % (1 << bits):x}")
            biases.append(f"{bits}'h0")
            if channel.index in plan.loadable_bias:
                place = plan.loadable_bias.index(channel.index)
                value = Number.of(part("loadable_bias", place, plan.bias.bits), plan.bias.type)
                value = value.shifted(channel.frac - plan.bias.frac[channel.index])
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
        plan, name = self.plan, f"number_{self.index}"
        low, high, texts = [], [], []
        channels = [plan.channel(channel) for channel in self.channels]
        for channel in channels:
            bias = plan.bias_range(channel.index)
            low.append((channel.low << channel.up) + channel.constant + bias[0])
            high.append((channel.high << channel.up) + channel.constant + bias[1])
        number = Number(f"$signed({name})", min(low), max(high), channels[0].frac)
        size = max(plan.sum_bits + self.most_up, number.bits)
        total = part("loadable_sums", self.index, plan.sum_bits)
        sign = f"loadable_sums[{(self.index + 1) * plan.sum_bits - 1}]"
        for channel in channels:
            more = size - plan.sum_bits - channel.up
            extended = f"{{{more}{{{sign}}}}}, {total}" if more else total
            rest = f", rest_{self.index}[{channel.up - 1}:0]" if channel.up else ""
            texts.append(f"{{{extended}{rest}}}")
        place = part("loadable_cast", self.index, plan.target.width)
        kept = Number(f"{name}[{number.bits - 1}:0]", number.low, number.high, number.frac)
        return [
            *_by_group(name, size, texts, "loadable_group"),
            cast(f"cast_{self.index}_loaded", kept, plan.target, place, added=True),
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
    width = plan.target.width
    bits, size = len(plan.loadable) * width, plan.lanes * width
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
        *fifo("loadable", bits, plan.depth, "loadable_push", "pop"),
    ]
