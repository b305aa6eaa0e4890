"""One network with both kinds of scales: what differs is the scaler, and the table says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from semifreddo.nn.cost import net_cost
from semifreddo.sim import reference
from semifreddo.studies.hardware.float_scales import (
    FloatScales,
    float_scales,
    float_scales_table,
    network,
    scalers,
)
from semifreddo.studies.hardware.networks import pictures
from semifreddo.studies.hardware.tables import recorded
from semifreddo.studies.hardware.workbench import Workbench
from semifreddo.tools.cells import CellCounts

DOCS = Path(__file__).parents[3] / "docs"


def test_both_kinds_are_the_same_network_but_for_a_scaler(tmp_path: Path) -> None:
    for frozen in (True, False):
        powers, floats = (
            network(tmp_path, 8, powers_of_two=kind, frozen=frozen) for kind in (True, False)
        )
        assert not scalers(powers)
        (scaler,) = scalers(floats)
        names = {layer.name for layer in floats.layers} - {scaler.name}
        assert names == {layer.name for layer in powers.layers}
        assert net_cost(floats).macs - net_cost(powers).macs == 16 * 8  # of the scaler
        for net in (powers, floats):
            assert {block.residency for block in net.blocks} == {
                "frozen" if frozen else "configurable"
            }
            assert len(np.unique(reference.run(net, pictures(net, 20)))) > 20


def test_counts_come_to_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def cells(self: Workbench, parts, *, use_dsp: bool) -> list[CellCounts]:
        seen.append([part.name for part in parts])
        return [CellCounts(lut=100 * (index + 1), ff=7, dsp=1) for index in range(len(parts))]

    monkeypatch.setattr(Workbench, "prove", lambda self, design: None)
    monkeypatch.setattr(Workbench, "cells", cells)
    bench = Workbench(tmp_path, 60, 1, print)
    rows = float_scales(bench, (4,), ("frozen", "loadable"))
    assert [(row["frozen"], row["powers_of_two"]) for row in rows] == [
        (True, True), (True, False), (False, True), (False, False)
    ]  # fmt: skip
    powers, floats = rows[:2]
    assert powers["scaler_lut"] == powers["factor_bits"] == powers["product_bits"] == 0
    place = seen[1].index("act_quant")
    assert floats["scaler_lut"] == 100 * (place + 1) and floats["scaler_ff"] == 7
    assert floats["lut"] == sum(100 * (index + 1) for index in range(len(seen[1])))
    assert floats["factor_bits"] > 8 and floats["product_bits"] > floats["accumulator_bits"] > 8
    assert all("bus" not in names for names in seen)


def test_the_page_shows_the_record() -> None:
    page = (DOCS / "any-network.md").read_text(encoding="utf-8")
    assert f"semifreddo study {FloatScales.name}" in page
    path = DOCS / "studies" / "float_scales.json"
    if not path.is_file():
        assert "Its table is not measured yet." in page
        pytest.skip("float_scales is not measured yet")
    text = path.read_text(encoding="utf-8")
    record = json.loads(text)
    assert recorded("float_scales", record["rows"]) == text
    assert float_scales_table(record["rows"]) in page
