from __future__ import annotations

import numpy as np
import pytest

from semifreddo.core.errors import CheckpointError, ConfigError, FrozenTensorChangedError
from semifreddo.ir.freeze import FreezePlan, IntegerTensor, matching

TENSORS = {
    "conv.weight": IntegerTensor(np.arange(12).reshape(4, 3), (3, 3, 2, 3)),
    "conv.bias": IntegerTensor(np.arange(4), (8,) * 4),
}
FLAGS = {"conv.weight": np.array([True, False, True, False]), "conv.bias": np.zeros(4, bool)}


@pytest.fixture
def plan() -> FreezePlan:
    return FreezePlan.of(FLAGS, TENSORS.__getitem__)


def test_only_tensors_with_something_frozen_are_listed(plan: FreezePlan) -> None:
    assert [tensor.name for tensor in plan.tensors] == ["conv.weight"]
    assert plan.channels("conv.weight", 4) == (True, False, True, False)
    assert plan.channels("head.weight", 2) == (False, False)


def test_the_text_is_stable(plan: FreezePlan) -> None:
    """It is in checkpoints and QONNX files, whose bytes must not depend on the version."""
    (tensor,) = plan.tensors
    assert plan.to_json() == (
        '{\n "format": "semifreddo-freeze/1",\n "tensors": [\n  {\n   "name": "conv.weight",\n'
        f'   "channels": "FcFc",\n   "digest": "{tensor.digest}"\n  }}\n ]\n}}\n'
    )


def test_text_round_trip(plan: FreezePlan) -> None:
    assert FreezePlan.from_json(plan.to_json()) == plan


def test_unchanged_and_trainable_changes_pass(plan: FreezePlan) -> None:
    raw = TENSORS["conv.weight"].raw.copy()
    raw[1] += 5
    plan.verify({**TENSORS, "conv.weight": IntegerTensor(raw, (3, 7, 2, 3))}.__getitem__)


@pytest.mark.parametrize("channel", [0, 2])
def test_one_changed_integer_is_found(plan: FreezePlan, channel: int) -> None:
    raw = TENSORS["conv.weight"].raw.copy()
    raw[channel, 1] ^= 1
    changed = {"conv.weight": IntegerTensor(raw, (3, 3, 2, 3))}
    with pytest.raises(FrozenTensorChangedError, match=r"frozen tensors changed: conv\.weight;"):
        plan.verify(changed.__getitem__)


def test_changed_scale_is_found(plan: FreezePlan) -> None:
    changed = {"conv.weight": IntegerTensor(TENSORS["conv.weight"].raw, (3, 3, 3, 3))}
    with pytest.raises(FrozenTensorChangedError):
        plan.verify(changed.__getitem__)


def test_missing_tensor_is_found(plan: FreezePlan) -> None:
    with pytest.raises(FrozenTensorChangedError, match=r"conv\.weight \(missing\)"):
        plan.verify({}.__getitem__)


def test_other_channel_count(plan: FreezePlan) -> None:
    with pytest.raises(CheckpointError, match="8 output channels, the plan was made for 4"):
        plan.channels("conv.weight", 8)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "semifreddo-freeze/1"}'])
def test_bad_text(text: str) -> None:
    with pytest.raises(CheckpointError, match="not a semifreddo-freeze/1 text"):
        FreezePlan.from_json(text)


def test_a_plan_of_another_format() -> None:
    with pytest.raises(CheckpointError) as error:
        FreezePlan.from_json('{"format": "semifreddo-freeze/9", "tensors": []}', "model")
    assert str(error.value) == (
        "model: not a semifreddo-freeze/1 text (ValueError(\"format 'semifreddo-freeze/9'\"))"
    )


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a.conv.weight", "a.head.weight", "b.weight"]),
        ("a", ["a.conv.weight", "a.head.weight"]),
        ("a.head", ["a.head.weight"]),
        ("*.weight", ["a.conv.weight", "a.head.weight", "b.weight"]),
        ("?.weight", ["b.weight"]),
    ],
)
def test_tensors_of_a_pattern(pattern: str, found: list[str]) -> None:
    """A pattern over names, or over the modules around them."""
    assert matching(["a.conv.weight", "a.head.weight", "b.weight"], pattern) == found


@pytest.mark.parametrize(
    ("pattern", "hint"), [("a.cnov", "; the nearest is 'a.conv'"), ("xyz", ""), ("A", "")]
)
def test_a_pattern_that_matches_nothing(pattern: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        matching(["a.conv.weight", "b.weight"], pattern)
    assert str(error.value) == f"freeze: no quantized layer matches {pattern!r}{hint}"
