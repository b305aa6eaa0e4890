"""A picture of the block design, as SVG: what ``tcl/block_design.tcl`` builds on a board."""

from __future__ import annotations

from html import escape

from semifreddo.boards.spec import BoardSpec, ProcessingSystem
from semifreddo.core import block_design as names

_WIDTH, _HEIGHT = 760, 330
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.small{font-size:10px;fill:#555}"
    "rect{fill:#fff;stroke:#444}.ps{fill:#eef3fb}.core{fill:#e9f7ec}"
    "path{fill:none;stroke:#444;stroke-width:1.5;marker-end:url(#a)}.irq{stroke-dasharray:4 3}"
)
_ARROW = (
    '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path d="M0 0L8 4L0 8Z" style="fill:#444;stroke:none"/></marker>'
)


def _box(x: int, y: int, width: int, height: int, *lines: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    text = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"{style}/>']
    top = y + height // 2 - 7 * (len(lines) - 1) + 4
    for number, line in enumerate(lines):
        small = ' class="small"' if number else ""
        text.append(
            f'<text x="{x + width // 2}" y="{top + 14 * number}" text-anchor="middle"{small}>'
            f"{escape(line)}</text>"
        )
    return "".join(text)


def _line(points: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<path d="{points}"{style}/>'


def _label(text: str, x: int, y: int) -> str:
    return f'<text x="{x}" y="{y}" class="small">{escape(text)}</text>'


def block_design_svg(board: BoardSpec, ps: ProcessingSystem) -> str:
    """The block design of a board.

    Args:
        board: The board.
        ps: Its processing system.
    """
    bases = {segment.instance: f"0x{segment.base:08X}" for segment in names.address_map(ps.kind)}
    parts = [
        _box(10, 40, 150, 260, names.PS_INSTANCE[ps.kind], board.part, kind="ps"),
        _box(240, 40, 140, 40, names.CONTROL_INTERCONNECT, "registers"),
        _box(240, 130, 140, 40, names.MEMORY_INTERCONNECT, "data"),
        _box(240, 250, 140, 40, names.INTERRUPT_CONTROLLER, bases[names.INTERRUPT_CONTROLLER]),
        _box(460, 120, 120, 60, names.DMA, bases[names.DMA]),
        _box(640, 120, 110, 60, names.CORE, bases[names.CORE], kind="core"),
        _box(460, 250, 120, 40, names.INTERRUPT_CONCAT),
        _line("M160 60H238") + _label(ps.control_port, 163, 55),
        _line("M238 150H162") + _label(ps.memory_port, 163, 145),
        _line("M458 150H382") + _label("MM2S, S2MM", 388, 145),
        _line("M380 60H520V118"),
        _line("M380 52H695V118"),
        _line("M310 80V100H420V235H310V248"),
        _line("M580 140H638") + _label("image", 590, 135),
        _line("M638 162H582") + _label("result", 590, 176),
        _line("M520 180V248", kind="irq"),
        _line("M695 180V270H582", kind="irq") + _label("HLS core only", 610, 264),
        _line("M458 270H382", kind="irq"),
        _line("M238 270H162", kind="irq") + _label("interrupt", 180, 265),
        f'<text x="10" y="24">{escape(board.title)}: '
        f"{board.clock_mhz:g} MHz from the processor to every block</text>",
        '<text x="10" y="322" class="small">'
        f"{ps.memory_port}: {ps.memory_port_bits} bits; streams: "
        f"{names.DMA_STREAM_BITS} bits; proc_sys_reset and clock wires left out</text>",
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">\n<style>{_STYLE}</style>\n<defs>{_ARROW}</defs>\n'
        f"{body}\n</svg>\n"
    )
