"""Partly frozen convolutions and fully connected layers: sizes, types and generated logic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from semifreddo import adders
from semifreddo.core.fixed import bits_for
from semifreddo.hls import cpp, cycles
from semifreddo.ir.exact import Exact, exact_result, product_bounds
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.ir.schedule import LayerSchedule


@dataclass(frozen=True)
class Weighted:
    """A weighted layer and everything its generated code depends on.

    Nothing here depends on loadable values, so that all tasks of a device give the same sources.
    """

    net: StreamNet
    layer: Conv | Linear
    choice: LayerSchedule
    name: str

    @property
    def source(self) -> Stream:
        return self.net.streams[self.layer.inputs[0]]

    @property
    def weight(self) -> WeightBlock:
        return self.net.block[self.layer.weight]

    @property
    def bias(self) -> WeightBlock | None:
        return None if self.layer.bias is None else self.net.block[self.layer.bias]

    @property
    def depthwise(self) -> bool:
        return isinstance(self.layer, Conv) and self.layer.depthwise

    @property
    def window(self) -> int:
        """Values in one window, all channels."""
        return self.weight.rows * (self.source.channels if self.depthwise else 1)

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
    def steps(self) -> int:
        """Cycles per output pixel."""
        return cycles.steps(self.net, self.layer, self.choice)

    @property
    def banks(self) -> int:
        """Memories of a fully connected layer's image: a pixel, and a cycle's rows, in each."""
        return math.lcm(self.source.channels, self.choice.rows_per_cycle)

    @cached_property
    def exact(self) -> Exact:
        return exact_result(self.layer, (self.source,), self.net.block.__getitem__)

    def product_type(self, channels: npt.NDArray[np.intp]) -> str:
        """Accumulator type that holds every partial sum of some output channels."""
        if not channels.size:
            return cpp.integer(1, True)
        low, high = product_bounds(self.source.type, self.weight)
        width = cpp.signed_width(int(low[channels].min()), int(high[channels].max()))
        return cpp.integer(width, True)

    @property
    def frozen_matrix(self) -> npt.NDArray[np.int64]:
        return self.weight.matrix[:, self.frozen]

    def graph(self, part: slice) -> adders.AdderGraph:
        """Adder graph of some of the frozen channels over the whole window."""
        matrix = self.frozen_matrix[:, part]
        if not self.depthwise:
            return adders.solve(matrix, self.source.type)
        positions = np.arange(self.weight.rows) * self.source.channels
        return adders.merge(
            adders.solve_depthwise(matrix, self.source.type),
            [list(positions + channel) for channel in self.frozen[part]],
            self.window,
        )


def row_type(block: WeightBlock | None) -> str:
    """Type of one row of loadable values; a placeholder where there are none."""
    count = 0 if block is None else len(block.configurable_channels)
    if block is None or not count:
        return "semifreddo::row<1, 1, false>"
    return f"semifreddo::row<{count}, {block.bits}, {str(block.signed).lower()}>"


PIECE_CHANNELS = 32
"""Output channels in one function of adders: tools schedule many small ones, not one huge one."""


def _frozen_functions(this: Weighted) -> Iterator[str]:
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


def _constant_function(this: Weighted) -> str:
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


def _combine_lines(this: Weighted) -> Iterator[str]:
    kind = cpp.integer(_exact_width(this), True)
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


def _combine_function(this: Weighted) -> str:
    loaded, frozen = this.product_type(this.loaded), this.product_type(this.frozen)
    head = (
        f"static void combine(const {loaded} *loaded, const {frozen} *frozen,\n"
        f"                    const {row_type(this.bias)}::part *bias, "
        f"{cpp.integer(_exact_width(this), True)} *exact)"
    )
    return cpp.block(head, ["#pragma HLS INLINE", *_combine_lines(this)])


def _exact_width(this: Weighted) -> int:
    return cpp.signed_width(this.exact.low, this.exact.high)


def logic(this: Weighted) -> str:
    """The generated struct of a weighted layer."""
    parts = [
        *_frozen_functions(this),
        _constant_function(this),
        cpp.index_function("loaded_channel", [int(c) for c in this.loaded]),
        cpp.index_function("frozen_channel", [int(c) for c in this.frozen]),
        _combine_function(this),
    ]
    return cpp.block(f"struct {this.name}_logic", parts) + ";\n"


def members(this: Weighted) -> list[str]:
    """Members of the configuration struct."""
    types = {
        "logic": f"nnet::{this.name}_logic",
        "data_t": cpp.raw_type(this.source.type),
        "weight_row_t": row_type(this.weight),
        "bias_row_t": row_type(this.bias),
        "loaded_t": this.product_type(this.loaded),
        "frozen_t": this.product_type(this.frozen),
    }
    has_adders = bool(this.frozen.size) and not this.constants
    sizes = {
        "n_chan": this.source.channels,
        "n_filt": this.weight.outputs,
        "n_window": this.window,
        "n_rows": this.weight.rows,
        "n_loaded": this.loaded.size,
        "n_loaded_or_1": max(1, this.loaded.size),
        "n_loaded_bias": this.loaded_bias.size,
        "n_constant": this.frozen.size if this.constants else 0,
        "n_frozen_or_1": max(1, this.frozen.size),
        "rows_per_cycle": this.choice.rows_per_cycle,
        "n_taps": this.source.channels if this.depthwise else 1,
        "n_steps": this.steps,
    }
    if isinstance(this.layer, Conv):
        sizes |= window_sizes(this.source, this.layer.kernel, this.layer.stride, this.layer.padding)
        sizes["n_cycles"] = cycles.of_layer(this.net, this.layer, this.choice)
    else:
        sizes["n_banks"] = this.window if has_adders else this.banks
    return [
        *(f"typedef {text} {name};" for name, text in types.items()),
        *(f"static const unsigned {name} = {value};" for name, value in sizes.items()),
        f"static const bool depthwise = {str(this.depthwise).lower()};",
        f"static const int exact_width = {_exact_width(this)};",
        f"static const int exact_frac = {this.exact.frac};",
    ]


def window_sizes(
    source: Stream,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> dict[str, int]:
    """Sizes of a sliding window; the image size counts the padding."""
    top, left, bottom, right = padding
    return {
        "in_height": source.shape[0] + top + bottom,
        "in_width": source.shape[1] + left + right,
        "filt_height": kernel[0],
        "filt_width": kernel[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
    }
