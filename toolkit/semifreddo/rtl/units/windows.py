"""The text of what turns a layer's stream into windows."""

from __future__ import annotations

from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.verilog import vector
from semifreddo.rtl.components.windows import Taps, Window

_PORTS = {name: name for name in ("clk", "rst", "in_valid", "in_ready", "in_data")} | {
    "out_valid": "window_valid",
    "out_ready": "window_ready",
    "out_data": "window",
}


def window_wires(bits: int) -> list[str]:
    """``window``, which has so many bits, with its handshake."""
    return ["wire window_valid;", "wire window_ready;", f"wire {vector(bits)} window;"]


def window_lines(former: Window | None) -> list[str]:
    """``in`` to ``window``; wires without a former."""
    if former is None:
        return [
            "assign window_valid = in_valid;",
            "assign in_ready = window_ready;",
            "assign window = in_data;",
        ]
    return [place(former, "former", _PORTS)]


def taps_lines(taps: Taps, line: str) -> list[str]:
    """``in`` to ``window``, the part of a pixel that belongs to a line of weights."""
    low = (taps.parts - 1).bit_length()
    high = (taps.geometry.taps * taps.parts - 1).bit_length() - 1
    part_ = f"{line}[{low - 1}:0]" if low else "1'b0"
    return [place(taps, "taps", _PORTS | {"tap": f"{line}[{high}:{low}]", "part": part_})]


def window_parameters(geometry: Geometry) -> dict[str, int]:
    """Parameters of a module with windows, set where it is placed."""
    return {} if geometry.trivial else {"PATIENCE": 0}
