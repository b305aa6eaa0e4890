"""Batch norm folding: from then on a layer is integers, and nothing follows statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from semifreddo.core.errors import ConfigError
from semifreddo.nn.binary import SignNorm, fold_sign
from semifreddo.nn.layers import QuantConvBlock
from semifreddo.nn.powers import fix_terms
from semifreddo.nn.quant import bias_quant


def _fold(layer: Any, norm: _BatchNorm) -> None:
    """Put a batch norm's evaluation behaviour into the layer before it."""
    if isinstance(norm, SignNorm):
        fold_sign(layer, norm)
        return
    assert norm.running_mean is not None and norm.running_var is not None
    fix_terms(layer)  # thresholds are of norms before folding
    with torch.no_grad():
        factor = torch.rsqrt(norm.running_var + norm.eps)
        shift = -norm.running_mean * factor
        if norm.affine:
            factor, shift = factor * norm.weight, shift * norm.weight + norm.bias
        layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        if layer.bias is None:
            layer.bias = nn.Parameter(shift)
        else:
            layer.bias.mul_(factor).add_(shift)
    layer.bias.requires_grad_(layer.weight.requires_grad)
    if not layer.bias_quant.is_quant_enabled:
        # A layer that had no bias has one now, and hardware holds integers only.
        layer.bias_quant = type(layer.bias_quant)(layer, bias_quant())


def norm_pairs(model: nn.Module, example: Tensor | None = None) -> list[tuple[str, str]]:
    """Paths of layers and of the batch norms that read exactly their output.

    Args:
        model: Any Brevitas model. The toolkit's own blocks are read by structure.
        example: An input batch; needed for batch norms outside those blocks, whose producers are
            found by running the model once. The order of definition says nothing about them.

    Raises:
        ConfigError: ``example`` is needed.
    """
    pairs = [
        (f"{name}.conv".lstrip("."), f"{name}.bn".lstrip("."))
        for name, module in model.named_modules()
        if isinstance(module, QuantConvBlock) and isinstance(module.bn, _BatchNorm)
    ]
    known = {norm for _, norm in pairs}
    left = [name for name in batch_norms(model) if name not in known]
    if left and example is None:
        raise ConfigError(f"batch norm {left[0]!r}: pass an example input to find what it follows")
    return pairs if example is None or not left else [*pairs, *_run_pairs(model, left, example)]


def _run_pairs(model: nn.Module, norms: Sequence[str], example: Tensor) -> list[tuple[str, str]]:
    """The same, of some batch norms, seen in one forward pass."""
    producer: dict[int, str] = {}
    pairs: list[tuple[str, str]] = []
    keep: list[Tensor] = []
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, QuantConv2d | QuantLinear):

            def produced(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
                tensor = getattr(output, "value", output)
                keep.append(tensor)  # alive, so that no other tensor gets its id
                producer[id(tensor)] = name

            handles.append(module.register_forward_hook(produced))
        elif name in norms:

            def read(_: nn.Module, args: Any, name: str = name) -> None:
                layer = producer.get(id(getattr(args[0], "value", args[0])))
                if layer is not None:
                    pairs.append((layer, name))

            handles.append(module.register_forward_pre_hook(read))
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(example)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return pairs


def fold_batch_norm(model: nn.Module, example: Tensor | None = None) -> None:
    """Fold every batch norm into the convolution or linear layer before it, in place.

    A layer without a quantized bias gets one of 16 bits.

    Args:
        model: Any Brevitas model. Its own blocks are folded by structure.
        example: An input batch; needed for batch norms outside the toolkit's own blocks, whose
            producers are found by running the model once.

    Raises:
        ConfigError: A batch norm does not follow a quantized layer, or ``example`` is needed.
    """
    pairs = norm_pairs(model, example)
    lost = [name for name in batch_norms(model) if name not in {name for _, name in pairs}]
    if lost:
        raise ConfigError(
            f"batch norm {lost[0]!r} does not directly follow a quantized convolution or linear "
            "layer, so it cannot be folded; move it there or remove it"
        )
    if len({layer for layer, _ in pairs}) != len(pairs):
        raise ConfigError(
            f"batch norm {pairs[-1][1]!r} follows a layer that another batch norm also follows, so "
            "neither can be folded; give each its own layer"
        )
    for layer, name in pairs:
        norm = model.get_submodule(name)
        assert isinstance(norm, _BatchNorm)
        _fold(model.get_submodule(layer), norm)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, nn.Identity())


def batch_norms(model: nn.Module) -> list[str]:
    """Names of the batch norms that are not folded."""
    return [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
