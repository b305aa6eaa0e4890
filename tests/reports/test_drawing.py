from __future__ import annotations

from statistics import fmean
from xml.etree import ElementTree as ET

import pytest

from nets import blended
from semifreddo.reports.drawing import (
    CONFIGURABLE,
    FROZEN,
    NEUTRAL,
    _Box,
    _columns,
    _rows,
    draw_net,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_every_layer_is_drawn_once_and_connected() -> None:
    net = blended()
    root = ET.fromstring(draw_net(net))  # noqa: S314 - our own text
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert [title.split(":")[0] for title in titles] == [
        net.input.name,
        *(layer.name for layer in net.layers),
    ]
    assert len(list(root.iter(f"{SVG}path"))) == sum(len(layer.inputs) for layer in net.layers)


def test_colours_show_the_frozen_share() -> None:
    drawing = draw_net(blended())
    frozen_core = next(line for line in drawing.splitlines() if "<title>core:" in line)
    partial = next(line for line in drawing.splitlines() if "<title>adapter:" in line)
    assert "36 frozen and 0 configurable values" in frozen_core
    assert FROZEN in frozen_core
    assert f'width="0.0" height="6" style="fill:{CONFIGURABLE}"' in frozen_core
    assert "10 frozen and 30 configurable values" in partial
    colors = {
        (frozen, configurable): _Box(blended().input, "Conv", frozen, configurable, 0, 0.0).color
        for frozen, configurable in ((0, 0), (9, 0), (0, 9), (5, 5), (4, 5))
    }
    assert list(colors.values()) == [NEUTRAL, FROZEN, CONFIGURABLE, FROZEN, CONFIGURABLE]


def test_boxes_do_not_overlap() -> None:
    root = ET.fromstring(draw_net(blended()))  # noqa: S314 - our own text
    corners = [
        (float(rect.get("x", 0)), float(rect.get("y", 0)))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("rx")
    ]
    assert len(set(corners)) == len(corners)
    for i, (x1, y1) in enumerate(corners):
        for x2, y2 in corners[i + 1 :]:
            assert abs(x1 - x2) >= 150 or abs(y1 - y2) >= 58


def test_a_column_stands_beside_the_middle_of_what_it_reads() -> None:
    net = blended()
    columns = _columns(net)
    rows = _rows(net, columns)
    assert min(rows.values()) == 0
    for column in range(1, max(columns.values()) + 1):
        members = [layer for layer in net.layers if columns[layer.name] == column]
        read = fmean(fmean(rows[name] for name in layer.inputs) for layer in members)
        assert fmean(rows[layer.name] for layer in members) == pytest.approx(read)
    assert len({(columns[name], row) for name, row in rows.items()}) == len(rows)
