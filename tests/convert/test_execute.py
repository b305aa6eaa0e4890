"""Single precision is refused where a layer computes more than it holds, not where one chooses."""

from __future__ import annotations

import numpy as np

from semifreddo.convert.execute import float_limit
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Add, Cast, Layer, Linear, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet

WIDE = FixedType.exact(28, 8, signed=True)


def net(*after: Layer) -> StreamNet:
    """A linear layer with values of two bits in a format of 28, and layers behind it."""
    weight = WeightBlock("w", "weight", np.ones((4, 2), np.int64), 2, True, (0, 0), (True, True))
    first = Linear(inputs=("image",), output=Stream("wide", (1, 1, 2), WIDE), weight="w", bias=None)
    image = Stream("image", (2, 2, 1), FixedType.exact(8, 8, signed=False))
    return StreamNet("net", image, (first, *after), (weight,))


def out(name: str, kind: FixedType = WIDE) -> Stream:
    return Stream(name, (1, 1, 2), kind)


def test_values_that_are_chosen_stay_as_exact_as_they_were() -> None:
    route = Route(inputs=("wide",), output=out("swapped"), indices=(1, 0))
    cast = Cast(inputs=("swapped",), output=out("narrow", FixedType.exact(8, 0, signed=True)))
    assert float_limit(net(route, cast)) == ""


def test_a_sum_of_wide_values_is_refused() -> None:
    total = Add(inputs=("wide", "wide"), output=out("sum", FixedType.exact(29, 8, signed=True)))
    assert float_limit(net(total)).startswith("layer sum can reach 268435456 (2**28 and more)")
