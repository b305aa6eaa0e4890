"""What [freeze] makes logic of a model without a freeze plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semifreddo.convert import export_qonnx
from semifreddo.convert.trace import trace
from semifreddo.core.errors import ConfigError
from semifreddo.flow import freezing
from semifreddo.flow.config import load_config
from semifreddo.flow.stage import stage_key
from semifreddo.flow.stages.lower import LOWER, lower_design
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.net import StreamNet
from semifreddo.nn.integers import integer_tensor
from user_models import trained

SHAPE = (3, 10, 10)
DESIGN = '[design]\nname = "net1"\n[vectors]\nrandom_count = 2\n'


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design of two convolutions with batch norms, whose file carries no plan."""
    folder = tmp_path_factory.mktemp("foreign")
    path = folder / "model.onnx"
    path.write_bytes(trace(trained("two convolutions"), path, SHAPE).SerializeToString())
    (folder / "design.toml").write_text(DESIGN)
    return folder


def lowered(folder: Path, *settings: str) -> tuple[StreamNet, list[str]]:
    said: list[str] = []
    return lower_design(load_config(folder, settings), said.append).net, said


def frozen(net: StreamNet) -> set[str]:
    assert {block.residency for block in net.blocks} <= {"frozen", "configurable"}
    return {block.name for block in net.blocks if block.residency == "frozen"}


def test_a_small_model_is_frozen_without_a_word(foreign: Path) -> None:
    net, said = lowered(foreign)
    assert frozen(net) == {block.name for block in net.blocks}
    assert said == []


def test_a_large_model_is_loadable_and_the_line_says_what_to_set(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(b.raw.size for b in lowered(foreign)[0].blocks if b.name.endswith(".weight"))
    monkeypatch.setattr(freezing, "FREEZES_ALL", size - 1)
    net, said = lowered(foreign)
    assert frozen(net) == set()
    (line,) = said
    assert f"{size:,} weights and no freeze plan: all are loadable" in line
    assert 'weights = "cheapest"' in line
    monkeypatch.setattr(freezing, "FREEZES_ALL", size)
    assert frozen(lowered(foreign)[0])


def test_all_and_none(foreign: Path) -> None:
    net, _ = lowered(foreign, 'freeze.weights="all"')
    assert frozen(net) == {block.name for block in net.blocks}
    assert frozen(lowered(foreign, 'freeze.weights="none"')[0]) == set()


def test_a_share_takes_the_first_layers_and_what_follows_them(foreign: Path) -> None:
    sizes = {b.name: b.raw.size for b in lowered(foreign)[0].blocks if b.name.endswith(".weight")}
    first, total = sizes["1.weight"], sum(sizes.values())
    part = first / total
    net, said = lowered(foreign, f"freeze.share={part + 1e-6}")
    assert {"1.weight", "1.factor"} <= frozen(net)
    assert not any(name.startswith("4.") for name in frozen(net))
    assert f"{first:,} of {total:,} weights" in said[0]
    with pytest.raises(ConfigError, match=r"less than the first tensor '1\.weight' has; use at"):
        lowered(foreign, f"freeze.share={part / 2}")
    assert frozen(lowered(foreign, "freeze.share=0")[0]) == set()
    net, _ = lowered(foreign, "freeze.share=1")
    assert frozen(net) == {block.name for block in net.blocks}


@pytest.mark.parametrize(("fps", "expected"), [(900_000, {"1.weight", "4.weight"}), (400, set())])
def test_cheapest_follows_the_rate(foreign: Path, fps: int, expected: set[str]) -> None:
    """At a pixel per cycle adders are cheaper, with hundreds of cycles per pixel multipliers."""
    net, _ = lowered(foreign, 'freeze.weights="cheapest"', f"rtl.target_fps={fps}")
    assert {name for name in frozen(net) if name.endswith(".weight")} == expected


def test_the_stage_runs_again_for_another_rate_only_if_the_rate_decides(foreign: Path) -> None:
    def key(*settings: str) -> str:
        return stage_key(LOWER, load_config(foreign, settings))

    cheapest = 'freeze.weights="cheapest"'
    assert key() == key("rtl.target_fps=100")
    assert key(cheapest) != key(cheapest, "rtl.target_fps=100")
    assert key(cheapest) != key(cheapest, "design.clock_mhz=50")
    assert key() != key('freeze.weights="none"')


def test_keys_that_exclude_each_other_are_refused(foreign: Path) -> None:
    with pytest.raises(ConfigError, match="weights and share, which exclude each other; keep one"):
        load_config(foreign, ['freeze.weights="all"', "freeze.share=0.5"])


def test_a_plan_in_the_model_says_what_is_frozen(tmp_path: Path) -> None:
    model = trained("two convolutions")
    plan = FreezePlan.of({"1.weight": np.ones(8, bool)}, lambda name: integer_tensor(model, name))
    export_qonnx(model, tmp_path / "model.onnx", input_shape=SHAPE, plan=plan)
    (tmp_path / "design.toml").write_text(DESIGN)
    assert "4.weight" not in frozen(lowered(tmp_path)[0])
    for setting in ('freeze.weights="none"', "freeze.share=0.5", "freeze.tensors=[]"):
        with pytest.raises(ConfigError, match=r"carries a freeze plan.*leave \[freeze\] out"):
            lowered(tmp_path, setting)
