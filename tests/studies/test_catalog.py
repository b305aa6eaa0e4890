"""Every study is found, and its committed page is what its record renders to."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.flow.build import stages
from semifreddo.flow.config import load_config
from semifreddo.studies.catalog import MEASUREMENTS, STUDIES, find_study
from semifreddo.studies.runner import draw, render

pytest.importorskip("torch", reason="needs torch (extra train)")

SHOWN = {
    **dict.fromkeys(
        ("calibration", "clocks", "adder_graphs", "standard_cells"), "rtl-measurements.md"
    ),
    **dict.fromkeys(("float_scales", "published_networks"), "any-network.md"),
}
"""Pages of measurements; the others are in docs/performance.md."""

PAGES = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_claims(name):
    study = find_study(name)
    assert study.name == name
    assert study.claim.endswith(".") and study.margin and study.origin and study.title
    assert json.loads(json.dumps(study.settings())) is not None
    cells = study.cells((0, 1, 2), [])
    assert len({cell.key for cell in cells}) == len(cells) > 0


def test_a_name_nearly_right():
    with pytest.raises(ConfigError, match="did you mean vertical_freezing"):
        find_study("vertical_freezin")


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_is_the_record(name):
    record = json.loads((PAGES / f"{name}.json").read_text())
    study = find_study(name)
    assert record["settings"] == json.loads(json.dumps(study.settings())), "measure it again"
    page = (PAGES / f"{name}.md").read_text()
    assert record["sealed"] or "**No verdict yet**" in page
    assert len(record["seeds"]) >= 3
    assert (PAGES / f"{name}.md").read_text() == render(study, record)
    if picture := draw(study, record):
        assert (PAGES / f"{name}.svg").read_text() == picture


TRAINED = (
    "label_granularity",
    "learned_terms",
    "few_digits",
    "distribution_loss",
    "one_weight_bitwidth",
)


@pytest.mark.parametrize("name", TRAINED)
def test_a_page_tells_the_settings_of_its_study(name):
    """Also those that are the same number in the study that was measured."""
    study = find_study(name)
    record = json.loads((PAGES / f"{name}.json").read_text())
    options = dataclasses.replace(study.options, epochs=871, tune_epochs=873)
    other = dataclasses.replace(study, images=(6101, 6103), options=options)
    text = render(other, record | {"settings": json.loads(json.dumps(other.settings()))})
    assert re.search("6101 (images )?for training, (at most )?6103 for validation", text)
    assert re.search(r"\b871 (epochs|with batch norm)", text)
    assert ("873 folded" in text) == (name != "distribution_loss"), "it folds without tuning"


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_is_quoted_where_its_figures_are(name):
    measurement = find_study(name)
    assert measurement.name == name and measurement.title
    page = SHOWN.get(name, "performance.md")
    assert f"semifreddo study {name}" in (PAGES.parent / page).read_text()


def test_no_stage_of_a_build_has_a_study_in_its_code():
    config = load_config(PAGES.parents[1] / "hls_projects" / "digits")
    codes = {part for stage in stages(config) for part in stage.code}
    packages = {part.split("/")[0] for part in codes}
    assert "rtl" in packages and "studies" not in packages
