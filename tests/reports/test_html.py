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

from reports.hard_report import COMMAND, DESIGN, full_report
from reports.hard_report import net as hard_net
from reports.hard_report import vectors as hard_vectors
from semifreddo.reports.html import _change, _png, render_html

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
    picture = Image.open(io.BytesIO(_png(image, 0, 255)))
    assert picture.size == (64, 64)
    assert [picture.getpixel(place) for place in ((0, 0), (63, 0), (0, 63))] == [0, 128, 255]
    signed = Image.open(io.BytesIO(_png(image - 128, -128, 127)))
    assert [signed.getpixel(place) for place in ((0, 0), (63, 0), (0, 63))] == [0, 128, 255]
    colours = np.array([[[255, 0, 9], [0, 200, 0]]], np.uint8)
    coloured = Image.open(io.BytesIO(_png(colours, 0, 255)))
    assert coloured.size == (128, 64)
    assert [coloured.getpixel(place) for place in ((0, 0), (127, 63))] == [(255, 0, 9), (0, 200, 0)]
    grey = Image.open(io.BytesIO(_png(np.array([[[7, 250]] * 3], np.uint8), 0, 255)))
    assert grey.mode == "L" and grey.getpixel((0, 0)) == 7, "of two channels the first"


def test_every_cell_of_a_narrow_page_names_its_column_and_every_colour_has_a_dark_one() -> None:
    page = render_html(full_report(), None)
    rows = [row for row in re.findall(r"<tr>.*?</tr>", page, re.S) if "<td" in row]
    assert len(rows) > 30
    for row in rows:
        for kind, text in re.findall(r"<td([^>]*)>((?:(?!</td>).)+)</td>", row, re.S):
            speaks_for_itself = 'class="name"' in kind or "was up to" in text or "waits:" in text
            assert speaks_for_itself or "data-label=" in kind or 'class="bar"' in text, (kind, text)
    light, _, dark = page.partition("prefers-color-scheme: dark")
    used = set(re.findall(r"var\((--\w+)\)", page))
    assert used
    for name in used:
        assert f"{name}: #" in light
        assert f"{name}: #" in dark


def test_a_full_report_shows_each_figure() -> None:
    net = hard_net()
    page = render_html(full_report(), net, hard_vectors(net), files={"a b/c.txt": "why"})
    for text in (
        COMMAND,
        "made by <code>semifreddo build",
        "41 of 60 are answered right (68.33 %)",
        "which was for pynq_z2 at 100 MHz",
        "+0.99 points",
        "-1,135,867 (-92.0 %)",
        ">+180.0 %</td>",
        ">+9,100</td>",
        "The line marks the share that the design may use: 70 %",
        "1,111,000 = 482.2 %",
        "2,345,679 cycles = 7,037.04 µs = 7.0370 ms",
        "8.1 %",  # stalled: 10,000,000 of 123,456,789 cycles
        "81.0 %",
        '<a href="a%20b/c.txt">a b/c.txt</a>: why',
        '<a href="cosim/waves.vcd">',
        f'<a href="{DESIGN}.sfb">',
        "By Vitis HLS 2023.2",
        ">groups</td>",
    ):
        assert text in page, text
    assert "<script" not in page and "http://www.w3.org/2000/svg" in page
    assert not re.search(r'(?:src|href)="(?!data:)(?:\w+:|//)', page)


def test_no_classes_no_confusion() -> None:
    net = blended()
    batch = images(net, 20).astype(np.uint8)
    vectors = VectorSet(batch, reference.run(net, batch))
    assert "Worst images" not in render_html(REPORT, net, vectors)
    known = VectorSet(batch, vectors.expected, truth=np.zeros(20, int))
    assert "Worst images" in render_html(REPORT, net, known)
    beyond = VectorSet(batch, vectors.expected, truth=np.full(20, 2))  # the task has two labels
    assert "Worst images" not in render_html(REPORT, net, beyond)


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (1000, 1500, "+500 (+50.0 %)"),
        (2, 1, "-1 (-50.0 %)"),
        (0, 1234, "+1,234"),
        (0.5, 0.75, "+50.0 %"),
        (2, 2.5, "+25.0 %"),
        (2.5, 3, "+20.0 %"),
        (0, 0.5, ""),
    ],
)
def test_how_a_figure_changed(then: float, now: float, told: str) -> None:
    """A difference of whole numbers, and a share of what was not nothing."""
    assert _change(then, now) == told
