"""Weights that are sums of one or two signed powers of two: shifts instead of multiplications.

The integers of such a weight are a subset of those of a uniform one of the same width, so every
rung computes them like any others. How many terms a filter has is given or learned, as in FLightNN
(Ding et al., DAC 2019, arXiv 1904.02835): a filter gets a second term where the norm of what its
first terms leave is above a threshold of the layer. The norm is a share of the filter's own one,
because batch norms make the size of a filter mean nothing: an absolute one is lowered by making
weights smaller. There is no threshold for first terms: trained along, it rises to the norms of the
filters and switches whole filters off and on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.core.function_wrapper import TensorClampSte
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import ScalingPerOutputType
from brevitas.quant.base import NarrowIntQuant
from brevitas.quant.solver.weight import WeightQuantSolver
from torch import Tensor, nn

from semifreddo.ir.allowed import MOST_TERMS
from semifreddo.nn.config import Terms
from semifreddo.nn.quant import (
    Fixed,
    FixedPointQuant,
    WeightScale,
    check_bits,
    power_of_two,
    unclipped_frac,
)

_FINER = 3
_HALF_STEP = 2.0**-0.5
_UNIT = 0.1
"""Of thresholds: first terms leave 0.05 to 0.25 of a filter, which steps of an optimizer that are
as long as its learning rate would cross within a few images."""


def nearest_power(x: Tensor, top: int) -> Tensor:
    """The signed power of two nearest to each value in the logarithm, of exponents 0 to ``top``.

    Values below ``2**-0.5`` become 0, values above the largest power become that.
    """
    mantissa, exponent = torch.frexp(x.abs())
    exponent = torch.where(mantissa >= _HALF_STEP, exponent, exponent - 1)
    power = torch.ldexp(torch.ones_like(x), exponent.clamp(0, top))
    return torch.where((exponent >= 0) & (x != 0), torch.copysign(power, x), 0.0)


def split_terms(scaled: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The first and the second term of each value, in units of the scale.

    What is clipped is clipped before: the sum is at most ``1.5 * 2**top``, which fits the integers
    of a weight of ``top + 2`` bits.
    """
    most = 1.5 * 2.0**top
    clipped = scaled.clamp(-most, most)
    first = nearest_power(clipped, top)
    return first, nearest_power(clipped - first, top)


class PowersScale(WeightScale):
    """Follows a weight tensor: the scale of least squared error of so many terms."""

    def __init__(self, bit_width: int, scaling_shape: tuple[int, ...], most_terms: int) -> None:
        super().__init__(bit_width, scaling_shape)
        self._most_terms = most_terms

    def follow(self, x: Tensor) -> None:
        grouped = x.flatten(1) if self.frac.numel() > 1 else x.reshape(1, -1)
        top = self.bits - 2
        coarse = unclipped_frac(grouped.abs().amax(1), 1.5 * 2.0**top)
        fracs = coarse + torch.arange(_FINER, device=x.device)[:, None]
        step = power_of_two(fracs, x.dtype)[..., None]
        terms = split_terms(grouped / step, top)[: self._most_terms]
        error = (sum(terms) * step - grouped).square().sum(-1)
        best = fracs.gather(0, error.argmin(0, keepdim=True))[0]
        self.frac.copy_(best.reshape(self.frac.shape))


class FilterTerms(nn.Module):
    """How many terms the weights of each filter have.

    Attributes:
        threshold: Of the share of a filter that its first terms leave, in tenths; None if the terms
            are given. It starts at zero: every filter has two terms.
        count: Terms of each filter, once they are fixed.
        fixed: Whether they are; the threshold means nothing any more.
    """

    count: Tensor
    fixed: Tensor

    def __init__(self, filters: int, terms: Terms) -> None:
        super().__init__()
        learned = terms == "learned"
        self.threshold = nn.Parameter(torch.zeros(())) if learned else None
        most = MOST_TERMS if terms == "learned" else terms
        self.register_buffer("count", torch.full((filters,), most, dtype=torch.int32))
        self.register_buffer("fixed", torch.tensor(not learned))

    @property
    def most(self) -> int:
        """Most terms that a filter can have, now and after more training."""
        return int(self.count.max()) if bool(self.fixed) else MOST_TERMS

    def forward(self, x: Tensor, scale: Tensor, top: int) -> Tensor:
        """Weights on their grid, of the filters' terms; gradients pass straight through.

        The gradient of the threshold is that of a sigmoid in place of the step.

        Args:
            x: Weights, filter first.
            scale: Broadcastable to them.
            top: Largest exponent of a term, in units of the scale.
        """
        with torch.no_grad():
            terms = [term * scale for term in split_terms(x / scale, top)]
        total = terms[0] + self.gate(x, terms[0]) * terms[1]
        return total + (x - x.detach())

    def gate(self, x: Tensor, first: Tensor) -> Tensor:
        """Whether each filter has a second term, shaped to multiply weights.

        Args:
            x: Weights, filter first.
            first: Their first terms.
        """
        shape = (-1, *[1] * (x.dim() - 1))
        if self.threshold is None or bool(self.fixed):
            return (self.count > 1).to(x.dtype).reshape(shape)
        share = left_share(x.detach(), first) / _UNIT
        soft = torch.sigmoid(share - self.threshold)
        hard = (share > self.threshold).to(x.dtype)
        return (hard + (soft - soft.detach())).reshape(shape)

    def fix(self, x: Tensor, scale: Tensor, top: int) -> None:
        """Make the filters' terms what they are for these weights, from now on."""
        if self.threshold is None or bool(self.fixed):
            return
        with torch.no_grad():
            first = split_terms(x / scale, top)[0] * scale
            self.count.copy_(1 + self.gate(x, first).flatten().to(torch.int32))
            self.fixed.fill_(True)
        self.threshold.requires_grad_(False)


