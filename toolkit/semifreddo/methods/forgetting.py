"""New random values of everything loadable, for a task that must not begin with what all know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from torch import Tensor, nn

from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.inputs import as_input
from semifreddo.nn.network import Network
from semifreddo.nn.tensors import QuantizedTensor, quantized_tensors
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import TrainVal
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget
from semifreddo.train.seen import raw_images

_FARTHEST = 5.0
"""Logit of a blend that starts at 0 or 1: further out, training could not bring it back."""


def forget(plan: FreezePlan, seed: int, blend: float, images: TrainVal, model: nn.Module) -> None:
    """New random values of everything loadable, in place.

    Scales are constants of the hardware, and there are no batch norms any more. So weights are
    drawn as widely as they were, and then each output channel of a layer is scaled and shifted, so
    that what it computes of some images has the mean 0 and the deviation that the layer had (after
    Mishkin & Matas, ICLR 2016, arXiv 1511.06422).

    Args:
        plan: What is frozen, and stays.
        seed: Of the weights.
        blend: Share of the frozen core in the blends, 0 to 1.
        images: The new task.
        model: Folded and pinned.
    """
    torch.manual_seed(seed)
    share = torch.logit(torch.tensor(blend)).clamp(-_FARTHEST, _FARTHEST)
    x = as_input(model, raw_images(model, images.train.head(_LOOKED_AT)))
    training = model.training
    with torch.no_grad():
        spreads = _spreads(model.eval(), x)
        tensors = quantized_tensors(model)
        for tensor in tensors.values():
            if bool(_mask(plan, tensor).all()):
                continue
            fresh = torch.full_like(tensor.parameter, float(share) * (tensor.role == "alpha"))
            if tensor.role == "weight":
                old = tensor.parameter[~_mask(plan, tensor).expand_as(tensor.parameter)]
                fresh = torch.randn(fresh.shape) * old.std(unbiased=False)
            _set_loadable(plan, tensor, fresh)
        for path, spread in spreads.items():
            layer = tensors.get(f"{path}.weight"), tensors.get(f"{path}.bias")
            for tensor, fresh in _centred(model, x, path, spread, layer):
                _set_loadable(plan, tensor, fresh)
        if isinstance(model, Network):
            _reset_head(
                model, plan, [tensors[name] for name in tensors if name.startswith("head.")]
            )
    model.train(training)


_LOOKED_AT = 128
_WIDEST = 4.0
"""Most that a channel is scaled up or down: weights have few bits, and their scale is constant."""


def _mask(plan: FreezePlan, tensor: QuantizedTensor) -> Tensor:
    """Flags of what is frozen, which broadcast to the parameter."""
    flags = torch.tensor(plan.channels(tensor.name, tensor.outputs))
    parameter = tensor.parameter
    if parameter.shape[tensor.dim] != len(flags):  # one value for all channels
        flags = flags.any(0, keepdim=True)
    shape = [1] * parameter.dim()
    shape[tensor.dim] = len(flags)
    return flags.reshape(shape)


def _set_loadable(plan: FreezePlan, tensor: QuantizedTensor, fresh: Tensor) -> None:
    parameter = tensor.parameter
    parameter.copy_(torch.where(_mask(plan, tensor), parameter, fresh))


def _reset_head(model: Network, plan: FreezePlan, tensors: Sequence[QuantizedTensor]) -> None:
    kept = [tensor.parameter.clone() for tensor in tensors]
    model.head.reset()
    for tensor, old in zip(tensors, kept, strict=True):
        fresh = tensor.parameter.clone()
        tensor.parameter.copy_(old)
        _set_loadable(plan, tensor, fresh)


def _seen(model: nn.Module, x: Tensor, paths: Iterable[str]) -> dict[str, Tensor]:
    """What layers compute of images in their first call, channel first, in order of execution."""
    found: dict[str, Tensor] = {}

    def keep(path: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, result: Any) -> None:
            values = getattr(result, "value", result)
            found.setdefault(path, values.transpose(0, 1).flatten(1))

        return hook

    handles = [model.get_submodule(path).register_forward_hook(keep(path)) for path in paths]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _spreads(model: nn.Module, x: Tensor) -> dict[str, float]:
    """Mean deviation of a layer's channels, in order of execution."""
    layers = [
        path
        for path, module in model.named_modules()
        if isinstance(module, QuantWeightBiasInputOutputLayer)
    ]
    return {path: float(values.std(1).mean()) for path, values in _seen(model, x, layers).items()}


def _centred(
    model: nn.Module,
    x: Tensor,
    layer: str,
    spread: float,
    tensors: Sequence[QuantizedTensor | None],
) -> Iterator[tuple[QuantizedTensor, Tensor]]:
    """Weights and biases with which the channels of a layer have the mean 0 and a deviation.

    The biases follow from what the layer computes after the weights were set: they are rounded, and
    some are clipped.
    """
    weight, bias = tensors
    if weight is None or bias is None or weight.dim:
        return
    values = _seen(model, x, [layer])[layer]
    factor = (spread / values.std(1).clamp(min=1e-12)).clamp(1 / _WIDEST, _WIDEST)
    shape = [-1, *[1] * (weight.parameter.dim() - 1)]
    yield weight, weight.parameter * factor.reshape(shape)
    yield bias, bias.parameter - _seen(model, x, [layer])[layer].mean(1)


def from_scratch(
    trained: TrainedModel,
    data: TrainVal,
    options: TrainOptions,
    folder: Path | None = None,
    blend: float = 0.0,
) -> TrainedModel:
    """Teach a device another task from random weights, with cross entropy and nothing else.

    What an attack is compared with: by itself it owes nothing to the frozen core.

    Args:
        trained: What the device was built from. It is not changed.
        data: The new task.
        options: How.
        folder: For states, so that an interrupted call goes on.
        blend: Share of the frozen core that blends start with, 0 to 1.

    Raises:
        ConfigError: As :func:`~semifreddo.train.recipes.retarget`.
        DataError: Another image shape.
    """
    start = partial(forget, trained.plan, options.seed, blend, data)
    return retarget(trained, data, options, folder, start=start)
