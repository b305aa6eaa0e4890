"""A quantized model without the machinery around its arithmetic, for as long as it is trained.

A training step of a small network spends most of its time on quantized tensors that nobody reads,
bit widths, zero points, masks, and one graph node after another. :func:`lean` gives the layers that
it knows another ``forward``, which makes the same values and gradients (but for the order in which
a convolution adds them, see :func:`side_by_side`) with fewer operations:

- a scale is a power of two, so multiplying with its inverse is dividing by it;
- a value is clipped if it lies outside two real limits, so its gradient needs no mask; a ReLU in
  front of the quantizer is one of the limits;
- a pinned scale is a number, and what is not trained is quantized once.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from semifreddo.nn.blend import AlphaBlend
from semifreddo.nn.layers import QuantConvBlock
from semifreddo.nn.pin import core_quant
from semifreddo.nn.quant import ActivationScale, FixedPointQuant, PowerOfTwoScale, power_of_two

_clipped_gradient = torch.ops.aten.hardtanh_backward.default
_convolution_gradients = torch.ops.aten.convolution_backward.default


@contextlib.contextmanager
def lean(model: nn.Module) -> Iterator[None]:
    """Train a model faster, for the block, with the same numbers.

    Convolutions, linear layers and activations with the quantizers of
    :mod:`semifreddo.nn.quant`, folded convolution blocks and blends are computed by this module.
    All others, and those whose parts somebody watches by hooks, are computed as they are. Scales
    that move are moved. Inside the block no scale may be pinned and no state be loaded.

    Args:
        model: Any model; a plain one stays as it is.
    """
    changed = []
    for module in model.modules():
        forward = None if "forward" in vars(module) else _forward(module)
        if forward is not None:
            changed.append(module)
            module.forward = forward
    try:
        yield
    finally:
        for module in changed:
            del module.forward


@dataclass(frozen=True, eq=False)
class _Grid:
    """The integers of a quantizer, and what they mean.

    Attributes:
        scale: What 1 means; a tensor if it differs between channels.
        inverse: Of the scale.
        low: Least integer.
        high: Largest integer.
    """

    scale: float | Tensor
    inverse: float | Tensor
    low: float
    high: float

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest values of the grid, half to even."""
        return (x * self.inverse).round_().clamp_(self.low, self.high).mul_(self.scale)


@functools.lru_cache(maxsize=1024)
def _grid(frac: int, low: float, high: float) -> _Grid:
    return _Grid(2.0**-frac, 2.0**frac, low, high)


def _present_grid(scale: PowerOfTwoScale, limits: tuple[float, float], dtype: torch.dtype) -> _Grid:
    """The grid at what a scale is now."""
    frac = scale.frac
    if frac.numel() == 1:
        return _grid(int(frac), *limits)
    return _Grid(power_of_two(frac, dtype), power_of_two(-frac, dtype), *limits)


class _Parameter:
    """The values of a weight or a bias on their grid."""

    def __init__(self, quant: FixedPointQuant, tensor: Tensor) -> None:
        self._scale: PowerOfTwoScale = quant.scaling_impl
        self._limits = quant.limits
        self._grid = self._present(tensor) if self._scale.pinned else None
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, *, trained: bool) -> Tensor:
        """The values of the parameter; of one that is not trained, those of last time."""
        if trained:
            return self._nearest(x)
        if self._last is None or not torch.equal(self._last[0], x):
            self._last = x.detach().clone(), self._nearest(x)
        return self._last[1]

    def _nearest(self, x: Tensor) -> Tensor:
        if self._grid is not None:
            return self._grid.nearest(x)
        self._scale.follow(x)
        return self._present(x).nearest(x)

    def _present(self, x: Tensor) -> _Grid:
        return _present_grid(self._scale, self._limits, x.dtype)


