"""Freezing any part of any Brevitas model, and keeping it frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from semifreddo.core.errors import ConfigError
from semifreddo.ir.freeze import FreezePlan, matching
from semifreddo.nn.fold import batch_norms, norm_pairs
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.pin import pin_stock_scale, pinned, scale_of
from semifreddo.nn.tensors import QuantizedTensor, quantized_tensors

Flags = npt.NDArray[np.bool_]


def _flags(
    outputs: Mapping[str, int],
    layers: Iterable[str],
    channels: Mapping[str, Sequence[int]],
    fraction: float,
) -> dict[str, Flags]:
    if not 0 <= fraction <= 1:
        raise ConfigError(f"freeze: fraction {fraction} is outside 0..1")
    names = list(outputs)
    flags = {name: np.zeros(count, bool) for name, count in outputs.items()}
    for pattern in layers:
        for name in matching(names, pattern):
            flags[name][: int(fraction * outputs[name] + 0.5)] = True
    for pattern, indices in channels.items():
        for name in matching(names, pattern):
            wrong = [i for i in indices if not 0 <= i < outputs[name]]
            if wrong:
                raise ConfigError(
                    f"freeze: {name} has output channels 0..{outputs[name] - 1}, not {wrong[0]}"
                )
            flags[name][list(indices)] = True
    return flags


def _pin(model: nn.Module, tensor: QuantizedTensor) -> None:
    proxy, name = tensor.quantizer, tensor.name
    if proxy is None:
        return
    if getattr(proxy, "requires_input_scale", False):
        if not pinned(model):
            raise ConfigError(
                f"freeze: {name} is scaled by its layer's accumulator, so its integers move with "
                "the scale of every activation before it; call pin_scales(model, images) first"
            )
        return
    integer_tensor(model, name)  # brings a scale that follows its tensor up to date
    scale = scale_of(proxy)
    if scale is None:
        pin_stock_scale(name, proxy)
    else:
        scale.pin()


def _frozen_norms(
    model: nn.Module, flags: Mapping[str, Flags], example: Tensor | None
) -> list[str]:
    """Batch norms whose statistics are part of frozen layers."""
    if not flags or not batch_norms(model):
        return []
    norms = []
    for layer, norm in norm_pairs(model, example):
        weight = flags.get(f"{layer}.weight")
        if weight is None or not weight.any():
            continue
        if not weight.all():
            raise ConfigError(
                f"freeze: {layer} is followed by batch norm {norm!r}, whose statistics would move "
                "its frozen channels; fold it first (semifreddo.nn.fold.fold_batch_norm)"
            )
        norms.append(norm)
    return norms


def freeze(
    model: nn.Module,
    layers: Sequence[str] = (),
    channels: Mapping[str, Sequence[int]] | None = None,
    fraction: float = 1.0,
    example: Tensor | None = None,
) -> FreezePlan:
    """Declare parts of a model frozen, in place, and record their digests.

    The scales of frozen tensors become constants, fully frozen tensors stop requiring gradients,
    and so do batch norms behind fully frozen layers, which go to evaluation mode. To keep partly
    frozen tensors still while training, use a :class:`FreezeGuard`.

    Args:
        model: Any Brevitas model with power-of-two scales.
        layers: Glob patterns over tensor names (``conv1.weight``) or module paths (``cores.0``,
            ``features.*``); a module path means every tensor below it.
        channels: More output channels to freeze, by pattern.
        fraction: Freeze only this fraction of the output channels of each tensor that ``layers``
            selects: the first ones, rounded to the nearest number.
        example: An input batch, real values (NCHW); needed while the model has batch norms outside
            the toolkit's own blocks: running it shows which layers they follow.

    Raises:
        ConfigError: A pattern matches nothing, a channel or fraction is out of range, a partly
            frozen layer is followed by a batch norm that is not folded, or ``example`` is needed.
        ConversionError: A scale is not a power of two.
    """
    tensors = quantized_tensors(model)
    selected = {
        name
        for pattern in [*layers, *(channels or {})]
        for name in matching(list(tensors), pattern)
    }
    outputs = {name: tensor.outputs for name, tensor in tensors.items()}
    flags = _flags(outputs, layers, channels or {}, fraction)
    frozen = {name: flag for name, flag in flags.items() if flag.any()}
    norms = _frozen_norms(model, frozen, example)
    for name in sorted(selected):
        if flags[name].any():
            _pin(model, tensors[name])
    for norm in norms:
        model.get_submodule(norm).eval().requires_grad_(False)
    plan = FreezePlan.of(frozen, partial(integer_tensor, model))
    stop_gradients(model, plan)
    return plan


def stop_gradients(model: nn.Module, plan: FreezePlan) -> None:
    """Compute no gradients of tensors that are frozen as a whole, in place.

    Args:
        model: The model.
        plan: What is frozen.
    """
    tensors = quantized_tensors(model)
    for tensor in plan.tensors:
        if all(tensor.channels):
            tensors[tensor.name].parameter.requires_grad_(False)


def check_foldable(model: nn.Module, plan: FreezePlan, example: Tensor) -> None:
    """Refuse a plan that folding the model's batch norms would break.

    Args:
        model: The model.
        plan: What is frozen.
        example: An input batch, as :func:`freeze` takes it.

    Raises:
        ConfigError: A frozen layer is followed by a batch norm.
    """
    flags = {tensor.name: np.array(tensor.channels) for tensor in plan.tensors}
    if norms := _frozen_norms(model, flags, example):
        raise ConfigError(
            f"freeze: batch norm {norms[0]!r} follows a frozen layer, and folding it would change "
            "the frozen integers; fold it first (semifreddo.nn.fold.fold_batch_norm), then freeze"
        )


def frozen_share(model: nn.Module, plan: FreezePlan) -> tuple[int, int]:
    """How many weights a plan freezes, and how many there are.

    Weights are all loadable or frozen numbers: biases and blend factors too.
    """
    frozen, total = 0, 0
    for name in quantized_tensor_names(model):
        raw = integer_tensor(model, name).raw
        total += raw.size
        frozen += raw.size // len(raw) * sum(plan.channels(name, len(raw)))
    return frozen, total


def verify(model: nn.Module, plan: FreezePlan) -> None:
    """Prove that a model's frozen tensors are the plan's, bit by bit.

    Raises:
        FrozenTensorChangedError: Names those that changed.
    """
    plan.verify(partial(integer_tensor, model))


@dataclass
class _Kept:
    tensor: Tensor
    mask: Tensor
    saved: Tensor

    @property
    def whole(self) -> bool:
        return bool(self.mask.all())

    def restore(self) -> None:
        self.tensor.copy_(torch.where(self.mask, self.saved, self.tensor))


def _keep(tensor: Tensor, flags: Flags | None = None, dim: int = 0) -> _Kept:
    mask = torch.ones((), dtype=torch.bool)
    if flags is not None and tensor.dim() and tensor.shape[dim] == len(flags):
        shape = [1] * tensor.dim()
        shape[dim] = len(flags)
        mask = torch.from_numpy(flags.copy()).reshape(shape)
    return _Kept(tensor, mask, tensor.detach().clone())


def _scale_buffers(tensor: QuantizedTensor) -> list[Tensor]:
    scale = None if tensor.quantizer is None else scale_of(tensor.quantizer)
    return [] if scale is None else list(scale.buffers())


class FreezeGuard:
    """Keeps frozen channels, their scales and their batch norms as they are while training.

    Whatever an optimizer does (momentum, weight decay, a parameter group that should not be there)
    is undone after each of its steps, and batch norms of frozen layers stay in evaluation mode even
    after ``model.train()``. Use as a context manager or call :meth:`close`.

    Args:
        model: The model, whose frozen tensors must be the plan's now.
        plan: What is frozen.
        example: An input batch, as :func:`freeze` takes it.

    Raises:
        FrozenTensorChangedError: They are not.
        ConfigError: ``example`` is needed.
    """

    def __init__(self, model: nn.Module, plan: FreezePlan, example: Tensor | None = None) -> None:
        verify(model, plan)
        flags = {tensor.name: np.array(tensor.channels) for tensor in plan.tensors}
        self._model, self._plan = model, plan
        self._handles: list[RemovableHandle] = []
        self._kept: list[_Kept] = []
        tensors = quantized_tensors(model)
        for name, flag in flags.items():
            tensor = tensors[name]
            self._kept.append(_keep(tensor.parameter, flag, tensor.dim))
            self._kept += [_keep(buffer) for buffer in _scale_buffers(tensor)]
        for path in _frozen_norms(model, flags, example):
            norm = model.get_submodule(path)
            self._kept += [_keep(tensor) for tensor in (*norm.parameters(), *norm.buffers())]
            self._handles.append(norm.register_forward_pre_hook(lambda module, _: _to_eval(module)))

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Undo what each step of an optimizer does to frozen values."""
        hook: Callable[..., None] = lambda *_: self._restore_held(optimizer)  # noqa: E731
        self._handles.append(optimizer.register_step_post_hook(hook))

    def _restore_held(self, optimizer: torch.optim.Optimizer) -> None:
        """Put back what an optimizer can have changed."""
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        with torch.no_grad():
            for kept in self._kept:
                if id(kept.tensor) in held:
                    kept.restore()

    @property
    def frozen(self) -> list[Tensor]:
        """Tensors that are frozen as a whole."""
        return [kept.tensor for kept in self._kept if kept.whole]

    def restore(self) -> None:
        """Put every frozen value back."""
        with torch.no_grad():
            for kept in self._kept:
                kept.restore()

    def close(self) -> None:
        """Let go of the model and of all optimizers, after checking the plan a last time.

        Raises:
            FrozenTensorChangedError: Something got past the guard.
        """
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        verify(self._model, self._plan)

    def __enter__(self) -> FreezeGuard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            for handle in self._handles:
                handle.remove()


def _to_eval(module: nn.Module) -> None:
    module.eval()
