"""What a model's input quantizer makes of stored pixels.

The device reads raw integers. A raw integer ``r`` means ``r * scale`` to the model, with the scale,
width and sign of *its* input quantizer; so training, evaluation and every rung see the same
integers, whatever that quantizer is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.core.scaling import ConstScaling
from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.nn.modes import evaluating
from semifreddo.nn.pin import scale_of, scaling_of
from semifreddo.nn.quant import INPUT_BITS, INPUT_SCALE

_KINDS = (QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer)


REFUSALS = (RuntimeError, ArithmeticError, LookupError, TypeError, ValueError, AssertionError)
"""What a layer may raise about images that it does not take."""


class _FoundError(Exception):
    """Ends a forward pass: the first quantized layer was reached."""


class ModelInput:
    """The input of a model.

    Args:
        model: A Brevitas model of NCHW images.
        shape: ``(channels, height, width)`` of an image.

    Attributes:
        quantizer: The Brevitas proxy that sees the images first; None if a layer takes them as
            they are.

    Raises:
        ConfigError: The model does not take images of this shape.
    """

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        self.quantizer: Any = _first_quantizer(model, shape)

    @property
    def scale(self) -> float:
        """What a raw 1 means now; it may move while training has not pinned it."""
        if self.quantizer is None:
            return INPUT_SCALE
        with torch.no_grad():
            return float(self.quantizer.scale())

    @property
    def width(self) -> int:
        """Bits of a raw value."""
        return INPUT_BITS if self.quantizer is None else int(self.quantizer.bit_width())

    @property
    def signed(self) -> bool:
        """Whether raw values are two's complement."""
        return self.quantizer is not None and bool(self.quantizer.is_signed)

    @property
    def constant(self) -> bool:
        """Whether nothing can move the scale any more."""
        if self.quantizer is None:
            return True
        scale = scale_of(self.quantizer)
        if scale is not None:
            return bool(scale.pinned)
        return isinstance(scaling_of(self.quantizer), ConstScaling)

    def raw(
        self, pixels: npt.NDArray[np.integer], preprocessing: Preprocessing = IDENTITY
    ) -> npt.NDArray[np.integer]:
        """Raw integers of stored pixels ``(n, h, w, c)``, see :meth:`Preprocessing.raw`.

        Raises:
            DataError: Not uint8, or another number of channels than the means.
            ConfigError: There are means, and the input's scale still moves.
        """
        if preprocessing.normalises and not self.constant:
            raise ConfigError(
                "images with mean and deviation need an input quantizer of constant scale: "
                "QuantIdentity(scaling_impl_type='const', scaling_init=<largest value>)"
            )
        return preprocessing.raw(pixels, self.width, self.scale, signed=self.signed)

    def real(self, raw: Tensor) -> Tensor:
        """What raw integers mean, in their floating-point type."""
        return raw * self.scale


def batch_of(raw: npt.NDArray[np.integer]) -> Tensor:
    """Raw integers ``(n, h, w, c)`` as an NCHW batch of floats.

    Raises:
        DataError: No integers, or not four-dimensional.
    """
    if raw.ndim != 4 or raw.dtype.kind not in "iu":
        raise DataError(
            f"images are {raw.dtype} of shape {raw.shape}, expected integers (n, h, w, c)"
        )
    batch = torch.from_numpy(np.ascontiguousarray(raw.transpose(0, 3, 1, 2)))
    # With one channel, the strides of both layouts are contiguous; torch goes by them.
    return batch.to(torch.float32, memory_format=torch.contiguous_format)


def as_input(model: nn.Module, raw: npt.NDArray[np.integer]) -> Tensor:
    """Raw integers ``(n, h, w, c)`` as the real-valued NCHW batch the model takes.

    Raises:
        DataError: No integers, or not four-dimensional.
        ConfigError: The model does not take images of this shape.
    """
    batch = batch_of(raw)
    return ModelInput(model, tuple(batch.shape[1:])).real(batch)


def _first_quantizer(model: nn.Module, shape: tuple[int, ...]) -> Any:
    """The quantizer that sees the images first; ``None`` if a layer takes them as they are."""
    first: list[nn.Module] = []

    def reached(layer: nn.Module, _: Any) -> None:
        first.append(layer)
        raise _FoundError

    handles = [
        module.register_forward_pre_hook(reached)
        for module in model.modules()
        if isinstance(module, _KINDS)
    ]
    parameter = next(model.parameters(), torch.zeros(1))
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device))
    except _FoundError:
        pass
    except REFUSALS as error:
        text = " ".join(str(error).split())
        raise ConfigError(
            f"the model does not take images of shape {shape} (channels, height, width): {text}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if not first:
        return None
    layer: Any = first[0]
    quantizer = layer.input_quant if isinstance(layer, _KINDS[1]) else layer.act_quant
    return quantizer if quantizer.is_quant_enabled else None
