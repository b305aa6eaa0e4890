"""What the vendor's test bench leaves, and rungs without it; ``test_vivado.py`` has the stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semifreddo.flow.stages.vendor import _results, _rung


@pytest.mark.parametrize("text", [None, "", "1 2\n", "1 2\n3\n", "1 2\n3 x\n", "1 2\n3 4\n5 6\n"])
def test_what_are_no_results_of_two_images(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "results.dat"
    if text is not None:
        path.write_text(text)
    assert _results(path, 2) is None
    rung = _rung("vendor-csim", path, 2)
    assert (rung.name, rung.run) == ("vendor-csim", None)
    assert rung.reason == "passed by its own test bench, which left no results.dat"


def test_results(tmp_path: Path) -> None:
    path = tmp_path / "results.dat"
    path.write_text("1 -2 3\n4 5 600000000000\n")
    found = _results(path, 2)
    assert found is not None and found.tolist() == [[1, -2, 3], [4, 5, 600_000_000_000]]
    rung = _rung("vendor-cosim", path, 2)
    assert rung.run is not None
    assert np.array_equal(rung.run(np.zeros((2, 1, 1, 1), int)), found)
