"""Networks as users write them with Brevitas' own quantizers: one feature each."""

from __future__ import annotations

from collections.abc import Callable

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Int32Bias,
    ShiftedUint8ActPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    TruncTo8bit,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

from semifreddo.nn.integers import cache_bias_scales


def image(**options: object) -> nn.Module:
    return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, **options)


def conv(inputs: int = 3, outputs: int = 8, **options: object) -> nn.Module:
    given = {"kernel_size": 3, "padding": 1, "bias": False} | options
    given.setdefault("weight_quant", Int8WeightPerTensorFloat)
    return qnn.QuantConv2d(inputs, outputs, **given)


def act(**options: object) -> nn.Module:
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, **options)


def signed(**options: object) -> nn.Module:
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, **options)


def head(features: int = 8, **options: object) -> list[nn.Module]:
    options.setdefault("bias", False)
    options.setdefault("weight_quant", Int8WeightPerTensorFloat)
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), image(), qnn.QuantLinear(features, 5, **options)]


def net(*layers: nn.Module, features: int = 8) -> nn.Module:
    return nn.Sequential(image(), *layers, *head(features))


class Residual(nn.Module):
    """A sum of two streams, quantized by one quantizer or by two."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.image, self.first, self.second = image(), conv(), conv(8, 8)
        self.norm = nn.BatchNorm2d(8)
        self.one = act()
        self.other = self.one if shared else act()
        self.last = act()
        self.head = nn.Sequential(*head())

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(self.first(self.image(x)))
        return self.head(self.last(self.other(self.norm(self.second(x))) + x))


class Joined(nn.Module):
    """Channels of two scales next to each other, quantized together."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.first, self.second = image(), conv(3, 4), conv(3, 4)
        self.one, self.other, self.both = act(), act(), act()
        self.head = nn.Sequential(*head())

    def forward(self, x: Tensor) -> Tensor:
        x = self.image(x)
        x = torch.cat([self.one(self.first(x)), self.other(self.second(x))], 1)
        return self.head(self.both(x))


class Scaled(nn.Module):
    """Factors and offsets by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.first, self.act = image(), conv(), act()
        self.head = nn.Sequential(*head())
        self.gain = nn.Parameter(torch.linspace(0.3, 1.7, 8).reshape(1, 8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.image(x))
        return self.head(self.act((x * self.gain - 0.013) / 1.7))


class Centred(nn.Module):
    """An affine map in front of the input quantizer."""

    def __init__(self) -> None:
        super().__init__()
        self.image = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
        self.body = nn.Sequential(conv(), nn.BatchNorm2d(8), act(), *head())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.image(2 * x - 1))


class Body(nn.Module):
    """A convolution, whatever a function makes of its activations, another one, and the head."""

    def __init__(
        self, function: Callable[[Tensor], Tensor], outputs: int = 8, reads: int = 8
    ) -> None:
        super().__init__()
        self.function = function
        self.first, self.second = net(conv(outputs=outputs), act())[:3], conv(reads)
        self.head = nn.Sequential(act(), *head())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.function(self.first(x))))


class Absolute(nn.Module):
    """Without sign."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Larger(nn.Module):
    """A maximum of two functions of the same values."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x * 0.3, torch.minimum(x, torch.full((), 0.4)))


class Rounded(nn.Module):
    """A quantizer without a library."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(torch.round(x / 0.0417), 0, 15) * 0.0417


class Shortcut(nn.Module):
    """A residual sum whose shortcut is strided and padded with channels of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.first = net(conv(outputs=4), act())[:3]
        self.second = nn.Sequential(conv(4, 8, stride=2), nn.BatchNorm2d(8), act())
        self.head = nn.Sequential(act(), *head())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        return self.head(self.second(x) + short)


class Signals(nn.Module):
    """Convolutions, batch norm and pools of one dimension, on one row of the image."""

    def __init__(self) -> None:
        super().__init__()
        options = {"bias": False, "weight_quant": Int8WeightPerTensorFloat}
        self.image, self.head = image(), qnn.QuantLinear(8, 5, bias=False)
        self.body = nn.Sequential(
            qnn.QuantConv1d(3, 8, 3, padding=1, **options),
            nn.BatchNorm1d(8),
            act(),
            nn.MaxPool1d(2),
            qnn.QuantConvTranspose1d(8, 8, 4, stride=2, padding=1, **options),
            act(),
            qnn.QuantConv1d(8, 8, 3, stride=2, dilation=2, groups=2, **options),
            act(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            image(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.image(x)[:, :, 4]))


def transposed(inputs: int = 8, outputs: int = 8, **options: object) -> nn.Module:
    given = {"kernel_size": 3, "stride": 2, "bias": False} | options
    given.setdefault("weight_quant", Int8WeightPerTensorFloat)
    return qnn.QuantConvTranspose2d(inputs, outputs, **given)


class UNet(nn.Module):
    """Down, up again, and joined with what was before: a result for every pixel."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.image, self.first, self.down = image(), net(conv(outputs=4), act())[1:3], conv(4, 8)
        self.act, self.up, self.join = (
            act(),
            up,
            qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat),
        )
        self.last, self.norm = conv(12, 4), nn.BatchNorm2d(4)
        self.answer = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.image(x))
        deep = self.up(self.act(self.down(nn.functional.max_pool2d(x, 2))))
        return self.answer(self.norm(self.last(self.join(torch.cat([x, deep], 1)))))


