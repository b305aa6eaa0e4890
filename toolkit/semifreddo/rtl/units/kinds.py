"""Which hardware each layer kind becomes."""

from __future__ import annotations

from dataclasses import replace

from semifreddo.core.errors import ProjectError
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Curve,
    Linear,
    MaxPool,
    Route,
    Upsample,
)
from semifreddo.rtl.timing.folding import Plan, refuse
from semifreddo.rtl.units.blend import BlendPlan
from semifreddo.rtl.units.curve import CurvePlan
from semifreddo.rtl.units.lanes import lanes_hardware
from semifreddo.rtl.units.plan import Hardware
from semifreddo.rtl.units.pointwise import AddPlan, CastPlan
from semifreddo.rtl.units.pooling import PoolPlan
from semifreddo.rtl.units.route import route_hardware
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.upsample import UpsamplePlan
from semifreddo.rtl.units.weighted import weighted_hardware

HARDWARE: KindTable[Hardware] = KindTable(
    "RTL hardware", "semifreddo.rtl.units.kinds", ProjectError
)
"""Functions of (layer, context)."""

HARDWARE.register(Conv, Linear)(weighted_hardware)
HARDWARE.register(MaxPool, AvgPool)(lanes_hardware(PoolPlan))
HARDWARE.register(Add)(lanes_hardware(AddPlan))
HARDWARE.register(Blend)(lanes_hardware(BlendPlan))
HARDWARE.register(Cast)(lanes_hardware(CastPlan))
HARDWARE.register(Curve)(lanes_hardware(CurvePlan))
HARDWARE.register(Route)(route_hardware)
HARDWARE.register(Upsample)(lanes_hardware(UpsamplePlan))


def hardware_of(plan: Plan, context: Context) -> dict[str, Hardware]:
    """The hardware of all layers that are built: of a folded repeat those of the first pass.

    Raises:
        ProjectError: A layer has no hardware, or a folded repeat has none.
    """
    found: dict[str, Hardware] = {}
    for block in plan.blocks:
        inner = replace(context, passes=block.count, pass_blocks=block.pass_blocks)
        layers = {layer.name: HARDWARE(layer, inner) for layer in block.layers}
        if block.folded and all(hardware.wiring for hardware in layers.values()):
            refuse(block.name, "it is nothing but wiring")
        found |= layers
    return found
