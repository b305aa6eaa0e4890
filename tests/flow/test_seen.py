"""A stage sees what it declares, and what it declares makes its key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.seen import UndeclaredError, files_of, plain, seen, value_of
from semifreddo.flow.stage import Figures, Stage, Workspace, run_stage, stage_key

TEXT = """
[design]
name = "x"
[task]
extra = ["a.json", "b.json"]
[rtl]
layers = { conv = { rows_per_cycle = 2 } }
"""


@pytest.fixture
def config(tmp_path: Path) -> BuildConfig:
    (tmp_path / "design.toml").write_text(TEXT)
    return load_config(tmp_path)


def test_declared_sections_keys_and_properties_are_seen(config: BuildConfig) -> None:
    view = seen(config, "s", ("rtl", "board.part", "clock_mhz", "design.name", "model.source"))
    assert view.rtl is config.rtl
    assert view.board.part == config.board.part
    assert view.clock_mhz == config.clock_mhz
    assert view.name == "x"  # a property, made of design.name
    assert view.bundle_path == config.root / "build" / "x.sfb"
    assert view.model is None
    assert view.path(Path("a")) == config.root / "a"


@pytest.mark.parametrize(
    ("touch", "key"),
    [
        (lambda config: config.cosim, "cosim"),
        (lambda config: config.board, None),
        (lambda config: config.board.resources, "board.resources"),
        (lambda config: config.design.board, "design"),
        (lambda config: config.clock_mhz, "design"),
        (lambda config: config.task_name, "task"),
    ],
)
def test_touching_another_names_stage_and_section(
    config: BuildConfig, touch: object, key: str | None
) -> None:
    view = seen(config, "synth", ("board.part",))
    if key is None:
        assert touch(view).part == config.board.part
        return
    with pytest.raises(UndeclaredError, match=rf"^stage synth: touches '{key}' of the design"):
        touch(view)


def test_what_a_design_does_not_have_is_no_attribute(config: BuildConfig) -> None:
    view = seen(config, "s", ("board.part",))
    assert not hasattr(view, "nothing")
    assert not hasattr(view.board, "nothing")


def test_values_are_json(config: BuildConfig) -> None:
    assert plain(value_of(config, "rtl.layers")) == {
        "conv": plain(dataclasses.asdict(config.rtl.layers["conv"]))
    }
    assert value_of(config, "model.source") is None
    assert plain(value_of(config, "task.extra")) == ["a.json", "b.json"]
    assert files_of(config, "task.extra") == [config.root / "a.json", config.root / "b.json"]
    assert files_of(config, "vectors.file") == []
    assert files_of(config, "design.model") == [config.root / "model.onnx"]


def test_a_forgotten_key_stops_the_stage(config: BuildConfig) -> None:
    """Not a stale build: without the declaration the key would be the same, and nothing is made."""

    def run(work: Workspace) -> Figures:
        (work.out / "clock").write_text(str(work.config.clock_mhz))
        return {}

    stage = Stage(name="clock", summary="", reads=(), writes=("clock",), code=(), run=run)
    faster = load_config(config.root, ["design.clock_mhz=50"])
    assert stage_key(stage, config) == stage_key(stage, faster)
    with pytest.raises(UndeclaredError, match=r"^stage clock: touches 'design'"):
        run_stage(stage, config)
    declared = dataclasses.replace(stage, decides=("clock_mhz",))
    assert stage_key(declared, config) != stage_key(declared, faster)
    run_stage(declared, faster)
    assert (config.build_dir / "clock").read_text() == "50.0"


def test_what_is_used_decides_nothing(config: BuildConfig) -> None:
    stage = Stage("s", "", (), ("out",), (), lambda _: {}, decides=("rtl",), uses=("cosim",))
    other = load_config(config.root, ["cosim.timeout_s=7"])
    assert stage_key(stage, config) == stage_key(stage, other)
    assert seen(other, "s", (*stage.decides, *stage.uses)).cosim.timeout_s == 7