class _Through(torch.autograd.Function):
    """A parameter on its grid; the gradient passes straight through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameter: _Parameter) -> Tensor:
        return parameter(x, trained=ctx.needs_input_grad[0])

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


@functools.lru_cache(maxsize=1024)
def _reach(grid: _Grid, relu: bool) -> tuple[float, float]:
    """The limits between which values pass a ReLU, if there is one, and are not clipped."""
    assert isinstance(grid.scale, float)
    high = _beyond(grid.high, 0.5, grid.scale)
    return (0.0 if relu else _beyond(grid.low, -0.5, grid.scale)), high


def _beyond(integer: float, half: float, scale: float) -> float:
    """The limit of what is rounded to an integer; half way to the next is, to an even one."""
    limit = (integer + half) * scale
    if integer % 2:
        return limit
    return float(np.nextafter(np.float32(limit), np.float32(math.copysign(math.inf, half))))


class _Rounding:
    """What an activation becomes: a ReLU, if there is one, and the nearest value of the grid."""

    def __init__(self, quant: FixedPointQuant, relu: bool) -> None:
        self._scale: PowerOfTwoScale = quant.scaling_impl
        low, high = quant.limits
        self._limits = max(low, 0.0) if relu else low, high
        self._relu, self._pinned = relu, bool(self._scale.pinned)
        self._grid = _present_grid(self._scale, self._limits, torch.float32)

    def __call__(self, x: Tensor) -> tuple[Tensor, tuple[float, float]]:
        """The rounded values, and the limits between which gradients pass."""
        if not self._pinned:
            self._follow(x)
            self._grid = _present_grid(self._scale, self._limits, x.dtype)
        return self._grid.nearest(x), _reach(self._grid, self._relu)

    def _follow(self, x: Tensor) -> None:
        scale = self._scale
        if isinstance(scale, ActivationScale) and self._relu:
            if scale.training:
                scale.follow_peak(max(float(x.amax()), 0.0))
            return
        scale.follow(x.relu() if self._relu else x)


class _Rounded(torch.autograd.Function):
    """A rounded activation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounding: _Rounding) -> Tensor:
        y, ctx.reach = rounding(x)
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _clipped_gradient(gradients[0], *ctx.saved_tensors, *ctx.reach), None


class _Activation:
    """Forward of an activation."""

    def __init__(self, rounding: _Rounding) -> None:
        self._rounding = rounding

    def __call__(self, x: Any) -> Tensor:
        y: Tensor = _Rounded.apply(_plain(x), self._rounding)  # type: ignore[no-untyped-call]
        return y


class _Linear:
    """Forward of a linear layer, or of a convolution of any geometry."""

    def __init__(self, layer: Any, weight: _Parameter, bias: _Parameter | None) -> None:
        self._layer, self._weight, self._bias = layer, weight, bias

    def __call__(self, x: Any) -> Tensor:
        layer, bias = self._layer, None
        weight = _Through.apply(layer.weight, self._weight)  # type: ignore[no-untyped-call]
        if self._bias is not None:
            bias = _Through.apply(layer.bias, self._bias)  # type: ignore[no-untyped-call]
        y: Tensor = layer.inner_forward_impl(_plain(x), weight, bias)
        return y


class _Convolution:
    """Forward of a convolution with zeros around the image, and of an activation behind it."""

    def __init__(
        self,
        layer: Any,
        weight: _Parameter,
        bias: _Parameter | None,
        rounding: _Rounding | None = None,
    ) -> None:
        self._layer, self.weight, self.bias, self.rounding = layer, weight, bias, rounding
        self.geometry = layer.stride, layer.padding, layer.dilation

    def __call__(self, x: Any) -> Tensor:
        weight, bias = self._layer.weight, self._layer.bias
        y: Tensor = _Convolved.apply(_plain(x), weight, bias, self)  # type: ignore[no-untyped-call]
        return y

    @property
    def groups(self) -> int:
        """Groups of channels."""
        return int(self._layer.groups)

    def behind(self, rounding: _Rounding) -> _Convolution:
        """The same with an activation behind it."""
        return _Convolution(self._layer, self.weight, self.bias, rounding)


def side_by_side(weight: Tensor) -> bool:
    """Whether a convolution is faster if the channels of a pixel lie side by side in memory.

    oneDNN then copies less for gradients. They are added in another order than in the other layout.
    """
    return weight.shape[1] > 1


