"""Pinning: turn every scale of a trained model into a constant of the hardware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from brevitas.core.quant import RescalingIntQuant
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from brevitas.proxy.quant_proxy import QuantProxyFromInjector
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError, ConversionError
from semifreddo.nn.fold import batch_norms
from semifreddo.nn.quant import ActivationScale, BiasScale, PowerOfTwoScale

_FRACS = range(-24, 53)


def scale_to_frac(scale: Tensor, where: str) -> Tensor:
    """Fraction bits of scales.

    Args:
        scale: Any shape.
        where: Named in the error.

    Raises:
        ConversionError: A scale is not a power of two.
    """
    mantissa, exponent = torch.frexp(scale.detach())
    if not bool((mantissa == 0.5).all()):
        wrong = float(scale.detach().flatten()[(mantissa != 0.5).flatten()][0])
        raise ConversionError(
            f"{where}: scale {wrong:.6g} is not a power of two; use a fixed-point quantizer "
            "(restrict_scaling_type POWER_OF_TWO)"
        )
    return 1 - exponent


def grid_frac(values: Tensor) -> int:
    """Fewest fraction bits at which all (finite) values are integers.

    Raises:
        ConversionError: There is no such number of bits up to 52.
    """
    double = values.detach().double()
    for frac in _FRACS:
        scaled = torch.ldexp(double, torch.tensor(frac))
        if bool((scaled == scaled.round()).all()):
            return frac
    raise ConversionError("values lie on no power-of-two grid; is a quantizer missing?")


def core_quant(proxy: Any) -> Any:
    """The module of a Brevitas proxy that quantizes, or None."""
    fused = getattr(proxy, "fused_activation_quant_proxy", None)
    quant = proxy.tensor_quant if fused is None else fused.tensor_quant
    return quant if isinstance(quant, RescalingIntQuant) else None


def scaling_of(proxy: nn.Module) -> nn.Module | None:
    """What computes the scale of a quantizer; None if there is no quantizer."""
    return getattr(core_quant(proxy), "scaling_impl", None)


def scale_of(proxy: nn.Module) -> PowerOfTwoScale | None:
    """The power-of-two scale of a quantizer; None for a stock one and for none."""
    scaling = scaling_of(proxy)
    return scaling if isinstance(scaling, PowerOfTwoScale) else None


def quantizers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Active Brevitas quantizers with a scale of their own, by module path."""
    for name, module in model.named_modules():
        if isinstance(module, QuantProxyFromInjector) and core_quant(module) is not None:
            yield name, module


def pin_stock_scale(name: str, proxy: Any) -> None:
    """Replace a stock quantizer's scale, whatever computes it, by its present value.

    Raises:
        ConversionError: It is not a power of two.
    """
    quant = core_quant(proxy)
    if isinstance(quant.scaling_impl, PowerOfTwoScale):
        return
    scale = proxy.scale()
    constant = PowerOfTwoScale(scale_to_frac(scale, name), pinned=True)
    # The injector too: Brevitas builds the quantizer anew from it whenever a state is loaded.
    proxy.quant_injector = proxy.quant_injector.let(scaling_impl=constant)
    quant.scaling_impl = constant


def await_scales(model: nn.Module) -> None:
    """Give a fresh model the constant scales of a pinned one, to be filled by its state.

    Raises:
        ConversionError: A stock quantizer's scale is not a power of two.
    """
    for name, proxy in quantizers(model):
        pin_stock_scale(name, proxy)


@dataclass
class _Range:
    input_frac: int
    peak: Tensor


def _observe(model: nn.Module, images: Tensor) -> dict[nn.Module, _Range]:
    """Input grid and largest output of each weighted layer over all its calls."""
    seen: dict[nn.Module, _Range] = {}

    def watch(layer: nn.Module, args: Any, output: Any) -> None:
        frac = grid_frac(getattr(args[0], "value", args[0]))
        peak = getattr(output, "value", output).detach().abs().amax()
        if layer in seen:
            frac, peak = max(frac, seen[layer].input_frac), torch.maximum(peak, seen[layer].peak)
        seen[layer] = _Range(frac, peak)

    layers = [m for m in model.modules() if isinstance(m, QuantWeightBiasInputOutputLayer)]
    for layer in layers:
        # Stock biases scaled by the accumulator know their scale only from a run.
        layer.bias_quant.cache_inference_quant_bias = True
    handles = [layer.register_forward_hook(watch) for layer in layers]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _pin_bias(layer: Any, scale: BiasScale, weight: PowerOfTwoScale, seen: _Range) -> None:
    """Accumulator scale, or coarser where 16 bits at that scale could not hold future biases."""
    bound = torch.maximum(seen.peak, 2 * layer.bias.detach().abs().amax())
    accumulator = weight.frac.flatten() + seen.input_frac
    if scale.frac.dim() == 0:
        accumulator = accumulator.amax()
    scale.pin(torch.minimum(accumulator, scale.frac_for(bound)))


