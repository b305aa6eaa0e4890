"""Brevitas quantizers whose scales are powers of two.

A scale lives in one small module, :class:`PowerOfTwoScale`: while training starts it *follows*
statistics of the tensor; once *pinned* it is a constant of the checkpoint, and nothing that happens
to the tensor afterwards can move the integers' meaning. All quantizers round half to even and
saturate, and export as plain QONNX ``Quant`` nodes.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from brevitas.core.function_wrapper import TensorClamp, TensorClampSte
from brevitas.core.quant import RescalingIntQuant
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import RestrictValueType, ScalingPerOutputType
from brevitas.quant.base import IntQuant, NarrowIntQuant, UintQuant
from brevitas.quant.solver.act import ActQuantSolver
from brevitas.quant.solver.bias import BiasQuantSolver
from brevitas.quant.solver.weight import WeightQuantSolver
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError

INPUT_BITS = 8
"""Images are uint8; a raw value r means r / 256."""

INPUT_SCALE = 2.0**-INPUT_BITS

_MAX_FRAC = 40
_FINER = 3
"""Weight scales tried: the one that clips nothing, and this many minus one finer ones."""
_HALFWAY = 0.75
_MOMENTUM = 0.1
_BIAS_MARGIN = 4.0


def power_of_two(frac: Tensor, dtype: torch.dtype) -> Tensor:
    """``2**-frac``, exactly."""
    return torch.exp2(-frac.to(dtype))


class PowerOfTwoScale(nn.Module):
    """A power-of-two scale, usable as the ``scaling_impl`` of a Brevitas quantizer.

    Attributes:
        frac: Fraction bits, int32, broadcastable to the tensor (one value, or one per channel).
        pinned: Whether the scale is a constant from now on.
    """

    frac: Tensor
    pinned: Tensor

    def __init__(self, frac: Tensor, bits: int = 0, *, pinned: bool = False) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("frac", frac.to(torch.int32))
        self.register_buffer("pinned", torch.tensor(pinned))

    def follow(self, x: Tensor) -> None:
        """Update :attr:`frac` from a tensor (no gradients); the base class is constant."""

    def forward(self, x: Tensor, threshold: Tensor | None = None) -> Tensor:  # noqa: ARG002
        if not bool(self.pinned):
            with torch.no_grad():
                self.follow(x)
        # A copy: autograd must not see the buffer change under a saved scale.
        return power_of_two(self.frac, x.dtype)

    def pin(self, frac: Tensor | None = None) -> None:
        """Make the scale a constant, at its present value or at the one given."""
        if frac is not None:
            self.frac.copy_(frac.to(torch.int32).expand_as(self.frac))
        self.pinned.fill_(True)


def unclipped_frac(peak: Tensor, top: float) -> Tensor:
    """Most fraction bits at which ``peak`` still fits an integer range up to ``top``."""
    exponent = torch.frexp(peak / top).exponent
    return torch.where(peak > 0, -exponent, 0).clamp(-_MAX_FRAC, _MAX_FRAC)


class WeightScale(PowerOfTwoScale):
    """Follows a weight tensor: the scale of least squared error, per tensor or output channel."""

    def __init__(self, bit_width: int, scaling_shape: tuple[int, ...]) -> None:
        super().__init__(torch.zeros(scaling_shape, dtype=torch.int32), bit_width)
        self._top = float((1 << (bit_width - 1)) - 1)

    def follow(self, x: Tensor) -> None:
        if self.frac.numel() == 1:
            self._follow_whole(x.reshape(1, -1))
            return
        grouped = x.flatten(1)
        coarse = unclipped_frac(grouped.abs().amax(1), self._top)
        fracs = coarse + torch.arange(_FINER, device=x.device)[:, None]
        step = power_of_two(fracs, x.dtype)[..., None]
        error = self._error(grouped, step, 1 / step)
        best = fracs.gather(0, error.argmin(0, keepdim=True))[0]
        self.frac.copy_(best.reshape(self.frac.shape))

    def _follow_whole(self, x: Tensor) -> None:
        """The same for one scale, which is a number: a fraction of the operations."""
        coarse = int(unclipped_frac(x.abs().amax(), self._top))
        error = self._error(x, *_finer_steps(coarse, x.dtype))
        self.frac.fill_(coarse + int(error.argmin()))

    def _error(self, x: Tensor, step: Tensor, inverse: Tensor) -> Tensor:
        scaled = (x * inverse).round_().clamp_(-self._top, self._top)
        return scaled.mul_(step).sub_(x).square_().sum(-1)


@functools.lru_cache(maxsize=1024)
def _finer_steps(coarse: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Steps of as many scales as are tried, the coarsest first, and their inverses."""
    step = power_of_two(coarse + torch.arange(_FINER)[:, None], dtype)
    return step, 1 / step


