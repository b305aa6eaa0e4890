"""Convolutions and linear layers: frozen channels, loadable channels, or both side by side.

Cycles follow from the exact bounds of every channel's sum, not from its adder graph, so that a
scheduler can compute them thousands of times per second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias

from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.adders.size import GraphSize, graph_size
from semifreddo.rtl.choices import DEFAULT, Choice, Multiplier, Override, WindowKind
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.multiply import wide_enough
from semifreddo.rtl.components.packing import Packing
from semifreddo.rtl.components.streams import Issue, Swap
from semifreddo.rtl.components.verilog import concatenation, module, part
from semifreddo.rtl.components.windows import Taps, Window
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.channels import WeightedLayer
from semifreddo.rtl.units.engine import Engine
from semifreddo.rtl.units.folded import FoldedEngine
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
    word_bits,
)
from semifreddo.rtl.units.windows import taps_lines, window_lines, window_parameters, window_wires

_Array: TypeAlias = tuple[int, int, Multiplier, bool]
"""Rows and lanes of an array of multipliers, what multiplies, and whether it reads a memory."""


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
    def window(self) -> Window | Taps | None:
        """What has the windows, if they are more than a pixel."""
        return self.hardware.window(self.engines)

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
        yield from self.hardware.components(self.window)
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
        found = self.hardware.around(self.depth, self.window)
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
        if isinstance(self.window, Taps):
            body = window_wires(self.window.part_bits)
        else:
            body = window_wires(of.geometry.taps * word_bits(of.source))
            body += window_lines(self.window)
        body += ["", f"// Cycles per window: {self.word_cycles}."]
        body += issue(self.issue, "window_valid", "window_ready")
        if self.hardware.swap:
            body += ["", *swap(context, self.hardware.swap, "window_valid && window_ready")]
        files = []
        for engine in self.engines:
            body += ["", *engine.text(name, phase, self.fifo(engine))]
            files += engine.files(name, phase)
            if isinstance(self.window, Taps) and isinstance(engine, FoldedEngine):
                body += ["", *taps_lines(self.window, engine.line)]
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

    def window(self, engines: Sequence[Engine]) -> Window | Taps | None:
        """What has the windows of the layer's engines, if they are more than a pixel."""
        geometry = self.of.geometry
        for engine in engines:
            if isinstance(engine, FoldedEngine) and engine.stored:
                return engine.taps
        return None if geometry.trivial else Window(geometry, word_bits(self.of.source))

    @cached_property
    def swap(self) -> Swap | None:
        """The bank selector, if anything can be loaded."""
        operands = self.of.geometry.windows
        return Swap(operands, self.context.passes) if self.of.has_banks else None

    def components(self, window: Window | Taps | None) -> Iterator[Component]:
        """What serves both engines: what has the windows, and what no choice changes."""
        if window:
            yield window
        if self.swap:
            yield self.swap

    def rest(self) -> Parts:
        """The words in front of the FIFOs."""
        return Parts.of("word_bit", self.of.weight.outputs * self.of.target.width)

    def fifo(self, channels: Sequence[int], depth: int) -> Fifo:
        """Behind the words of some channels."""
        return Fifo(len(channels) * self.of.target.width, depth, credited=True)

    def around(self, depth: int, window: Window | Taps | None) -> Area:
        """What surrounds the engines: all but these, with FIFOs of so many words."""
        key = depth, window
        if key not in self._around:
            engines = [found for found in (self.of.frozen, self.of.loadable) if found]
            fifos = [self.fifo(channels, depth) for channels in engines]
            parts = counted([Issue(1, depth), *self.components(window), *fifos])
            parts.add_all(self.rest())
            self._around[key] = parts.area()
        return self._around[key]

    @cached_property
    def _around(self) -> dict[tuple[int, Window | Taps | None], Area]:
        return {}

    # Choices -------------------------------------------------------------------------------------

    def frozen(self, choice: Choice) -> FrozenEngine | RomEngine | None:
        """What computes the frozen channels, its adders predicted."""
        if not self.of.frozen:
            return None
        if choice.frozen == "rom":
            lanes = choice.rom_channels_per_cycle or len(self.of.frozen)
            key = choice.rom_rows_per_cycle, lanes, choice.rom_multiplier, choice.window == "memory"
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
    def _roms(self) -> dict[_Array, RomEngine]:
        return {}

    def loadable(self, choice: Choice) -> LoadableEngine | None:
        """What computes the loadable channels."""
        lanes = choice.channels_per_cycle or len(self.of.loadable)
        key = choice.rows_per_cycle, lanes, choice.multiplier, choice.window == "memory"
        if self.of.loadable and key not in self._loadable:
            self._loadable[key] = LoadableEngine(self.of, self.context, *key)
        return self._loadable.get(key)

    @cached_property
    def _loadable(self) -> dict[_Array, LoadableEngine]:
        return {}

    def make(self, choice: Choice, *, solve: bool) -> WeightedPlan:
        frozen = self.frozen(choice)
        if isinstance(frozen, FrozenEngine) and solve:
            frozen = FrozenEngine.solved(self.of, self.context, choice.digit_bits)
        loadable = self.loadable(choice)
        if choice.window == "memory" and not self._reads_taps(frozen, loadable):
            raise ConfigError(self._registers_only())
        return WeightedPlan(self.context, self.layer, choice, self, frozen, loadable)

    @staticmethod
    def _reads_taps(*engines: Engine | None) -> bool:
        """Whether the windows of these engines can be in a memory: it has one reader."""
        found = [engine for engine in engines if engine]
        return len(found) == 1 and isinstance(found[0], FoldedEngine) and bool(found[0].taps)

    def _registers_only(self) -> str:
        return (
            f'rtl layer {self.layer.name!r}: window = "memory" is for windows of several pixels '
            "whose channels are all loadable, or all in a ROM, with rows_per_cycle "
            f"(rom_rows_per_cycle) the {self.of.source.channels} channels of a pixel divided by "
            '1, 2, 4 or another power of two; use "registers"'
        )

    def choices(self, fixed: Override, multipliers: Collection[Multiplier]) -> Sequence[Choice]:
        kinds = [*self._digits(fixed), *self._roms_of(fixed, multipliers)]
        arrays = self._arrays(fixed, multipliers)
        frozen = self._best(kinds, self.frozen, fixed)
        loadable = self._best(arrays, self.loadable, fixed)
        return [
            replace(
                one.choice,
                rows_per_cycle=other.choice.rows_per_cycle,
                channels_per_cycle=other.choice.channels_per_cycle,
                multiplier=other.choice.multiplier,
                window=(one if self.of.frozen else other).choice.window,
            )
            for one in frozen
            for other in loadable
        ]

    def _best(
        self,
        choices: Iterable[Choice],
        engine_of: Callable[[Choice], Engine | None],
        fixed: Override,
    ) -> tuple[Option, ...]:
        """The choices of an engine that no other beats, each with the smaller kind of window.

        Raises:
            ConfigError: Windows are to be in a memory, and no choice can read them there.
        """
        options: list[Option] = []
        for choice in choices:
            kinds = self._windows(engine_of(choice), fixed)
            found = [self._option(replace(choice, window=kind), engine_of) for kind in kinds]
            options += sorted(found, key=_size)[:1]
        if not options:
            raise ConfigError(self._registers_only())
        return undominated(options)

    def _windows(self, engine: Engine | None, fixed: Override) -> list[WindowKind]:
        """Where the windows of an engine may be; of one that the layer lacks there are none."""
        if engine is None:
            return ["registers"]
        shared = bool(self.of.frozen and self.of.loadable)
        kinds: list[WindowKind] = ["registers"]
        if not shared and self._reads_taps(engine):
            kinds.append("memory")
        return [kind for kind in kinds if fixed.window in (None, kind)]

    def _option(self, choice: Choice, engine_of: Callable[[Choice], Engine | None]) -> Option:
        """A choice for an engine and what has its windows; nothing of one that the layer lacks."""
        engine = engine_of(choice)
        if engine is None:
            return Option(choice, 1, Area())
        window = self.window([engine])
        area = engine.area + (window.counts().area() if window else Area())
        return Option(choice, engine.cycles, area)

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


def _size(option: Option) -> tuple[float, float]:
    """Block memories, which layers with weights need, then LUTs and flip-flops."""
    return option.area.bram18, option.area.lut + option.area.ff


def weighted_hardware(layer: Conv | Linear, context: Context) -> WeightedHardware:
    """A conv or linear layer."""
    return WeightedHardware(context, layer)
