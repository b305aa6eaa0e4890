"""The statistics of the estimator's errors, and the samples that they are measured on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.costs import COSTS, Area, Parts
from semifreddo.studies.hardware import calibration
from semifreddo.studies.hardware.calibration import (
    AdderGraphs,
    Calibration,
    Compared,
    cross_validated,
    distribution,
    fit,
    listing,
    ratios,
)
from semifreddo.studies.hardware.sample_layers import samples
from semifreddo.tools.cells import CellCounts


def compared(rng: np.random.Generator, costs: dict[str, Area]) -> Compared:
    """A layer that costs exactly what its parts cost by ``costs``."""
    parts = Parts()
    for kind in ("control", "adder_bit", "pipeline_bit", "clipped_bit"):
        parts.add(kind, int(rng.integers(1, 200)))
    lut = sum(costs[kind].lut * count for kind, count in parts.counts.items())
    ff = sum(costs[kind].ff * count for kind, count in parts.counts.items())
    return Compared("frozen 3x3", parts, parts.area(), CellCounts(lut=round(lut), ff=round(ff)))


def test_fit_finds_the_costs_that_explain_the_layers() -> None:
    rng = np.random.default_rng(0)
    true = {kind: Area(cost.lut * 1.5, cost.ff * 0.7) for kind, cost in COSTS.items()}
    fitted = fit([compared(rng, true) for _ in range(60)], strength=1e-6)
    for kind in ("control", "adder_bit", "pipeline_bit", "clipped_bit"):
        assert fitted[kind].lut == pytest.approx(true[kind].lut, rel=0.05)
        assert fitted[kind].ff == pytest.approx(true[kind].ff, rel=0.05)
    assert fitted["ram_lut"] == COSTS["ram_lut"]


def test_cross_validation_predicts_without_the_layer() -> None:
    rng = np.random.default_rng(0)
    true = {kind: Area(cost.lut * 1.2, cost.ff) for kind, cost in COSTS.items()}
    layers = [compared(rng, true) for _ in range(64)]
    errors = [abs(each.error("lut")) for each in layers]
    held_out = [abs(each.error("lut")) for each in cross_validated(layers)]
    assert len(held_out) == 64
    assert max(held_out) < 0.05 < min(errors)


def test_distribution_of_errors() -> None:
    parts = Parts()
    found = [
        Compared("frozen 3x3", parts, Area(110, 100), CellCounts(lut=100, ff=100)),
        Compared("digits 3x3", parts, Area(200, 90, 2), CellCounts(lut=250, ff=100, dsp=2)),
    ]
    text = distribution(found)
    assert "| LUT | 2 | 15.0% | 19.0% | 20.0% | -11.4% |" in text
    assert "| FF | 2 | 5.0% | 9.0% | 10.0% | -5.0% |" in text
    assert "| DSP | 1 | exact in 2 of 2 | | 0% | +0.0% |" in text
    assert "| LUT, digits | 1 | 20.0% | 20.0% | 20.0% | -20.0% |" in text
    assert "-20%" in listing(found)


def test_luts_of_another_family_for_each_predicted_one() -> None:
    parts = Parts()
    found = [
        Compared("frozen 3x3", parts, Area(100), CellCounts(lut=150)),
        Compared("lut 3x3", parts, Area(200), CellCounts(lut=450)),
    ]
    text = ratios(found)
    assert "| all | 2 | 1.50 | 1.88 | 2.25 | 2.00 |" in text
    assert "| frozen | 1 | 1.50 | 1.50 | 1.50 | 1.50 |" in text


def test_samples_are_the_same_for_the_same_seed_and_of_every_kind() -> None:
    first, second = (list(islice(samples(5), 48)) for _ in range(2))
    assert [s.net.device_digest for s in first] == [s.net.device_digest for s in second]
    assert len({s.net.device_digest for s in first}) == 48
    assert {type(s.layer).__name__ for s in first} >= {"Conv", "Linear", "AvgPool", "MaxPool"}
    weighted = [s for s in first if isinstance(s.layer, Conv | Linear)]
    assert {s.choice.multiplier for s in weighted} == {"lut", "dsp"}
    for sample in weighted:
        RtlSchedule({sample.layer.name: sample.choice}).check(sample.net)


def test_the_measurement_prints_both_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    layers = [compared(rng, dict(COSTS)) for _ in range(16)]
    asked = []

    def compare(chosen, cache, *, jobs, timeout_s, family, say):
        asked.append((len(chosen), cache, jobs, timeout_s, family))
        return layers

    monkeypatch.setattr(calibration, "compare", compare)
    text = Calibration(layers=3, fit=True).run(tmp_path, 2, print)
    assert asked == [(3, tmp_path, 2, 600.0, "xc7")]
    assert text.startswith(listing(layers))
    assert f"By the costs there are:\n\n{distribution(layers)}\n" in text
    assert '    "ram_lut": Area(' in text
    assert Calibration(family="ecp5").run(tmp_path, 1, print).endswith(f"{ratios(layers)}\n")


def test_adder_graphs(tmp_path: Path) -> None:
    pytest.importorskip("da4ml")
    text = AdderGraphs(graphs=2).run(tmp_path, 1, print)
    assert text.startswith("adders of 2 graphs: median error ")