class Moves(nn.Module):
    """Every way to move values between pixels, one behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = net(conv(), act())[:3]
        self.up = nn.Sequential(transposed(4, 4, kernel_size=4, padding=1, bias=True), act())
        self.down, self.last = nn.PixelUnshuffle(2), conv(16)
        self.act, self.head = act(), nn.Sequential(act(), *head())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)[:, :, 1:, :-1]
        x = nn.functional.pad(x[:, ::2], (1, 2, -1, 0)) + nn.functional.pad(x[:, 4:], (2, 1, 0, -1))
        x = self.up(self.act(x))
        x = nn.functional.interpolate(x[:, :, 1::3, ::2], scale_factor=2)
        return self.head(self.last(self.down(x)))


class Ones(nn.Module):
    """Channels of constants around others."""

    def forward(self, x: Tensor) -> Tensor:
        ones = torch.ones(1, 1, 10, 10).expand(len(x), -1, -1, -1)
        return torch.cat([ones * 0.75, x[:, 2:], ones * 0], 1)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "per-tensor weights": lambda: net(conv(), act()),
    "per-channel weights": lambda: net(conv(weight_quant=Int8WeightPerChannelFloat), act()),
    "batch norm behind a convolution": lambda: net(conv(), nn.BatchNorm2d(8), act()),
    "batch norm behind a pool": lambda: net(conv(), nn.MaxPool2d(2), nn.BatchNorm2d(8), act()),
    "batch norm behind a quantizer": lambda: net(conv(), act(), nn.BatchNorm2d(8), act()),
    "float bias": lambda: net(conv(bias=True), act()),
    "quantized bias": lambda: nn.Sequential(
        image(return_quant_tensor=True), conv(bias=True, bias_quant=Int32Bias), act(), *head()
    ),
    "float bias and batch norm": lambda: net(conv(bias=True), nn.BatchNorm2d(8), act()),
    "float bias of the last layer": lambda: nn.Sequential(image(), conv(), act(), *head(bias=True)),
    "per-channel weights of the last layer": lambda: nn.Sequential(
        image(), conv(), act(), *head(weight_quant=Int8WeightPerChannelFloat)
    ),
    "batch norm behind a linear layer": lambda: nn.Sequential(
        image(),
        nn.Flatten(),
        qnn.QuantLinear(300, 8, bias=False, weight_quant=Int8WeightPerTensorFloat),
        nn.BatchNorm1d(8),
        act(),
        qnn.QuantLinear(8, 5, bias=True, weight_quant=Int8WeightPerTensorFloat),
    ),
    "4-bit activations": lambda: net(conv(), nn.BatchNorm2d(8), act(bit_width=4)),
    "2-bit activations": lambda: net(conv(), nn.BatchNorm2d(8), act(bit_width=2)),
    "4-bit weights": lambda: net(conv(weight_bit_width=4), act()),
    "signed activations": lambda: net(
        conv(), nn.BatchNorm2d(8), qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
    ),
    "shifted activations": lambda: net(
        conv(),
        qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat),
        conv(8, padding=0),
        act(),
    ),
    "binary weights": lambda: net(
        conv(weight_quant=SignedBinaryWeightPerTensorConst), nn.BatchNorm2d(8), act()
    ),
    "ternary weights": lambda: net(
        conv(weight_quant=SignedTernaryWeightPerTensorConst, weight_threshold=0.5), act()
    ),
    "binary activations": lambda: net(
        conv(),
        nn.BatchNorm2d(8),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
        conv(8),
        act(),
    ),
    "ReLU6": lambda: net(conv(), nn.ReLU6(), image()),
    "hardtanh": lambda: net(
        conv(), nn.Hardtanh(-0.4, 0.7), qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
    ),
    "LeakyReLU": lambda: net(
        conv(), nn.LeakyReLU(0.1), qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
    ),
    "PReLU": lambda: net(conv(), nn.PReLU(8), qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)),
    "a quantizer by hand": lambda: net(conv(), nn.BatchNorm2d(8), Rounded(), conv(8), act()),
    "absolute values": lambda: net(conv(), Absolute(), image()),
    "the larger of two": lambda: net(conv(), Larger(), signed()),
    "ReLU without quantizer": lambda: net(conv(), nn.ReLU(), conv(8), act()),
    "ReLU apart from its quantizer": lambda: net(conv(), nn.BatchNorm2d(8), nn.ReLU(), image()),
    "average pool of 3x3": lambda: net(conv(), act(), nn.AvgPool2d(3), act()),
    "average pool of 2x2": lambda: net(conv(), act(), nn.AvgPool2d(2), act()),
    "truncating average pool of 3x3": lambda: nn.Sequential(
        image(),
        conv(),
        act(return_quant_tensor=True),
        qnn.TruncAvgPool2d(3, return_quant_tensor=False),
        *head(),
    ),
    "truncating average pool of 2x2": lambda: nn.Sequential(
        image(),
        conv(),
        act(return_quant_tensor=True),
        qnn.TruncAvgPool2d(2, trunc_quant=TruncTo8bit, bit_width=5, return_quant_tensor=False),
        *head(),
    ),
    "max pool": lambda: net(conv(), act(), nn.MaxPool2d(2), conv(8), act()),
    "max pool in front of the quantizer": lambda: net(
        conv(), nn.BatchNorm2d(8), nn.MaxPool2d(2), act()
    ),
    "depthwise": lambda: net(
        conv(),
        act(),
        conv(8, groups=8),
        nn.BatchNorm2d(8),
        act(),
        conv(8, kernel_size=1, padding=0),
        act(),
    ),
    "groups": lambda: net(conv(), act(), conv(8, groups=2), nn.BatchNorm2d(8), act()),
    "depth multiplier": lambda: net(conv(3, 6, groups=3), act(), conv(6), act()),
    "dilation": lambda: net(conv(dilation=2, padding=2), nn.BatchNorm2d(8), act()),
    "dilated groups": lambda: net(
        conv(), act(), conv(8, groups=4, dilation=2, weight_quant=Int8WeightPerChannelFloat), act()
    ),
    "ceiled max pool": lambda: net(conv(), act(), nn.MaxPool2d(3, 2, ceil_mode=True), act()),
    "padded max pool": lambda: net(
        conv(),
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat),
        nn.MaxPool2d(3, 2, padding=1),
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat),
    ),
    "padded max pool of accumulators": lambda: net(
        conv(), nn.BatchNorm2d(8), nn.MaxPool2d(2, padding=1), act()
    ),
    "stride 2": lambda: net(conv(stride=2), nn.BatchNorm2d(8), act()),
    "dropout": lambda: net(conv(), nn.Dropout(0.2), act()),
    "residual, one quantizer": lambda: Residual(shared=True),
    "residual, two quantizers": lambda: Residual(shared=False),
    "concatenation": Joined,
    "factors by hand": Scaled,
    "affine input": Centred,
    "softmax": lambda: nn.Sequential(net(conv(), act()), nn.Softmax(1)),
    "everything": lambda: nn.Sequential(
        image(),
        conv(weight_quant=Int8WeightPerChannelFloat, bias=True),
        nn.BatchNorm2d(8),
        act(bit_width=4),
        conv(8, groups=8),
        nn.BatchNorm2d(8),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst),
        conv(8),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.1),
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat),
        nn.AvgPool2d(5),
        nn.Flatten(),
        image(),
        qnn.QuantLinear(8, 5, bias=True, weight_quant=Int8WeightPerTensorFloat),
    ),
    "nearest-neighbour resize": lambda: net(
        conv(), act(), nn.Upsample(scale_factor=2), conv(8), act()
    ),
    "resize in front of the quantizer": lambda: net(
        conv(), nn.BatchNorm2d(8), nn.Upsample(scale_factor=(3, 1)), act()
    ),
    "pixel shuffle": lambda: net(conv(outputs=32), act(), nn.PixelShuffle(2), conv(8), act()),
    "pixel shuffle in front of the quantizer": lambda: net(
        conv(outputs=32), nn.BatchNorm2d(32), nn.PixelShuffle(2), act(), conv(8), act()
    ),
    "pixel unshuffle": lambda: net(conv(), act(), nn.PixelUnshuffle(2), conv(32), act()),
    "transposed convolution": lambda: net(
        conv(), act(), transposed(padding=1, output_padding=1), act()
    ),
    "transposed convolution with bias and batch norm": lambda: net(
        conv(),
        act(),
        transposed(kernel_size=(4, 2), stride=(2, 3), padding=(1, 0), bias=True),
        nn.BatchNorm2d(8),
        act(),
        conv(8),
        act(),
    ),
    "depthwise transposed convolution": lambda: net(
        conv(), act(), transposed(groups=8, kernel_size=2), act(), conv(8), act()
    ),
    "dilated transposed convolution of stride 1": lambda: net(
        conv(), act(), transposed(stride=1, dilation=2, padding=2), act()
    ),
    "crop": lambda: Body(lambda x: x[:, :, 1:-1, 2:]),
    "strided slices": lambda: Body(lambda x: x[:, :, 1::2, :-1:3]),
    "channel slices": lambda: Body(lambda x: torch.cat([x[:, 1::2], x[:, :3]], 1), reads=7),
    "split channels": lambda: Body(lambda x: sum(x.split(4, 1)), reads=4),
    "negative padding": lambda: Body(nn.ZeroPad2d((-1, 2, 1, -3))),
    "constant channels": lambda: net(conv(), act(), Ones(), act(), conv(8), act()),
    "zeros in front of a sum": lambda: Body(
        lambda x: nn.functional.pad(x[:, :, 1:, 1:], (0, 1, 1, 0)) + x
    ),
    "shortcut with channels of zeros": Shortcut,
    "U-Net with resizing": lambda: UNet(nn.Upsample(size=(10, 10))),
    "U-Net with a transposed convolution": lambda: UNet(
        nn.Sequential(transposed(kernel_size=2, bias=True), act())
    ),
    "every movement": Moves,
    "signals of one dimension": Signals,
    "two convolutions": lambda: net(
        conv(), nn.BatchNorm2d(8), act(), conv(8, 8), nn.BatchNorm2d(8), act()
    ),
    "sigmoid": lambda: net(conv(), nn.Sigmoid(), image()),
    "quantized sigmoid": lambda: net(
        conv(), nn.BatchNorm2d(8), qnn.QuantSigmoid(act_quant=Uint8ActPerTensorFloat)
    ),
    "tanh": lambda: net(conv(), nn.Tanh(), signed()),
    "hardsigmoid": lambda: net(conv(), nn.Hardsigmoid(), image()),
    "SiLU": lambda: net(conv(), nn.SiLU(), signed()),
    "SiLU behind a batch norm": lambda: net(conv(), nn.BatchNorm2d(8), nn.SiLU(), signed()),
    "SiLU of a quantized stream": lambda: net(conv(), signed(), nn.SiLU(), signed()),
    "GELU": lambda: net(conv(), nn.BatchNorm2d(8), nn.GELU(), signed(bit_width=6)),
    "GELU by tanh": lambda: net(conv(), signed(), nn.GELU("tanh"), signed()),
    "hardswish": lambda: net(conv(), nn.Hardswish(), signed()),
    "mish": lambda: net(conv(), signed(), nn.Mish(), signed()),
    "ELU": lambda: net(conv(), nn.BatchNorm2d(8), nn.ELU(), signed()),
    "softplus": lambda: net(conv(), nn.Softplus(), image()),
    "five curves": lambda: net(
        conv(),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        signed(),
        conv(8, 8, weight_bit_width=4),
        nn.GELU(),
        signed(bit_width=6),
        nn.Sigmoid(),
        image(),
        nn.Tanh(),
        signed(bit_width=4),
        conv(8, 8, weight_bit_width=4),
        nn.Hardswish(),
        signed(),
    ),
    "SELU and CELU": lambda: net(conv(), nn.SELU(), signed(), nn.CELU(0.5), signed()),
}

UNFIT: dict[str, Callable[[], nn.Module]] = {
    "no quantizer behind ReLU": lambda: net(conv(), nn.BatchNorm2d(8), nn.ReLU(), conv(8), act()),
}


def trained(name: str) -> nn.Module:
    """A model whose quantizers and batch norms have seen images; weights are random."""
    torch.manual_seed(sum(map(ord, name)))
    model = (MODELS | UNFIT)[name]().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    for _ in range(3):
        model(torch.rand(16, 3, 10, 10))
    cache_bias_scales(model, np.zeros((1, 10, 10, 3), np.uint8))
    return model.eval()
