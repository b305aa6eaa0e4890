"""Which hardware each layer kind becomes."""

from __future__ import annotations

from semifreddo.core.errors import ProjectError
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import Add, AvgPool, Blend, Cast, Conv, Layer, Linear, MaxPool, Route
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.units.pointwise import pointwise_unit
from semifreddo.rtl.units.pooling import pool_unit
from semifreddo.rtl.units.unit import Context, Unit
from semifreddo.rtl.units.weighted import weighted_unit

UNITS: KindTable[Unit] = KindTable("RTL unit", "semifreddo.rtl.units.kinds", ProjectError)
"""Functions of (layer, context, choice)."""


@UNITS.register(Conv, Linear)
def _weighted(layer: Conv | Linear, context: Context, choice: Choice) -> Unit:
    return weighted_unit(context, layer, choice)


@UNITS.register(MaxPool, AvgPool)
def _pool(layer: MaxPool | AvgPool, context: Context, choice: Choice) -> Unit:
    return pool_unit(context, layer, choice)


@UNITS.register(Add, Blend, Cast, Route)
def _pointwise(layer: Add | Blend | Cast | Route, context: Context, choice: Choice) -> Unit:
    return pointwise_unit(context, layer, choice)


def make_unit(context: Context, layer: Layer, choice: Choice) -> Unit:
    """The unit of any layer.

    Raises:
        ProjectError: The layer kind has no hardware.
    """
    return UNITS(layer, context, choice)
