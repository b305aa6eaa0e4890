"""Pictures are the same text for the same numbers, and valid XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.studies.pictures import Point, _ticks, scatter

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def test_points_stand_where_their_numbers_are():
    text = scatter(
        {"one": [Point(0, 0, "a & b"), Point(1, 2, spread=1)], "two": [Point(2, -1)]}, "x", "y"
    )
    tree = ElementTree.fromstring(text)  # noqa: S314 -- our own text
    names = [entry.text for entry in tree.iter() if entry.tag.endswith("text")]
    assert {"a & b", "one", "two", "x", "y"} <= set(names)
    circles = [entry for entry in tree.iter() if entry.tag.endswith("circle")]
    places = [(float(entry.get("cx")), float(entry.get("cy"))) for entry in circles]
    assert len(circles) == 3 + 2
    origin, up, last = places[0], places[1], places[3]
    assert origin[0] < up[0] < last[0] and up[1] < origin[1] < last[1]
    assert up[0] - origin[0] == pytest.approx(last[0] - up[0], abs=0.11)


@given(st.lists(NUMBERS, min_size=1, max_size=9))
def test_ticks_enclose_all_values(values):
    ticks = _ticks(values)
    assert ticks[0] <= min(values) and max(values) <= ticks[-1]
    assert 2 <= len(ticks) <= 8 and ticks == sorted(set(ticks))
