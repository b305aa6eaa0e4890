"""The committed designs: their models still give the committed answers."""

from __future__ import annotations

import filecmp
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.vectors import VectorSet
from semifreddo.flow import demo_design
from semifreddo.flow.baseline import Baseline, compare
from semifreddo.flow.build import build
from semifreddo.flow.check import check_design
from semifreddo.flow.config import load_config
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim import reference

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


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_builds_as_its_baseline_says(name: str, tmp_path: Path) -> None:
    """HLS project and Verilog, both simulated; every task of the bundle on the C simulation."""
    pytest.importorskip("hls4ml")
    ignored = shutil.ignore_patterns("build")
    config = load_config(shutil.copytree(DESIGNS / name, tmp_path / name, ignore=ignored))
    report = build(config)
    report.check_limits(config.limits)
    equal = {rung.name for rung in report.ladder if rung.status == "equal"}
    assert {"torch", "qonnx", "streamnet", "csim", "rtl"} <= equal
    diff = compare(Baseline.load(config.root / "baseline.json"), report)
    diff.check(name)
    bundle = Bundle.load(config.bundle_path)
    images = VectorSet.load(config.root / "vectors.npz").images[:32]
    assert len(bundle.tasks) > len(config.task.extra)
    with Accelerator.open(bundle, "csim") as accelerator:
        for task, values in bundle.tasks.items():
            accelerator.load_task(task)
            expected = reference.run(values.apply(bundle.net), images)
            assert np.array_equal(accelerator.predict(images).raw, expected), task


@pytest.mark.parametrize("name", NAMES)
def test_what_the_gallery_promises(name: str) -> None:
    folder = DESIGNS / name
    readme = (folder / "README.md").read_text()
    for file in folder.iterdir():
        assert file.name in {"build", "README.md"} or file.name in readme, (
            f"{file.name} is unexplained"
        )
    config = load_config(folder)
    if name != "digits":
        assert config.task.extra, "a second task"
    for extra in config.task.extra:
        assert (folder / extra).is_file()
    assert (folder / "baseline.json").is_file()


def test_the_demo_is_the_digits_design(tmp_path: Path) -> None:
    config = demo_design.prepare(tmp_path)
    digits = DESIGNS / "digits" / "design.toml"
    assert filecmp.cmp(config.root / "design.toml", digits, shallow=False)
