"""The plain torch twin of a quantized model: the same parameters without quantizers.

A step of the twin takes a fraction of the time of a quantized one, so what quantization does not
decide can be learned first. What the twin learns is in the model: both hold the same tensors.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from brevitas.nn.quant_layer import QuantNonLinearActLayer
from torch import Tensor, nn

from semifreddo.nn.inputs import ModelInput
from semifreddo.nn.layers import Head


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers, instead of emulating that."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@contextlib.contextmanager
def in_bfloat16(model: nn.Module) -> Iterator[None]:
    """Compute a model's layers in bfloat16 while it is in training mode, for the block.

    Parameters, statistics of batch norms and answers stay float32. Integers of up to eight bits are
    exact in bfloat16; sums of a convolution are rounded to it before they are quantized.
    """
    plain = model.forward

    def forward(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=model.training):
            answers = plain(x.contiguous(memory_format=torch.channels_last))
        values: Tensor = getattr(answers, "value", answers)
        return values.float()

    model.forward = forward
    try:
        yield
    finally:
        del model.forward


def plain_twin(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """A model of plain layers that shares all parameters and buffers with a quantized one.

    Convolutions, linear layers and activations lose their quantizers; an identity whose quantizer
    is unsigned becomes a ReLU, since that quantizer clips at zero. The mean of a whole map becomes
    one over maps of any size. The quantizer of the input stays, so that both models see the same
    images, and so does every layer of another kind.

    Args:
        model: Any Brevitas model of NCHW images. Module paths stay the same.
        shape: ``(channels, height, width)`` of an image.

    Raises:
        ConfigError: The model does not take images of this shape.
    """
    quantizer = ModelInput(model, shape).quantizer
    path = next((name for name, module in model.named_modules() if module is quantizer), "")
    shared: dict[int, Any] = {id(held): held for held in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    kept = None if quantizer is None else twin.get_submodule(path.rpartition(".")[0])
    made: dict[int, nn.Module] = {}
    for parent in list(twin.modules()):
        for name, child in list(parent._modules.items()):
            plain = made.get(id(child)) or _plain(child)
            if plain is not None and child is not kept:
                made[id(child)] = plain
                setattr(parent, name, plain)
    for head in (module for module in twin.modules() if isinstance(module, Head)):
        setattr(head.pool, "pool", nn.AdaptiveAvgPool2d(1))  # noqa: B010 -- of another type
    return twin


def _plain(layer: Any) -> nn.Module | None:
    """A layer without quantizers; None for one that has none, or of another kind."""
    plain: nn.Module
    if isinstance(layer, QuantConv2d):
        plain = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            bias=False,
            padding_mode=layer.padding_mode,
            device="meta",
        )
    elif isinstance(layer, QuantLinear):
        plain = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
    elif isinstance(layer, QuantNonLinearActLayer):
        quant = layer.act_quant
        fused = getattr(quant, "fused_activation_quant_proxy", None)
        activation = None if fused is None else fused.activation_impl
        clips = isinstance(activation, nn.Identity) and not quant.is_signed
        return nn.ReLU() if clips else activation
    else:
        return None
    plain.weight, plain.bias = layer.weight, layer.bias
    return plain
