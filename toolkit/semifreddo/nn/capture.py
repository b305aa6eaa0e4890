"""What the quantizers of a model give while it runs in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.proxy.runtime_quant import (
    ActQuantProxyFromInjectorBase,
    TruncQuantProxyFromInjector,
)
from torch import Tensor, nn

from semifreddo.nn.integers import whole_result
from semifreddo.nn.tensors import quantized_tensors

Outputs = dict[str, list[npt.NDArray[np.float32]]]
"""By path of a module: its results, one per call."""

_QUANTIZERS = (ActQuantProxyFromInjectorBase, TruncQuantProxyFromInjector)

RESULT = ""
"""Path under which the model's own result is kept."""


def _plain(value: Any) -> Tensor:
    tensor = getattr(value, "value", value)
    assert isinstance(tensor, Tensor)
    return tensor


def captured(model: nn.Module, batches: Iterator[npt.NDArray[np.float64]]) -> Iterator[Outputs]:
    """Run a model in evaluation mode and keep what every activation quantizer gives.

    Args:
        model: A Brevitas model.
        batches: Real numbers ``(n, channels, height, width)`` that it takes.

    Yields:
        For each batch: results by path of the quantizer's module, and the model's own.
    """
    found: Outputs = {}

    def keeper(path: str) -> Any:
        def keep(_: nn.Module, __: Any, result: Any) -> None:
            found.setdefault(path, []).append(_plain(result).numpy())

        return keep

    handles = [
        module.register_forward_hook(keeper(path))
        for path, module in model.named_modules()
        if isinstance(module, _QUANTIZERS) and module.is_quant_enabled
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()
            for batch in batches:
                found.clear()
                result = model(torch.from_numpy(batch.astype(np.float32)))
                yield {**found, RESULT: [whole_result(result).numpy()]}
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def quantized_weights(model: nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """What single precision makes of every quantized weight and bias, as the parameter lies.

    By the parameter's name.
    """
    found = {}
    training = model.training
    try:
        with torch.no_grad():
            model.eval()
            for name, tensor in quantized_tensors(model).items():
                values = tensor.quantized()[0]
                moves = values.dim() > tensor.dim
                found[name] = (values.movedim(0, tensor.dim) if moves else values).numpy()
    finally:
        model.train(training)
    return found
