"""Small models of stock Brevitas layers, with random weights and calibrated activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant import Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

from semifreddo.nn.blend import AlphaBlend
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.model import FROZEN_CORE, SemifreddoNet
from semifreddo.nn.pin import pin_scales

UNSIGNED = Uint8ActPerTensorFixedPoint
SIGNED = Int8ActPerTensorFixedPoint
BIAS = Int8BiasPerTensorFixedPointInternalScaling


def image_input(**options: Any) -> qnn.QuantIdentity:
    """The quantizer of raw images: 8 bits, unsigned, scale 1/256."""
    return qnn.QuantIdentity(
        act_quant=UNSIGNED, scaling_impl_type="const", scaling_init=1.0, **options
    )


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    bits: int = 8,
    per_channel: bool = False,
    bias: type | None = BIAS,
    **options: Any,
) -> qnn.QuantConv2d:
    """A convolution with fixed-point weights and, if any, 8-bit biases at a scale of their own."""
    return qnn.QuantConv2d(
        inputs,
        outputs,
        kernel,
        bias=bias is not None,
        weight_quant=Int8WeightPerChannelFixedPoint
        if per_channel
        else Int8WeightPerTensorFixedPoint,
        weight_bit_width=bits,
        bias_quant=bias,
        **options,
    )


def linear(
    inputs: int, outputs: int, *, bits: int = 8, bias: type | None = BIAS
) -> qnn.QuantLinear:
    """A linear layer like :func:`conv`."""
    return qnn.QuantLinear(
        inputs,
        outputs,
        bias=bias is not None,
        weight_quant=Int8WeightPerTensorFixedPoint,
        weight_bit_width=bits,
        bias_quant=bias,
    )


def relu(bits: int = 8, **options: Any) -> qnn.QuantReLU:
    return qnn.QuantReLU(act_quant=UNSIGNED, bit_width=bits, **options)


def signed(bits: int = 8, **options: Any) -> qnn.QuantIdentity:
    return qnn.QuantIdentity(act_quant=SIGNED, bit_width=bits, **options)


class Wired(nn.Module):
    """Layers and a function that connects them, so that a test can spell out one graph."""

    def __init__(self, wiring: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.wiring = wiring
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.wiring(self, x)


def calibrated(model: nn.Module, shape: tuple[int, int, int], seed: int = 0) -> nn.Module:
    """The model in evaluation mode, after a few batches that set its activation scales."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(parameter, -0.3, 0.3)
        elif name.endswith("conv1.weight"):
            # Channels of different size, so that per-channel scales differ.
            parameter.data *= 2.0 ** torch.arange(len(parameter)).remainder(3)[:, None, None, None]
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randint(0, 256, (8, *shape)) / 256)
    return model.eval()


def raw_images(shape: tuple[int, int, int], count: int = 20, seed: int = 0) -> np.ndarray:
    """Random uint8 images (n, h, w, c) for a (channels, height, width) input."""
    channels, height, width = shape
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, channels)).astype(np.uint8)


def zoo(bits: int = 8, *, per_channel: bool = False) -> nn.Module:
    """Standard, depthwise and pointwise convolution, residual sum, both pools, linear layer."""
    options: dict[str, Any] = {"bits": bits, "per_channel": per_channel}

    def wiring(net: Any, x: Tensor) -> Tensor:
        x = net.act1(net.conv1(net.input(x)))
        x = net.act2(net.pointwise(net.act_dw(net.depthwise(x))))
        x = net.act3(x + net.act_res(net.residual(x)))
        x = net.avg(net.max(x))
        return net.linear(net.act4(x).flatten(1))

    return Wired(
        wiring,
        input=image_input(),
        conv1=conv(3, 6, padding=1, **options),
        act1=relu(),
        depthwise=conv(6, 6, padding=1, groups=6, stride=2, **options),
        act_dw=signed(),
        pointwise=conv(6, 8, 1, **options),
        act2=relu(6),
        residual=conv(8, 8, padding=1, bias=None, **options),
        act_res=signed(7),
        act3=relu(),
        max=nn.MaxPool2d(2),
        avg=nn.AvgPool2d(2),
        act4=signed(),
        linear=linear(8, 5, bits=bits),
    )


def semifreddo_net(
    images: np.ndarray | None = None, widths: tuple[int, ...] = (2, 4, 4), **options: Any
) -> SemifreddoNet:
    """A small SemifreddoNet of 8x8 images with random weights, calibrated, folded and pinned."""
    config = SemifreddoConfig(
        input_shape=(1, 8, 8), classes=5, widths=widths, strides=(1, 2, 1), **options
    )
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = SemifreddoNet(config)
    raw = raw_images((1, 8, 8), 16) if images is None else images
    batch = torch.from_numpy(raw).permute(0, 3, 1, 2) / 256
    model.train()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, AlphaBlend):
                nn.init.normal_(module.logit, std=2)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.bias)
        for _ in range(4):
            model(batch)
    model.eval()
    fold_batch_norm(model)
    pin_scales(model, batch)
    return model.eval()


class ManyFaults(nn.Module):
    """One fault or two in most layers, and none in ``fine``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.gate = nn.Sigmoid()
        self.body = nn.Sequential(
            qnn.QuantConv2d(8, 8, 3, weight_quant=Int8WeightPerTensorFloat, bias=True),
            qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat),
            nn.AvgPool2d(3, 1),
            conv(8, 8, groups=2, bias=None),
        )
        self.fine = linear(8 * 2 * 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.gate(self.norm(self.stem(x))))
        return torch.softmax(self.fine(x.flatten(1)), 1)


def core_tensors(model: nn.Module) -> list[str]:
    """Weights and biases of the frozen core of a SemifreddoNet, by name."""
    names = [name for name, _ in model.named_parameters() if name.startswith(f"{FROZEN_CORE}.")]
    return [name for name in names if name.rsplit(".", 2)[-2] == "conv"]
