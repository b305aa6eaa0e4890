"""Partly frozen convolutions and fully connected layers: sizes, types and generated logic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from semifreddo import adders
from semifreddo.core.fixed import bits_for, signed_bits
from semifreddo.hls import cpp
from semifreddo.hls.layer_code import (
    CODES,
    LayerCode,
    row_type,
    window_count,
    window_cycles,
    window_sizes,
)
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import Conv, Linear, WeightBlock, Weighted

Layers = TypeVar("Layers", bound=Weighted)


class _WeightedCode(LayerCode[Layers]):
    """A weighted layer and everything its generated code depends on."""

    @property
    def weight(self) -> WeightBlock:
        return self.net.block[self.layer.weight]

    @property
    def bias(self) -> WeightBlock | None:
        return None if self.layer.bias is None else self.net.block[self.layer.bias]

    @property
    def depthwise(self) -> bool:
        """Whether each output channel reads the input channel of its number only."""
        return False

    @property
    def window(self) -> int:
        """Values in one window, all channels."""
        return self.weight.rows

    @property
    def loaded(self) -> npt.NDArray[np.intp]:
        return self.weight.configurable_channels

    @property
    def frozen(self) -> npt.NDArray[np.intp]:
        return self.weight.frozen_channels

    @property
    def loaded_bias(self) -> npt.NDArray[np.intp]:
        return np.zeros(0, np.intp) if self.bias is None else self.bias.configurable_channels

    @property
    def constants(self) -> bool:
        """Whether frozen channels are a table instead of adders."""
        return bool(self.frozen.size) and self.choice.frozen == "constants"

    @property
    def multiplied(self) -> int:
        """Most channels whose rows are multiplied at the same time."""
        return max(self.loaded.size, self.frozen.size if self.choice.frozen == "constants" else 0)

    @property
    def steps(self) -> int:
        """Cycles in which the rows are multiplied for one output pixel; 1 for adders."""
        return self.weight.rows // self.choice.rows_per_cycle if self.multiplied else 1

    def product_type(self, channels: npt.NDArray[np.intp]) -> str:
        """Accumulator type that holds every partial sum of some output channels."""
        if not channels.size:
            return cpp.integer(1, True)
        low, high = product_bounds(self.source.type, self.weight)
        # Channels of nothing but zeros have products of one bit.
        width = signed_bits(min(int(low[channels].min()), -1), int(high[channels].max()))
        return cpp.integer(width, True)

    @property
    def frozen_matrix(self) -> npt.NDArray[np.int64]:
        return self.weight.matrix[:, self.frozen]

    def graph(self, part: slice) -> adders.AdderGraph:
        """Adder graph of some of the frozen channels over the whole window."""
        return adders.solve(self.frozen_matrix[:, part], self.source.type, self.weight.name)

    @property
    def sizes(self) -> dict[str, int]:
        """Members of the configuration struct that are numbers."""
        return {
            "n_chan": self.source.channels,
            "n_filt": self.weight.outputs,
            "n_window": self.window,
            "n_rows": self.weight.rows,
            "n_loaded": self.loaded.size,
            "n_loaded_or_1": max(1, self.loaded.size),
            "n_loaded_bias": self.loaded_bias.size,
            "n_constant": self.frozen.size if self.constants else 0,
            "n_frozen_or_1": max(1, self.frozen.size),
            "rows_per_cycle": self.choice.rows_per_cycle,
            "n_taps": self.source.channels if self.depthwise else 1,
            "n_steps": self.steps,
        }

    @property
    def members(self) -> list[str]:
        types = {
            "logic": f"nnet::{self.name}_logic",
            "data_t": cpp.raw_type(self.source.type),
            "weight_row_t": row_type(self.weight),
            "bias_row_t": row_type(self.bias),
            "loaded_t": self.product_type(self.loaded),
            "frozen_t": self.product_type(self.frozen),
        }
        return [
            *(f"typedef {text} {name};" for name, text in types.items()),
            *(f"static const unsigned {name} = {value};" for name, value in self.sizes.items()),
            f"static const bool depthwise = {str(self.depthwise).lower()};",
            *self.exact_members(),
        ]

    @property
    def logic(self) -> str:
        parts = [
            *_frozen_functions(self),
            _constant_function(self),
            cpp.index_function("loaded_channel", [int(c) for c in self.loaded]),
            cpp.index_function("frozen_channel", [int(c) for c in self.frozen]),
            _combine_function(self),
        ]
        return cpp.block(f"struct {self.name}_logic", parts) + ";\n"

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        yield self.multiplied * self.choice.rows_per_cycle, "multiplications at once"


@CODES.register(Conv)
class ConvCode(_WeightedCode[Conv]):
    """Partly frozen convolution: a padded pixel per cycle, and more cycles for more steps."""

    component = "Conv2D"

    @property
    def depthwise(self) -> bool:
        return self.layer.depthwise

    @property
    def window(self) -> int:
        return self.weight.rows * (self.source.channels if self.depthwise else 1)

    def graph(self, part: slice) -> adders.AdderGraph:
        if not self.depthwise:
            return super().graph(part)
        positions = np.arange(self.weight.rows) * self.source.channels
        return adders.merge(
            adders.solve_depthwise(self.frozen_matrix[:, part], self.source.type),
            [list(positions + channel) for channel in self.frozen[part]],
            self.window,
        )

    @property
    def sizes(self) -> dict[str, int]:
        layer = self.layer
        windows = window_sizes(self.source, layer.kernel, layer.stride, layer.padding)
        return super().sizes | windows | {"n_cycles": self.cycles}

    @property
    def cycles(self) -> int:
        pixels = window_cycles(self.source, self.layer.padding)
        return pixels + self.layer.output.pixels * (self.steps - 1)

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        yield window_count(self.source, self.layer.kernel)
        yield from super().counts


@CODES.register(Linear)
class LinearCode(_WeightedCode[Linear]):
    """Partly frozen fully connected layer: all pixels first, then all steps."""

    component = "Dense"

    @property
    def banks(self) -> int:
        """Memories of the image: a pixel, and a cycle's rows, in each."""
        return math.lcm(self.source.channels, self.choice.rows_per_cycle)

    @property
    def in_registers(self) -> int:
        """Values of the image in registers: all of them where adders read them."""
        has_adders = bool(self.frozen.size) and not self.constants
        return self.window if has_adders else self.banks

    @property
    def sizes(self) -> dict[str, int]:
        return super().sizes | {"n_banks": self.in_registers}

    @property
    def cycles(self) -> int:
        return self.source.pixels + self.steps

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        yield self.in_registers, "values of an image in registers"
        yield from super().counts


