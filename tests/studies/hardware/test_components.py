"""Library modules alone, predicted and synthesised."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.rtl.synthesis.parts import Synthesized, synthesize_parts
from semifreddo.studies.hardware import components
from semifreddo.studies.hardware.components import Components, fifo_part, pick_part
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.yosys import locate_yosys


def test_what_is_predicted_is_what_yosys_makes(tmp_path: Path) -> None:
    locate_yosys()
    chosen = [pick_part(5), fifo_part(16, credited=False)]
    made = synthesize_parts(
        [part for _, part in chosen], family="xc7", cache=tmp_path, timeout_s=300
    )
    for (component, _), found in zip(chosen, made, strict=True):
        area = component.counts().area()
        assert round(area.ff) == found.cells.ff
        assert round(area.lut) == pytest.approx(found.cells.lut, abs=1)


def test_a_row_for_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def synthesize(parts, **_):
        cells = CellCounts(
            lut=7, lut_pairs=7, lut_as_srl=0, lut_as_ram=0, ff=5, dsp=0, bram18=0, carry=0
        )
        return [Synthesized(cells, None, "kept") for _ in parts]

    monkeypatch.setattr(components, "synthesize_parts", synthesize)
    lines = Components(inputs=3).run(tmp_path, 1, print).splitlines()
    assert lines[0] == "| module | LUT predicted | found | flip-flops predicted | found |"
    assert lines[2:5] == [
        "| pick_2 | 16 | 7 | 16 | 5 |",
        "| pick_3 | 16 | 7 | 16 | 5 |",
        "| fifo_2 | 22 | 7 | 7 | 5 |",
    ]
    assert [line.split()[1] for line in lines[5:7]] == ["fifo_2_credited", "fifo_3"]
    assert len(lines) == 2 + 2 + 2 * 13
