"""A user's own class: named in design.toml, made fresh, and refused in one line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from semifreddo.cli.main import main
from semifreddo.core.errors import (
    CheckpointError,
    ConfigError,
    ConversionError,
    DataError,
    SemifreddoError,
)
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.build import build
from semifreddo.flow.check import check_design
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.own_model import code_files, own_model
from semifreddo.flow.retarget import find_target, load_model
from semifreddo.flow.rungs import torch_rung
from semifreddo.flow.stage import stage_key
from semifreddo.flow.stages.csim import CSIM_STAGE
from semifreddo.flow.stages.lower import lower_design
from semifreddo.flow.trained import load_trained
from semifreddo.flow.training import export_design, retarget_device, train_design
from semifreddo.ir.task import Task
from semifreddo.nn.integers import raw_outputs
from semifreddo.train.data import load_dataset
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

DIGITS = Path(__file__).parents[2] / "hls_projects" / "digits" / "model.safetensors"

NET = """\
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
)
from torch import nn

from semifreddo.nn.quant import bias_quant

NUMBER = 3


class Net(nn.Module):
    def __init__(self, channels=2, inputs=1):
        super().__init__()
        weights = {"weight_quant": Int8WeightPerTensorFixedPoint}
        self.norm = nn.BatchNorm2d(channels)  # defined before the layer it follows
        self.input = QuantIdentity(
            act_quant=Uint8ActPerTensorFixedPoint, scaling_impl_type="const", scaling_init=1.0
        )
        self.conv = QuantConv2d(inputs, channels, 3, stride=2, padding=1, bias=False, **weights)
        self.act = QuantReLU(act_quant=Uint8ActPerTensorFixedPoint)
        self.head = QuantLinear(channels * 16, 10, bias=True, bias_quant=bias_quant(), **weights)

    def forward(self, x):
        return self.head(self.act(self.norm(self.conv(self.input(x)))).flatten(1))


def make(channels):
    return Net(channels)


def text():
    return "no model"


def broken():
    raise RuntimeError("two\\nlines")


class Signed(Net):
    def __init__(self, channels=3, init_kind="const"):
        super().__init__(channels)
        self.input = QuantIdentity(
            act_quant=Int8ActPerTensorFixedPoint, scaling_impl_type=init_kind, scaling_init=4.0
        )


class Odd(Net):
    def forward(self, x):
        return torch.erf(super().forward(x))
"""

DESIGN = """
[design]
name = "own"

[model]
source = "net.py:Net"
arguments = { channels = 3 }
freeze = ["conv"]
fraction = 0.34

[vectors]
file = "vectors.npz"
test_images = 20

[train]
dataset = "digits"

[train.core]
epochs = 1
tune_epochs = 1
batch = 128
progress = false

