"""A design whose weights are powers of two: the table of docs/methods.md, trained as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from semifreddo.cli.main import main
from semifreddo.flow.config import load_config
from semifreddo.flow.trained import load_trained
from semifreddo.methods.flightnn import filter_terms, mean_terms
from semifreddo.nn.powers import powers_quants

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
REST = """
[train]
dataset = "digits"
core_classes = [0, 1, 2, 3, 4]

[train.core]
epochs = 2
tune_epochs = 1
progress = false

[train.task]
epochs = 2
tune_epochs = 1
progress = false
"""


def written(folder: Path) -> Path:
    tables = re.findall(r"```toml\n(\[train\.network\].*?)```", PAGE.read_text(), re.S)
    (table,) = (table for table in tables if "powers_of_two" in table)
    vectors = '[vectors]\nfile = "vectors.npz"\ntest_images = 20\n'
    (folder / "design.toml").write_text(f'[design]\nname = "shifts"\n\n{vectors}{REST}\n{table}')
    return folder


def test_the_table_of_the_page_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(written(tmp_path))]) == 0
    model = load_trained(load_config(tmp_path)).model
    assert set(filter_terms(model)) == {
        f"cores.{c}.{b}.conv.weight" for c in (0, 1, 2) for b in (0, 1)
    }
    assert 0 < mean_terms(model) <= 2
    counts = [count for terms in filter_terms(model).values() for count in terms]
    told = f"{mean_terms(model):.2f} a weight; filters: {counts.count(0)} with 0, "
    assert told in capsys.readouterr().err and len(counts) == 3 * (8 + 12)
    assert all(bool(quant.filter_terms.fixed) for _, _, quant in powers_quants(model))


@pytest.mark.slow
def test_it_is_built_and_equal_on_every_rung(tmp_path: Path, capsys) -> None:
    design = str(written(tmp_path))
    for verb in ("train", "export", "build", "check"):
        assert main([verb, design]) == 0
    out = capsys.readouterr().out
    for rung in ("torch", "qonnx", "streamnet", "csim", "rtl"):
        assert re.search(rf"{rung} +equal +20", out)