class SignScale(WeightScale):
    """Follows a weight tensor: the scale of least squared error of weights -1 and 1.

    That is the power of two nearest to the mean magnitude, per tensor or output channel.
    """

    def follow(self, x: Tensor) -> None:
        grouped = x.flatten(1) if self.frac.numel() > 1 else x.reshape(1, -1)
        mantissa, exponent = torch.frexp(grouped.abs().mean(1))
        # 0.75 * 2**e is halfway between 2**(e-1) and 2**e.
        nearest = torch.where(mantissa >= _HALFWAY, exponent, exponent - 1)
        frac = torch.where(mantissa > 0, -nearest, 0).clamp(-_MAX_FRAC, _MAX_FRAC)
        self.frac.copy_(frac.reshape(self.frac.shape))


class BiasScale(PowerOfTwoScale):
    """Follows a bias with room to grow; pinning aligns it with the accumulator."""

    def __init__(self, bit_width: int, scaling_shape: tuple[int, ...]) -> None:
        super().__init__(torch.zeros(scaling_shape, dtype=torch.int32), bit_width)
        self._top = float((1 << (bit_width - 1)) - 1)

    def follow(self, x: Tensor) -> None:
        self.frac.copy_(self.frac_for(x.abs().amax() * _BIAS_MARGIN).expand_as(self.frac))

    def frac_for(self, peak: Tensor) -> Tensor:
        """Most fraction bits at which biases up to ``peak`` fit."""
        return unclipped_frac(peak, self._top)


class ActivationScale(PowerOfTwoScale):
    """Follows a running mean of batch maxima while training; fixed while evaluating.

    The full scale is the power of two nearest (in the logarithm) to the mean maximum, so rare
    peaks saturate in exchange for a finer step.
    """

    peak: Tensor

    def __init__(self, bit_width: int, signed: bool) -> None:
        super().__init__(torch.tensor(bit_width - int(signed), dtype=torch.int32), bit_width)
        self._magnitude_bits = bit_width - int(signed)
        self.register_buffer("peak", torch.tensor(0.0))

    def follow(self, x: Tensor) -> None:
        if not self.training:
            return
        self.follow_peak(float(x.abs().amax()))

    def follow_peak(self, peak: float) -> None:
        """Take the largest magnitude of a batch into the mean."""
        before = float(self.peak)
        mean = before + _MOMENTUM * (peak - before) if before > 0 else peak
        self.peak.fill_(mean)
        if mean > 0:
            largest = self._magnitude_bits + _MAX_FRAC
            frac = self._magnitude_bits - round(min(math.log2(mean), largest))
            self.frac.fill_(min(frac, _MAX_FRAC))


class ConstantScale(PowerOfTwoScale):
    """A scale known beforehand: the images', the blend factors'."""

    def __init__(self, bit_width: int, fraction_bits: int) -> None:
        super().__init__(torch.tensor(fraction_bits, dtype=torch.int32), bit_width, pinned=True)


class _Quantize(torch.autograd.Function):
    """Divide, round half to even, clamp, multiply; gradients pass straight through.

    One graph node where Brevitas's building blocks make a dozen, which is what a training step of a
    small network spends most of its time on.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, limits: tuple[float, float], clipped: bool
    ) -> Tensor:
        raw = (x / scale).round_()
        if clipped:
            ctx.save_for_backward((raw >= limits[0]) & (raw <= limits[1]))
        return raw.clamp_(*limits).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        masks = ctx.saved_tensors
        return (gradients[0] * masks[0] if masks else gradients[0]), None, None, None


class FixedPointQuant(RescalingIntQuant):  # type: ignore[misc]
    """Brevitas's integer quantizer for scales that have no gradient and no zero point.

    Values outside the range have no gradient if they are activations, and keep it if they are
    parameters, which would otherwise never come back.
    """

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest integer."""
        signed = bool(self.int_quant.signed)
        high = float((1 << (self.scaling_impl.bits - int(signed))) - 1)
        return float(self.int_quant.narrow_range) - high - 1 if signed else 0.0, high

    @property
    def clips(self) -> bool:
        """Whether values outside the range have no gradient."""
        return isinstance(self.int_quant.tensor_clamp_impl, TensorClamp)

    def values(self, x: Tensor, scale: Tensor) -> Tensor:
        """What a tensor becomes at a scale that is broadcastable to it."""
        y: Tensor = _Quantize.apply(x, scale, self.limits, self.clips)  # type: ignore[no-untyped-call]
        return y

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        bit_width = self.msb_clamp_bit_width_impl()
        scale = self.scaling_impl(x)
        return self.values(x, scale), scale, self.zero_point_impl(x, scale, bit_width), bit_width


