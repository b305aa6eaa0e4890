"""Convolutions and linear layers: frozen channels, loadable channels, or both side by side.

Cycles follow from the exact bounds of every channel's sum, not from its adder graph, so that a
scheduler can compute them thousands of times per second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.adders.size import GraphSize, graph_size
from semifreddo.rtl.choices import DEFAULT, Choice, Multiplier, Override
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.multiply import wide_enough
from semifreddo.rtl.components.packing import Packing
from semifreddo.rtl.components.streams import Issue, Swap
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.channels import WeightedLayer
from semifreddo.rtl.units.engine import Engine
from semifreddo.rtl.units.frozen import FrozenEngine
from semifreddo.rtl.units.loadable import LoadableEngine
from semifreddo.rtl.units.plan import (
    Hardware,
    Option,
    UnitPlan,
    counted,
    least_steps,
    undominated,
)
from semifreddo.rtl.units.rom import RomEngine
from semifreddo.rtl.units.unit import (
    Context,
    Unit,
    depth_for,
    issue,
    phase_bits,
    ports,
    swap,
    window_parameters,
    word_bits,
)


class _Weights(NamedTuple):
    """What is known of all weights that are multiplied, now and after a task was loaded.

    Attributes:
        bits: Of each.
        signed: Whether they are two's complement.
        signs: Whether each is -1 or 1.
        powers: Whether each is the sum of a few powers of two.
    """

    bits: int
    signed: bool
    signs: bool
    powers: bool


@dataclass(frozen=True, eq=False)
class WeightedPlan(UnitPlan):
    """A weighted layer with its choice.

    Attributes:
        hardware: What holds for every choice.
        frozen: What computes the frozen channels, if there are any.
        loadable: What computes the loadable channels, if there are any.
    """

    layer: Conv | Linear
    hardware: WeightedHardware
    frozen: FrozenEngine | RomEngine | None
    loadable: LoadableEngine | None

    @property
    def of(self) -> WeightedLayer:
        """The layer."""
        return self.hardware.of

    @cached_property
    def engines(self) -> list[Engine]:
        """What computes the channels."""
        return [engine for engine in (self.frozen, self.loadable) if engine is not None]

    @cached_property
    def word_cycles(self) -> int:
        """Cycles per word: those of the slower engine."""
        return max(1, *(engine.cycles for engine in self.engines))

    @cached_property
    def latency(self) -> int:
        """Cycles from a word's last phase to the word in the FIFO; the slower engine counts."""
        ends = (engine.latency - (self.word_cycles - engine.cycles) for engine in self.engines)
        return max(1, *ends)

    @cached_property
    def depth(self) -> int:
        """Words of the output FIFOs."""
        return depth_for(self.word_cycles, self.latency)

    @property
    def figures(self) -> Figures:
        geometry = self.of.geometry
        latency = self.word_cycles - 1 + self.latency + geometry.lead + 1
        return Figures(latency, self.word_cycles, geometry, self.depth)

    @property
    def cycles(self) -> int:
        geometry = self.of.geometry
        idle = 0 if geometry.trivial else geometry.ticks - geometry.windows
        return geometry.windows * self.word_cycles + idle

    # What it is made of --------------------------------------------------------------------------

    @property
    def issue(self) -> Issue:
        """The issuer."""
        return Issue(self.word_cycles, self.depth)

    def fifo(self, engine: Engine) -> Fifo:
        """Behind the words of an engine."""
        return self.hardware.fifo(engine.channels, self.depth)

    def components(self) -> Iterator[Component]:
        yield self.issue
        yield from self.hardware.components()
        for engine in self.engines:
            yield from engine.components(phase_bits(self.word_cycles))
            yield self.fifo(engine)

    def rest(self) -> Parts:
        parts = self.hardware.rest()
        for engine in self.engines:
            parts.add_all(engine.rest())
        return parts

    @cached_property
    def area(self) -> Area:
        """The sum of areas that are kept: of engines, and of what surrounds them."""
        found = self.hardware.around(self.depth)
        for engine in self.engines:
            found = found + engine.area
        return found.rounded()

    # Words ---------------------------------------------------------------------------------------

    @property
    def words(self) -> str:
        return "; ".join(engine.words for engine in self.engines)

    @property
    def limit(self) -> str:
        return "all its sums are computed at once already"

    def advice(self, resource: str) -> str:
        if resource == "dsp":
            return 'let it multiply with multiplier = "lut"'
        rest = self.area.lut - sum(engine.area.lut for engine in self.engines)
        largest = max(self.engines, key=lambda engine: engine.area.lut)
        if largest.area.lut < rest:
            return "give its inputs and outputs fewer bits or channels"
        return largest.advice

    # Text ----------------------------------------------------------------------------------------

    def unit(self) -> Unit:
        of, layer, context = self.of, self.layer, self.context
        name, phase = context.names[layer.name], phase_bits(self.word_cycles)
        body = window_lines(self.hardware.window, of.geometry.taps * word_bits(of.source))
        body += ["", f"// Cycles per window: {self.word_cycles}."]
        body += issue(self.issue, "window_valid", "window_ready")
        if self.hardware.swap:
            body += ["", *swap(context, self.hardware.swap, "window_valid && window_ready")]
        files = []
        for engine in self.engines:
            body += ["", *engine.text(name, phase, self.fifo(engine))]
            files += engine.files(name, phase)
        body += ["", *self._merge()]
        kind = "Depthwise convolution" if of.depthwise else layer.kind
        comment = (
            f"{kind} {layer.name}: {len(of.frozen)} frozen and {len(of.loadable)} loadable "
            f"channels,\n{self.word_cycles} cycles per word, {of.source.type} to "
            f"{layer.output.type}."
        )
        declared = ports(layer, context.net, of.has_banks)
        text = module(name, comment, declared, body, window_parameters(of.geometry))
        return self.made(name, ((name, text), *files), loadable=of.has_banks)

    def _merge(self) -> list[str]:
        valid = " && ".join(f"{engine.name}_there" for engine in self.engines)
        width = self.of.target.width
        words = [""] * self.of.weight.outputs
        for engine in self.engines:
            for index, channel in enumerate(engine.channels):
                words[channel] = part(f"{engine.name}_out", index, width)
        one = len(self.engines) == 1
        data = f"{self.engines[0].name}_out" if one else f"\n    {concatenation(words)}"
        return [f"assign out_valid = {valid};", f"assign out_data = {data};"]


