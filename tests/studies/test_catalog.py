"""Every study is found, and its committed page is what its record renders to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.studies.catalog import NAMES, find_study
from semifreddo.studies.runner import render

pytest.importorskip("torch", reason="needs torch (extra train)")

PAGES = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_the_record(name):
    record = json.loads((PAGES / f"{name}.json").read_text())
    study = find_study(name)
    assert record["settings"] == json.loads(json.dumps(study.settings())), "measure it again"
    assert record["sealed"] and len(record["seeds"]) >= 3
    assert (PAGES / f"{name}.md").read_text() == render(study, record)
