from __future__ import annotations

import re
from pathlib import Path

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.flow.config import load_config

GOOD = """
[design]
name = "digits"
tool = "vivado"

[vectors]
file = "vectors.npz"

[limits]
"task.test_accuracy" = { min = 0.97 }

[train]
dataset = "digits"
core_classes = [0, 1, 2, 3, 4]

[train.network]
input_shape = [1, 8, 8]
classes = 10
widths = [8, 16]
strides = [1, 2]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "design.toml").write_text(text)
    return folder


def test_defaults_and_origins(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), ["csim.workers=2", "design.board=pynq-z2"])
    assert config.name == config.task_name == "digits"
    assert config.clock_mhz == 100.0
    assert config.board.part == "xc7z020clg400-1"
    assert config.csim.workers == 2
    assert config.limits["task.test_accuracy"].min == 0.97
    assert config.bundle_path == tmp_path / "build" / "digits.sfb"
    assert config.path(config.design.model) == tmp_path / "model.onnx"
    origins = config.origins
    assert origins["design.name"] == "design.toml"
    assert origins["design.model"] == "default"
    assert origins["design.clock_mhz"] == "board pynq_z2"
    assert origins["csim.workers"] == "command line"
    assert origins["csim.timeout_s"] == "default"


def test_file_and_folder_are_the_same(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, GOOD) / "design.toml") == load_config(tmp_path)


def test_overrides_win(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), ["design.clock_mhz=50", "design.name=other"])
    assert config.clock_mhz == 50.0
    assert config.name == "other"
    assert config.origins["design.clock_mhz"] == "command line"


def test_overrides_reach_tables_inside_sections(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, GOOD),
        [
            'limits."task.test_accuracy".min=0.5',
            "limits.'csim.frames_per_second'.max = 9",
            "train.network.weight_bits=3",
        ],
    )
    assert config.limits["task.test_accuracy"].min == 0.5
    assert config.limits["csim.frames_per_second"].max == 9
    assert config.train is not None and config.train.network is not None
    assert config.train.network["weight_bits"] == 3
    assert config.origins["train.network"] == "command line"
    assert config.origins["train.core_classes"] == "design.toml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("design.name.x=3", "'design.name' is not a section"),
        ("train.network.repeets=3", "did you mean 'repeats'"),
        ('limits."task.test_acc".min=0', "no figure 'task.test_acc'"),
        ("train..x=3", "expected section.key=value"),
        ("[train]\nx=3", "expected section.key=value"),
        ("train=3", "expected section.key=value"),
        ("=3", "expected section.key=value"),
    ],
)
def test_overrides_that_reach_nothing(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(write(tmp_path, GOOD), [override])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tool =", "tol =", "design.toml design: unknown key 'tol'; did you mean 'tool'?"),
        ('"vivado"', '"vivaldo"', "'vivaldo' is not known; did you mean 'vivado'?"),
        ("[vectors]", "[vector]", "unknown key 'vector'; did you mean 'vectors'?"),
        ('name = "digits"', 'name = "my net"', "'my net' does not match"),
        ('name = "digits"', "", "key 'name' is missing (identifier of the design; no word of C"),
        ("task.test_accuracy", "task.test_acuracy", "did you mean 'task.test_accuracy'?"),
        ("{ min = 0.97 }", "{}", "a limit needs min or max"),
        ("{ min = 0.97 }", "{ mni = 0.97 }", "unknown key 'mni'; did you mean 'min'?"),
        ("widths", "width", "[train.network]: network: unknown key 'width'; did you mean 'widths'"),
        ("[1, 2]", "[1]", "2 widths but 1 strides"),
        ("core_classes", "core_clases", "unknown key 'core_clases'; did you mean 'core_classes'"),
        ('tool = "vivado"', 'board = "pinq_z2"', "no board 'pinq_z2'; did you mean 'pynq_z2'?"),
        ("[design]", "[design", "not a TOML file"),
        (
            "core_classes",
            "classes = [0, 1]\ngroups = { even = [0, 2], odd = [1, 3] }\ncore_classes",
            "classes and groups exclude each other",
        ),
    ],
)
def test_one_problem(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_config(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "chosen", ["", "classes = [0, 1]", "groups = { even = [0, 2], odd = [1, 3] }"]
)
def test_a_task_of_all_classes_some_or_groups(tmp_path: Path, chosen: str) -> None:
    config = load_config(write(tmp_path, GOOD.replace("core_classes", f"{chosen}\ncore_classes")))
    assert config.train is not None
    assert (config.train.classes is not None) == ("classes" in chosen)
    assert (config.train.groups is not None) == ("groups" in chosen)


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("tool =", "tol =").replace("[1, 2]", '"x"').replace("file", "fiel")
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), ["clock=3", "csim.workers=0"])
    message = str(caught.value)
    for part in ("'tol'", "'fiel'", "--set 'clock=3': expected section.key=value", "workers: 0"):
        assert part in message


def test_no_design(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"design\.toml: no such file; a design is a folder"):
        load_config(tmp_path)
    (tmp_path / "design.toml").write_bytes(b"\xff\xff")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte \d+\); save it as UTF-8"):
        load_config(tmp_path)


def test_board_of_the_design(tmp_path: Path) -> None:
    board = Path(__file__).parents[2] / "boards" / "pynq_z2" / "board.toml"
    (tmp_path / "mine.toml").write_text(
        board.read_text().replace("clock_mhz = 100", "clock_mhz = 75")
    )
    config = load_config(write(tmp_path, GOOD), ["design.board=mine.toml"])
    assert config.clock_mhz == 75.0


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "design.toml").write_text(GOOD, encoding="utf-8-sig")
    assert load_config(tmp_path).name == "digits"


def test_endless_keys_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "design.toml").write_text("x = 1\n" + "a." * 50_000 + "b = 1\n")
    with pytest.raises(ConfigError, match="line 2 has a key of more than 64 parts"):
        load_config(tmp_path)
    (tmp_path / "design.toml").write_text("#" * (1 << 19))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load_config(tmp_path)


@pytest.mark.parametrize("name", ["int", "module", "printf", "sf_fifo", "nnet", "always", "a__b"])
def test_names_that_mean_something_already(tmp_path: Path, name: str) -> None:
    (tmp_path / "design.toml").write_text(f'[design]\nname = "{name}"\nboard = "pynq_z2"\n')
    with pytest.raises(ConfigError, match=f"design.name '{name}' is a .*{name}_net for instance"):
        load_config(tmp_path)
