"""Multipliers of unsigned 8-bit operands that all lanes share."""

from __future__ import annotations

from semifreddo.rtl.components.multiply import Mac
from semifreddo.rtl.components.packing import Packing


def mac(
    rows: int,
    per_cycle: int,
    channels: int,
    lanes: int,
    w_bits: int = 8,
    packing: Packing | None = None,
) -> Mac:
    """Signed weights; of LUTs, or in slices that several products share."""
    return Mac(
        rows=rows,
        per_cycle=per_cycle,
        channels=channels,
        lanes=lanes,
        shared=True,
        x_bits=8,
        x_signed=False,
        w_bits=w_bits,
        w_signed=True,
        sum_bits=24,
        dsp=packing is not None,
        phase=0,
        packing=packing,
    )
