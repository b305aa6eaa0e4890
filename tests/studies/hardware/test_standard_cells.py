"""Silicon of trained blocks: what is added up, at which rates, and what the page says of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liberties import real_liberty
from semifreddo.core.errors import ConfigError, DataError, ToolError
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.skeleton import skeleton
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.synthesis.parts import design_parts
from semifreddo.studies.few_digits import LARGE, PRUNED, SMALL, TERNARY, UNIFORM, WAYS
from semifreddo.studies.hardware import standard_cells as study
from semifreddo.studies.hardware.networks import pictures
from semifreddo.studies.hardware.standard_cells import (
    ALL_FROZEN,
    ALL_LOADABLE,
    ONE_FROZEN,
    ORDER,
    RATES,
    RESIDENCIES,
    Network,
    Silicon,
    StandardCells,
    measured_parts,
    residencies,
    schedule_of,
    table,
    targets,
    weight_bits,
)
from semifreddo.studies.hardware.tables import recorded
from semifreddo.studies.hardware.trained_blocks import BLENDS, CORES, frozen_block, loadable_core
from semifreddo.studies.hardware.workbench import Workbench
from semifreddo.studies.runner import Runner

DOCS = Path(__file__).parents[3] / "docs"
CONFIG = SemifreddoConfig(
    input_shape=(1, 14, 14), classes=10, widths=(4, 8), strides=(2, 1), act_bits=4
)


def network() -> Network:
    net = skeleton(CONFIG, seed=1)
    return Network(net, pictures(net, 3))


def silicon(area: float, ns: float = 1.0) -> Silicon:
    return Silicon(area, area / 2, ns, area / 4, 2 * area, 3 * area)


@given(st.floats(1, 100), st.floats(0.1, 9), st.integers(1, 4), st.integers(5, 9))
def test_more_channels_are_on_a_line(fixed: float, slope: float, few: int, more: int) -> None:
    one, two = (silicon(fixed + slope * count, count) for count in (few, more))
    found = one.at(32, few, two, more)
    assert found.area == pytest.approx(fixed + 32 * slope)
    assert found.ff == pytest.approx(3 * found.area) and found.ns == more


def test_a_block_is_put_together_by_residency() -> None:
    frozen = {**dict(zip(CORES, (silicon(1), silicon(2), silicon(4)), strict=True))}
    frozen |= {**dict.fromkeys(BLENDS, silicon(8)), "streams": silicon(16, 5)}
    loadable = {CORES[1]: silicon(100, 20), BLENDS[0]: silicon(1000, 20)}
    found = residencies(frozen, loadable)
    assert list(found) == list(RESIDENCIES)
    assert found[ALL_LOADABLE].area == 3 * 100 + 2 * 1000 + 16
    assert found[ONE_FROZEN].area == 2 * 100 + 2 * 1000 + 16 + 1
    assert found[ALL_FROZEN].area == 1 + 2 + 4 + 2 * 8 + 16
    assert [each.ns for each in found.values()] == [20, 20, 5]


@pytest.mark.parametrize("rate", RATES)
def test_nothing_is_slower_than_the_rate(rate: int) -> None:
    own = network()
    cuts = frozen_block(own.net, own.images), loadable_core(own.net, own.images, 2)
    for cut in cuts:
        design = make_design(cut.net, schedule_of(cut.net, rate, "lut"))
        words = [unit.figures.word_cycles for unit in design.layers.units]
        assert max(words) <= rate and (rate == 1 or max(words) > rate // 2)


def test_weight_memories_have_two_banks() -> None:
    net = network().net
    core = 4 * 9 * 8 * 4 + 8 * 16  # weights and biases
    assert weight_bits(net, ALL_FROZEN) == 0
    blends = 2 * 8 * net.block["blends.1.0.alpha"].bits
    assert weight_bits(net, ALL_LOADABLE) == 2 * (3 * core + blends)
    assert weight_bits(net, ONE_FROZEN) == 2 * (2 * core + blends)


def test_parts_are_kept_with_their_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Area and power of each part, LUTs of the same part, the slowest path of all; then kept."""
    asked: list[int] = []

    def cells(design: Any, images: Any, **_: Any) -> Any:
        asked.append(len(images))
        parts = {
            part.name: SimpleNamespace(
                area=SimpleNamespace(total=100 + place, sequential=10 + place), watts=place / 4
            )
            for place, part in enumerate(design_parts(design))
        }
        return SimpleNamespace(analysis=SimpleNamespace(path=SimpleNamespace(ns=3.5)), parts=parts)

    def counts(self: Workbench, parts: Any, *, use_dsp: bool) -> list[Any]:
        assert not use_dsp
        return [SimpleNamespace(lut=7 * place, ff=9 * place) for place in range(len(parts))]

    monkeypatch.setattr(study, "measure_cells", cells)
    monkeypatch.setattr(study, "find_yosys", lambda: SimpleNamespace(text="0.70"))
    monkeypatch.setattr(Workbench, "cells", counts)
    library = tmp_path / "cells.lib"
    library.write_text("cells")
    bench = Workbench(tmp_path, 1, 1, print)
    own = network()
    cut = frozen_block(own.net, own.images)
    schedule = schedule_of(cut.net, 1, "lut")
    found = measured_parts(bench, cut, schedule, library)
    names = [part.name for part in design_parts(make_design(cut.net, schedule))]
    assert list(found) == names[:-1] and names[-2] == "streams"  # the bus is left out
    for place, part in enumerate(found.values()):
        expected = Silicon(100 + place, 10 + place, 3.5, 250.0 * place, 7 * place, 9 * place)
        assert part == expected
    assert measured_parts(bench, cut, schedule, library) == found and asked == [3]


