"""Designs with powers of two: the tables of docs/methods.md, and all rungs of the ladder."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from semifreddo.cli.main import main
from semifreddo.flow.config import load_config
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
HEAD = """
[design]
name = "powers"

[vectors]
file = "vectors.npz"
test_images = 20

[train]
dataset = "digits"
"""
FROZEN = """
freeze = ["blocks.0"]

[train.backbone]
input_shape = [1, 8, 8]
classes = 10
widths = [6, 8]
strides = [2, 2]
weight_bits = 8
weights = "powers_of_two"
terms = 1

[train.core]
epochs = 2
tune_epochs = 1
progress = false

[train.task]
epochs = 2
tune_epochs = 1
progress = false

[rtl]
target_fps = 500_000
dsp_share = 0.0
"""


def written(folder: Path, text: str) -> Path:
    (folder / "design.toml").write_text(HEAD + text)
    return folder


def test_the_tables_of_the_page(tmp_path: Path) -> None:
    text = PAGE.read_text()
    (network,) = re.findall(r"```toml\n(\[train\.network\][^`]*powers_of_two[^`]*)```", text)
    (layer,) = re.findall(r"```toml\n( *\[rtl\.layers[^`]*\"shift\"[^`]*)```", text)
    config = load_config(written(tmp_path, f"core_classes = [0, 1, 2]\n{network}{layer}"))
    assert config.train is not None and config.train.architecture is not None
    assert config.train.architecture.learns_terms
    assert config.rtl.layers["blocks_1_conv"].multiplier == "shift"


@pytest.mark.slow
def test_it_is_built_and_equal_on_all_rungs(tmp_path: Path, capsys) -> None:
    """A block frozen, one loaded and shifted; then another task for the same device."""
    folder = written(tmp_path, FROZEN)
    for verb in ("train", "export", "build", "check"):
        assert main([verb, str(folder)]) == 0
    told = capsys.readouterr().out
    for rung in ("torch", "qonnx", "streamnet", "csim", "rtl"):
        assert re.search(rf"{rung} +equal +20", told), rung
    schedule = json.loads((folder / "build" / "rtl" / "schedule.json").read_text())
    assert schedule["layers"]["blocks_1_conv"]["multiplier"] == "shift"
    groups, task = ["even=0,2,4,6,8", "odd=1,3,5,7,9"], tmp_path / "parity.json"
    words = ["retarget", str(folder), "--groups", *groups, "--epochs", "1", "-o", str(task)]
    assert main(words) == 0
    told = capsys.readouterr().out
    for rung in ("streamnet", "csim", "rtl"):
        assert re.search(rf"{rung} +equal +20", told), rung

    net = load_net(folder / "build" / "net.json")
    region = AddressMap.of(net).region["blocks.1.conv.weight"]
    assert net.block[region.block].terms == 1
    made = Task.load(task)
    words = made.words.copy()
    words[region.offset_words] = 3 + (int(words[region.offset_words]) & ~0xFF)
    bad = tmp_path / "bad.json"
    dataclasses.replace(made, words=np.asarray(words)).save(bad)
    bundle = str(folder / "build" / "powers.sfb")
    assert main(["run", bundle, "--task", str(bad), "--vectors"]) != 0
    told = capsys.readouterr()
    assert "blocks.1.conv.weight: value 3 is none of -64, -32, " in told.err + told.out
