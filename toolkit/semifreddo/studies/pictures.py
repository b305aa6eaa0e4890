"""Pictures of study pages, as SVG text: the same text for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 20, 50
_COLOURS = ("#0b6e99", "#c2571a", "#5a7d2a", "#7b4fa3", "#b8282e", "#6b6b6b")
_TICKS = 6


@dataclass(frozen=True)
class Point:
    """A mark of a scatter plot.

    Attributes:
        x: To the right.
        y: Upwards.
        name: Written beside it.
        spread: Half the length of its vertical bar.
    """

    x: float
    y: float
    name: str = ""
    spread: float = 0.0


def scatter(
    series: Mapping[str, Sequence[Point]], x_label: str, y_label: str, *, floor: float = 0.0
) -> str:
    """Points of several series over two axes; the series are named in the corner.

    Args:
        series: At least one with a point; colours follow their order.
        x_label: Under the axis.
        y_label: Beside the axis.
        floor: A height that the picture shows besides the points.
    """
    points = [point for group in series.values() for point in group]
    xs = _ticks([point.x for point in points])
    ys = _ticks([side for p in points for side in (p.y - p.spread, p.y + p.spread)] + [floor])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]

    def right(x: float) -> float:
        return _LEFT + (x - xs[0]) / (xs[-1] - xs[0]) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return _HEIGHT - _BOTTOM - (y - ys[0]) / (ys[-1] - ys[0]) * (_HEIGHT - _TOP - _BOTTOM)

    for x in xs:
        parts.append(_line(right(x), _TOP, right(x), _HEIGHT - _BOTTOM, "#ddd"))
        parts.append(_text(right(x), _HEIGHT - _BOTTOM + 18, f"{x:g}", "middle"))
    for y in ys:
        parts.append(_line(_LEFT, down(y), _WIDTH - _RIGHT, down(y), "#888" if not y else "#ddd"))
        parts.append(_text(_LEFT - 8, down(y) + 4, f"{y:g}", "end"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_label, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    turned = f' transform="rotate(-90 18 {middle:.1f})"'
    parts.append(_text(18, middle, y_label, "middle", turned))
    # Names of neighbours stand above and below their marks in turn.
    order = sorted(points, key=lambda point: (point.x, point.y))
    for index, (name, group) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        for point in group:
            place = right(point.x), down(point.y)
            if point.spread:
                ends = down(point.y - point.spread), down(point.y + point.spread)
                parts.append(_line(place[0], ends[0], place[0], ends[1], colour))
            parts.append(f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4" fill="{colour}"/>')
            if point.name:
                left = place[0] > _WIDTH / 2
                side = place[0] + (-8 if left else 8)
                above = order.index(point) % 2 == 0
                height = place[1] + (-6 if above else 16)
                parts.append(_text(side, height, point.name, "end" if left else "start"))
        parts.append(
            f'<circle cx="{_LEFT + 14}" cy="{_TOP + 14 + 18 * index}" r="4" fill="{colour}"/>'
        )
        parts.append(_text(_LEFT + 24, _TOP + 18 + 18 * index, name, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers that enclose all values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / (_TICKS - 1)
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
