"""A network as a picture: what is frozen into logic and what stays loadable.

Layers stand in columns by their distance from the input, so parallel cores run side by side. Each
weighted layer carries a bar whose blue part is the frozen share of its weights and whose orange
part is the configurable share; layers without weights are grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from semifreddo.ir.layers import Layer, Stream
from semifreddo.ir.net import StreamNet

FROZEN = "var(--frozen, #2f6db3)"
CONFIGURABLE = "var(--configurable, #e8862e)"
NEUTRAL = "var(--neutral, #8a8f98)"
"""Colours of the page around the drawing, which may be dark; without a page, those given."""

_BOX_WIDTH, _BOX_HEIGHT = 150, 58
_GAP_X, _GAP_Y = 46, 22
_MARGIN = 16
_NAME_LETTERS = 17
"""As many as fit into a box, in a wide font."""


@dataclass(frozen=True)
class _Box:
    stream: Stream
    kind: str
    frozen: int
    configurable: int
    column: int
    row: float

    @property
    def x(self) -> float:
        return _MARGIN + self.column * (_BOX_WIDTH + _GAP_X)

    @property
    def y(self) -> float:
        return _MARGIN + self.row * (_BOX_HEIGHT + _GAP_Y)

    @property
    def color(self) -> str:
        if not self.frozen and not self.configurable:
            return NEUTRAL
        return FROZEN if self.frozen >= self.configurable else CONFIGURABLE


def _shares(net: StreamNet, layer: Layer) -> tuple[int, int]:
    """Frozen and configurable values a layer reads."""
    blocks = [net.block[name] for name in layer.block_names]
    frozen = sum(block.rows * len(block.frozen_channels) for block in blocks)
    return frozen, sum(block.raw.size for block in blocks) - frozen


def _columns(net: StreamNet) -> dict[str, int]:
    column = {net.input.name: 0}
    for layer in net.layers:
        column[layer.name] = 1 + max(column[name] for name in layer.inputs)
    return column


def _rows(net: StreamNet, column: dict[str, int]) -> dict[str, float]:
    """Rows in which each layer stands near the mean of what it reads, without overlap."""
    rows = {net.input.name: 0.0}
    for index in range(1, max(column.values()) + 1):
        members = [layer for layer in net.layers if column[layer.name] == index]
        wanted = {
            layer.name: sum(rows[name] for name in layer.inputs) / len(layer.inputs)
            for layer in members
        }
        ordered = sorted(members, key=lambda layer: wanted[layer.name])
        start = sum(wanted.values()) / len(members) - (len(members) - 1) / 2
        rows |= {layer.name: start + place for place, layer in enumerate(ordered)}
    lowest = min(rows.values())
    return {name: row - lowest for name, row in rows.items()}


def _boxes(net: StreamNet) -> dict[str, _Box]:
    column = _columns(net)
    rows = _rows(net, column)
    boxes = {net.input.name: _Box(net.input, "Input", 0, 0, 0, rows[net.input.name])}
    for layer in net.layers:
        frozen, configurable = _shares(net, layer)
        boxes[layer.name] = _Box(
            layer.output,
            layer.kind,
            frozen,
            configurable,
            column[layer.name],
            rows[layer.name],
        )
    return boxes


def _edge(source: _Box, target: _Box) -> str:
    x1, y1 = source.x + _BOX_WIDTH, source.y + _BOX_HEIGHT / 2
    x2, y2 = target.x, target.y + _BOX_HEIGHT / 2
    bend = max(_GAP_X / 2, (x2 - x1) / 2)
    return (
        f'<path d="M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}" '
        'style="fill:none; stroke:var(--wire, #c3c7cd)" stroke-width="1.5"/>'
    )


def _shorten(name: str) -> str:
    return name if len(name) <= _NAME_LETTERS else f"…{name[1 - _NAME_LETTERS :]}"


def _node(box: _Box) -> str:
    total = box.frozen + box.configurable
    shape = "×".join(map(str, box.stream.shape))
    title = f"{box.stream.name}: {box.kind}, {shape}, {box.stream.type}"
    if total:
        title += f", {box.frozen} frozen and {box.configurable} configurable values"
    parts = [
        f"<g><title>{escape(title)}</title>",
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="7" '
        f'style="fill:var(--card, #fff); stroke:{box.color}" stroke-width="2"/>',
        f'<text x="{box.x + 9:g}" y="{box.y + 19:g}" font-weight="600">'
        f"{escape(_shorten(box.stream.name))}</text>",
        f'<text x="{box.x + 9:g}" y="{box.y + 35:g}" style="fill:var(--muted, #5b6169)">'
        f"{escape(box.kind)} {escape(shape)}</text>",
    ]
    if total:
        width = _BOX_WIDTH - 18
        blue = width * box.frozen / total
        x, y = box.x + 9, box.y + _BOX_HEIGHT - 14
        parts += [
            f'<rect x="{x:g}" y="{y:g}" width="{blue:.1f}" height="6" style="fill:{FROZEN}"/>',
            f'<rect x="{x + blue:.1f}" y="{y:g}" width="{width - blue:.1f}" height="6" '
            f'style="fill:{CONFIGURABLE}"/>',
        ]
    return "".join([*parts, "</g>"])


def draw_net(net: StreamNet) -> str:
    """The network as a self-contained SVG text, deterministic for a given network."""
    boxes = _boxes(net)
    width = max(box.x for box in boxes.values()) + _BOX_WIDTH + _MARGIN
    height = max(box.y for box in boxes.values()) + _BOX_HEIGHT + _MARGIN
    edges = [_edge(boxes[name], boxes[layer.name]) for layer in net.layers for name in layer.inputs]
    nodes = [_node(box) for box in boxes.values()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" class="net" font-family="system-ui, sans-serif" '
        'font-size="12" style="fill:var(--text, #23272e)" role="img" '
        'aria-label="network drawing">\n' + "\n".join(edges + nodes) + "\n</svg>\n"
    )