[train.task]
epochs = 1
tune_epochs = 1
batch = 128
progress = false
"""


def written(folder: Path, source: str = "net.py:Net", net: str = NET) -> BuildConfig:
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(net)
    (folder / "design.toml").write_text(DESIGN.replace("net.py:Net", source))
    return load_config(folder)


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = written(tmp_path_factory.mktemp("own") / "design")
    train_design(config)
    export_design(config)
    return config.root


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> BuildConfig:
    shutil.copytree(_trained, tmp_path / "design")
    return load_config(tmp_path / "design")


def test_training_freezes_what_the_design_names(trained: BuildConfig) -> None:
    model = load_trained(trained)
    assert {t.name: t.channels for t in model.plan.tensors} == {
        "conv.weight": (True, False, False),
        "conv.bias": (True, False, False),
    }
    assert model.labels == tuple("0123456789") and model.info["test_images"] == 450
    assert model.info["pixel_multiply"] == 15 and model.input_shape == (1, 8, 8)


def test_the_torch_rung_gives_the_answers_of_the_export(trained: BuildConfig) -> None:
    vectors = VectorSet.load(trained.root / "vectors.npz")
    rung = torch_rung(trained.root / "model.safetensors", trained)
    assert rung.run is not None
    assert np.array_equal(rung.run(vectors.images), vectors.expected)
    report = {result.name: result for result in check_design(trained).results}
    assert [report[name].status for name in ("torch", "qonnx", "streamnet")] == ["equal"] * 3


def test_an_importable_module_will_do(
    trained: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "own_nets_for_test"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "small.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    before = load_trained(trained).model
    toml = trained.root / "design.toml"
    toml.write_text(toml.read_text().replace("net.py:Net", "own_nets_for_test.small:make"))
    config = load_config(trained.root)
    images = VectorSet.load(trained.root / "vectors.npz").images
    after = load_trained(config).model
    assert np.array_equal(raw_outputs(after, images), raw_outputs(before, images))
    assert [file.name for file in code_files(config)] == ["__init__.py", "small.py"]


def test_files_that_decide_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module alone, or one with those around it; none of what is no file, or cannot be found."""
    library = tmp_path / "lib"
    package = library / "own_package_for_test"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "b.py", "a.py", "notes.txt", "deep/c.py"):
        (package / name).touch()
    (library / "own_module_for_test.py").touch()
    broken = library / "own_broken_for_test"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ValueError\n")
    monkeypatch.syspath_prepend(str(library))

    def names(source: str) -> list[str]:
        files = code_files(written(tmp_path / "design", source))
        return [file.relative_to(library).as_posix() for file in files]

    assert names("own_module_for_test:Net") == ["own_module_for_test.py"]
    own = ["__init__.py", "a.py", "b.py", "deep/c.py"]
    assert names("own_package_for_test.a:Net") == [f"own_package_for_test/{name}" for name in own]
    for source in ("sys:Net", "own_nothing_for_test:Net", "own_broken_for_test.net:Net"):
        assert names(source) == []
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "design.toml").write_text('[design]\nname = "tiny"\n')
    assert code_files(load_config(tmp_path / "plain")) == ()


def test_what_decides_the_class_decides_the_stage(trained: BuildConfig) -> None:
    first = stage_key(CSIM_STAGE, trained)
    source = trained.root / "net.py"
    text, stamp = source.read_text(), source.stat()
    source.write_text(text.replace("NUMBER = 3", "NUMBER = 4"))
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert stage_key(CSIM_STAGE, trained) != first
    module = sys.modules[type(own_model(trained)).__module__]
    assert module.NUMBER == 4  # type: ignore[attr-defined]
    source.write_text(text)
    assert stage_key(CSIM_STAGE, trained) == first
    toml = trained.root / "design.toml"
    toml.write_text(toml.read_text().replace("channels = 3", "channels = 4"))
    assert stage_key(CSIM_STAGE, load_config(trained.root)) != first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nte.py:Net", r"nte\.py: no such file; did you mean 'net\.py'\?"),
        ("net.py:Nett", r"net\.py has no 'Nett'; did you mean 'Net'\?"),
        (
            "net.py:QuantConv",
            r"net\.py has no 'QuantConv'; known: Net, Odd, Signed, broken",
        ),
        ("net.py:NUMBER", "is a int, not a class; name the class of the model"),
        ("net.py:text", r"cannot be made with \[model\] arguments \{'channels': 3\}: TypeError: "),
        (
            "no_such_package.net:Net",
            r"no module 'no_such_package\.net'; install it",
        ),
        ("semifreddo.no_module:Net", r"semifreddo\.no_module: ModuleNotFoundError: "),
    ],
)
def test_a_class_that_is_not_there_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        own_model(written(tmp_path / "design", source))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "cannot be made .*RuntimeError: two lines"),
        ("text", r"makes a str, not a torch\.nn\.Module; name the class"),
    ],
)
def test_a_function_that_makes_no_model_is_one_line(
    tmp_path: Path, name: str, message: str
) -> None:
    config = written(tmp_path / "design", f"net.py:{name}")
    toml = config.root / "design.toml"
    toml.write_text(toml.read_text().replace("channels = 3", ""))
    with pytest.raises(ConfigError, match=message) as refused:
        own_model(load_config(config.root))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("code", ["import no_thing", "class Net(:", "raise ValueError('a\\nb')"])