PIECE_CHANNELS = 32
"""Output channels in one function of adders: tools schedule many small ones, not one huge one."""


def _frozen_functions(this: _WeightedCode[Any]) -> Iterator[str]:
    source, result = cpp.raw_type(this.source.type), this.product_type(this.frozen)
    if not this.frozen.size or this.constants:
        yield f"static void frozen(const {source} *, {result} *) {{}}"
        return
    calls = ["#pragma HLS INLINE"]
    for number, first in enumerate(range(0, this.frozen.size, PIECE_CHANNELS)):
        count = min(PIECE_CHANNELS, this.frozen.size - first)
        head = f"static void frozen_{number}(const {source} x[{this.window}], {result} y[{count}])"
        pragmas = [
            "#pragma HLS INLINE off",
            "#pragma HLS PIPELINE II=1",
            "#pragma HLS ARRAY_PARTITION variable=x complete",
            "#pragma HLS ARRAY_PARTITION variable=y complete",
        ]
        graph = this.graph(slice(first, first + count))
        yield cpp.block(head, [*pragmas, *cpp.adder_lines(graph, result)])
        calls += [
            f"{result} y{number}[{count}];",
            f"#pragma HLS ARRAY_PARTITION variable=y{number} complete",
            f"frozen_{number}(x, y{number});",
            *(f"y[{first + place}] = y{number}[{place}];" for place in range(count)),
        ]
    head = f"static void frozen(const {source} x[{this.window}], {result} y[{this.frozen.size}])"
    yield cpp.block(head, calls)


def _constant_function(this: _WeightedCode[Any]) -> str:
    if not this.constants:
        return "static int constant(unsigned, unsigned) { return 0; }"
    low, high = int(this.frozen_matrix.min()), int(this.frozen_matrix.max())
    kind = cpp.integer(bits_for(min(low, -1), high)[0], True)
    return cpp.block(
        f"static {kind} constant(unsigned r, unsigned c)",
        [
            "#pragma HLS INLINE",
            *cpp.table(kind, this.frozen_matrix),
            "#pragma HLS ARRAY_PARTITION variable=table complete dim=2",
            "return table[r][c];",
        ],
    )


def _combine_lines(this: _WeightedCode[Any]) -> Iterator[str]:
    kind = cpp.integer(this.exact_width, True)
    place = {int(c): f"loaded[{i}]" for i, c in enumerate(this.loaded)}
    place |= {int(c): f"frozen[{i}]" for i, c in enumerate(this.frozen)}
    bias_place = {int(c): i for i, c in enumerate(this.loaded_bias)}
    for channel in range(this.weight.outputs):
        up = this.exact.frac - this.source.type.frac - this.weight.frac[channel]
        text = cpp.shifted(kind, place[channel], up)
        if this.bias is not None:
            up = this.exact.frac - this.bias.frac[channel]
            if channel in bias_place:
                text += " + " + cpp.shifted(
                    kind, f"{row_type(this.bias)}::get(bias, {bias_place[channel]})", up
                )
            else:
                value = int(this.bias.raw[channel]) << up
                text += f" {'-' if value < 0 else '+'} {cpp.literal(abs(value))}"
        yield f"exact[{channel}] = {text};"


def _combine_function(this: _WeightedCode[Any]) -> str:
    loaded, frozen = this.product_type(this.loaded), this.product_type(this.frozen)
    head = (
        f"static void combine(const {loaded} *loaded, const {frozen} *frozen,\n"
        f"                    const {row_type(this.bias)}::part *bias, "
        f"{cpp.integer(this.exact_width, True)} *exact)"
    )
    return cpp.block(head, ["#pragma HLS INLINE", *_combine_lines(this)])
