import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import ConfigError, ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.nn.layers import Precision, QuantConvBlock
from semifreddo.nn.pin import grid_frac, scale_of, scale_to_frac
from semifreddo.nn.quant import activation_quant, bias_quant, constant_quant, weight_quant


def conv(bits=4, per_channel=False):
    torch.manual_seed(0)
    return QuantConv2d(
        3,
        4,
        3,
        weight_quant=weight_quant(bits, per_channel=per_channel),
        bias_quant=bias_quant(per_channel=per_channel),
    )


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_are_integers_of_their_width(bits, per_channel):
    layer = conv(bits, per_channel)
    quantized = layer.quant_weight()
    raw = (quantized.value / quantized.scale).detach()
    assert torch.equal(raw, raw.round())
    assert raw.abs().max() <= 2 ** (bits - 1) - 1
    assert torch.frexp(quantized.scale).mantissa.eq(0.5).all()
    assert quantized.scale.numel() == (4 if per_channel else 1)


def test_weight_scale_has_the_least_squared_error():
    layer = conv(4)
    weight = layer.weight.detach()
    chosen = int(scale_of(layer.weight_quant).frac)

    def error(frac):
        step = 2.0**-frac
        return float((((weight / step).round().clamp(-7, 7) * step) - weight).square().sum())

    layer.quant_weight()
    chosen = int(scale_of(layer.weight_quant).frac)
    assert error(chosen) == min(error(chosen + d) for d in range(-2, 3))


@pytest.mark.parametrize("per_channel", [False, True])
def test_one_bit_is_the_sign_at_the_scale_of_least_squared_error(per_channel):
    layer = conv(1, per_channel)
    with torch.no_grad():
        layer.weight[0] *= 0.1
        layer.weight[1, 0, 0, 0] = 0.0
    weight, quantized = layer.weight.detach(), layer.quant_weight()
    raw = quantized.value / quantized.scale
    assert torch.equal(raw, torch.where(weight < 0, -1.0, 1.0))
    assert torch.frexp(quantized.scale).mantissa.eq(0.5).all()
    groups = weight.flatten(1) if per_channel else weight.reshape(1, -1)
    for group, scale in zip(groups, quantized.scale.flatten().tolist(), strict=True):
        errors = [
            float((group.abs() - scale * 2.0**shift).square().sum()) for shift in range(-3, 4)
        ]
        assert errors[3] == min(errors)


def test_the_gradient_of_one_bit_passes():
    layer = conv(1)
    target = torch.randn_like(layer.weight)
    (layer.quant_weight().value * target).sum().backward()
    assert torch.equal(layer.weight.grad, target)


def test_a_pinned_scale_stays_whatever_the_weights_do():
    layer = conv(4, per_channel=True)
    before = layer.quant_weight().scale.clone()
    scale_of(layer.weight_quant).pin()
    with torch.no_grad():
        layer.weight.mul_(100)
    assert torch.equal(layer.quant_weight().scale, before)


def test_a_pinned_scale_survives_saving_and_loading():
    layer = conv(4, per_channel=True)
    layer.quant_weight()
    scale_of(layer.weight_quant).pin(torch.arange(4).reshape(4, 1, 1, 1))
    other = conv(4, per_channel=True)
    other.load_state_dict(layer.state_dict())
    assert bool(scale_of(other.weight_quant).pinned)
    assert scale_of(other.weight_quant).frac.flatten().tolist() == [0, 1, 2, 3]


def test_a_loaded_bias_has_room_to_grow():
    layer = conv()
    with torch.no_grad():
        layer.bias.fill_(0.9)
    scale = float(layer.quant_bias().scale)
    assert scale * (2**15 - 1) >= 4 * 0.9 * 0.99


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=30), st.booleans())
@settings(max_examples=50, deadline=None)
def test_activations_round_and_saturate_as_the_ir_says(values, signed):
    layer = QuantIdentity(act_quant=activation_quant(6, signed=signed))
    scale = scale_of(layer.act_quant)
    scale.pin(torch.tensor(2))
    layer.eval()
    got = (layer(torch.tensor(values)) * 4).detach().numpy()
    # A float32 is an integer with 149 fraction bits; keep the halves exact with a few.
    kind = FixedType(6, 2, signed, Rounding.HALF_EVEN, Overflow.SATURATE)
    exact = [int(np.float64(v) * 2.0**40) for v in values]
    assert got.tolist() == kind.cast(np.array(exact), 40).tolist()


def test_activations_follow_batches_only_while_training():
    layer = QuantIdentity(act_quant=activation_quant(4))
    layer.train()
    layer(torch.full((2, 2), 3.0))
    assert int(scale_of(layer.act_quant).frac) == 2
    layer.eval()
    layer(torch.full((2, 2), 300.0))
    assert int(scale_of(layer.act_quant).frac) == 2


def test_constant_scale():
    layer = QuantIdentity(act_quant=constant_quant(8, 8))
    pixels = torch.arange(256) / 256
    assert torch.equal(layer(pixels), pixels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: weight_quant(0), "weight bits 0 are outside 1..8"),
        (lambda: activation_quant(17), "activation bits 17 are outside 2..16"),
        (lambda: bias_quant(30), "bias bits 30 are outside 4..24"),
    ],
)
def test_widths_out_of_range(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@given(st.integers(-20, 40), st.lists(st.integers(-999, 999), min_size=1, max_size=9))
@settings(deadline=None)
def test_grid_frac(frac, raw):
    values = torch.ldexp(torch.tensor([*raw, 1.0], dtype=torch.float64), torch.tensor(-frac))
    assert grid_frac(values) == frac


def test_fraction_bits_of_scales():
    scales = torch.tensor([[1.0, 0.5], [2.0**-9, 4.0]])
    assert scale_to_frac(scales, "here").tolist() == [[0, 1], [9, -2]]


@pytest.mark.parametrize("wrong", [0.75, 3.0, 0.0, float("nan")])
def test_the_scale_that_is_no_power_of_two_is_named(wrong):
    scales = torch.tensor([[1.0, 0.5], [wrong, 4.0]])
    with pytest.raises(ConversionError, match=rf"^conv: scale {wrong:.6g} is not a power of two"):
        scale_to_frac(scales, "conv")


def test_weights_have_one_scale_unless_each_channel_is_to_have_one():
    for precision, scales in ((Precision(), 1), (Precision(per_channel=True), 4)):
        block = QuantConvBlock(3, 4, precision)
        assert block.conv.quant_weight().scale.numel() == scales


@pytest.mark.parametrize("frac", [-24, 0, 52])
def test_the_finest_and_the_coarsest_grid(frac):
    """A number on a finer grid is on none: no format has as many fraction bits."""
    assert grid_frac(torch.tensor([2.0**-frac], dtype=torch.float64)) == frac
    assert grid_frac(torch.tensor([2.0**30])) == -24
    for value in (2.0**-53, 2.0**-60):
        with pytest.raises(
            ConversionError, match=r"^values lie on no power-of-two grid; is a quan"
        ):
            grid_frac(torch.tensor([value], dtype=torch.float64))
