"""The measured tables: their networks, the rivals' exactness, and what a user can get wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.errors import LadderError, ProjectError, ToolError
from semifreddo.rtl import measure, tables
from semifreddo.rtl.design import make_design
from semifreddo.rtl.measure import Bench, markdown
from semifreddo.rtl.table_nets import block_net, conv_net, dense_net, pictures
from semifreddo.rtl.table_rivals import da4ml_rtl, plain_constants
from semifreddo.rtl.verilator import find_verilator
from semifreddo.sim import reference
from semifreddo.tools.cells import CellCounts

SMALL = (3, 4, 2)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache", 300, 1, lambda _: None)


@pytest.mark.parametrize(
    "net",
    [
        conv_net(3, 16, bits=4, frozen=8),
        conv_net(3, 16, bits=8, frozen=0, powers_of_two=True),
        block_net(0),
        block_net(3),
        dense_net(),
    ],
)
def test_networks_have_many_different_answers(net) -> None:
    answers = reference.run(net, pictures(net, 20))
    assert len(np.unique(answers)) >= 8
    assert not np.any(np.all(answers == answers[0], axis=0).all())


def test_powers_of_two() -> None:
    raw = conv_net(3, 16, bits=8, frozen=0, powers_of_two=True).block["conv.weight"].raw
    assert set(np.abs(raw).ravel()) == {1 << bit for bit in range(7)}


def test_rivals_are_exact_and_a_wrong_one_is_not_counted(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("da4ml")
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    ours = make_design(dense_net(SMALL))
    bench.prove(da4ml_rtl(ours, tmp_path / "da4ml"))
    plain = plain_constants(ours)
    bench.prove(plain)
    bench.prove(plain)  # from the cache
    text = plain.files["dense_layers.sv"]
    wrong = replace(plain, files={**plain.files, "dense_layers.sv": text.replace("4'sd", "-4'sd")})
    with pytest.raises(LadderError, match="does not compute the network's integers; nothing"):
        bench.prove(wrong)


def test_rivals_take_chains_of_linear_layers_only() -> None:
    with pytest.raises(ProjectError, match="layer: is no chain of linear layers"):
        plain_constants(make_design(conv_net(3, 4, bits=4, frozen=4)))


def test_tables_put_counts_in_their_places(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def cells(self: Bench, parts, *, use_dsp: bool) -> list[CellCounts]:
        seen.extend(part.top for part in parts)
        return [CellCounts(lut=1000 * len(seen), dsp=7 * use_dsp, ff=5) for _ in parts]

    monkeypatch.setattr(Bench, "prove", lambda self, design: None)
    monkeypatch.setattr(Bench, "cells", cells)
    text = tables.residency(bench, bits=[(4, False)], folded=[])
    assert text.splitlines()[2] == (
        "| 1 | 4 | 1,000 | 5 | 2,000 | 3,000 + 7 | 4,000 | 5,000 + 7 | 4.00 |"
    )
    text = tables.digits(bench, layers=[(3, 4, 4, 8)], widths=(0, 1))
    first, second = text.splitlines()[2:]
    assert first.startswith("| 3→4, 4/8 | all | 1 | 6,000 | 1.00 |")
    assert second.startswith("| 3→4, 4/8 | 1 | ")


def test_markdown() -> None:
    assert markdown(("a", "b"), [(1234, None), (0.5, "x")]) == (
        "| a | b |\n|---|---|\n| 1,234 | – |\n| 0.50 | x |\n"  # noqa: RUF001
    )


def test_a_liberty_file_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(["standard-cells"]) == 2
    assert capsys.readouterr().err == (
        "error: table standard-cells: name a liberty file with --liberty FILE\n"
    )
    assert measure.__doc__
