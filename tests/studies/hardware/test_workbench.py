"""What is measured was proven first, and is measured once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nets import blended
from semifreddo.core.errors import LadderError
from semifreddo.rtl.design.design import make_design
from semifreddo.sim import reference
from semifreddo.studies.hardware import workbench
from semifreddo.studies.hardware.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "cache", timeout_s=60, jobs=1, say=lambda _: None)


def test_nothing_is_counted_of_rtl_that_computes_something_else(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = blended()
    design = make_design(net)
    wrong, stalls, packets = [1], [], []

    def build(*_: object, **__: object) -> Path:
        place = bench.cache / "simulations" / f"{net.name}-{design.digest[:12]}"
        place.mkdir(parents=True, exist_ok=True)
        return place / "simulation"

    class Simulated:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Simulated:
            return self

        def __exit__(self, *_: object) -> None: ...
        def configure(self, chosen: Any) -> None:
            stalls.append((chosen.input_per_mille, chosen.output_per_mille))

        def exchange(self, sent: list[Any], count: int, _: float) -> Any:
            packets.append(len(sent))
            images = workbench.pictures(net, count)
            answers = reference.run(net, images)
            answers[-1, -1] += wrong[0]
            return type("Exchanged", (), {"results": answers})

    monkeypatch.setattr(workbench, "build", build)
    monkeypatch.setattr(workbench, "Simulation", Simulated)
    with pytest.raises(LadderError, match="does not compute the network's integers; nothing"):
        bench.prove(design)
    assert not list(bench.cache.glob("exact-*"))
    wrong[0] = 0
    stalls.clear()
    bench.prove(design)
    assert len(set(stalls)) == 2, "with and without stalls"
    assert set(packets) == {2}, "a task, and images"
    wrong[0] = 1
    bench.prove(design)  # was proven before
    assert np.unique(reference.run(net, workbench.pictures(net, 6))).size > 1
