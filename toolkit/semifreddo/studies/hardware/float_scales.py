"""What scales that are no powers of two cost: one network with both kinds, synthesised.

Both have the same weights, the same numbers of bits and the same rate. The batch norm of the one
with powers of two is folded, as training does it; the other is as Brevitas exports it, and its
batch norm, scales and float bias are in the fixed scaler behind the convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar

import brevitas.nn as qnn
import torch
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

from semifreddo.boards import load_board
from semifreddo.convert import convert, export_qonnx
from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import signed_bits
from semifreddo.core.tables import option
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import Conv, Weighted
from semifreddo.ir.net import StreamNet
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.pin import pin_scales
from semifreddo.rtl import choose, make_design
from semifreddo.rtl.synthesis.parts import design_parts
from semifreddo.studies.hardware.tables import HardwareTable, Row
from semifreddo.studies.hardware.workbench import Workbench, markdown
from semifreddo.tools.cells import CellCounts

SHAPE = (1, 8, 8)
BOARD = "pynq_z2"
CLOCK_MHZ = 100.0
RATE = 100_000.0
"""Images per second that both kinds are made for: 1,000 cycles for an image of 16 results."""


class SmallNet(nn.Module):
    """A convolution with batch norm and a classifier, for 8x8 grey images.

    Args:
        bits: Of weights and activations.
        powers_of_two: Whether scales are; otherwise they are Brevitas' defaults.
    """

    def __init__(self, bits: int, *, powers_of_two: bool) -> None:
        super().__init__()
        signed, unsigned, weight = (
            (Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint)
            if powers_of_two
            else (Int8ActPerTensorFloat, Uint8ActPerTensorFloat, Int8WeightPerTensorFloat)
        )
        kind = {"weight_quant": weight, "weight_bit_width": bits}
        self.input = qnn.QuantIdentity(act_quant=signed, bit_width=8, return_quant_tensor=True)
        self.conv = qnn.QuantConv2d(1, 8, 3, stride=2, padding=1, bias=not powers_of_two, **kind)
        self.norm = nn.BatchNorm2d(8)
        self.act = qnn.QuantReLU(act_quant=unsigned, bit_width=bits, return_quant_tensor=True)
        bias = Int8BiasPerTensorFixedPointInternalScaling if powers_of_two else None
        self.head = qnn.QuantLinear(128, 10, bias=True, bias_quant=bias, **kind)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, 1, 8, 8) to (n, 10)."""
        found: Tensor = self.head(self.act(self.norm(self.conv(self.input(x)))).flatten(1))
        return found


def network(folder: Path, bits: int, *, powers_of_two: bool, frozen: bool) -> StreamNet:
    """The network with random weights and statistics of random images, converted."""
    torch.manual_seed(14)
    images = torch.rand(64, *SHAPE)
    model = SmallNet(bits, powers_of_two=powers_of_two).train()
    for layer in (model.conv, model.head):
        nn.init.normal_(layer.weight, std=0.2)
    nn.init.uniform_(model.norm.weight, 0.5, 1.5)
    nn.init.uniform_(model.norm.bias, -0.3, 0.3)
    with torch.no_grad():
        for _ in range(3):
            model(images)
    model.eval()
    if powers_of_two:
        fold_batch_norm(model, images)
        pin_scales(model, images)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'powers' if powers_of_two else 'float'}_{bits}.onnx"
    export_qonnx(model, path, input_shape=SHAPE)
    return convert(path, "digits", frozen="all" if frozen else "none")


def scalers(net: StreamNet) -> list[Conv]:
    """The fixed scalers of a network."""
    return [
        layer
        for layer in net.layers
        if isinstance(layer, Conv) and layer.depthwise and layer.kernel == (1, 1)
    ]


def _widest(net: StreamNet, layers: Sequence[Weighted]) -> int:
    """Bits of the widest exact result of some layers."""
    found = [
        exact_result(layer, net.input_streams(layer), net.block.__getitem__) for layer in layers
    ]
    return max((signed_bits(result.low, result.high) for result in found), default=0)


def float_scales(
    bench: Workbench,
    widths: Sequence[int],
    residencies: Sequence[str],
) -> list[Row]:
    """Both kinds of scales, frozen and loadable, at one rate."""
    rows: list[Row] = []
    for bits, residency, powers in product(widths, residencies, (True, False)):
        is_frozen = residency == "frozen"
        net = network(bench.cache / "models", bits, powers_of_two=powers, frozen=is_frozen)
        kind = {"bits": bits, "frozen": is_frozen, "powers_of_two": powers}
        rows.append(kind | _figures(bench, net))
    return rows


def _figures(bench: Workbench, net: StreamNet) -> Row:
    chosen = choose(net, load_board(BOARD).resources, CLOCK_MHZ, RATE)
    design = make_design(net, chosen.schedule)
    bench.prove(design)
    parts = [part for part in design_parts(design) if part.name != "bus"]
    cells = bench.cells(parts, use_dsp=True)
    found = {part.name: each for part, each in zip(parts, cells, strict=True)}
    own = scalers(net)
    weighted = [layer for layer in net.layers if isinstance(layer, Weighted)]
    return {
        "cycles": max(unit.cycles for unit in design.layers.units),
        "accumulator_bits": _widest(net, [layer for layer in weighted if layer not in own]),
        "factor_bits": max((net.block[layer.weight].bits for layer in own), default=0),
        "product_bits": _widest(net, own),
        **_cells("", sum(found.values(), CellCounts())),
        **_cells("scaler_", sum((found[layer.name] for layer in own), CellCounts())),
    }


def _cells(prefix: str, cells: CellCounts) -> Row:
    return {
        f"{prefix}lut": cells.lut,
        f"{prefix}ff": cells.ff,
        f"{prefix}dsp": cells.dsp,
        f"{prefix}bram18": cells.bram18,
    }


def float_scales_table(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    head = (
        "bits",
        "weights",
        "scales",
        "cycles per image",
        "accumulator bits",
        "bits of a factor",
        "bits of its product",
        "LUT",
        "FF",
        "DSP",
        "of them scaler: LUT",
        "FF",
        "DSP",
    )
    return markdown(
        head,
        [
            (
                row["bits"],
                "frozen" if row["frozen"] else "loadable",
                "powers of two" if row["powers_of_two"] else "Brevitas' default",
                row["cycles"],
                row["accumulator_bits"],
                row["factor_bits"] or None,
                row["product_bits"] or None,
                row["lut"],
                row["ff"],
                row["dsp"],
                row["scaler_lut"],
                row["scaler_ff"],
                row["scaler_dsp"],
            )
            for row in rows
        ],
    )


@dataclass(frozen=True)
class FloatScales(HardwareTable):
    """One table of ``docs/any-network.md``."""

    name: ClassVar[str] = "float_scales"
    title: ClassVar[str] = "what scales that are no powers of two cost"

    widths: tuple[int, ...] = option((8,), help="bits of weights and activations")

    residencies: tuple[str, ...] = option(
        ("frozen", "loadable"), help="residencies of the weights, any of frozen and loadable"
    )

    def rows(self, bench: Workbench) -> Sequence[Row]:
        if wrong := set(self.residencies) - {"frozen", "loadable"}:
            raise ConfigError(f"study {self.name} residencies: {min(wrong)!r} is none")
        return float_scales(bench, self.widths, self.residencies)

    def table(self, rows: Sequence[Row]) -> str:
        return float_scales_table(rows)