@pytest.mark.slow
def test_a_block_in_real_cells(tmp_path: Path) -> None:
    """Every part is measured once, and a frozen core is smaller than a loadable one."""
    library = real_liberty()
    said: list[str] = []
    bench = Workbench(tmp_path, 600, 1, said.append)
    config = dataclasses.replace(CONFIG, widths=(1, 2))
    net = skeleton(config, seed=1)
    own = Network(net, pictures(net, 3))
    parts = own.frozen(bench, 1, library)
    assert {*CORES, *BLENDS, "streams"} <= set(parts)
    cut = loadable_core(net, own.images, 2)
    loadable = measured_parts(bench, cut, schedule_of(cut.net, 1, "lut"), library)
    found = residencies(parts, loadable)
    assert found[ALL_FROZEN].area < found[ONE_FROZEN].area < found[ALL_LOADABLE].area
    assert all(value > 0 for value in dataclasses.asdict(found[ALL_FROZEN]).values())
    said.clear()
    assert own.frozen(bench, 1, library) == parts and not said


def row(block: str, rate: int, way: str, residency: str, size: int, accuracy: Any) -> Any:
    numbers = {"area": size, "state": 1, "ns": 2.0, "mw": size / 2, "lut": size, "ff": size}
    key = {"block": block, "cycles": rate, "weights": way, "residency": residency}
    return key | numbers | {"weight_bits": 0, "accuracy": accuracy, "of_uniform": [0.8]}


def rows_of(way: str, frozen: int, accuracy: Any) -> list[Any]:
    sizes = zip(RESIDENCIES, (1000, 700, frozen), strict=True)
    return [row(LARGE, 1, way, residency, size, accuracy) for residency, size in sizes]


def test_what_is_not_measured_is_said() -> None:
    rows = rows_of(UNIFORM, 100, [0.8, 0.82])
    lines = table(rows).splitlines()
    assert len(lines) == 2 + len(ORDER) + 2
    assert lines[4].startswith(
        "| 16→32 | 1 | uniform | 81.00 ± 1.41 | all frozen | 100 | 1 | 2.00 |"
    )
    assert "| 10.00 | 10.00 | 1.00 | 10.00 | 10.00 | 10.00 |" in lines[4]
    assert lines[5].startswith("| 16→32 | 1 | pruned | not measured |")


