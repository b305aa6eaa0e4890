"""A confusion matrix as a picture: a row per true class, a column per answer.

A cell is the darker the larger its share of the row. Up to sixteen classes it also bears the number
of images, and rows and columns their labels; with more, every fifth class is numbered, and a cell's
title tells the rest.
"""

from __future__ import annotations

from html import escape

from semifreddo.core.fixed import IntArray

_NUMBERED = 16
_EVERY = 5
_WIDTH = 380
_LETTER = 6.4
"""Width of a letter of the labels, in pixels, rather too large."""
_GUTTER = 110
_FAINTEST = 0.22


def _short(label: str, width: float) -> str:
    letters = max(1, int(width / _LETTER))
    return label if len(label) <= letters else f"{label[: letters - 1]}…"


def _axes(labels: tuple[str, ...], cell: float, gutter: float, head: float) -> list[str]:
    """Labels of rows and columns."""
    many = len(labels) > _NUMBERED
    parts = []
    for index, label in enumerate(labels):
        if many and index % _EVERY:
            continue
        middle = (index + 0.5) * cell
        row = str(index) if many else _short(label, gutter - 8)
        column = str(index) if many else _short(label, cell + 1)
        title = f"<title>{escape(label)}</title>"
        parts += [
            f'<text x="{gutter - 6:g}" y="{head + middle + 4:g}" text-anchor="end">'
            f"{title}{escape(row)}</text>",
            f'<text x="{gutter + middle:g}" y="{head - 6:g}" text-anchor="middle">'
            f"{title}{escape(column)}</text>",
        ]
    return parts


def _cell(x: float, y: float, cell: float, count: int, share: float, *, right: bool) -> str:
    opacity = _FAINTEST + (1 - _FAINTEST) * share
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{cell - 1:g}" height="{cell - 1:g}" rx="2" '
        f'class="{"right" if right else "wrong"}" fill-opacity="{opacity:.2f}"/>'
        if count
        else f'<rect x="{x:g}" y="{y:g}" width="{cell - 1:g}" height="{cell - 1:g}" rx="2" '
        'class="none"/>'
    )


def draw_confusion(matrix: IntArray, labels: tuple[str, ...]) -> str:
    """The matrix as SVG text; its colours are the page's.

    Args:
        matrix: ``(classes, classes)`` images by truth and answer.
        labels: Class names.
    """
    size, many = len(labels), len(labels) > _NUMBERED
    longest = max(len(label) for label in labels)
    gutter = 30.0 if many else min(_GUTTER, 14 + _LETTER * longest)
    head = 22.0
    cell = min(44.0, (_WIDTH - gutter) / size)
    parts = _axes(labels, cell, gutter, head)
    for truth, row in enumerate(matrix.tolist()):
        for answer, count in enumerate(row):
            x, y = gutter + answer * cell, head + truth * cell
            share = count / max(1, sum(row))
            title = f"{labels[truth]} answered as {labels[answer]}: {count} of {sum(row)}"
            parts.append(
                f"<g><title>{escape(title)}</title>"
                + _cell(x, y, cell, count, share, right=truth == answer)
            )
            if count and not many:
                middle = f'x="{x + cell / 2 - 0.5:g}" y="{y + cell / 2 + 4:g}"'
                strong = ' class="strong"' if share > 0.5 else ""
                parts.append(f'<text {middle} text-anchor="middle"{strong}>{count}</text>')
            parts.append("</g>")
    width, height = gutter + size * cell, head + size * cell
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" class="confusion" role="img" '
        f'aria-label="confusion matrix">\n' + "\n".join(parts) + "\n</svg>\n"
    )
