"""Quantized layers: convolution blocks, pooling, addition, and the classifier head.

All take and give plain NCHW tensors whose values lie on a power-of-two grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from brevitas.inject import ExtendedInjector
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError
from semifreddo.nn.binary import SignNorm, bit_quant, sign_quant
from semifreddo.nn.config import Terms
from semifreddo.nn.powers import powers_quant
from semifreddo.nn.quant import (
    INPUT_BITS,
    activation_quant,
    bias_quant,
    constant_quant,
    weight_quant,
)


@dataclass(frozen=True)
class Precision:
    """Number formats of a layer.

    Attributes:
        weight_bits: 1 to 8; with terms 2 to 8.
        act_bits: Bits of the layer's output, 2 to 16; 1 for the bit of a binary block.
        bias_bits: 4 to 24.
        per_channel: One weight (and bias) scale per output channel instead of one per tensor.
        terms: Powers of two that a weight is made of; None for weights that are any integers.
    """

    weight_bits: int = 4
    act_bits: int = 8
    bias_bits: int = 16
    per_channel: bool = False
    terms: Terms | None = None

    def weight_quant(self, filters: int) -> type[ExtendedInjector]:
        """The quantizer of a weight of so many output channels."""
        if self.weight_bits == self.act_bits == 1:
            return sign_quant()
        if self.terms is None:
            return weight_quant(self.weight_bits, per_channel=self.per_channel)
        return powers_quant(self.weight_bits, self.terms, filters, per_channel=self.per_channel)


class QuantInput(nn.Module):
    """The image input: real values r / 256 of unsigned 8-bit pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantIdentity(act_quant=constant_quant(INPUT_BITS, INPUT_BITS))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.quant(x))


class QuantConvBlock(nn.Module):
    """Convolution, batch norm (until folded), activation.

    Args:
        inputs: Input channels.
        outputs: Output channels; equal to ``inputs`` if ``depthwise``.
        precision: Number formats.
        kernel: Odd kernel size; 1 makes a pointwise convolution.
        stride: Stride in both directions.
        padding: Zero padding on every side; "same" for stride 1 if left out.
        depthwise: One filter per channel.
        relu: Unsigned output after a ReLU; otherwise signed output, no ReLU. An output of one bit
            is a step, whatever this says.
        input_frac: Fraction bits of what a block with an output of one bit reads.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        precision: Precision,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        depthwise: bool = False,
        relu: bool = True,
        input_frac: int = 0,
    ) -> None:
        super().__init__()
        if depthwise and inputs != outputs:
            raise ConfigError(
                f"depthwise convolution: {inputs} input channels but {outputs} output channels"
            )
        self.conv = QuantConv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=kernel // 2 if padding is None else padding,
            groups=inputs if depthwise else 1,
            bias=True,
            weight_quant=precision.weight_quant(outputs),
            bias_quant=bias_quant(precision.bias_bits, per_channel=precision.per_channel),
        )
        nn.init.zeros_(self.conv.bias)
        # Batch norm cancels the bias; an optimizer would only let it wander.
        self.conv.bias.requires_grad_(False)
        if precision.act_bits == 1:
            self.bn: nn.Module = SignNorm(outputs, input_frac)
            self.act = QuantIdentity(act_quant=bit_quant())
            return
        self.bn = nn.BatchNorm2d(outputs)
        quant = activation_quant(precision.act_bits, signed=not relu)
        self.act = QuantReLU(act_quant=quant) if relu else QuantIdentity(act_quant=quant)

    @property
    def folded(self) -> bool:
        """Whether the batch norm is part of the convolution's weights and bias."""
        return not isinstance(self.bn, nn.BatchNorm2d)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.act(self.bn(self.conv(x))))


class SeparableBlock(nn.Module):
    """Depthwise 3x3 and pointwise convolution, each with batch norm and, in the end, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        precision: Precision,
        *,
        stride: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = QuantConvBlock(inputs, inputs, precision, stride=stride, depthwise=True)
        self.pointwise = QuantConvBlock(inputs, outputs, precision, kernel=1, relu=relu)

    @property
    def act(self) -> nn.Module:
        """The quantizer of the block's output."""
        return cast(nn.Module, self.pointwise.act)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.pointwise(self.depthwise(x)))


class QuantAvgPool(nn.Module):
    """Mean over windows, brought back to ``bits`` unsigned bits.

    Args:
        kernel: Window height and width; their product must be a power of two, so that the division
            is exact.
        bits: Output bits.
        stride: Defaults to the window.

    Raises:
        ConfigError: The window area is not a power of two.
    """

    def __init__(
        self, kernel: tuple[int, int], bits: int, stride: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        area = kernel[0] * kernel[1]
        if area & (area - 1):
            raise ConfigError(
                f"average pool over {kernel[0]}x{kernel[1]}: the area {area} is not a power of two "
                "and has no exact division; choose image size, strides or stem_padding so that the "
                "last map is 1x1, 2x2, 4x4..."
            )
        self.pool = nn.AvgPool2d(kernel, stride or kernel)
        self.out = QuantIdentity(act_quant=activation_quant(bits))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.pool(x)))


class QuantAdd(nn.Module):
    """Residual addition, clipped at zero and brought back to ``bits`` unsigned bits."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.out = QuantIdentity(act_quant=activation_quant(bits))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cast(Tensor, self.out(a + b))


class Head(nn.Module):
    """Global average pool and linear classifier.

    Gives the accumulators themselves: no output quantizer, so nothing is rounded.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        classes: int,
        precision: Precision,
    ) -> None:
        super().__init__()
        self.pool = QuantAvgPool(size, precision.act_bits)
        self.linear = QuantLinear(
            channels,
            classes,
            bias=True,
            weight_quant=weight_quant(precision.weight_bits),
            bias_quant=bias_quant(precision.bias_bits),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(torch.flatten(self.pool(x), 1)))

    def reset(self) -> None:
        """New weights within the range of scales that are pinned already."""
        bound = 1 / math.sqrt(self.linear.in_features)
        nn.init.uniform_(self.linear.weight, -bound, bound)
        nn.init.zeros_(self.linear.bias)
