"""Integers of tensors and of answers: what they are, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
from torch import nn  # noqa: E402

from brevitas_models import conv, image_input, relu  # noqa: E402
from semifreddo.core.errors import ConversionError  # noqa: E402
from semifreddo.nn.integers import (  # noqa: E402
    _integers,
    exact_logits,
    output_frac,
    raw_outputs,
    whole_result,
)
from semifreddo.nn.pin import pin_scales  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 1), dtype=np.uint8)


def pinned(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(*layers).eval()
    pin_scales(model, torch.rand(2, 1, 6, 6))
    return model


def test_integers_of_a_tensor() -> None:
    """A scale for all channels, or one for each."""
    value = torch.tensor([[0.5, -0.25], [3.0, 0.125]])
    found = _integers("w", value, torch.tensor(0.125))
    assert (found.raw.tolist(), found.frac, found.scale) == ([[4, -2], [24, 1]], (3, 3), None)
    found = _integers("w", value, torch.tensor([0.25, 0.125]))
    assert (found.raw.tolist(), found.frac) == ([[2, -1], [24, 1]], (2, 3))


def test_integers_of_any_scale() -> None:
    """Products in single precision are multiples, whatever has been rounded."""
    scale = torch.tensor([0.3, 0.7])
    raw = torch.tensor([[1.0, -7.0], [0.0, 120.0]])
    found = _integers("w", raw * scale.reshape(2, 1), scale)
    assert found.raw.tolist() == raw.tolist() and found.frac == (0, 0)
    assert found.scale == tuple(float(each) for each in scale.double())
    found = _integers("w", raw * 0.3, torch.tensor(0.3))
    assert found.raw.tolist() == raw.tolist() and found.scale is not None
    assert len(found.scale) == 2


@pytest.mark.parametrize(
    ("value", "scale", "message"),
    [
        (float("nan"), 0.5, "contains NaN or infinite values; train it again"),
        (float("inf"), 0.3, "contains NaN or infinite values; train it again"),
        (0.3, 0.25, "values are not multiples of their scale"),
        (0.35, 0.3, "values are not multiples of their scale"),
        (0.3, -0.3, "a scale is not a positive number; train it again"),
        (0.3, 0.0, "a scale is not a positive number; train it again"),
        (0.3, float("nan"), "a scale is not a positive number; train it again"),
        (0.3, float("inf"), "a scale is not a positive number; train it again"),
    ],
)
def test_what_has_no_integers(value: float, scale: float, message: str) -> None:
    with pytest.raises(ConversionError) as error:
        _integers("conv.weight", torch.tensor([[value, 0.0]]), torch.tensor(scale))
    assert str(error.value) == f"conv.weight: {message}"


def test_the_format_of_answers() -> None:
    ends_in_relu = pinned(image_input(), conv(1, 2), relu())
    found = raw_outputs(ends_in_relu, IMAGES)
    with torch.no_grad():
        real = ends_in_relu(torch.tensor(IMAGES.transpose(0, 3, 1, 2)) / 256)
    real = getattr(real, "value", real).permute(0, 2, 3, 1).reshape(5, -1).numpy()
    assert np.array_equal(found, real * 2.0 ** output_frac(ends_in_relu, IMAGES))
    assert raw_outputs(ends_in_relu, IMAGES[:0]).shape == (0, found.shape[1])
    assert np.array_equal(raw_outputs(ends_in_relu, IMAGES, batch=2), found)
    finer = raw_outputs(ends_in_relu, IMAGES, frac=output_frac(ends_in_relu, IMAGES) + 1)
    assert np.array_equal(finer, 2 * found)
    for training in (True, False):
        ends_in_relu.train(training)
        output_frac(ends_in_relu, IMAGES)
        assert ends_in_relu.training is training
        assert not any(module._forward_hooks for module in ends_in_relu.modules())


def test_answers_without_a_format() -> None:
    with pytest.raises(ConversionError, match=r"^the model has no Brevitas layer$"):
        output_frac(nn.Flatten(), IMAGES)
    model = pinned(image_input(), conv(1, 2), relu())
    with pytest.raises(ConversionError) as error:
        raw_outputs(model, IMAGES, frac=-9)
    assert str(error.value) == (
        "outputs times 2**-9 are not integers; a layer before the output is not quantized to a "
        "power-of-two scale"
    )

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            found = self.inner(images)
            return [found, found]

    with pytest.raises(ConversionError, match=r"^the model has several results, whose formats may"):
        output_frac(Twice(), IMAGES)


def test_the_order_of_answers_without_a_format() -> None:
    """Numbers in double precision, batch by batch, where there are no integers."""

    class Third(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = pinned(image_input(), conv(1, 2), relu())

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = self.inner(images)
            return getattr(found, "value", found) / 3

    third = Third()
    found = exact_logits(third, IMAGES, batch=2)
    assert found.dtype == np.float64
    raw = exact_logits(third.inner, IMAGES)
    assert raw.dtype == np.int64
    frac = output_frac(third.inner, IMAGES)
    assert np.allclose(found, raw / 3 * 2.0**-frac, rtol=1e-12)


def test_several_results_are_one_behind_the_other() -> None:
    one, other = torch.ones(2, 3), torch.zeros(2, 1)
    assert whole_result((one, other)).tolist() == [[1.0, 1.0, 1.0, 0.0]] * 2
    assert whole_result([other, one]).tolist() == [[0.0, 1.0, 1.0, 1.0]] * 2
    assert whole_result(one) is one
