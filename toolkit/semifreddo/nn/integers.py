"""The torch rung of the truth ladder: raw integers in, raw integers out, integer tensors."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, nn

from semifreddo.core.errors import ConversionError
from semifreddo.ir.freeze import IntegerTensor
from semifreddo.nn.inputs import ModelInput, as_input, batch_of
from semifreddo.nn.pin import grid_frac, scale_to_frac
from semifreddo.nn.tensors import quantized_tensors

_ROUND_OFF = 2.0**-20
"""Relative error of an integer times a scale in single precision, divided by the scale again."""


def _plain(value: Any) -> Tensor:
    tensor = getattr(value, "value", value)
    assert isinstance(tensor, Tensor)
    return tensor


def output_frac(model: nn.Module, images: npt.NDArray[np.integer]) -> int:
    """Fraction bits of a model's raw outputs: those its last layer computes with.

    Args:
        model: A Brevitas model ending in an activation quantizer, or in a weighted layer that reads
            quantized values.
        images: A few raw images.

    Raises:
        ConversionError: A scale is not a power of two, or there is no quantized layer.
    """
    calls: list[tuple[nn.Module, Tensor]] = []

    def watch(layer: nn.Module, args: Any, _: Any) -> None:
        calls.append((layer, _plain(args[0])))

    kinds = (QuantWeightBiasInputOutputLayer, QuantNonLinearActLayer)
    handles = [m.register_forward_hook(watch) for m in model.modules() if isinstance(m, kinds)]
    training = model.training
    try:
        with torch.no_grad():
            result = model.eval()(as_input(model, images))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    if not calls:
        raise ConversionError("the model has no Brevitas layer")
    if _is_several(result):
        raise ConversionError("the model has several results, whose formats may differ")
    last, source = calls[-1]
    if isinstance(last, QuantNonLinearActLayer):
        return _act_frac(last)
    acts = [layer for layer, _ in calls[:-1] if isinstance(layer, QuantNonLinearActLayer)]
    # The grid seen may be coarser than the format if every value happens to be even.
    frac = max([grid_frac(source), *[_act_frac(act) for act in acts[-1:]]])
    name = next(name for name, module in model.named_modules() if module is last)
    tensors = quantized_tensors(model)
    names = [f"{name}.weight"] + [f"{name}.bias"] * (f"{name}.bias" in tensors)
    found = [integer_tensor(model, tensor) for tensor in names]
    if any(tensor.scale is not None for tensor in found):
        raise ConversionError(f"{name}: its scale is not a power of two, so its results have none")
    fracs = [tensor.frac for tensor in found]
    return max([frac + max(fracs[0]), *[max(bias) for bias in fracs[1:]]])


def _act_frac(layer: Any) -> int:
    return int(scale_to_frac(layer.act_quant.scale(), type(layer).__name__))


def raw_outputs(
    model: nn.Module, images: npt.NDArray[np.integer], batch: int = 256, frac: int | None = None
) -> npt.NDArray[np.int64]:
    """Run a model in evaluation mode on raw images, in double precision.

    Args:
        model: Any Brevitas model with power-of-two scales, NCHW in, ``(n, outputs)`` out.
        images: Raw integers of the model's input ``(n, h, w, c)``; of stored pixels,
            :meth:`~semifreddo.nn.inputs.ModelInput.raw` gives them.
        batch: Images per step.
        frac: Fraction bits of the result; taken from :func:`output_frac` if left out.

    Returns:
        int64 ``(n, outputs)``: the outputs times ``2**frac``.

    Raises:
        DataError: The images have a wrong type or shape.
        ConversionError: The outputs are not integers at that scale (a float layer in between).
    """
    if not len(images):
        black = np.zeros((1, *images.shape[1:]), images.dtype)
        return raw_outputs(model, black, frac=frac)[:0]
    if frac is None:
        frac = output_frac(model, images[:64])
    results = []
    for outputs in _doubles(model, images, batch):
        raw = torch.ldexp(outputs, torch.tensor(frac))
        if not bool((raw == raw.round()).all()):
            raise ConversionError(
                f"outputs times 2**{frac} are not integers; a layer before the output is not "
                "quantized to a power-of-two scale"
            )
        results.append(raw.to(torch.int64).flatten(1).numpy())
    return np.concatenate(results)


def _doubles(model: nn.Module, images: npt.NDArray[np.integer], batch: int) -> Iterator[Tensor]:
    """Outputs of a model in double precision, batch by batch; channels last if they are images."""
    # Doubles hold every accumulator below 2**53 exactly; floats only those below 2**24.
    exact = copy.deepcopy(model).double().eval()
    source = ModelInput(model, (images.shape[3], *images.shape[1:3]))
    with torch.no_grad():
        for start in range(0, len(images), batch):
            real = source.real(batch_of(images[start : start + batch]).double())
            outputs = whole_result(exact(real))
            yield outputs.permute(0, 2, 3, 1) if outputs.dim() == 4 else outputs


def _is_several(result: Any) -> bool:
    # Brevitas' quantized tensors are tuples, too.
    return isinstance(result, list | tuple) and not hasattr(result, "value")


def whole_result(result: Any) -> Tensor:
    """What a model gave; of several results the channels of all, one after the other."""
    if _is_several(result):
        return torch.cat([_plain(each) for each in result], 1)
    return _plain(result)


def exact_logits(
    model: nn.Module, images: npt.NDArray[np.integer], batch: int = 256
) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    """Numbers in the order of a model's answers.

    Args:
        model: Any Brevitas model.
        images: Raw integers of the model's input ``(n, h, w, c)``.
        batch: Images per step.

    Returns:
        ``(n, outputs)``: the raw integers of :func:`raw_outputs`, or the outputs in double
        precision if a scale is no power of two.
    """
    try:
        return raw_outputs(model, images, batch)
    except ConversionError:
        return np.concatenate(
            [outputs.flatten(1).numpy() for outputs in _doubles(model, images, batch)]
        )


def quantized_tensor_names(model: nn.Module) -> tuple[str, ...]:
    """Every quantized weight, bias and alpha, by parameter name, in module order."""
    return tuple(quantized_tensors(model))


def cache_bias_scales(model: nn.Module, images: npt.NDArray[np.integer]) -> None:
    """Run a model once so that biases scaled by their accumulator know their scale.

    Only stock Brevitas bias quantizers that take their scale from the input need this.
    """
    for layer in model.modules():
        if isinstance(layer, QuantWeightBiasInputOutputLayer):
            layer.bias_quant.cache_inference_quant_bias = True
    training = model.training
    with torch.no_grad():
        model.eval()(as_input(model, images))
    model.train(training)


def integer_tensor(model: nn.Module, name: str) -> IntegerTensor:
    """The integers of a quantized tensor and the scale of each output channel.

    Args:
        model: Any Brevitas model.
        name: One of :func:`quantized_tensor_names`.

    Raises:
        KeyError: The model has no such quantized tensor.
        ConversionError: The scale is not a power of two, or a value is NaN or infinite.
    """
    tensor = quantized_tensors(model)[name]
    module = tensor.module
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            value, scale = tensor.quantized()
    finally:
        module.train(training)
    return _integers(name, value.detach(), scale.detach())


def _integers(name: str, value: Tensor, scale: Tensor) -> IntegerTensor:
    if not bool(torch.isfinite(value).all()):
        raise ConversionError(f"{name}: contains NaN or infinite values; train it again")
    if not _is_power_of_two(scale):
        return _scaled_integers(name, value, scale)
    frac = scale_to_frac(scale, name)
    if frac.numel() > 1:
        frac = frac.reshape(-1, *[1] * (value.dim() - 1))
    raw = torch.ldexp(value.double(), frac)
    if not bool((raw == raw.round()).all()):
        raise ConversionError(f"{name}: values are not multiples of their scale")
    fracs = frac.flatten().expand(value.shape[0])
    return IntegerTensor(raw.to(torch.int64).numpy(), tuple(int(f) for f in fracs))


def _is_power_of_two(scale: Tensor) -> bool:
    mantissa, _ = torch.frexp(scale)
    return bool((mantissa == 0.5).all())


def _scaled_integers(name: str, value: Tensor, scale: Tensor) -> IntegerTensor:
    """Integers of a scale that is any positive number; values are products in single precision."""
    if not bool((torch.isfinite(scale) & (scale > 0)).all()):
        raise ConversionError(f"{name}: a scale is not a positive number; train it again")
    outputs = value.shape[0]
    column = scale.double().flatten().expand(outputs)
    real = value.double() / column.reshape(-1, *[1] * (value.dim() - 1))
    raw = real.round()
    if not bool((torch.abs(real - raw) <= _ROUND_OFF * torch.clamp(raw.abs(), min=1)).all()):
        raise ConversionError(f"{name}: values are not multiples of their scale")
    return IntegerTensor(
        raw.to(torch.int64).numpy(), (0,) * outputs, tuple(float(entry) for entry in column)
    )
