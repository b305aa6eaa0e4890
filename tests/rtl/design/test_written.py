"""A saved design is read as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)


import numpy as np

from nets import blended, signs
from semifreddo.core.errors import ProjectError
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.design.written import load_design, save_design

NET = blended()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_design(make_design(NET), folder)
    return folder


def test_a_design_is_read_as_it_was_written(saved: Path) -> None:
    """For any task of the device."""
    design = make_design(NET)
    found = load_design(saved, NET.with_values({"mix.alpha": np.array([[0, 1, 2, 3]])}))
    assert (found.top, dict(found.files)) == (design.top, dict(design.files))
    assert found.cycles_per_image == design.cycles_per_image
    assert found.latency_cycles == design.latency_cycles
    assert [unit.layer for unit in found.layers.units] == [
        unit.layer for unit in design.layers.units
    ]


def test_a_design_of_another_device(saved: Path) -> None:
    with pytest.raises(ProjectError) as error:
        load_design(saved, signs())
    assert str(error.value) == f"{saved}: is the Verilog of another device than signs"


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.pop("device_digest"),
        lambda about: about.pop("units"),
        lambda about: about.update(layers="none"),
        lambda about: about.update(units=3),
        lambda about: about.update(latency_cycles="soon"),
    ],
)
def test_what_is_no_design(
    saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    (about,) = saved.glob("*.json")
    (tmp_path / "verilog").symlink_to(saved / "verilog")
    data = json.loads(about.read_text())
    (tmp_path / about.name).write_text(json.dumps(data))
    assert load_design(tmp_path, NET).top == data["top"]
    change(data)
    for text in (json.dumps(data), "{", "[]"):
        (tmp_path / about.name).write_text(text)
        with pytest.raises(ProjectError, match=rf"^{tmp_path}: not a saved design \(.*\); build"):
            load_design(tmp_path, NET)
    (tmp_path / about.name).unlink()
    with pytest.raises(ProjectError, match=rf"^{tmp_path}: not a saved design \(.*No such file"):
        load_design(tmp_path, NET)
