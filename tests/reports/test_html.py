from __future__ import annotations

import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nets import blended, images
from semifreddo.core.vectors import VectorSet
from semifreddo.reports.figures import (
    NetFigures,
    RungFigures,
    StageFigures,
    TargetFigures,
    TaskFigures,
)
from semifreddo.reports.report import BuildReport
from semifreddo.sim import reference

pytest.importorskip("jinja2", reason="needs the report extra")
from PIL import Image

from semifreddo.reports.html import _png, render_html

REPORT = BuildReport(
    design="digits",
    finished="2026-01-01T00:00:00+00:00",
    versions={"semifreddo": "0.1.0"},
    target=TargetFigures("pynq_z2", "xc7z020clg400-1", 100.0, 53200, 106400, 220, 280),
    stages=(StageFigures("lower", 0.5, False),),
    net=NetFigures("d" * 64, 5, 100, 300, 400, 1200, 4000, 1000),
    task=TaskFigures("<digits>", ("0", "1"), 2048, 0.9812, {}),
    ladder=(
        RungFigures("streamnet", "equal", 10, 0, 0.1, ""),
        RungFigures("csim", "different", 10, 2, 0.1, "image 3, output 1: expected 5, found 6"),
        RungFigures("board", "unavailable", 0, None, None, "no board"),
    ),
)


class Balance(HTMLParser):
    """Fails on a tag that is closed but not open."""

    void = frozenset({"meta", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.images += tag == "img"
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_figures_ladder_drawing_and_samples() -> None:
    net = blended()
    batch = images(net, 20).astype(np.uint8)
    vectors = VectorSet(batch, reference.run(net, batch))
    page = render_html(REPORT, net, vectors, {"Training": b"png"})
    parser = Balance()
    parser.feed(page)
    assert not parser.open
    assert parser.images == 16 + 1
    for text in ("98.12 %", "1 of 3", "2,048", "no board", "expected 5, found 6", "<svg"):
        assert text in page
    assert "&lt;digits&gt;" in page
    assert "<digits>" not in page
    assert render_html(REPORT, net, vectors, {"Training": b"png"}) == page


def test_absent_figures_are_dashes_not_zeros() -> None:
    bare = dataclasses.replace(REPORT, net=None, task=None, ladder=(), stages=())
    page = render_html(bare, None)
    assert page.count("<b>—</b>") == 3
    assert "No rung has been climbed yet." in page


def test_a_sample_picture_shows_the_image() -> None:
    image = np.array([[[0], [128]], [[255], [64]]], np.uint8)
    picture = Image.open(io.BytesIO(_png(image, 255)))
    assert picture.size == (64, 64)
    assert [picture.getpixel(place) for place in ((0, 0), (63, 0), (0, 63))] == [0, 128, 255]


def test_a_wide_table_scrolls_by_itself_and_every_colour_has_a_dark_one() -> None:
    page = render_html(REPORT, None)
    assert page.count("<table>") >= 3
    assert page.count("<table>") == page.count('<div class="scroll"><table>')
    light, _, dark = page.partition("prefers-color-scheme: dark")
    used = set(re.findall(r"var\((--\w+)\)", page))
    assert used
    for name in used:
        assert f"{name}: #" in light
        assert f"{name}: #" in dark
