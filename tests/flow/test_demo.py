"""What the demo says of a stream of images; the README's first command runs the whole of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from semifreddo.core.errors import ConfigError, LadderError, ProjectError
from semifreddo.core.project import ProjectPlan
from semifreddo.core.vectors import VectorSet
from semifreddo.flow import demo
from semifreddo.flow.config import load_config
from semifreddo.flow.demo_design import prepare
from semifreddo.train.data import Split

DIGITS = Path(__file__).parents[2] / "hls_projects" / "digits"
TASK = SimpleNamespace(name="a", labels=("x", "y", "z"), payload_bytes=12)
EXPECTED = np.array([[3, 1, 0], [0, 9, 1], [0, 1, 2], [5, 0, 0]])
IMAGES = np.zeros((4, 2, 2, 1), np.uint8)


def device(raw: np.ndarray) -> Any:
    answers = [SimpleNamespace(raw=row, index=int(row.argmax())) for row in raw]
    return SimpleNamespace(task=TASK, stream=lambda images: iter(answers[: len(images)]))


def test_a_stream_has_a_speed_on_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.0, 20.0, 20.5]).__next__)
    split = Split(IMAGES, np.array([0, 1, 2, 1]))
    found = demo._stream(
        {"csim": device(EXPECTED), "rtl": device(EXPECTED)}, split, VectorSet(IMAGES, EXPECTED), ()
    )
    assert found.frames_per_second == {"csim": 2.0, "rtl": 8.0}
    assert (found.accuracy, found.images, found.classes) == (0.75, 4, 3)


def test_a_device_that_answers_something_else_ends_the_demo() -> None:
    other = EXPECTED.copy()
    other[3, 2] += 1
    split = Split(IMAGES, np.zeros(4, np.int64))
    with pytest.raises(LadderError, match="task a: answers streamed by rtl differ from torch's"):
        demo._stream(
            {"csim": device(EXPECTED), "rtl": device(other)}, split, VectorSet(IMAGES, EXPECTED), ()
        )


def test_seconds_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.34, 20.0, 20.06]).__next__)
    said: list[str] = []
    clock = demo._Clock(said.append)
    for name, what in (("train", "a core"), ("build", "a device")):
        with clock.step(name, what):
            assert said[-1] == f"== {name}: {what}"
    assert clock.seconds == {"train": 2.3, "build": 0.1}


def test_the_folder_of_the_demo(tmp_path: Path) -> None:
    """It is made, found again, and left alone if it holds something else."""
    folder = tmp_path / "demo"
    first = prepare(folder)
    text = (folder / "design.toml").read_text()
    (folder / "more").write_text("kept")
    assert prepare(folder).root == first.root
    (folder / "design.toml").write_text(text + "\n")
    with pytest.raises(ConfigError) as error:
        prepare(folder)
    assert str(error.value) == f"{folder}: holds another design; choose another folder with --out"
    (folder / "design.toml").unlink()
    with pytest.raises(ConfigError) as error:
        prepare(folder)
    assert str(error.value) == f"{folder}: is not empty and no demo; choose another with --out"
    assert [path.name for path in folder.iterdir()] == ["more"]


def test_all_that_is_built_has_a_digest_but_the_bundle(tmp_path: Path) -> None:
    config = load_config(DIGITS)
    config = dataclasses.replace(config, root=tmp_path)
    (config.build_dir / "rtl").mkdir(parents=True)
    (config.build_dir / "rtl" / "schedule.txt").write_text("one")
    before = demo._built_digests(config)
    (config.build_dir / "rtl" / "schedule.txt").write_text("two")
    changed = {
        name for name, digest in demo._built_digests(config).items() if digest != before[name]
    }
    assert changed and all(name.startswith("rtl") for name in changed)
    (config.build_dir / "rtl" / "schedule.txt").write_text("one")
    config.bundle_path.write_text("a bundle")
    assert demo._built_digests(config) == before


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A design of three files, and what task B's network makes of them."""
    plan = ProjectPlan({"firmware/top.cpp": b"top", "tb_data/images.dat": b"of task B"})
    monkeypatch.setattr(demo, "load_net", lambda path: path)
    monkeypatch.setattr(demo, "plan_design", lambda *_: plan)
    monkeypatch.setattr(
        demo, "generated_again", lambda *_: SimpleNamespace(files={"core.sv": "module core;"})
    )
    for name, text in (
        ("project/firmware/top.cpp", "top"),
        ("project/tb_data/images.dat", "of task A"),
        ("rtl/verilog/core.sv", "module core;"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    made = SimpleNamespace(task=SimpleNamespace(apply=lambda net: net), vectors=None)
    return SimpleNamespace(build_dir=tmp_path), made


def test_files_that_both_tasks_share(shared: Any) -> None:
    """The test bench's data are of one task; all else is counted."""
    count, digest = demo._shared_sources(*shared)
    assert count == 2
    assert (
        digest
        == ProjectPlan(
            {"project/firmware/top.cpp": b"top", "rtl/verilog/core.sv": b"module core;"}
        ).digest
    )


@pytest.mark.parametrize("name", ["project/firmware/top.cpp", "rtl/verilog/core.sv"])
def test_a_file_that_differs_between_tasks_ends_the_demo(shared: Any, name: str) -> None:
    config, made = shared
    (config.build_dir / name).write_text("of task A only")
    with pytest.raises(ProjectError) as error:
        demo._shared_sources(config, made)
    assert str(error.value) == f"{config.build_dir / name}: differs between tasks; this is a bug"
