"""Binary blocks: weights that are -1 or 1, outputs of one bit, thresholds instead of batch norms.

A bit b between two layers stands for 2b - 1. A layer that multiplies bits with signs differs from
one that multiplies -1 and 1 by a factor and an offset per channel, which its batch norm takes out;
so both learn the same, and the padded zero of a bit is a -1. A batch norm and the step behind it
are one threshold of the integer sum, so folding changes no output.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from brevitas.core.function_wrapper import TensorClamp
from brevitas.inject import ExtendedInjector
from brevitas.quant.base import UintQuant
from brevitas.quant.solver.act import ActQuantSolver
from torch import Tensor, nn

from semifreddo.nn.quant import ConstantScale, Fixed, FixedPointQuant, SignQuant, weight_quant

_HALF = 0.5


class SignNorm(nn.BatchNorm2d):
    """A batch norm in front of a bit: gives (y + 1) / 2 for the normalised y.

    Args:
        channels: Of the maps.
        input_frac: Fraction bits of what the layer before it reads, whose values are at most 1.
    """

    def __init__(self, channels: int, input_frac: int) -> None:
        super().__init__(channels)
        self.input_frac = input_frac

    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x) + 1) / 2


class _Step(torch.autograd.Function):
    """1 above a half, otherwise 0; the gradient passes from 0 to 1.

    As a function of the y of a :class:`SignNorm` that is the gradient of a hard tanh for its sign.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward((x >= 0) & (x <= 1))
        return (x > _HALF).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (mask,) = ctx.saved_tensors
        passed: Tensor = gradients[0] * mask
        return passed


class BitQuant(FixedPointQuant):
    """Brevitas's integer quantizer for outputs of one bit, at the scale 1."""

    def values(self, x: Tensor, scale: Tensor) -> Tensor:  # noqa: ARG002
        y: Tensor = _Step.apply(x)  # type: ignore[no-untyped-call]
        return y


def bit_quant() -> type[ExtendedInjector]:
    """Outputs of one bit: 1 above a half."""

    class Bit(UintQuant, Fixed, ActQuantSolver):  # type: ignore[misc]
        tensor_quant = BitQuant
        scaling_impl = ConstantScale
        tensor_clamp_impl = TensorClamp
        fraction_bits = 0
        bit_width = 1

    return Bit


def sign_quant() -> type[ExtendedInjector]:
    """Weights of -1 and 1, at the scale 1 until batch norms are folded."""
    signs: Any = weight_quant(1)

    class Sign(signs):  # type: ignore[misc]
        scaling_impl = ConstantScale
        fraction_bits = 0

    return Sign


def sign_scale(layer: Any) -> ConstantScale | None:
    """The scale of a layer's weights if it is one of a binary block, otherwise None."""
    quant = getattr(getattr(layer, "weight_quant", None), "tensor_quant", None)
    scale = getattr(quant, "scaling_impl", None)
    return scale if isinstance(quant, SignQuant) and isinstance(scale, ConstantScale) else None


def sign_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Every layer of a binary block, by its path."""
    for name, module in model.named_modules():
        if sign_scale(module) is not None:
            yield name, module


def fold_sign(layer: Any, norm: SignNorm) -> None:
    """Make a batch norm and the step behind it a threshold of the layer before it, in place.

    The bits stay what they are, as long as the layer's bias is wide enough for its accumulator:
    weights keep their integers or change sign (where the batch norm has a negative factor), and
    the scale moves by a power of two so that gradients pass where they did, on average.

    Args:
        layer: A Brevitas convolution with a bias.
        norm: What follows it.
    """
    assert norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        step = layer.quant_weight().scale.flatten().double() * 2.0**-norm.input_frac
        reach = (layer.quant_weight().value.abs().flatten(1).sum(1).double() / step).ceil()
        factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        mean = norm.running_mean.double() - layer.bias.double()
        threshold = _thresholds(factor, norm.bias.double(), mean, step, reach)
        slope = factor.abs().mean().clamp(min=2.0**-30) * _HALF
        shift = int(torch.log2(slope).round())
        sign = torch.where(factor < 0, -1.0, 1.0).to(layer.weight.dtype)
        _scale_weights(layer, sign.reshape(-1, *[1] * (layer.weight.dim() - 1)), shift)
        step = step * 2.0**shift
        layer.bias.copy_((((_HALF / step).floor() - threshold) * step).to(layer.bias.dtype))
    layer.bias.requires_grad_(layer.weight.requires_grad)


def _thresholds(
    factor: Tensor, offset: Tensor, mean: Tensor, step: Tensor, reach: Tensor
) -> Tensor:
    """Largest integer sum of each channel, signs turned, whose bit is 0.

    Args:
        factor: What the batch norm multiplies with; where it is negative, the sum is turned.
        offset: What it adds in the end.
        mean: What it takes away before.
        step: Of the sum.
        reach: Largest absolute sum, in steps.
    """
    turned = torch.where(factor < 0, -1.0, 1.0).double()
    threshold = turned * (mean - offset / factor) / step
    never = torch.where(offset > 0, -reach - 1, reach)
    threshold = torch.where(factor == 0, never, threshold)
    return torch.minimum(torch.maximum(threshold.floor(), -reach - 1), reach)


def _scale_weights(layer: Any, sign: Tensor, shift: int) -> None:
    weight: Tensor = layer.weight
    scale = sign_scale(layer)
    if scale is None:
        weight.mul_(sign * 2.0**shift)
        return
    # Zero counts as positive, and is not negative when its sign is turned.
    least = torch.finfo(weight.dtype).tiny
    weight.copy_(torch.where(weight == 0, least, weight) * sign)
    scale.frac.sub_(shift)