def test_aims_are_hit_or_missed_with_the_reason() -> None:
    rows = rows_of(UNIFORM, 200, [0.8]) + rows_of(PRUNED, 99, [0.795]) + rows_of(TERNARY, 80, [0.7])
    lines = {line.split(" | ")[0][2:]: line for line in targets(rows).splitlines()[2:]}
    assert list(lines) == list(WAYS)
    assert "missed: area 5.00, LUT + FF 5.00" in lines[UNIFORM]
    assert lines[PRUNED].endswith("| hit |")
    assert lines[TERNARY].endswith("| missed: loses 10.00 points |")
    assert "not measured" in lines["powers of two"]
    [_, _, _, pruned, *_] = targets(rows_of(PRUNED, 90, [0.8])).splitlines()
    assert pruned.endswith("| 11.11 | 11.11 | hit |"), "pruned weights are loaded as uniform ones"


def test_refusals_before_time_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^study standard_cells: name a liberty file and"):
        StandardCells().run(tmp_path, 1, print)
    library = tmp_path / "cells.lib"
    named = StandardCells(liberty=library, data=tmp_path)
    with pytest.raises(DataError, match="cannot read the liberty file"):
        named.run(tmp_path, 1, print)
    library.write_text("library (one) {}")

    def no_sta() -> Path:
        raise ToolError("sta not found")

    monkeypatch.setattr(study, "find_sta", no_sta)
    with pytest.raises(ToolError, match="sta not found"):
        named.run(tmp_path, 1, print)
    monkeypatch.setattr(study, "find_sta", lambda: Path("sta"))
    monkeypatch.setattr(study, "find_yosys", lambda _: Path("yosys"))
    with pytest.raises(DataError, match="fashion"):
        named.run(tmp_path, 1, print)


def test_a_run_keeps_its_record_after_each_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured is in the record when a later block fails."""
    folder, own = tmp_path / "standard_cells", network()
    library = tmp_path / "cells.lib"
    library.write_text("library (one) {}")
    monkeypatch.setattr(study, "find_sta", lambda: Path("sta"))
    monkeypatch.setattr(study, "find_yosys", lambda _: Path("yosys"))
    monkeypatch.setattr(Runner, "validate", lambda *_: None)
    monkeypatch.setattr(StandardCells, "_network", lambda *_: own)
    monkeypatch.setattr(study, "ORDER", ((SMALL, 1, UNIFORM), (SMALL, 1, PRUNED)))
    calls: list[str] = []

    def parts(bench: Workbench, cut: Any, schedule: Any, liberty: Path) -> Any:
        calls.append(cut.net.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {name: silicon(10) for name in (*CORES, *BLENDS, "streams")}

    monkeypatch.setattr(study, "measured_parts", parts)
    measurement = StandardCells(liberty=library, data=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measurement.run(folder, 1, lambda _: None)
    rows = json.loads((folder / "record.json").read_text())["rows"]
    assert calls == ["block", "core", "block"]
    assert [each["residency"] for each in rows] == list(RESIDENCIES)
    text = measurement.run(folder, 1, lambda _: None)
    assert "| 4→8 | 1 | pruned | not measured | all frozen |" in text


def test_the_page_shows_the_record() -> None:
    text = (DOCS / "studies" / "standard_cells.json").read_text(encoding="utf-8")
    rows = json.loads(text)["rows"]
    assert recorded("standard_cells", rows) == text
    page = (DOCS / "rtl-measurements.md").read_text(encoding="utf-8")
    assert table(rows) in page and targets(rows) in page


def test_accuracies_are_those_of_the_study_of_the_networks() -> None:
    rows = json.loads((DOCS / "studies" / "standard_cells.json").read_text())["rows"]
    results = json.loads((DOCS / "studies" / "few_digits.json").read_text())["results"]
    known: dict[tuple[str, str], list[float]] = {}
    for item in results:
        cell = item["cell"]
        known.setdefault((cell["point"]["block"], cell["way"]), []).append(item["test"]["accuracy"])
    assert rows
    assert all(each["accuracy"] == known[each["block"], each["weights"]] for each in rows)
    assert all(each["of_uniform"] == known[each["block"], UNIFORM] for each in rows)