class _Convolved(torch.autograd.Function):
    """A convolution with parameters on their grids, and the activation behind it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, of: _Convolution
    ) -> Tensor:
        _, trains_weight, trains_bias, _ = ctx.needs_input_grad
        weight = of.weight(weight, trained=trains_weight)
        ctx.planar = x.is_contiguous()
        if side_by_side(weight):
            x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
        ctx.of, ctx.sizes = of, None
        if of.bias is not None and bias is not None:
            bias, ctx.sizes = of.bias(bias, trained=trains_bias), bias.shape
        y = torch.conv2d(x, weight, bias, *of.geometry, of.groups)
        if of.rounding is None:
            ctx.save_for_backward(x, weight)
            return y
        ctx.save_for_backward(x, weight, y)
        y, ctx.reach = of.rounding(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *y = ctx.saved_tensors
        gradient, of = gradients[0], ctx.of
        if y:
            gradient = _clipped_gradient(gradient, *y, *ctx.reach)
        needed = ctx.needs_input_grad[:3]
        found = _convolution_gradients(
            gradient, x, weight, ctx.sizes, *of.geometry, False, [0, 0], of.groups, needed
        )
        if ctx.planar and found[0] is not None:
            # Operations on tensors of both layouts are slow.
            found = found[0].contiguous(), *found[1:]
        return (*found, None)


class _Blend:
    """Forward of an alpha blend."""

    def __init__(self, blend: AlphaBlend, factors: _Rounding, rounding: _Rounding) -> None:
        self._blend, self._factors, self.rounding = blend, factors, rounding

    def __call__(self, frozen: Tensor, trainable: Tensor) -> Tensor:
        logit = self._blend.logit
        y: Tensor = _Blended.apply(frozen, trainable, logit, self)  # type: ignore[no-untyped-call]
        return y

    def alpha(self, share: Tensor) -> Tensor:
        """The factors, which the module remembers as those last used."""
        alpha, _ = self._factors(share)
        self._blend.alpha.copy_(alpha.expand_as(self._blend.alpha))
        return alpha


class _Blended(torch.autograd.Function):
    """``alpha * frozen + (1 - alpha) * trainable``, rounded."""

    @staticmethod
    def forward(ctx: Any, frozen: Tensor, trainable: Tensor, logit: Tensor, of: _Blend) -> Tensor:
        share = torch.sigmoid(logit)
        alpha = of.alpha(share)
        rest = 1 - alpha
        y = (frozen * alpha).add_(trainable * rest)
        ctx.save_for_backward(frozen, trainable, share, alpha, rest, y)
        y, ctx.reach = of.rounding(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        frozen, trainable, share, alpha, rest, y = ctx.saved_tensors
        gradient = _clipped_gradient(gradients[0], y, *ctx.reach)
        needs_frozen, needs_trainable, needs_logit, _ = ctx.needs_input_grad
        logit = None
        if needs_logit:
            slope = (gradient * frozen).sum_to_size(alpha.shape)
            slope = slope - (gradient * trainable).sum_to_size(alpha.shape)
            logit = torch.ops.aten.sigmoid_backward(slope, share)
        first = gradient * alpha if needs_frozen else None
        return first, gradient * rest if needs_trainable else None, logit, None


def _plain(x: Any) -> Tensor:
    """What a layer of Brevitas gave, as a tensor."""
    value: Tensor = x if isinstance(x, Tensor) else x.value
    return value


Forward = Callable[..., Tensor]


def _forward(module: Any) -> Forward | None:
    """Another forward of a module that computes the same; None for one of another kind."""
    kind = type(module)
    if kind in (QuantReLU, QuantIdentity):
        rounding = _rounding_of(module)
        return None if rounding is None else _Activation(rounding)
    if kind in (QuantConv2d, QuantLinear):
        return _weighted(module)
    if kind is AlphaBlend and not watched(module):
        factors, rounding = _rounding_of(module.alpha_quant), _rounding_of(module.out)
        return None if factors is None or rounding is None else _Blend(module, factors, rounding)
    if kind is QuantConvBlock and type(module.bn) is nn.Identity and not watched(module):
        convolution, rounding = _weighted(module.conv), _rounding_of(module.act)
        if isinstance(convolution, _Convolution) and rounding is not None:
            return convolution.behind(rounding)
    return None


def watched(module: nn.Module) -> bool:
    """Whether somebody is told when a part of a module runs."""
    return any(
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
        for part in module.modules()
        if part is not module
    )


def _uniform(proxy: Any, *, clips: bool) -> FixedPointQuant | None:
    """The quantizer of a Brevitas proxy if it is one that a grid describes."""
    quant = core_quant(proxy)
    known = type(quant) is FixedPointQuant and isinstance(quant.scaling_impl, PowerOfTwoScale)
    return quant if known and quant.clips == clips and not proxy.disable_quant else None


def _rounding_of(layer: Any) -> _Rounding | None:
    """How a layer of activations rounds."""
    if layer.input_quant.is_quant_enabled or layer.return_quant_tensor:
        return None
    quant = _uniform(layer.act_quant, clips=True)
    if quant is None or quant.scaling_impl.frac.numel() > 1:
        return None
    activation = layer.act_quant.fused_activation_quant_proxy.activation_impl
    if type(activation) not in (nn.ReLU, nn.Identity):
        return None
    return _Rounding(quant, isinstance(activation, nn.ReLU))


def _weighted(layer: Any) -> Forward | None:
    """Another forward of a convolution or a linear layer."""
    others = layer.input_quant, layer.output_quant
    if layer.return_quant_tensor or any(proxy.is_quant_enabled for proxy in others):
        return None
    parameters = {}
    for name in ("weight", "bias"):
        tensor: Tensor | None = getattr(layer, name)
        if tensor is not None:
            quant = _uniform(getattr(layer, f"{name}_quant"), clips=False)
            if quant is None:
                return None
            parameters[name] = _Parameter(quant, tensor)
    weight, bias = parameters["weight"], parameters.get("bias")
    if isinstance(layer, QuantConv2d):
        zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        if zeros and not layer.is_same_padded_strided:
            return _Convolution(layer, weight, bias)
    return _Linear(layer, weight, bias)
