"""What nextpnr says of the slowest path."""

from __future__ import annotations

from semifreddo.tools.nextpnr import _slowest_path


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
