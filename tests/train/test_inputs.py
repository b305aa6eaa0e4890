"""Whatever the input quantizer is, training, torch, the exported file and the reference agree."""

from __future__ import annotations

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from torch import nn

from brevitas_models import BIAS, SIGNED, UNSIGNED, conv, linear, relu
from semifreddo.convert import convert, export_qonnx
from semifreddo.convert.execute import run_qonnx
from semifreddo.core.errors import ConfigError
from semifreddo.nn.inputs import ModelInput, as_input
from semifreddo.nn.integers import raw_outputs
from semifreddo.sim import reference
from semifreddo.train.data import load_dataset
from semifreddo.train.loop import evaluate
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, train_model
from semifreddo.train.seen import raw_images

torch.set_num_threads(1)

DIGITS = load_dataset("digits").limit(train=200, val=60, test=60)
OPTIONS = TrainOptions(epochs=2, tune_epochs=1, batch=40, progress=False)


def net(first: nn.Module) -> nn.Module:
    return nn.Sequential(
        first,
        conv(1, 4, stride=2, padding=1),
        relu(),
        nn.Flatten(),
        linear(64, 10, bias=BIAS),
    )


def quantizer(kind: type, bits: int, top: float) -> nn.Module:
    return qnn.QuantIdentity(
        act_quant=kind, bit_width=bits, scaling_impl_type="const", scaling_init=top
    )


@pytest.mark.parametrize(
    ("kind", "bits", "top"),
    [
        (UNSIGNED, 8, 1.0),  # a raw 1 is 1/256
        (UNSIGNED, 8, 2.0),
        (UNSIGNED, 8, 16.0),
        (UNSIGNED, 8, 0.125),
        (UNSIGNED, 4, 1.0),
        (UNSIGNED, 2, 4.0),
        (SIGNED, 8, 1.0),
        (SIGNED, 4, 2.0),
        (SIGNED, 9, 1.0),
    ],
)
def test_all_see_the_same_integers(kind, bits, top, tmp_path):
    torch.manual_seed(0)
    trained = train_model(net(quantizer(kind, bits, top)), DIGITS, OPTIONS)
    path = tmp_path / "model.onnx"
    export_qonnx(trained.model, path, input_shape=(1, 8, 8), plan=trained.plan)
    device = convert(path, "device")
    raw = raw_images(trained.model, DIGITS.test)
    assert (device.input.type.width, device.input.type.signed) == (bits, kind is SIGNED)
    assert device.input.type.holds(raw) and len(np.unique(raw)) > 2
    expected = raw_outputs(trained.model, raw)
    assert np.array_equal(reference.run(device, raw), expected)
    assert np.array_equal(run_qonnx(path, device, raw), expected)
    # What training measured is what the device will score.
    score = float((expected.argmax(1) == DIGITS.test.labels).mean())
    assert score == accuracy(trained.model, DIGITS.test, 10)
    assert score == evaluate(trained.model, DIGITS.test, 10)[1]


def test_the_input_is_the_first_quantizer_that_sees_the_image():
    late = quantizer(SIGNED, 4, 8.0)
    model = nn.Sequential(nn.Identity(), quantizer(UNSIGNED, 6, 0.5), conv(1, 2), late)
    found = ModelInput(model, (1, 8, 8))
    assert (found.width, found.signed, found.scale) == (6, False, 2.0**-7)
    assert not list(model[1]._forward_pre_hooks)


def test_a_model_without_an_input_quantizer_reads_pixels_as_parts_of_256():
    model = nn.Sequential(conv(1, 2), relu())
    raw = np.full((1, 8, 8, 1), 64, np.uint8)
    assert float(as_input(model, raw).max()) == 0.25


def test_a_weighted_layer_can_hold_the_input_quantizer():
    model = nn.Sequential(
        conv(
            1,
            2,
            input_quant=UNSIGNED,
            input_bit_width=4,
            input_scaling_impl_type="const",
            input_scaling_init=2.0,
        )
    )
    found = ModelInput(model, (1, 8, 8))
    assert (found.width, found.scale) == (4, 0.125)


def test_another_shape_is_one_line():
    with pytest.raises(ConfigError, match=r"does not take images of shape \(2, 8, 8\)"):
        ModelInput(nn.Sequential(nn.Conv2d(1, 2, 3), relu()), (2, 8, 8))
