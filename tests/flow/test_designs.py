"""The committed designs: their models still give the committed answers."""

from __future__ import annotations

import filecmp
from importlib.util import find_spec
from pathlib import Path

import pytest

from semifreddo.flow import demo_design
from semifreddo.flow.check import check_design
from semifreddo.flow.config import load_config

DESIGNS = Path(__file__).parents[2] / "hls_projects"
NAMES = sorted(file.parent.name for file in DESIGNS.glob("*/design.toml"))


def test_there_are_designs() -> None:
    assert "digits" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_golden_vectors(name: str) -> None:
    missing = [package for package in ("torch", "brevitas", "qonnx") if find_spec(package) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    config = load_config(DESIGNS / name)
    report = check_design(config)
    report.check()
    assert {"torch", "qonnx", "streamnet"} <= {result.name for result in report.climbed}
    assert config.name == name


def test_the_demo_is_the_digits_design(tmp_path: Path) -> None:
    config = demo_design.prepare(tmp_path)
    digits = DESIGNS / "digits" / "design.toml"
    assert filecmp.cmp(config.root / "design.toml", digits, shallow=False)
