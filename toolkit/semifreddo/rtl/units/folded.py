"""Channels of a weighted layer that share multipliers, accumulators and casts.

Weights are read from a memory. The accumulators start with what is added to the products (bias, and
the half of the rounding), so that behind them bits are only selected. Channels that are computed
one after the other share their accumulator and their cast.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from semifreddo.core.errors import ConfigError
from semifreddo.ir.allowed import MOST_TERMS
from semifreddo.rtl.choices import Multiplier
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Bank, Delay, Fifo, constants, selector
from semifreddo.rtl.components.multiply import Mac
from semifreddo.rtl.components.numbers import Number, place_cast
from semifreddo.rtl.components.packing import Packing
from semifreddo.rtl.components.shifts import Codes, Shifts
from semifreddo.rtl.components.signs import Signs
from semifreddo.rtl.components.verilog import concatenation, part, vector
from semifreddo.rtl.components.windows import Taps
from semifreddo.rtl.units.biases import Biases
from semifreddo.rtl.units.by_group import by_group, registered
from semifreddo.rtl.units.channels import Accumulator, Channel
from semifreddo.rtl.units.engine import Engine
from semifreddo.rtl.units.unit import bank, bank_select, delay, fifo, phase_bits, word_bits


@dataclass(frozen=True, eq=False)
class FoldedEngine(Engine):
    """Channels that are computed one group after the other, their weights read from a memory.

    Attributes:
        rows: Rows of the weights that are multiplied per cycle.
        lanes: Channels that are multiplied at the same time.
        multiplier: What multiplies.
        stored: Whether it reads its windows from a memory, tap by tap.
    """

    prefix: ClassVar[str]
    """Of the names of its signals and instances that do not begin with its own name."""

    suffix: ClassVar[str]
    """Of the names of its casts."""

    constant: ClassVar[bool]
    """Whether the weights are never written."""

    rows: int
    lanes: int
    multiplier: Multiplier
    stored: bool = False

    @property
    @abstractmethod
    def weight_bits(self) -> tuple[int, bool]:
        """Width of the weights as they are kept, and whether they are signed."""

    @cached_property
    def mac(self) -> Mac:
        """Multipliers and accumulators, without the width of the phase."""
        source, (bits, signed) = self.of.source.type, self.weight_bits
        return Mac(
            rows=self.of.weight.rows,
            per_cycle=self.rows,
            channels=len(self.channels),
            lanes=self.lanes,
            shared=not self.of.depthwise,
            x_bits=source.width,
            x_signed=source.signed,
            w_bits=bits,
            w_signed=signed,
            sum_bits=self.sum_bits,
            dsp=self.multiplier in ("dsp", "packed"),
            phase=0,
            constant=self.constant,
            packing=self.packing,
            signs=self.signs,
            shifts=self.shifts,
            given=self.stored,
        )

    @cached_property
    def taps(self) -> Taps | None:
        """The memory from which it can read its windows, a part of a pixel in a cycle.

        None if it takes no such parts, or needs its operands before a memory has answered.
        """
        of, source = self.of, self.of.source
        parts, rest = divmod(source.channels, self.rows)
        whole = parts > 0 and not rest and parts & (parts - 1) == 0
        mac = replace(self.mac, given=True)
        if of.geometry.taps == 1 or of.depthwise or not whole or not mac.reads:
            return None
        return Taps(of.geometry, word_bits(source), parts)

    @property
    @abstractmethod
    def only_signs(self) -> bool:
        """Whether all weights are -1 or 1, also those of a task loaded later."""

    @cached_property
    def signs(self) -> Signs | None:
        """How products with signs are summed up; None if they are not.

        Raises:
            ConfigError: They are to be, and cannot.
        """
        if self.multiplier != "xnor":
            return None
        name, source = self.of.layer.name, self.of.source.type
        if self.of.depthwise or not self.only_signs:
            weights = "weights that are only -1 and 1, quantized to one bit"
            what = "layers that are not depthwise" if self.of.depthwise else weights
            raise ConfigError(
                f'rtl layer {name!r}: multiplier "xnor" is for {what}; use "lut" or "dsp"'
            )
        return Signs(source.width, source.signed, self.lanes, self.rows)

    @property
    @abstractmethod
    def codes(self) -> Codes | None:
        """How its weights are written as sums of powers of two; None if they may be anything."""

    @property
    @abstractmethod
    def coded(self) -> bool:
        """Whether its memory can keep codes."""

    @cached_property
    def shifts(self) -> Shifts | None:
        """How products are summed up that are shifted operands; None if they are not.

        Raises:
            ConfigError: They are to be, and cannot.
        """
        if self.multiplier != "shift":
            return None
        if self.codes is None:
            raise ConfigError(
                f'rtl layer {self.of.layer.name!r}: multiplier "shift" is for weights that are '
                f"sums of at most {MOST_TERMS} powers of two in every task, trained with weights "
                '= "powers_of_two"; use "lut" or "dsp"'
            )
        return Shifts(self.codes, self.coded, self.of.source.type.width, self.rows)

    @cached_property
    def packing(self) -> Packing | None:
        """How products share DSP slices.

        Raises:
            ConfigError: They are to, and cannot.
        """
        if self.multiplier != "packed":
            return None
        name, source = self.of.layer.name, self.of.source.type
        if self.of.depthwise:
            raise ConfigError(
                f"rtl layer {name!r}: packed multipliers share an operand, and in a depthwise "
                'layer each channel has its own; use multiplier = "dsp" or "lut"'
            )
        operand, weights = (source.width, source.signed), self.weight_bits
        found = Packing.best(operand, weights, self.lanes, self.rows)
        if found is None:
            raise ConfigError(
                f"rtl layer {name!r}: no two products of {source.width}-bit values and "
                f"{weights[0]}-bit weights share a DSP slice at {self.lanes} channels at a time; "
                'use multiplier = "dsp" or "lut"'
            )
        return found

    @abstractmethod
    def memory(self) -> Iterator[Component]:
        """What holds the weights."""

    @abstractmethod
    def memory_registers(self) -> Parts:
        """The registers behind the weights."""

    @abstractmethod
    def memory_lines(self) -> list[str]:
        """The signal ``weights``, with the prefix, that the multipliers read."""

    @property
    def cycles(self) -> int:
        return self.mac.cycles

    @property
    def latency(self) -> int:
        return self.mac.latency + 1

    @property
    def line(self) -> str:
        """The signal that says which line of the weights is read."""
        return f"{self.prefix}line"

    @property
    def array(self) -> str:
        """The multipliers in words, and where their operands are."""
        return f"{self._multipliers}, windows in memory" if self.stored else self._multipliers

    @property
    def _multipliers(self) -> str:
        if self.packing:
            return f"{self.rows} x {self.lanes} multipliers, {self.packing.fields} in a DSP slice"
        if self.signs:
            return f"{self.rows} x {self.lanes} multipliers by -1 or 1"
        if self.shifts:
            terms = "sums of two powers" if self.shifts.codes.terms > 1 else "powers"
            return f"{self.rows} x {self.lanes} shifters by {terms} of two"
        return f"{self.rows} x {self.lanes} {self.multiplier} multipliers"

    @cached_property
    def accumulators(self) -> tuple[Accumulator, ...]:
        """What each lane sums up."""
        return self.of.accumulators(self.channels, self.lanes)

    @cached_property
    def sum_bits(self) -> int:
        """Width of the accumulators."""
        return self.of.sum_bits(self.channels, self.lanes)

    def short(self, lane: int) -> int:
        """What the sums of a lane are too small by, which their accumulator starts with."""
        return self.mac.short if self.packing and self.packing.low(lane) else 0

    @cached_property
    def biases(self) -> Biases | None:
        """Where its loadable biases are, if there are any."""
        bias, loaded = self.of.bias, self.of.loadable_bias
        if bias is None or not self.loadable_bias:
            return None
        return Biases(bias, loaded, self.accumulators, list(self.channels) == loaded)

    @cached_property
    def bias_bank(self) -> Bank | None:
        """Its loadable biases, read at once or a few groups of channels at a time."""
        if self.biases is None or not self.biases.words:
            return super().bias_bank
        return self.context.bank(self.biases.block.name, 1, words=self.biases.words)

    def _placed(self, phase: int) -> Mac:
        return replace(self.mac, phase=phase)

    def components(self, phase: int) -> Iterator[Component]:
        yield from self.memory()
        if self.bias_bank:
            yield self.select_delay(self.mac.latency - 3)
            yield self.bias_bank
        yield self._placed(phase)
        yield Delay(1)
        for lane in self.accumulators:
            yield lane.cast

    def rest(self) -> Parts:
        """Registers behind memories, starts and words."""
        parts, mac = self.memory_registers(), self.mac
        loaded, sums = set(self.loadable_bias), self.lanes * self.sum_bits
        if mac.groups > 1:
            if self.biases:
                read = self.lanes * min(self.sum_bits, self.biases.block.bits + 1)
                parts.add("selector_lut", read * selector(self.biases.choices))
            else:
                parts.add("selector_lut", constants(mac.groups, sums))
            # Words are collected in the registers in front of the FIFO, which the layer counts.
            behind = mac.groups * self.lanes - len(self.channels)
            parts.add("word_bit", behind * self.of.target.width)
        if (mac.groups > 1 or loaded) and not mac.takes_sums_in:
            parts.add("word_bit", sums)
        if loaded:
            parts.add("word_bit", sums)
            if any(
                channel.constant or self.short(index)
                for index, lane in enumerate(self.accumulators)
                for channel in lane.channels
                if channel.index in loaded
            ):
                parts.add("start_bit", sums)
        return parts

    # Text ----------------------------------------------------------------------------------------

    def text(self, _name: str, phase: int, fifo_: Fifo) -> list[str]:
        context, mac, lines = self.context, self.mac, self.memory_lines()
        if self.biases and self.bias_bank:
            name, block, unit = f"{self.name}_bias", self.biases.block, "1'b0"
            if self.biases.words:
                top = phase_bits(mac.groups) - 1
                unit = f"{self.prefix}coming_group[{top}:{self.biases.first_bit}]"
            lines += bank_select(name, context, mac.latency - 3)
            lines += bank(name, context, block, self.bias_bank, "1'b0", unit=unit)
        lines += self._declarations()
        lanes = [_Lane(self, index, sums) for index, sums in enumerate(self.accumulators)]
        for lane in lanes:
            lines += lane.initial()
        initials = concatenation([f"{self.prefix}initial_{lane.index}" for lane in lanes])
        lines += [f"assign {self.prefix}initials =\n    {initials};", *self._mac(phase), ""]
        for lane in lanes:
            lines += lane.result()
        return lines + self._word(fifo_)

    def _declarations(self) -> list[str]:
        group, name, pre = vector(phase_bits(self.mac.groups)), self.name, self.prefix
        return [
            f"wire {name}_starts, {name}_done;",
            f"wire {group} {pre}summed_group;  // that is summed up",
            f"wire {group} {pre}following_group, {pre}coming_group;"
            "  // that will be, one and two cycles later",
            f"reg {group} {name}_group;  // whose sums are there",
            f"always @(posedge clk) {name}_group <= {pre}summed_group;",
            f"wire {vector(self.lanes * self.sum_bits)} {pre}initials, {name}_sums;",
            f"wire {vector(self.lanes * self.of.target.width)} {name}_cast;",
        ]

    def _mac(self, phase: int) -> list[str]:
        of, operands, lines, pre = self.of, "window", [], self.prefix
        if of.depthwise:
            operands, width = f"{pre}operands", of.source.type.width
            taps = [
                part("window", tap * of.source.channels + channel, width)
                for tap in range(of.geometry.taps)
                for channel in self.channels
            ]
            bits = vector(len(taps) * width)
            lines = [f"wire {bits} {operands} =\n    {concatenation(taps)};"]
        own = {name: f"{pre}{name}" for name in ("weights", "initials", "line", "unit")}
        ports = {name: name for name in ("clk", "rst", "active", "phase")} | own
        ports |= {
            "operands": operands,
            "starts": f"{self.name}_starts",
            "group": f"{pre}summed_group",
            "following": f"{pre}following_group",
            "coming": f"{pre}coming_group",
            "done": f"{self.name}_done",
            "sums": f"{self.name}_sums",
        }
        return [*lines, place(self._placed(phase), f"{pre}mac", ports)]

    def _word(self, fifo_: Fifo) -> list[str]:
        """The words: of one group, or collected group by group."""
        width, name, held = self.of.target.width, self.name, f"{self.prefix}collected"
        bits, size = len(self.channels) * width, self.lanes * width
        if self.mac.groups == 1:
            lines = [
                f"reg {vector(bits)} {name}_word;",
                f"always @(posedge clk) {name}_word <= {name}_cast;",
            ]
            last = f"{name}_done"
        else:
            top = self.mac.groups * size - 1
            lines = [
                f"reg {vector(top + 1)} {held};",
                "always @(posedge clk)",
                f"    if ({name}_done) {held} <= {{{name}_cast, {held}[{top}:{size}]}};",
                f"wire {vector(bits)} {name}_word = {held}[{bits - 1}:0];",
            ]
            last = f"{name}_done && {name}_group == {self.mac.groups - 1}"
        return [
            *lines,
            *delay(f"{name}_push", 1, last),
            *fifo(name, fifo_, f"{name}_push", "pop"),
        ]


@dataclass(frozen=True)
class _Lane:
    """The accumulator of one channel of every group."""

    engine: FoldedEngine
    index: int
    sums: Accumulator

    def _name(self, what: str) -> str:
        """Of a signal of the lane."""
        return f"{self.engine.prefix}{what}_{self.index}"

    def initial(self) -> list[str]:
        """What the accumulator starts with, and what stays below it; from registers."""
        size, below = self.engine.sum_bits, self.sums.most_up
        channels = self.sums.channels
        if {channel.index for channel in channels} & set(self.engine.of.loadable_bias):
            lines = self._offset(channels)
            name = self._name("offset")
            starts = [f"{name}[{size + channel.up - 1}:{channel.up}]" for channel in channels]
            rests = [f"{name}[{below - 1}:0]"] * len(channels)
        else:
            lines = []
            short = self.engine.short(self.index)
            carried = [channel.carried + short for channel in channels]
            starts = [f"{size}'h{each % (1 << size):x}" for each in carried]
            rests = [f"{below}'d{channel.rest}" for channel in channels]
        following = f"{self.engine.prefix}following_group"
        lines += registered(self._name("initial"), size, starts, following)
        if below:
            # Kept until the sum is there, which may be when the next one starts.
            name = self._name("rest")
            lines += [
                *registered(f"{name}_next", below, rests, following),
                f"reg {vector(below)} {name};",
                f"always @(posedge clk) if ({self.engine.name}_starts) {name} <= {name}_next;",
            ]
        return lines

    def _offset(self, channels: Sequence[Channel]) -> list[str]:
        """``offset``, the sum of a loaded bias and a constant: first read, then added."""
        size, held = self.engine.sum_bits, self.engine.biases
        bank_, pre = f"{self.engine.name}_bias", self.engine.prefix
        assert held is not None
        block, loaded = held.block, held.loaded
        ranges = [(channel.loaded, channel.constant) for channel in channels]
        low = min(min(bias[0], bias[0] + constant) for bias, constant in ranges)
        high = max(max(bias[1], bias[1] + constant) for bias, constant in ranges)
        # Wide enough to be cut into a part for the accumulator and a part below.
        bits = max(Number("", low, high, 0).bits, size + self.sums.most_up)
        lines, biases, constants = [], [], []
        for group, channel in enumerate(channels):
            added = channel.constant + (self.engine.short(self.index) << channel.up)
            constants.append(f"{bits}'h{added % (1 << bits):x}")
            biases.append(f"{bits}'h0")
            if channel.index in loaded:
                place_, shift = (find(self.index, group) for find in (held.place, held.shift))
                value = Number.of(part(bank_, place_, block.bits), block.type).shifted(shift)
                biases[-1] = f"{pre}bias_{place_}_{shift}"
                line = f"wire signed {vector(bits)} {biases[-1]} = {value.text};"
                lines += [] if line in lines else [line]
        bias, constant = self._name("bias_of_lane"), self._name("constant")
        return [
            *lines,
            *registered(bias, bits, biases, f"{pre}coming_group"),
            *by_group(constant, bits, constants, f"{pre}following_group"),
            f"wire {vector(bits)} {self._name('offset')} = {bias} + {constant};",
        ]

    def result(self) -> list[str]:
        """The cast of the accumulator's channel of the present group."""
        cast, name, texts = self.sums.cast, self._name("number"), []
        engine = self.engine.name
        own, width = self.engine.sum_bits, self.engine.of.target.width
        size = max(own + self.sums.most_up, cast.bits)
        total = part(f"{engine}_sums", self.index, own)
        sign = f"{engine}_sums[{(self.index + 1) * own - 1}]"
        for channel in self.sums.channels:
            more = size - own - channel.up
            extended = f"{{{more}{{{sign}}}}}, {total}" if more else total
            rest = f", {self._name('rest')}[{channel.up - 1}:0]" if channel.up else ""
            texts.append(f"{{{extended}{rest}}}")
        result = part(f"{engine}_cast", self.index, width)
        kept = f"{name}[{cast.bits - 1}:0]"
        return [
            *by_group(name, size, texts, f"{engine}_group"),
            place_cast(cast, f"{self._name('cast')}{self.engine.suffix}", kept, result),
        ]
