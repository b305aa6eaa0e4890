"""Layers in HLS that need one pixel of each input: blends, sums, casts, wiring, upsampling."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from semifreddo.hls import cpp
from semifreddo.hls.layer_code import CODES, Kind, LayerCode, row_type
from semifreddo.ir.layers import ALPHA_FRAC, Add, Blend, Cast, Route, Upsample


class _PixelCode(LayerCode[Kind]):
    @property
    def members(self) -> list[str]:
        return [f"static const unsigned n_pixels = {self.layer.output.pixels};"]


@CODES.register(Cast)
class CastCode(_PixelCode[Cast]):
    """Change of format."""

    component = "Cast"


@CODES.register(Add)
class AddCode(_PixelCode[Add]):
    """Sum of two streams."""

    component = "Add"

    @property
    def members(self) -> list[str]:
        return [*super().members, *self.exact_members()]


@CODES.register(Blend)
class BlendCode(_PixelCode[Blend]):
    """Alpha blending of two streams."""

    component = "Blend"

    @property
    def members(self) -> list[str]:
        return [
            f"typedef nnet::{self.name}_logic logic;",
            f"typedef {row_type(self.net.block[self.layer.alpha])} alpha_row_t;",
            *super().members,
            *self.exact_members(),
        ]

    @property
    def logic(self) -> str:
        alpha = self.net.block[self.layer.alpha]
        kind = cpp.integer(self.exact_width, True)
        place = {int(channel): i for i, channel in enumerate(alpha.configurable_channels)}
        bits = f"{self.exact_width}, {self.exact.frac - ALPHA_FRAC}"
        lines = ["#pragma HLS INLINE"]
        for channel in range(self.layer.output.channels):
            factor = (
                f"{row_type(alpha)}::get(alpha, {place[channel]})"
                if channel in place
                else f"{cpp.integer(alpha.bits, alpha.signed)}({int(alpha.raw[channel])})"
            )
            left, right = (
                f"semifreddo::aligned<{bits}>({side}[{channel}])" for side in ("left", "right")
            )
            lines.append(
                f"exact[{channel}] = semifreddo::blend_channel<{kind} >({left}, {right}, {factor});"
            )
        head = (
            "template <class left_T, class right_T>\n"
            "static void combine(const left_T &left, const right_T &right,\n"
            f"                    const {row_type(alpha)}::part *alpha, {kind} *exact)"
        )
        return cpp.block(f"struct {self.name}_logic", [cpp.block(head, lines)]) + ";\n"


@CODES.register(Route)
class RouteCode(LayerCode[Route]):
    """Wiring between channels."""

    component = "Route"

    @property
    def function(self) -> str:
        return f"nnet::{self.name}_route"

    @property
    def logic(self) -> str:
        streams = self.net.input_streams(self.layer)
        sources = [
            f"word{number}[{channel}]"
            for number, stream in enumerate(streams)
            for channel in range(stream.channels)
        ]
        count = range(len(streams))
        types = ", ".join([*(f"class data{i}_T" for i in count), "class res_T"])
        ports = ", ".join(f"hls::stream<data{i}_T> &data{i}" for i in count)
        loop = [
            "#pragma HLS PIPELINE II=1",
            *(f"const data{i}_T word{i} = data{i}.read();" for i in count),
            "res_T pixel;",
            "PRAGMA_DATA_PACK(pixel)",
            *(
                f"pixel[{i}] = semifreddo::convert<typename res_T::value_type>({sources[index]});"
                for i, index in enumerate(self.layer.indices)
            ),
            "res.write(pixel);",
        ]
        head = (
            f"template <{types}>\n"
            f"void {self.name}_route({ports}, hls::stream<res_T> &res, unsigned frames)"
        )
        body = cpp.block(f"for (unsigned i = 0; i < {self.layer.output.pixels}; i++)", loop)
        return cpp.block(head, cpp.frames(["Pixels:", body])) + "\n"


@CODES.register(Upsample)
class UpsampleCode(LayerCode[Upsample]):
    """Blocks of pixels; the row of the image that is being repeated is kept."""

    component = "Upsample"

    @property
    def members(self) -> list[str]:
        layer, source = self.layer, self.source
        sizes = {
            "n_chan": source.channels,
            "in_height": source.shape[0],
            "in_width": source.shape[1],
            "block_height": layer.factor[0],
            "block_width": layer.factor[1],
            "top": layer.origin[0],
            "left": layer.origin[1],
            "out_height": layer.size[0],
            "out_width": layer.size[1],
        }
        return [
            f"typedef nnet::{self.name}_logic logic;",
            f"typedef {cpp.raw_type(source.type)} data_t;",
            *(f"static const unsigned {name} = {value};" for name, value in sizes.items()),
            *self.exact_members(),
        ]

    @property
    def cycles(self) -> int:
        return self.source.pixels * prod(self.layer.factor)

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        yield self.source.channels, "values in a pixel"

    @property
    def logic(self) -> str:
        kind, count = cpp.integer(self.exact_width, True), self.layer.output.channels
        lines = ["#pragma HLS INLINE"]
        for channel in range(count):
            *others, last = self.layer.indices[channel::count]
            text = f"{kind}(pixel[{last}])"
            for place, index in reversed(list(enumerate(others))):
                if index != last:
                    text = f"place == {place} ? {kind}(pixel[{index}]) : {text}"
            lines.append(f"exact[{channel}] = {text};")
        head = (
            "template <class data_T>\n"
            f"static void choose(const data_T *pixel, unsigned place, {kind} *exact)"
        )
        return cpp.block(f"struct {self.name}_logic", [cpp.block(head, lines)]) + ";\n"
