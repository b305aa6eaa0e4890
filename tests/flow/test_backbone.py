"""A design with ``[train.backbone]``: trained, half frozen, built, retargeted, equal everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib
import torch

from semifreddo.cli.main import main
from semifreddo.core.errors import ConfigError
from semifreddo.flow.build import build
from semifreddo.flow.config import load_config
from semifreddo.flow.trained import load_trained
from semifreddo.flow.training import train_design, training_of
from semifreddo.methods.bitwidth import match_size
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.skeleton import model_bits
from semifreddo.train.freeze import freeze

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"

DESIGN = """
[design]
name = "row"

[vectors]
file = "vectors.npz"
test_images = 20

[train]
dataset = "digits"
core_classes = [0, 1, 2, 3, 4]
freeze = ["blocks.0", "blocks.1"]

[train.backbone]
input_shape = [1, 8, 8]
classes = 10
widths = [4, 4, 6]
strides = [2, 1, 1]
skips = [[0, 1]]
layer_weight_bits = [6, 4, 3]
block = "separable"

[train.core]
epochs = 1
tune_epochs = 1
progress = false

[train.task]
epochs = 2
tune_epochs = 1
progress = false
"""


def network_of(text: str) -> BackboneConfig:
    """The network that a design describes."""
    return BackboneConfig.from_dict(tomllib.loads(text)["train"]["backbone"])


def written(folder: Path, text: str = DESIGN) -> Path:
    (folder / "design.toml").write_text(text)
    return folder


def test_it_is_trained_and_frozen_like_any_network(tmp_path: Path, capsys) -> None:
    """Without a line of code, from one table."""
    assert main(["train", str(written(tmp_path))]) == 0
    told = capsys.readouterr()
    assert "digits: 1,078 train, 269 val, 450 test images" in told.err + told.out
    assert "frozen: 100 of 240 weights" in told.err + told.out
    config = load_config(tmp_path)
    trained = load_trained(config)
    assert trained.kind == "backbone" and trained.config == training_of(config).architecture
    assert {tensor.name for tensor in trained.plan.tensors} == {
        f"blocks.{layer}.{kind}"
        for layer in ("0.conv", "1.depthwise.conv", "1.pointwise.conv")
        for kind in ("weight", "bias")
    }


def test_what_comes_before_a_build_is_named(tmp_path: Path, capsys) -> None:
    """A design that trains its model makes the file itself; nothing half-built stays."""
    folder = str(written(tmp_path))
    told = f"error: {tmp_path / 'model.onnx'}: no such file; run "
    assert main(["build", folder]) == 2
    first = f"{told}semifreddo train {tmp_path}, then semifreddo export {tmp_path}\n"
    assert capsys.readouterr().err.endswith(first)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match=rf"run semifreddo export {re.escape(folder)}$"):
        build(load_config(tmp_path))
    assert not (tmp_path / "build" / "net.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("skips = [[0, 1]]", "skips = [[0, 4]]", r"\[train\.backbone\]: network: skip \[0, 4\] is"),
        ("[train.core]", "[train.network]\nclasses = 10\n[train.core]", "exclude each other"),
        ("[train.core]", "[model]\nsource = 'a.py:B'\n[train.core]", "exclude each other"),
        ("[train.backbone]", "[train.network]", r"freeze is not for \[train\.network\]"),
        ("strides = [2,", "stem_padding = 3\nstrides = [3,", "cannot be built"),
    ],
)
def test_what_a_design_cannot_say(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, DESIGN.replace(old, new)))


def test_float_epochs_are_not_for_what_is_trained_around_frozen_parts(tmp_path: Path) -> None:
    """Said before the first training, not behind it."""
    text = DESIGN.replace("[train.task]", "[train.task]\nfloat_epochs = 1")
    with pytest.raises(ConfigError, match="float_epochs = 1, but parts of this network are frozen"):
        train_design(load_config(written(tmp_path, text)))
    assert not (tmp_path / "build").exists()


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(\[train\]\n[^`]*)```", PAGE.read_text())
    train = load_config(written(tmp_path, f"[design]\nname = 'row'\n{block}")).train
    assert train is not None and train.topology is not None
    model = train.topology.build(train.architecture)
    assert freeze(model, train.freeze).tensors


def one_bit() -> str:
    """The design with weights of one bit, as large as it is."""
    network = network_of(DESIGN)
    widths = match_size(network, 1, model_bits(network)).widths
    assert min(b - a for a, b in zip(network.widths, widths, strict=True)) >= 2
    changed = DESIGN.replace("layer_weight_bits = [6, 4, 3]", "weight_bits = 1\nper_channel = true")
    return changed.replace("widths = [4, 4, 6]", f"widths = {list(widths)}")


@pytest.mark.slow
@pytest.mark.parametrize("text", [DESIGN, one_bit()], ids=["as it is", "one bit"])
def test_it_is_built_and_equal_on_all_rungs(tmp_path: Path, capsys, text: str) -> None:
    folder = str(written(tmp_path, text))
    for verb in ("train", "export", "build", "check"):
        assert main([verb, folder]) == 0
    told = capsys.readouterr().out
    for rung in ("torch", "qonnx", "streamnet", "csim", "rtl"):
        assert any(line.split()[:2] == [rung, "equal"] for line in told.splitlines()), rung
    words = ["retarget", folder, "--groups", "even=0,2,4,6,8", "odd=1,3,5,7,9", "--epochs", "1"]
    assert main([*words, "-o", str(tmp_path / "parity.json")]) == 0
