"""Curves in HLS: a level from a table, or by a search among the starts of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from semifreddo.core.fixed import signed_bits
from semifreddo.hls import cpp
from semifreddo.hls.layer_code import CODES, LayerCode
from semifreddo.ir.curves import CurveTables
from semifreddo.ir.layers import Curve


@CODES.register(Curve)
class CurveCode(LayerCode[Curve]):
    """Any function of a value, as a table or by its steps."""

    component = "Curve"

    @property
    def function(self) -> str:
        return f"nnet::{self.name}_curve"

    @cached_property
    def tables(self) -> CurveTables:
        """The constants."""
        return CurveTables.of(self.layer, self.source.type, self.net.block.__getitem__)

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        if self.tables.searches:
            yield self.source.channels * self.tables.stages, "comparisons"

    @property
    def logic(self) -> str:
        count = self.layer.output.channels
        loop = [
            "#pragma HLS PIPELINE II=1",
            "const data_T word = data.read();",
            "res_T pixel;",
            "PRAGMA_DATA_PACK(pixel)",
            "Channels:",
            cpp.block(
                f"for (unsigned c = 0; c < {count}; c++)",
                [
                    "#pragma HLS UNROLL",
                    "pixel[c] = semifreddo::bring<typename res_T::value_type, "
                    f"{self.exact_width}, {self.exact.frac}>(",
                    f"    {self.name}_level(semifreddo::raw(word[c]), c));",
                ],
            ),
            "res.write(pixel);",
        ]
        head = (
            "template <class data_T, class res_T>\n"
            f"void {self.name}_curve(hls::stream<data_T> &data, hls::stream<res_T> &res, "
            "unsigned frames)"
        )
        body = cpp.block(f"for (unsigned i = 0; i < {self.layer.output.pixels}; i++)", loop)
        process = cpp.block(head, cpp.frames(["Pixels:", body]))
        return f"{self._level()}\n\n{process}\n"

    def _level(self) -> str:
        """The function that gives the level of a raw value as an exact integer."""
        tables, kind = self.tables, self.source.type
        result = cpp.integer(self.exact_width, True)
        column = "c" if tables.levels.shape[1] > 1 else "0"
        lines = ["#pragma HLS INLINE", *cpp.table(result, tables.levels.T, "levels")]
        if tables.searches:
            own = "c" if tables.starts.shape[1] > 1 else "0"
            # Both sides are signed: C++ compares a negative number with an unsigned one wrongly.
            wide = signed_bits(int(tables.starts.min()), int(tables.starts.max()))
            argument = max(wide, kind.width + (not kind.signed))
            step = f"if (argument >= starts[{own}][index + step - 1])"
            lines += [
                *cpp.table(cpp.integer(argument, True), tables.starts.T, "starts"),
                f"const {cpp.integer(argument, True)} argument = value;",
                "unsigned index = 0;",
                "Search:",
                cpp.block(
                    f"for (unsigned step = {1 << tables.stages - 1}; step > 0; step >>= 1)",
                    ["#pragma HLS UNROLL", cpp.block(step, ["index += step;"])],
                ),
            ]
        else:
            lines.append(f"const unsigned index = unsigned(value) & {(1 << kind.width) - 1};")
        lines.append(f"return levels[{column}][index];")
        head = f"inline {result} {self.name}_level(const {cpp.raw_type(kind)} &value, unsigned c)"
        return cpp.block(head, lines)
