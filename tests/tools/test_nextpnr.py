"""What nextpnr says of the slowest path."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.core.errors import LimitError
from semifreddo.tools.nextpnr import Routed, _slowest_path, require_clock


def path(start: str, end: str, cell: str, delay: float) -> dict[str, object]:
    step = {"type": "logic", "from": {"cell": cell}, "delay": delay}
    return {"from": start, "to": end, "path": [step]}


def test_only_paths_within_a_clock_count() -> None:
    report = {
        "critical_paths": [
            path("posedge clk", "posedge clk", "adder", 3.0),
            path("posedge clk", "posedge clk", "mux", 4.0),
            path("posedge clk", "<async>", "pin", 9.0),
            path("<async>", "<async>", "wire", 8.0),
        ]
    }
    assert _slowest_path(report) == ("mux (logic 4.00 ns)",)
    assert _slowest_path({"critical_paths": report["critical_paths"][2:]}) == ()
    assert _slowest_path({}) == ()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), r"40.0 MHz reached, 50 MHz wanted(?!.*slowest)"),
        (("a", "b", "c"), r"40.0 MHz reached, 50 MHz wanted.*; the slowest path is from a to c"),
    ],
)
def test_a_missed_clock_names_both_ends_of_the_slowest_path(
    steps: tuple[str, ...], message: str
) -> None:
    routed = Routed(Path("x.config"), {"clk": 40.0, "other": 90.0}, {}, steps, 1, 2.0)
    require_clock(routed, 40.0)
    with pytest.raises(LimitError, match=message):
        require_clock(routed, 50.0)
