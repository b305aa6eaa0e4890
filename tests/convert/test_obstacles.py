"""Every obstacle of a model is listed at once, by the name of its layer, with what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brevitas_models import ManyFaults, calibrated, conv, image_input, relu, zoo
from semifreddo.convert import check_model, export_qonnx, refuse_obstacles
from semifreddo.convert.obstacles import _quantized
from semifreddo.convert.values import Constant
from semifreddo.core.errors import ConversionError
from semifreddo.nn.fold import fold_batch_norm

SHAPE = (3, 8, 8)


FOUND = [
    ("stem", "reads the image before it has a number format; add a QuantIdentity"),
    ("stem", "weight 'stem.weight' is not quantized; use a Brevitas layer"),
    ("body.0", "reads the values of an activation without quantizer; put a quantizer"),
]


def test_all_at_once_by_layer() -> None:
    found = check_model(ManyFaults(), SHAPE)
    assert [obstacle.layer for obstacle in found] == [layer for layer, _ in FOUND]
    for obstacle, (_, reason) in zip(found, FOUND, strict=True):
        assert reason in obstacle.reason


def test_export_says_the_same_before_it_writes(tmp_path: Path) -> None:
    model = ManyFaults().eval()
    with pytest.raises(ConversionError, match=r"cannot be built \(3 obstacles\): stem: ") as error:
        export_qonnx(model, tmp_path / "a.onnx", input_shape=SHAPE)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(" | ".join(map(str, check_model(model, SHAPE))))
    assert not list(tmp_path.iterdir())


def test_a_good_model_has_none_and_is_not_changed() -> None:
    model = calibrated(zoo(), SHAPE).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert check_model(model, SHAPE) == ()
    assert model.training
    after = model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_layer_that_runs_twice_is_listed_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.act = image_input(), relu()
            self.same = nn.Conv2d(3, 3, 3, padding=1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.same(self.act(self.same(self.input(x)))))

    assert [obstacle.layer for obstacle in check_model(Twice(), SHAPE)] == ["same"]


def test_batch_norms_are_no_obstacle_wherever_they_are() -> None:
    behind = nn.Sequential(image_input(), conv(3, 4, bias=None), nn.BatchNorm2d(4), relu())
    stray = nn.Sequential(image_input(), conv(3, 4, bias=None), relu(), nn.BatchNorm2d(4), relu())
    for model in (behind, stray):
        model(torch.rand(2, *SHAPE))
        assert check_model(model, SHAPE) == ()
        refuse_obstacles(model, SHAPE, "design")
    fold_batch_norm(behind, torch.rand(2, *SHAPE))
    assert check_model(behind, SHAPE) == ()


def test_what_cannot_run_names_the_layer() -> None:
    (found,) = check_model(zoo(), (1, 8, 8))
    assert found.layer == "conv1"
    assert "fails on an image of shape (1, 8, 8) (channels, height, width): " in found.reason
    assert "\n" not in found.reason


@pytest.mark.parametrize("result", [None, {"a": 1}, (1, 2)])
def test_what_cannot_be_traced_is_one_obstacle(result: object) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> object:
            return result

    found = check_model(Odd(), SHAPE)
    assert len(found) == 1 and "\n" not in str(found[0])


def test_what_follows_an_obstacle_is_judged_but_for_what_depends_on_it() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.act, self.last = image_input(), relu(), nn.Linear(4, 2)
            self.plain = nn.Conv2d(3, 4, 8, bias=False)
            self.shift = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            # As a bias of a quantized convolution without one this sum would be fine.
            x = torch.sigmoid(self.plain(self.input(x))) + self.shift
            return self.last(self.act(x * self.act(x)).flatten(1))

    found = [str(obstacle) for obstacle in check_model(Gated(), SHAPE)]
    assert [text.split(":")[0] for text in found] == ["plain", "forward (Mul)", "last"]
    assert "multiplies two streams" in found[1]


@pytest.mark.parametrize(
    ("peak", "step"), [(126.0, 1.0), (128.0, 2.0), (1.0, 2.0**-6), (1.5, 2.0**-6), (0.0, 1.0)]
)
def test_a_constant_that_stands_for_a_quantized_one(peak: float, step: float) -> None:
    """The finest power of two with which the largest value is one of 8 bits, symmetric."""
    found = _quantized(Constant("c", np.array([peak, -peak, 0.3 * peak])))
    raw = found.values / step
    assert np.array_equal(raw, np.rint(raw)) and np.abs(raw).max() <= 127
    assert found.quantized is not None and found.quantized.bits == 8
    assert np.array_equal(found.quantized.frac, np.full(3, -np.log2(step)))
