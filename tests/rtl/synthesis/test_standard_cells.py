"""A whole design in standard cells: exact, and what it takes by part."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from liberties import real_liberty
from nets import blended
from semifreddo.core.errors import LadderError, ToolError
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.synthesis import standard_cells
from semifreddo.rtl.synthesis.activity import Activity, activity_of
from semifreddo.rtl.synthesis.parts import design_parts
from semifreddo.rtl.synthesis.standard_cells import map_part, measure_cells
from semifreddo.sim import reference
from semifreddo.studies.hardware.networks import conv_net, pictures
from semifreddo.tools.liberty import CellArea, Mapped, cell_models
from semifreddo.tools.opensta import Analysis, Power, SlowestPath
from semifreddo.tools.yosys import Yosys


@pytest.fixture
def design() -> RtlDesign:
    return make_design(conv_net(1, 2, bits=3, frozen=1))


@pytest.mark.slow
def test_a_design_in_real_cells(design: RtlDesign, tmp_path: Path) -> None:
    """The netlist gives the integers, every part has its share, and kept parts are taken."""
    library = real_liberty()
    said: list[str] = []

    def measured() -> standard_cells.DesignCells:
        return measure_cells(
            design,
            pictures(design.net, 3),
            liberty=library,
            clock_mhz=50,
            cache=tmp_path,
            timeout_s=600,
            progress=said.append,
        )

    found = measured()
    assert list(found.parts) == ["conv", "streams", "bus"]
    assert found.area == sum(part.area.total for part in found.parts.values()) > 100_000
    last = found.activity.cycles - 2 * design.cycles_per_image
    assert found.activity.images == 3 and 0 < last < 2 * design.latency_cycles
    assert found.analysis.path is not None
    assert {found.analysis.path.start, found.analysis.path.end} <= set(found.parts)
    watts = [part.watts for part in found.parts.values()]
    assert sum(watts) == pytest.approx(found.analysis.power.total, rel=1e-3)
    assert watts[0] > 0 and watts[2] > 0
    assert not list(tmp_path.glob("work-*"))
    again = measured()
    assert again == found and sum("(kept)" in line for line in said) == 3

    alone = measure_cells(
        design,
        pictures(design.net, 3),
        liberty=library,
        clock_mhz=50,
        cache=tmp_path,
        timeout_s=600,
        bus=False,
    )
    assert list(alone.parts) == ["conv", "streams"]
    assert alone.parts["conv"].area == found.parts["conv"].area
    assert alone.analysis.path is not None and alone.analysis.path.ns <= found.analysis.path.ns
    assert alone.activity.cycles == 2 * design.cycles_per_image, "the first one is not counted"

    modules = {}
    for part in design_parts(design):
        kept = map_part(part, liberty=library, cache=tmp_path, timeout_s=60)
        modules |= {
            part.top: json.loads(gzip.decompress(kept.gates.read_bytes()))["modules"][part.top]
        }
    models = dict(cell_models(library, workdir=tmp_path / "models", timeout_s=60))
    models["NAND2X1"], models["NOR2X1"] = models["NOR2X1"], models["NAND2X1"]
    with pytest.raises((LadderError, ToolError), match="netlist of standard cells"):
        activity_of(design, modules, models, pictures(design.net, 2))


def test_power_and_paths_are_told_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances that OpenSTA names belong to the innermost part around them."""
    net = blended()
    design = make_design(net)
    units = {unit.module: unit.layer for unit in design.layers.units}
    made: list[str] = []

    def fake_map(files: object, top: str, *, workdir: Path, **_: object) -> Mapped:
        workdir.mkdir(parents=True)
        cells = {}
        if top == design.top:
            cells = {"core": {"type": design.layers.module, "connections": {}}}
        elif top == design.layers.module:
            cells = {f"u{name}": {"type": name, "connections": {}} for name in units}
        (workdir / "g").write_text(json.dumps({"modules": {top: {"ports": {}, "cells": cells}}}))
        (workdir / "v").write_text(f"module {top}; endmodule")
        made.append(top)
        return Mapped(CellArea(10.0 * len(made), 1.0, 1, 0.1), workdir / "v", workdir / "g")

    first, *_ = units

    def fake_sta(netlists: list[Path], top: str, **options: object) -> Analysis:
        assert top == design.top and options["period_ns"] == 10.0
        assert all(path.is_absolute() and path.is_file() for path in netlists)
        assert options["toggles"] == {"pin": 0.5}
        watts = {"g1": 1.0, "core/g2": 2.0, f"core/u{first}/g3": 4.0, "core": 0.0}
        path = SlowestPath(3.0, f"core/u{first}/g3", "core/g2")
        return Analysis(path, Power(1.0, 7.0, watts))

    monkeypatch.setattr(standard_cells, "map_to_cells", fake_map)
    monkeypatch.setattr(standard_cells, "cell_models", lambda *_, **__: {})
    monkeypatch.setattr(standard_cells, "analyse", fake_sta)
    monkeypatch.setattr(standard_cells, "find_yosys", lambda: Yosys(Path("yosys"), (0, 70)))
    monkeypatch.setattr("semifreddo.rtl.synthesis.parts.find_yosys", lambda _=None: None)
    monkeypatch.setattr(standard_cells, "activity_of", lambda *_: Activity({"pin": 0.5}, 9, 1))
    library = tmp_path / "cells.lib"
    library.write_text("library (small) {}")
    (tmp_path / f"work-cells-{design.top}").mkdir()
    found = measure_cells(
        design,
        np.zeros((1, 4, 4, 1), np.int64),
        liberty=library,
        clock_mhz=100,
        cache=tmp_path,
        timeout_s=5,
        jobs=1,
    )
    watts = {name: part.watts for name, part in found.parts.items()}
    assert watts.pop("bus") == 1.0 and watts.pop("streams") == 2.0
    assert watts.pop(units[first]) == 4.0 and not any(watts.values())
    path = found.analysis.path
    assert path is not None and (path.start, path.end) == (units[first], "streams")
    assert found.area == sum(10.0 * (index + 1) for index in range(len(made)))


def test_pictures_differ(design: RtlDesign) -> None:
    answers = reference.run(design.net, pictures(design.net, 3))
    assert len({tuple(row) for row in answers.reshape(3, -1).tolist()}) == 3