def window_lines(former: Window | None, bits: int) -> list[str]:
    """``in`` to ``window``, which has so many bits, with its handshake; wires without a former."""
    lines = ["wire window_valid;", "wire window_ready;", f"wire {vector(bits)} window;"]
    if former is None:
        return [
            *lines,
            "assign window_valid = in_valid;",
            "assign in_ready = window_ready;",
            "assign window = in_data;",
        ]
    names = ("clk", "rst", "in_valid", "in_ready", "in_data")
    outs = {"out_valid": "window_valid", "out_ready": "window_ready", "out_data": "window"}
    return [*lines, place(former, "former", {name: name for name in names} | outs)]


@dataclass(frozen=True, eq=False)
class WeightedHardware(Hardware):
    """A weighted layer. Its engines are chosen independently, and each is made once."""

    layer: Conv | Linear

    @cached_property
    def of(self) -> WeightedLayer:
        """Its channels."""
        return WeightedLayer(self.context.net, self.layer)

    @cached_property
    def size(self) -> GraphSize:
        """Predicted size of the frozen channels' adder graph."""
        return graph_size(self.of.weight, self.of.source.type, depthwise=self.of.depthwise)

    # What no choice changes ----------------------------------------------------------------------

    @cached_property
    def window(self) -> Window | None:
        """The window former, if a window is more than a pixel."""
        geometry = self.of.geometry
        return None if geometry.trivial else Window(geometry, word_bits(self.of.source))

    @cached_property
    def swap(self) -> Swap | None:
        """The bank selector, if anything can be loaded."""
        operands = self.of.geometry.windows
        return Swap(operands, self.context.passes) if self.of.has_banks else None

    def components(self) -> Iterator[Component]:
        """What serves both engines, whatever is chosen."""
        if self.window:
            yield self.window
        if self.swap:
            yield self.swap

    def rest(self) -> Parts:
        """The words in front of the FIFOs."""
        return Parts.of("word_bit", self.of.weight.outputs * self.of.target.width)

    def fifo(self, channels: Sequence[int], depth: int) -> Fifo:
        """Behind the words of some channels."""
        return Fifo(len(channels) * self.of.target.width, depth, credited=True)

    def around(self, depth: int) -> Area:
        """What surrounds the engines: all but these, with FIFOs of so many words."""
        if depth not in self._around:
            engines = [found for found in (self.of.frozen, self.of.loadable) if found]
            fifos = [self.fifo(channels, depth) for channels in engines]
            parts = counted([Issue(1, depth), *self.components(), *fifos])
            parts.add_all(self.rest())
            self._around[depth] = parts.area()
        return self._around[depth]

    @cached_property
    def _around(self) -> dict[int, Area]:
        return {}

    # Choices -------------------------------------------------------------------------------------

    def frozen(self, choice: Choice) -> FrozenEngine | RomEngine | None:
        """What computes the frozen channels, its adders predicted."""
        if not self.of.frozen:
            return None
        if choice.frozen == "rom":
            lanes = choice.rom_channels_per_cycle or len(self.of.frozen)
            key = choice.rom_rows_per_cycle, lanes, choice.rom_multiplier
            if key not in self._roms:
                self._roms[key] = RomEngine(self.of, self.context, *key)
            return self._roms[key]
        digit = choice.digit_bits
        if digit not in self._frozen:
            made = FrozenEngine.predicted(self.of, self.context, digit, self.size)
            self._frozen[digit] = made
        return self._frozen[digit]

    @cached_property
    def _frozen(self) -> dict[int, FrozenEngine]:
        return {}

    @cached_property
    def _roms(self) -> dict[tuple[int, int, Multiplier], RomEngine]:
        return {}

    def loadable(self, choice: Choice) -> LoadableEngine | None:
        """What computes the loadable channels."""
        lanes = choice.channels_per_cycle or len(self.of.loadable)
        key = choice.rows_per_cycle, lanes, choice.multiplier
        if self.of.loadable and key not in self._loadable:
            self._loadable[key] = LoadableEngine(self.of, self.context, *key)
        return self._loadable.get(key)

    @cached_property
    def _loadable(self) -> dict[tuple[int, int, Multiplier], LoadableEngine]:
        return {}

    def make(self, choice: Choice, *, solve: bool) -> WeightedPlan:
        frozen = self.frozen(choice)
        if isinstance(frozen, FrozenEngine) and solve:
            frozen = FrozenEngine.solved(self.of, self.context, choice.digit_bits)
        loadable = self.loadable(choice)
        return WeightedPlan(self.context, self.layer, choice, self, frozen, loadable)

    def choices(self, fixed: Override, multipliers: Collection[Multiplier]) -> Sequence[Choice]:
        kinds = [*self._digits(fixed), *self._roms_of(fixed, multipliers)]
        frozen = self._best((choice, self.frozen(choice)) for choice in kinds)
        arrays = self._arrays(fixed, multipliers)
        loadable = self._best((choice, self.loadable(choice)) for choice in arrays)
        return [
            replace(
                one.choice,
                rows_per_cycle=other.choice.rows_per_cycle,
                channels_per_cycle=other.choice.channels_per_cycle,
                multiplier=other.choice.multiplier,
            )
            for one in frozen
            for other in loadable
        ]

    @staticmethod
    def _best(engines: Iterator[tuple[Choice, Engine | None]]) -> tuple[Option, ...]:
        """The choices of an engine that no other beats."""
        return undominated(
            Option(choice, engine.cycles, engine.area) if engine else Option(choice, 1, Area())
            for choice, engine in engines
        )

    def _digits(self, fixed: Override) -> list[Choice]:
        """One digit width for every number of cycles, all bits at once included."""
        if not fixed.may_be("adders"):
            return []
        if fixed.digit_bits is not None:
            return [Choice(digit_bits=fixed.digit_bits)]
        if not self.of.frozen:
            return [DEFAULT]
        widest = self.of.widest
        return [Choice(digit_bits=digit) for digit in (0, *least_steps(widest)) if digit < widest]

    def _roms_of(self, fixed: Override, multipliers: Collection[Multiplier]) -> list[Choice]:
        """Arrays of multipliers with weights from a ROM; constants that never change are adders."""
        if not fixed.may_be("rom"):
            return []
        if not self.of.frozen:
            return [] if fixed.may_be("adders") else [fixed.applied(DEFAULT)]
        asked = not fixed.may_be("adders")
        return [
            Choice(
                frozen="rom",
                rom_rows_per_cycle=rows,
                rom_channels_per_cycle=channels,
                rom_multiplier=kind,
            )
            for rows, channels, kind in self._multipliers(
                len(self.of.frozen),
                _Weights(
                    *self.of.frozen_bits,
                    self.of.frozen_signs,
                    self.of.frozen_codes is not None,
                ),
                fixed.rom_rows_per_cycle,
                fixed.rom_channels_per_cycle,
                [fixed.rom_multiplier] if fixed.rom_multiplier else multipliers,
            )
            if asked or rows < self.of.weight.rows or channels
        ]

    def _arrays(self, fixed: Override, multipliers: Collection[Multiplier]) -> list[Choice]:
        """Arrays of multipliers with loadable weights."""
        of, count = self.of, len(self.of.loadable)
        if not count:
            return [fixed.applied(DEFAULT)]
        found = self._multipliers(
            count,
            _Weights(
                of.weight.bits, of.weight.signed, of.weight.signs, of.loadable_codes is not None
            ),
            fixed.rows_per_cycle,
            fixed.channels_per_cycle,
            [fixed.multiplier] if fixed.multiplier else multipliers,
        )
        return [Choice(rows, channels, multiplier=kind) for rows, channels, kind in found]

    def _multipliers(
        self,
        count: int,
        weights: _Weights,
        row_: int | None,
        channel_: int | None,
        multipliers: Collection[Multiplier],
    ) -> list[tuple[int, int, Multiplier]]:
        """Rows and channels at a time, and what multiplies, for so many channels and bits.

        Args:
            count: Channels.
            weights: What is known of all of them.
            row_: Rows that are fixed.
            channel_: Channels at a time that are fixed.
            multipliers: What may multiply: a single one does, or says why it cannot; LUTs where
                none of several can.
        """
        rows = [row_] if row_ else least_steps(self.of.weight.rows)
        channels = (
            [channel_] if channel_ is not None else [each % count for each in least_steps(count)]
        )
        found = [
            (row, channel, kind)
            for kind in multipliers
            for channel in channels
            if len(multipliers) == 1 or self._offers(kind, weights, channel or count)
            for row in rows
        ]
        return found or [(row, channel, "lut") for channel in channels for row in rows]

    def _offers(self, kind: Multiplier, weights: _Weights, lanes: int) -> bool:
        """Whether a kind of multiplier makes sense for weights of ``lanes`` channels at a time."""
        source = self.of.source.type
        if kind == "dsp":
            return wide_enough(source.width, weights.bits)
        if kind == "xnor":
            return weights.signs and not self.of.depthwise
        if kind == "shift":
            return weights.powers
        operand, weight = (source.width, source.signed), (weights.bits, weights.signed)
        packs = not self.of.depthwise and Packing.best(operand, weight, lanes, 1) is not None
        return kind == "lut" or packs


def weighted_hardware(layer: Conv | Linear, context: Context) -> WeightedHardware:
    """A conv or linear layer."""
    return WeightedHardware(context, layer)
