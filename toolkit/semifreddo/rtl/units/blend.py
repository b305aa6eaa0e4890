"""The alpha blend: two streams mixed by a factor in eighths for every channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import ALPHA_FRAC, Blend, WeightBlock
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import BlendMix, Pick
from semifreddo.rtl.components.memories import Bank, Delay
from semifreddo.rtl.components.numbers import Range
from semifreddo.rtl.components.streams import Swap
from semifreddo.rtl.components.verilog import concatenation, part, vector
from semifreddo.rtl.units.pointwise import Lane, PointwisePlan
from semifreddo.rtl.units.unit import bank, bank_select, swap

FACTOR_BITS = 4
"""Of a blend factor, 0 to 8."""


@dataclass(frozen=True, eq=False)
class BlendPlan(PointwisePlan):
    """A blend; its factors are constants, or read from a bank."""

    layer: Blend

    @property
    def registers(self) -> int:
        return 1

    @property
    def alpha(self) -> WeightBlock:
        """The factors."""
        return self.net.block[self.layer.alpha]

    @property
    def loadable(self) -> bool:
        return not all(self.alpha.frozen)

    @property
    def swap(self) -> Swap:
        """The bank selector of loadable factors."""
        return Swap(self.layer.output.pixels, self.context.passes)

    @property
    def bank(self) -> Bank:
        """The memory of loadable factors."""
        return self.context.bank(self.alpha.name, 1)

    @cached_property
    def mixed(self) -> Range:
        """Either input."""
        one, other = self.inputs
        return Range(min(one.low, other.low), max(one.high, other.high), self.frac)

    @cached_property
    def exact(self) -> Range:
        """In eighths."""
        up = ALPHA_FRAC
        return Range(self.mixed.low << up, self.mixed.high << up, self.mixed.frac + up)

    @cached_property
    def _same_factor(self) -> bool:
        """Whether all channels have the same frozen factor."""
        return not self.loadable and len(set(self.alpha.raw.tolist())) == 1

    def factor_picks(self) -> list[Pick]:
        """The selector of the factors, if channels that take turns have different ones."""
        return [] if self._same_factor else self.pick(FACTOR_BITS)

    def blends(self) -> list[BlendMix]:
        """Of each lane."""
        own = self.alpha.frozen if self.groups == 1 else [self._same_factor] * self.count
        return [BlendMix(self.mixed.bits, constant) for constant in own]

    def components(self) -> Iterator[Component]:
        yield from super().components()
        yield from self.factor_picks()
        yield from self.blends()
        if self.loadable:
            yield self.swap
            yield Delay(0, self.context.select_bits)
            yield self.bank

    def rest(self) -> Parts:
        """The register behind each blend: its three adders are long enough a path."""
        return Parts.of("word_bit", self.count * self.exact.bits)

    # Text ----------------------------------------------------------------------------------------

    def loading(self) -> list[str]:
        if not self.loadable:
            return []
        return [
            *swap(self.context, self.swap, "taken"),
            *bank_select("alpha", self.context, 0),
            *bank("alpha", self.context, self.alpha, self.bank, "1'b0"),
        ]

    def lanes(self) -> tuple[list[str], list[Lane]]:
        shared, values = self.read()
        factors, lines = self._factors()
        lanes = [
            self._lane(lane, blend, factor, pair)
            for lane, (blend, factor, pair) in enumerate(
                zip(self.blends(), factors, values, strict=True)
            )
        ]
        return shared + lines, lanes

    def _factors(self) -> tuple[list[str], list[str]]:
        """The factor of each lane in eighths, four bits, and the text."""
        factors = [self._factor(channel) for channel in range(self.channels)]
        if not self.factor_picks():
            return factors[: self.count], []
        bits = vector(FACTOR_BITS * len(factors))
        lines = [f"wire {bits} factors =\n    {concatenation(factors)};"]
        signal, text = self.selected("factors_now", "factors", FACTOR_BITS)
        return [part(signal, lane, FACTOR_BITS) for lane in range(self.count)], lines + text

    def _factor(self, channel: int) -> str:
        """The factor of a channel: a constant or read from the bank."""
        block = self.alpha
        if block.frozen[channel]:
            return f"{FACTOR_BITS}'d{int(block.raw[channel])}"
        index = [int(found) for found in block.configurable_channels].index(channel)
        low, bits = index * block.bits, min(block.bits, FACTOR_BITS)
        signal = f"alpha[{low + bits - 1}:{low}]"
        return signal if bits == FACTOR_BITS else f"{{{FACTOR_BITS - bits}'b0, {signal}}}"

    def _lane(self, lane: int, blend: BlendMix, factor: str, pair: list[str]) -> Lane:
        name, bits = f"mix_{lane}", vector(self.exact.bits)
        connected = {"k": factor, "a": f"a_{lane}", "b": f"b_{lane}", "mix": name}
        held = f"{name}_held"
        return held, [
            f"wire signed {vector(blend.bits)} a_{lane} = {pair[0]};",
            f"wire signed {vector(blend.bits)} b_{lane} = {pair[1]};",
            f"wire signed {bits} {name};",
            place(blend, f"blend_{lane}", connected),
            f"reg signed {bits} {held};",
            f"always @(posedge clk) {held} <= {name};",
        ]
