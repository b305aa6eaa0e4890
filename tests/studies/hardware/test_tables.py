"""The measured tables: their networks, the rivals' exactness, and what a user can get wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.errors import LadderError, ProjectError, ToolError
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.verilator import find_verilator
from semifreddo.sim import reference
from semifreddo.studies.hardware import tables
from semifreddo.studies.hardware.networks import conv_net, dense_net, pictures
from semifreddo.studies.hardware.rivals import da4ml_rtl, plain_constants
from semifreddo.studies.hardware.workbench import Workbench, markdown
from semifreddo.tools.cells import CellCounts

SMALL = (3, 4, 2)
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "cache", 300, 1, lambda _: None)


@pytest.mark.parametrize(
    "net",
    [
        conv_net(3, 16, bits=4, frozen=8),
        conv_net(3, 16, bits=8, frozen=0, powers_of_two=True),
        dense_net(),
    ],
)
def test_networks_have_many_different_answers(net) -> None:
    answers = reference.run(net, pictures(net, 20))
    assert len(np.unique(answers)) >= 8
    assert not np.any(np.all(answers == answers[0], axis=0).all())


def test_powers_of_two() -> None:
    raw = conv_net(3, 16, bits=8, frozen=0, powers_of_two=True).block["conv.weight"].raw
    assert set(np.abs(raw).ravel()) == {1 << bit for bit in range(7)}


@pytest.mark.slow
def test_rivals_are_exact_and_a_wrong_one_is_not_counted(bench: Workbench, tmp_path: Path) -> None:
    pytest.importorskip("da4ml")
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    ours = make_design(dense_net(SMALL))
    bench.prove(da4ml_rtl(ours, tmp_path / "da4ml"))
    plain = plain_constants(ours)
    bench.prove(plain)
    bench.prove(plain)  # from the cache
    text = plain.files["dense_layers.sv"]
    wrong = replace(plain, files={**plain.files, "dense_layers.sv": text.replace("4'sd", "-4'sd")})
    with pytest.raises(LadderError, match="does not compute the network's integers; nothing"):
        bench.prove(wrong)


def test_rivals_take_chains_of_linear_layers_only() -> None:
    with pytest.raises(ProjectError, match="layer: is no chain of linear layers"):
        plain_constants(make_design(conv_net(3, 4, bits=4, frozen=4)))


def test_the_record_has_the_rows_that_are_measured() -> None:
    rows = json.loads((DOCS / "studies" / "residency.json").read_text())["rows"]
    found = [(row["cycles"], row["bits"], row["powers_of_two"]) for row in rows]
    wanted = [(cycles, tables.BITS if cycles == 1 else tables.FOLDED_BITS) for cycles in (1, 27)]
    assert found == [(cycles, *kind) for cycles, kinds in wanted for kind in kinds]


def test_tables_put_counts_in_their_places(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def cells(self: Workbench, parts, *, use_dsp: bool) -> list[CellCounts]:
        seen.extend(part.top for part in parts)
        return [CellCounts(lut=1000 * len(seen), dsp=7 * use_dsp, ff=5) for _ in parts]

    monkeypatch.setattr(Workbench, "prove", lambda self, design: None)
    monkeypatch.setattr(Workbench, "cells", cells)
    text = tables.residency_table(tables.residency(bench, bits=[(4, False)], folded=[]))
    assert text.splitlines()[2] == (
        "| 1 | 4 | 1,000 | 5 | 2,000 | 3,000 + 7 | 4,000 | 5,000 + 7 | 4.00 |"
    )
    text = tables.digits_table(tables.digits(bench, layers=[(3, 4, 4, 8)], widths=(0, 1)))
    first, second = text.splitlines()[2:]
    assert first.startswith("| 3→4, 4/8 | all | 1 | 6,000 | 1.00 |")
    assert second.startswith("| 3→4, 4/8 | 1 | ")


def test_rivals_without_fifos(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("da4ml")
    found = [CellCounts(lut=120, lut_as_ram=20), CellCounts(lut=220, lut_as_ram=20, ff=3)]
    monkeypatch.setattr(Workbench, "prove", lambda self, design: None)
    monkeypatch.setattr(Workbench, "cells", lambda self, parts, *, use_dsp: [*found, *found])
    lines = tables.rivals_table(tables.rivals(bench, SMALL)).splitlines()
    assert lines[3] == "| plain constants, left to Yosys | 1 | 220 | 20 | 1.83 | 2.00 | 0 | 3 |"
    assert lines[5].startswith("| this RTL, one bit per cycle | 1")


def test_markdown() -> None:
    assert markdown(("a", "b"), [(1234, None), (0.5, "x")]) == (
        "| a | b |\n|---|---|\n| 1,234 | – |\n| 0.50 | x |\n"  # noqa: RUF001
    )


TABLES = (tables.Residency, tables.DigitWidth, tables.Rivals)


def test_every_table_is_measured_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def measured(name: str, bench: Workbench) -> list[dict[str, str]]:
        seen.append((name, bench.cache, bench.timeout_s, bench.jobs))
        return [{"row of": name}]

    for name in ("residency", "digits", "rivals"):
        monkeypatch.setattr(tables, name, partial(measured, name))
        monkeypatch.setattr(tables, f"{name}_table", lambda rows: rows[0]["row of"])
    said: list[str] = []
    for kind in TABLES:
        text = kind(timeout_s=9).run(tmp_path / kind.name, 2, said.append)
        record = json.loads((tmp_path / kind.name / "record.json").read_text())
        assert record == {"study": kind.name, "rows": [{"row of": text}]}
        assert said.pop().endswith(f"for docs/studies/{kind.name}.json")
    assert seen == [
        ("residency", tmp_path / "residency", 9, 2),
        ("digits", tmp_path / "digit_width", 9, 2),
        ("rivals", tmp_path / "rivals", 9, 2),
    ]


@pytest.mark.parametrize("kind", TABLES)
def test_the_page_shows_the_record(kind: type[tables.HardwareTable]) -> None:
    text = (DOCS / "studies" / f"{kind.name}.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["study"] == kind.name
    assert tables.recorded(kind.name, record["rows"]) == text
    assert kind().table(record["rows"]) in (DOCS / "performance.md").read_text(encoding="utf-8")
