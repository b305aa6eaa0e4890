"""What counts as decided; ``test_single_precision.py`` has proofs of whole files."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from semifreddo.convert.proof import DOUBLE, Doubt, Proof, _doubts, _is_exact, quotient_error

Near = list[tuple[int, int, float]]


class Decision(SimpleNamespace):
    """A quantizer without an error of its own: signs have no quotient."""

    def __init__(self, errors: list[Fraction], near: dict[int, Near], **fields: Any) -> None:
        quantizer = SimpleNamespace(low=-1, high=1, zero=0, step=2, levels=(1,))
        functions = (SimpleNamespace(select=lambda channels: near[channels[0]][0][0]),)
        super().__init__(
            node="/act",
            unit=Fraction(1, 2),
            arguments=range(-7, 20),
            quantizer=quantizer,
            functions=functions,
            by_channel=lambda _: errors,
            clear=lambda channel, total: True,
            **fields,
        )
        self.near, self.asked = near, []

    def nearest(self, channel: int) -> Near:
        self.asked.append(channel)
        return self.near[channel]


def doubts(decision: Decision) -> tuple[float, list[Doubt]]:
    bound = SimpleNamespace(error=None)
    return _doubts(decision, bound, DOUBLE)  # type: ignore[arg-type]


def test_an_accumulator_as_near_as_the_error_is_a_doubt() -> None:
    """In steps of the quantizer, of which an error of an eighth is a quarter."""
    near = [(1, 5, 0.25), (2, 6, 0.2500001), (3, 7, 0.0), (4, 8, 0.1)]
    distance, found = doubts(Decision([Fraction(1, 8)], {0: near}))
    assert distance == 0.0
    assert found == [
        Doubt("/act", 0, level, argument, distance, 0.25)
        for level, argument, distance in (near[0], near[2], near[3])
    ]
    assert str(found[0]) == (
        "/act, channel 0, level 1: accumulator 5 is 2.5e-01 steps from the boundary, the error up "
        "to 2.5e-01"
    )


def test_what_lies_on_a_boundary_is_decided_if_nothing_was_rounded() -> None:
    """Of one channel; behind a rounding of another it is a doubt."""
    near = {0: [(1, 5, 0.0), (2, 6, 0.5)], 1: [(9, 5, 0.0), (2, 6, 0.5)]}
    assert doubts(Decision([Fraction(0)], near)) == (0.5, [])
    distance, found = doubts(Decision([Fraction(0), Fraction(1, 8)], near))
    assert distance == 0.0 and [(doubt.channel, doubt.level) for doubt in found] == [(1, 9)]
    assert doubts(Decision([Fraction(0)], {0: [(1, 5, 0.0)]})) == (float("inf"), [])


def test_channels_of_one_function_are_looked_at_once() -> None:
    near = [(1, 5, 0.25)]
    decision = Decision([Fraction(1, 8)] * 3, {0: near, 1: near, 2: near})
    _, found = doubts(decision)
    assert decision.asked == [0]
    assert [doubt.channel for doubt in found] == [0, 1, 2]


def test_a_channel_that_is_too_near_somewhere_is_a_doubt_of_its_own() -> None:
    """Told with the smallest accumulator and the lowest level: which it is does not matter."""
    decision = Decision([Fraction(1, 8)] * 2, {0: [(1, 5, 9.0)], 1: [(2, 5, 9.0)]})
    asked: list[tuple[int, float]] = []

    def clear(channel: int, total: float) -> bool:
        asked.append((channel, total))
        return channel == 0

    decision.clear = clear
    distance, found = doubts(decision)
    assert asked == [(0, 0.25), (1, 0.25)] and distance == 9.0
    assert found == [Doubt("/act", 1, -1, -7, 0.0, 0.25)]


@pytest.mark.parametrize(
    ("low", "high", "zero", "most"),
    [(-8, 7, 0, 9), (0, 15, 0, 16), (0, 15, -3, 22), (-9, 2, 4, 18)],
)
def test_dividing_by_a_scale_has_an_error(low: int, high: int, zero: int, most: int) -> None:
    quantizer = SimpleNamespace(low=low, high=high, zero=zero, step=1)
    decision = SimpleNamespace(quantizer=quantizer)
    assert quotient_error(decision, 10) == Fraction(2 * most, 1024)  # type: ignore[arg-type]
    quantizer.step = 2
    assert quotient_error(decision, 10) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "rounded", "exact"),
    [
        (Fraction(1, 8), False, True),
        (Fraction(8), False, True),
        (Fraction(1), False, True),
        (Fraction(3), False, False),
        (Fraction(1, 3), False, False),
        (Fraction(1, 8), True, False),
    ],
)
def test_where_nothing_is_rounded(unit: Fraction, rounded: bool, exact: bool) -> None:
    found = _is_exact(SimpleNamespace(unit=unit), SimpleNamespace(exact=not rounded))  # type: ignore[arg-type]
    assert found == exact


def test_what_is_said_of_a_proof() -> None:
    doubt = Doubt("/a", 0, 1, 2, 0.5, 0.25)
    begin = "not proven for every image: "
    for count, more in ((1, ""), (3, ""), (4, "; 1 more"), (6, "; 3 more")):
        shown = "; ".join([str(doubt)] * min(count, 3))
        assert str(Proof(2, 9, None, (doubt,) * count, ())) == f"{begin}{shown}{more}"
    unknown = Proof(2, 9, 0.5, (), ("/b",))
    assert not unknown.holds
    assert str(unknown) == f"{begin}/b: an operator in front of it has no known error"
    proven = "proven for every image: 9 steps of 2 quantizers "
    assert str(Proof(2, 9, None, (), ())) == f"{proven}computed without rounding"
    assert str(Proof(2, 9, 0.0128, (), ())) == (
        f"{proven}decided exactly; nearest accumulator 1.3e-02 steps away"
    )