def test_code_that_fails_is_one_line(tmp_path: Path, code: str) -> None:
    config = written(tmp_path / "design", net=f"{code}\n")
    with pytest.raises(
        ConfigError, match=r"net\.py: (ModuleNotFound|Syntax|Value)Error: "
    ) as error:
        own_model(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["net.py", "net.py:", ":Net", "net.py:1Net", "net.py:a.b"])
def test_a_source_without_a_class_is_told_with_the_file(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigError, match=r"model source: '.*' does not match"):
        written(tmp_path / "design", source)


def test_what_excludes_the_built_in_network(tmp_path: Path) -> None:
    config = written(tmp_path / "design")
    toml = config.root / "design.toml"
    toml.write_text(f"{toml.read_text()}\n[train.network]\nclasses = 10\n")
    with pytest.raises(ConfigError, match=r"\[train\.network\] and \[model\] exclude each other"):
        load_config(config.root)
    toml.write_text(
        DESIGN.replace("[model]", "[limits]").split("source")[0] + "[train]\ndataset = ''"
    )
    with pytest.raises(ConfigError, match=r"'core_classes' is missing.*'network' is missing"):
        load_config(config.root)


def refused_at_once(config: BuildConfig, message: str, kind: type[SemifreddoError]) -> None:
    """A build ends before its first stage, in one line."""
    lines: list[str] = []
    with pytest.raises(kind, match=message) as refused:
        build(config, progress=lines.append)
    assert "\n" not in str(refused.value)
    assert lines == []


def test_a_checkpoint_of_another_model_is_told_before_anything_is_built(
    trained: BuildConfig,
) -> None:
    toml = trained.root / "design.toml"
    text = toml.read_text()
    toml.write_text(text.replace("channels = 3", "channels = 4"))
    refused_at_once(load_config(trained.root), "belongs to another model", CheckpointError)
    toml.write_text(text.replace("channels = 3", "channels = 3, inputs = 2"))
    refused_at_once(
        load_config(trained.root),
        r"images of shape \(1, 8, 8\) \(channels, height, width\), which this one does not take",
        CheckpointError,
    )
    toml.write_text(text.replace("net.py:Net", "net.py:Nett"))
    refused_at_once(load_config(trained.root), "did you mean 'Net'", ConfigError)
    toml.write_text(text)
    shutil.copy2(DIGITS, trained.root / "model.safetensors")
    refused_at_once(
        load_config(trained.root),
        r"holds a built-in network \(semifreddo\), not the Net that \[model\]",
        CheckpointError,
    )


def test_without_model_the_torch_rung_says_what_to_name(trained: BuildConfig) -> None:
    rung = torch_rung(trained.root / "model.safetensors")
    assert rung.run is None and "name its class in [model] of design.toml" in rung.reason


def test_training_refuses_what_hardware_cannot_be_before_the_first_epoch(tmp_path: Path) -> None:
    lines: list[str] = []
    config = written(tmp_path / "design", "net.py:Odd")
    with pytest.raises(ConversionError, match=r"net\.py:Odd: cannot be built: forward \(Erf\)"):
        train_design(config, progress=lines.append)
    config = written(tmp_path / "design")
    toml = config.root / "design.toml"
    toml.write_text(toml.read_text().replace('["conv"]', '["cnov"]'))
    with pytest.raises(ConfigError, match="matches 'cnov'; the nearest is 'conv'"):
        train_design(load_config(config.root), progress=lines.append)
    toml.write_text(toml.read_text().replace("channels = 3", "channels = 3, inputs = 2"))
    with pytest.raises(ConversionError, match=r"conv: fails on an image of shape \(1, 8, 8\)"):
        train_design(load_config(config.root), progress=lines.append)
    assert not any("first" in line or "task" in line for line in lines)