def _merged(groups: Iterable[tuple[nn.Module, ...]]) -> list[list[nn.Module]]:
    """Join groups that share a layer."""
    merged: list[list[nn.Module]] = []
    for group in groups:
        joined = list(group)
        for other in [m for m in merged if any(item is entry for item in m for entry in joined)]:
            merged.remove(other)
            joined += [item for item in other if not any(item is entry for entry in joined)]
        merged.append(joined)
    return merged


def _scales(layers: Iterable[nn.Module], attribute: str) -> list[PowerOfTwoScale]:
    found = [scale_of(getattr(m, attribute)) for m in layers if hasattr(m, attribute)]
    return [scale for scale in found if scale is not None]


def _unify(groups: list[list[nn.Module]], attribute: str) -> None:
    """Give the scales of each group the coarsest format among them; pinned ones decide."""
    for group in groups:
        scales = _scales(group, attribute)
        decisive = [scale for scale in scales if scale.pinned] or scales
        if len(scales) > 1:
            frac = torch.stack([scale.frac for scale in decisive]).amin(0)
            for scale in scales:
                if not scale.pinned:
                    scale.pin(frac)


def pin_scales(model: nn.Module, images: Tensor) -> None:
    """Make every scale of a model constant, in place. Scales already pinned stay.

    Biases get the scale of their layer's accumulator, or a coarser one if at that scale they could
    not reach the layer's outputs: so a bias loaded later stays in its range.

    Args:
        model: A model whose batch norms are folded, trained at least a little.
        images: Some real input batch, real values (NCHW).

    Raises:
        ConfigError: A batch norm is not folded, or an activation quantizer has seen no data.
        ConversionError: A stock quantizer's scale is not a power of two.
    """
    left = batch_norms(model)
    if left:
        raise ConfigError(f"batch norm {left[0]!r} must be folded before scales are pinned")
    training = model.training
    model.eval()
    groups = _merged(getattr(model, "format_groups", tuple)())
    with torch.no_grad():
        _observe(model, images)  # brings statistics of the weights up to date
        for attribute in ("weight_quant", "act_quant"):
            _unify(groups, attribute)
        for name, proxy in quantizers(model):
            scale = scale_of(proxy)
            if isinstance(scale, ActivationScale) and not scale.pinned and not scale.peak > 0:
                raise ConfigError(f"{name}: has seen no data (or only zeros), so it has no scale")
            if scale is None:
                pin_stock_scale(name, proxy)
            elif not isinstance(scale, BiasScale):
                scale.pin()
        _pin_biases(model, _observe(model, images))
        _unify_biases(groups)
    model.train(training)


def _pin_biases(model: nn.Module, seen: dict[nn.Module, _Range]) -> None:
    for name, layer in model.named_modules():
        if not isinstance(layer, QuantWeightBiasInputOutputLayer) or layer.bias is None:
            continue
        scale, weight = scale_of(layer.bias_quant), scale_of(layer.weight_quant)
        if not isinstance(scale, BiasScale) or scale.pinned:
            continue
        if weight is None or layer not in seen:
            raise ConfigError(f"{name}: its bias cannot be pinned, the model never ran this layer")
        _pin_bias(layer, scale, weight, seen[layer])


def _unify_biases(groups: list[list[nn.Module]]) -> None:
    for group in groups:
        scales = _scales(group, "bias_quant")
        if len(scales) > 1:
            coarsest = torch.stack([scale.frac for scale in scales]).amin(0)
            for scale in scales:
                scale.pin(coarsest)


def pinned(model: nn.Module) -> bool:
    """Whether every scale of a model is a constant."""
    scales = [scale_of(proxy) for _, proxy in quantizers(model)]
    return all(scale is not None and bool(scale.pinned) for scale in scales)