class _Sign(torch.autograd.Function):
    """Minus or plus the scale, plus at zero; gradients pass straight through."""

    @staticmethod
    def forward(_: Any, x: Tensor, scale: Tensor) -> Tensor:
        return torch.where(x >= 0, scale, -scale)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class SignQuant(FixedPointQuant):
    """Brevitas's integer quantizer for one bit: the sign, which it exports as ``BipolarQuant``."""

    def values(self, x: Tensor, scale: Tensor) -> Tensor:
        y: Tensor = _Sign.apply(x, scale)  # type: ignore[no-untyped-call]
        return y


def check_bits(what: str, bits: int, low: int, high: int) -> None:
    """Refuse a number of bits.

    Raises:
        ConfigError: It is out of range.
    """
    if not low <= bits <= high:
        raise ConfigError(f"{what} bits {bits} are outside {low}..{high}")


class Fixed(ExtendedInjector):  # type: ignore[misc]
    """What all quantizers have whose scale is a power of two."""

    tensor_quant = FixedPointQuant
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    scaling_per_output_type = ScalingPerOutputType.TENSOR


def weight_quant(bits: int, *, per_channel: bool = False) -> type[ExtendedInjector]:
    """Signed symmetric weights, ``-(2**(bits-1)-1)..2**(bits-1)-1``; of one bit -1 and 1.

    Args:
        bits: 1 to 8.
        per_channel: One scale per output channel instead of one per tensor.

    Raises:
        ConfigError: ``bits`` is out of range.
    """
    check_bits("weight", bits, 1, 8)
    scaling = ScalingPerOutputType.CHANNEL if per_channel else ScalingPerOutputType.TENSOR

    class Weight(NarrowIntQuant, Fixed, WeightQuantSolver):  # type: ignore[misc]
        tensor_quant = FixedPointQuant if bits > 1 else SignQuant
        scaling_impl = WeightScale if bits > 1 else SignScale
        scaling_per_output_type = scaling
        tensor_clamp_impl = TensorClampSte
        bit_width = bits

    return Weight


def bias_quant(bits: int = 16, *, per_channel: bool = False) -> type[ExtendedInjector]:
    """Signed biases of a fixed width, at a scale of their own.

    Args:
        bits: 4 to 24.
        per_channel: One scale per output channel, for weights that have one per channel.

    Raises:
        ConfigError: ``bits`` is out of range.
    """
    check_bits("bias", bits, 4, 24)
    scaling = ScalingPerOutputType.CHANNEL if per_channel else ScalingPerOutputType.TENSOR

    class Bias(IntQuant, Fixed, BiasQuantSolver):  # type: ignore[misc]
        scaling_impl = BiasScale
        scaling_per_output_type = scaling
        tensor_clamp_impl = TensorClampSte
        requires_input_scale = False
        bit_width = bits

    return Bias


def activation_quant(bits: int, *, signed: bool = False) -> type[ExtendedInjector]:
    """Activations with one scale per tensor, learned from the batches seen in training.

    Args:
        bits: 2 to 16.
        signed: Two's complement instead of unsigned.

    Raises:
        ConfigError: ``bits`` is out of range.
    """
    check_bits("activation", bits, 2, 16)
    base: Any = IntQuant if signed else UintQuant

    class Activation(base, Fixed, ActQuantSolver):  # type: ignore[misc]
        scaling_impl = ActivationScale
        tensor_clamp_impl = TensorClamp
        bit_width = bits

    return Activation


def constant_quant(bits: int, frac: int) -> type[ExtendedInjector]:
    """Unsigned values of ``bits`` bits at the constant scale ``2**-frac``."""

    class Constant(UintQuant, Fixed, ActQuantSolver):  # type: ignore[misc]
        scaling_impl = ConstantScale
        tensor_clamp_impl = TensorClamp
        fraction_bits = frac
        bit_width = bits

    return Constant