def test_a_bundle_names_no_code(trained: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Path(__file__).parents[1] / "golden" / "digits.sfb"
    target = find_target(bundle, trained.root / "model.safetensors")
    with pytest.raises(CheckpointError, match="a bundle names no code; retarget the folder of its"):
        load_model(target)


def test_freeze_and_export_take_the_design(
    trained: BuildConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, more = str(trained.root), str(trained.root / "more.safetensors")
    again = str(trained.root / "again.safetensors")
    assert main(["freeze", folder, "--layers", "head", "-o", more]) == 0
    printed = capsys.readouterr().out
    # One of the filters with its bias, and all of the head.
    assert "frozen: 500 of 520 weights (96.2%)" in printed
    assert "predicted LUTs on pynq_z2: " in printed and "in partly frozen layers" in printed
    assert main(["export", folder, "--set", 'design.checkpoint="more.safetensors"']) == 0
    assert main(["freeze", more, "--layers", "head", "-o", again]) == 1
    assert "name its class in [model] of design.toml" in capsys.readouterr().err


NORMALISED = ("[train]", "[train]\nmean = [0.3]\ndeviation = [0.4]")


def test_mean_and_deviation_are_the_same_everywhere(tmp_path: Path) -> None:
    config = written(tmp_path / "design", "net.py:Signed")
    toml = config.root / "design.toml"
    toml.write_text(toml.read_text().replace(*NORMALISED, 1))
    config = load_config(config.root)
    trained = train_design(config)
    made = Preprocessing(15, 16, mean=(0.3,), deviation=(0.4,))
    assert Preprocessing.from_figures(trained.info) == made
    export_design(config)
    vectors = VectorSet.load(config.root / "vectors.npz")
    test = load_dataset("digits").limit(test=20).test
    raw = made.raw(test.images, 8, 2.0**-5, signed=True)
    assert raw.min() < 0 and np.array_equal(vectors.images, raw)
    report = {result.name: result for result in check_design(config).results}
    assert [report[name].status for name in ("torch", "qonnx", "streamnet")] == ["equal"] * 3

    lowered = lower_design(config)
    assert lowered.task.preprocessing == made
    assert Task.from_json(lowered.task.to_json()).preprocessing == made
    # Images named anew know nothing of the mean; the model's own record decides.
    options = TrainOptions(epochs=1, batch=128, progress=False)
    data = load_dataset("digits").subset([0, 1])
    again = retarget_device(lowered.net, trained, data, options, name="two")
    assert again.task.preprocessing == made
    assert np.array_equal(again.vectors.images, made.raw(data.test.images, 8, 2.0**-5, signed=True))


def test_mean_and_deviation_need_a_constant_scale_and_an_own_model(tmp_path: Path) -> None:
    config = written(tmp_path / "design", "net.py:Signed")
    toml = config.root / "design.toml"
    text = toml.read_text().replace(*NORMALISED, 1)
    toml.write_text(text.replace("channels = 3", 'init_kind = "parameter"'))
    with pytest.raises(ConfigError, match="need an input quantizer of constant scale"):
        train_design(load_config(config.root))
    toml.write_text(text.replace("deviation = [0.4]", ""))
    with pytest.raises(ConfigError, match="1 means and 0 deviations"):
        load_config(config.root)
    toml.write_text(text.replace("mean = [0.3]", "mean = [0.3, 0.3]").replace("[0.4]", "[1, 1]"))
    with pytest.raises(DataError, match="mean of 2 channels, the images have 1"):
        train_design(load_config(config.root))
    built_in = (Path(DIGITS).parent / "design.toml").read_text().replace(*NORMALISED, 1)
    toml.write_text(built_in)
    with pytest.raises(ConfigError, match="mean and deviation need a model of your own"):
        load_config(config.root)


@pytest.fixture(autouse=True)
def _no_modules_left() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith(("semifreddo_own_", "own_nets_"))]:
        del sys.modules[name]