def left_share(x: Tensor, first: Tensor) -> Tensor:
    """Norm of what the first terms leave of each filter, as a share of its own norm.

    Args:
        x: Weights, filter first.
        first: Their first terms.
    """
    least = torch.finfo(x.dtype).tiny
    left, whole = (part.flatten(1).norm(dim=1) for part in (x - first, x))
    share: Tensor = left / whole.clamp(min=least)
    return share


class PowersQuant(FixedPointQuant):
    """Brevitas's integer quantizer for sums of powers of two."""

    def __init__(  # noqa: PLR0917 -- Brevitas's injector names them
        self,
        int_quant: nn.Module,
        scaling_impl: nn.Module,
        int_scaling_impl: nn.Module,
        zero_point_impl: nn.Module,
        bit_width_impl: nn.Module,
        filter_terms: FilterTerms,
    ) -> None:
        super().__init__(int_quant, scaling_impl, int_scaling_impl, zero_point_impl, bit_width_impl)
        self.filter_terms = filter_terms

    @property
    def top(self) -> int:
        """Largest exponent of a term, in units of the scale."""
        return int(self.scaling_impl.bits) - 2

    def values(self, x: Tensor, scale: Tensor) -> Tensor:
        y: Tensor = self.filter_terms(x, scale, self.top)
        return y

    def fix(self, x: Tensor) -> None:
        """Make the terms of each filter what they are for these weights, from now on."""
        self.filter_terms.fix(x, self.scaling_impl(x), self.top)

    def cost(self, x: Tensor) -> Tensor:
        """Share of each filter that its first terms leave; 0 where it has no second terms.

        Differentiable in the weights and in the threshold, so what a term costs pulls the weights
        to where it is not needed, and raises the threshold.
        """
        with torch.no_grad():
            scale = self.scaling_impl(x)
            first = split_terms(x / scale, self.top)[0] * scale
        return self.filter_terms.gate(x, first).flatten() * left_share(x, first)


def powers_quant(
    bits: int, terms: Terms, filters: int, *, per_channel: bool
) -> type[ExtendedInjector]:
    """Weights of one or two signed powers of two, ``2**0..2**(bits - 2)`` in units of the scale.

    Args:
        bits: 2 to 8, of the integers.
        terms: How many powers a weight is made of; ``"learned"`` for each filter, up to two.
        filters: Output channels.
        per_channel: One scale per output channel instead of one per tensor.

    Raises:
        ConfigError: ``bits`` is out of range.
    """
    check_bits("weight", bits, 2, 8)
    scaling = ScalingPerOutputType.CHANNEL if per_channel else ScalingPerOutputType.TENSOR
    # One object: Brevitas builds a quantizer anew whenever a state is loaded, and the optimizer
    # has to keep the threshold that it trains.
    shared = FilterTerms(filters, terms)

    class Weight(NarrowIntQuant, Fixed, WeightQuantSolver):  # type: ignore[misc]
        tensor_quant = PowersQuant
        filter_terms = shared
        most_terms = 1 if terms == 1 else MOST_TERMS
        scaling_impl = PowersScale
        scaling_per_output_type = scaling
        tensor_clamp_impl = TensorClampSte
        bit_width = bits

    return Weight


def powers_quants(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, PowersQuant]]:
    """Every weight of powers of two: its name, the weight, its quantizer."""
    for name, module in model.named_modules():
        quant = getattr(getattr(module, "weight_quant", None), "tensor_quant", None)
        if isinstance(quant, PowersQuant):
            weight: Any = module.weight
            yield f"{name}.weight".lstrip("."), weight, quant


def promised_terms(model: nn.Module) -> dict[str, int]:
    """By name of a weight of powers of two: the most terms that any of its filters can have.

    Counts that are fixed stay; as long as they are learned, any filter may get all terms.
    """
    return {name: quant.filter_terms.most for name, _, quant in powers_quants(model)}


def fix_terms(model: nn.Module) -> None:
    """Fix the filters' terms of a model or a layer that learns them; later calls change nothing."""
    for _, weight, quant in powers_quants(model):
        quant.fix(weight)


@contextlib.contextmanager
def on_their_grid(model: nn.Module) -> Iterator[None]:
    """Weights of powers of two have the values that they are quantized to, for the block.

    A uniform quantizer of their scale leaves those as they are.
    """
    trained = []
    with torch.no_grad():
        for _, weight, quant in powers_quants(model):
            value = quant(weight)[0]
            trained.append((weight, weight.detach().clone(), value))
        for weight, _, value in trained:
            weight.copy_(value)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, kept, _ in trained:
                weight.copy_(kept)


def signed_digits(values: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The fewest signed powers of two whose sum is each value (the canonical signed digits)."""
    rest = np.abs(values).astype(np.int64)
    # Of x and 3x, the bits that differ are the nonzero canonical signed digits of x.
    changed = rest ^ (3 * rest)
    digits: npt.NDArray[np.int64] = np.zeros_like(changed)
    while bool(changed.any()):
        digits += changed & 1
        changed >>= 1
    return digits
