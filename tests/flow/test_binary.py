"""Binary designs: the tables of docs/methods.md, what they refuse, and all rungs of the ladder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from semifreddo.cli.main import main
from semifreddo.core.errors import ConfigError
from semifreddo.flow.config import load_config
from semifreddo.flow.retarget import Target, options_of
from semifreddo.methods.binary import DistributionLoss
from semifreddo.methods.objective import objective_of
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.skeleton import skeleton

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
HEAD = """
[design]
name = "bits"

[vectors]
file = "vectors.npz"
test_images = 20

[train]
dataset = "digits"
"""
SAMPLE = skeleton(BackboneConfig((1, 8, 8), 4, (2, 2), (2, 1), block="binary"))
FROZEN = """
core_classes = [0, 1, 2, 3, 4]
freeze = ["blocks.0", "blocks.1"]

[train.backbone]
input_shape = [1, 8, 8]
classes = 10
widths = [8, 12, 12]
strides = [1, 2, 1]
block = "binary"

[train.core]
epochs = 3
tune_epochs = 1
loss = "distribution"
distribution_off = 1
progress = false

[train.task]
epochs = 3
tune_epochs = 2
progress = false
"""


def written(folder: Path, text: str) -> Path:
    (folder / "design.toml").write_text(HEAD + text)
    return folder


def test_the_tables_of_the_page(tmp_path: Path) -> None:
    """They are accepted and mean the loss; a new task for the built device is without it."""
    (tables,) = re.findall(
        r"```toml\n(\[train\.backbone\][^`]*binary[^`]*)```", PAGE.read_text(), re.S
    )
    config = load_config(written(tmp_path, tables))
    train = config.train
    assert train is not None and train.architecture is not None
    assert type(objective_of(train.architecture, train.task)) is DistributionLoss
    target = Target(SAMPLE, tmp_path / "model.safetensors", config)
    options = options_of(target, epochs=2, seed=None)
    assert options.epochs == 2 and options.loss == "cross_entropy"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('block = "binary"', "", r'\[train\.core\]: training: loss = "distribution" is of binary'),
        ('block = "binary"', 'block = "binary"\nskips = [[1, 2]]', "and skips exclude each other"),
        ("[train.task]", '[train.task]\nloss = "distribution"\ndistribution_off = 1', "into"),
        ("[train.task]", "[train.task]\nfloat_epochs = 1", r"\[train\.task\]: .*float_epochs = 1"),
        ("[train.backbone]", "[train.network]", 'block = "binary" is for a backbone'),
        ("distribution_off = 1", "", "distribution_off = 5 leaves the distribution loss none"),
        ('loss = "distribution"', "", "distribution_off is of the distribution loss"),
        ('loss = "distribution"', 'loss = "distance"', "loss"),
    ],
)
def test_what_a_design_cannot_say(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FROZEN
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, FROZEN.replace(old, new)))


@pytest.mark.slow
def test_it_is_built_and_equal_on_all_rungs(tmp_path: Path, capsys) -> None:
    """Two blocks frozen, one loadable; then another task for the same device."""
    folder = str(written(tmp_path, FROZEN))
    for verb in ("train", "export", "build", "check"):
        assert main([verb, folder]) == 0
    told = capsys.readouterr().out
    for rung in ("torch", "qonnx", "streamnet", "csim", "rtl"):
        assert re.search(rf"{rung} +equal +20", told), rung
    words = ["retarget", folder, "--groups", "even=0,2,4,6,8", "odd=1,3,5,7,9", "--epochs", "1"]
    assert main([*words, "-o", str(tmp_path / "parity.json")]) == 0
