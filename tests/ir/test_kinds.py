"""Every layer kind has a function for every purpose, and a forgotten one is named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.exact import EXACT_RESULTS
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import LAYER_KINDS, ROLES, Cast, Layer, Stream
from semifreddo.ir.validate import OUTPUT_SHAPES
from semifreddo.sim.reference import EXACT_VALUES

TABLES = [EXACT_RESULTS, OUTPUT_SHAPES, EXACT_VALUES]


@dataclass(frozen=True, kw_only=True)
class Forgotten(Layer):
    """A kind that nobody registered."""


def layer(kind: type[Layer] = Forgotten) -> Layer:
    return kind(
        inputs=("image",), output=Stream("new", (1, 1, 1), FixedType.exact(8, 0, signed=False))
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.purpose)
def test_no_kind_is_forgotten(table: KindTable[object]) -> None:
    assert table.missing == ()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.purpose)
def test_a_forgotten_kind_is_named_with_the_place(table: KindTable[object]) -> None:
    message = f"new: layer kind Forgotten has no {table.purpose}; register one in {table.module}"
    with pytest.raises(NetError, match=message):
        table(layer())


def test_missing_lists_what_is_not_registered() -> None:
    table: KindTable[int] = KindTable("test", "here", NetError)
    assert table.missing == tuple(LAYER_KINDS)
    table.register(Cast)(lambda layer, value: value + 1)
    assert table(layer(Cast), 1) == 2
    assert table.missing == tuple(name for name in LAYER_KINDS if name != "Cast")
    with pytest.raises(AssertionError, match="Cast has two of test"):
        table.register(Cast)(lambda layer, value: value)


def test_only_blend_factors_are_narrower_than_their_storage() -> None:
    storage = FixedType.exact(4, 0, signed=False)
    ranges = {role: ROLES[role].range_of(storage) for role in ROLES}
    assert ranges == dict.fromkeys(ROLES, (0, 15)) | {"alpha": (0, 8)}
