"""Brevitas' QONNX exporter, in memory."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from semifreddo.core.errors import ConversionError

if TYPE_CHECKING:
    from torch import nn

INPUT_TENSOR = "image"
OUTPUT_TENSOR = "result"


def trace(model: nn.Module, path: Path, shape: tuple[int, int, int]) -> onnx.ModelProto:
    """Export a model in memory.

    Args:
        model: A Brevitas model in evaluation mode.
        path: Named in the error.
        shape: Image as (channels, height, width).

    Raises:
        ConversionError: It cannot be traced.
    """
    import torch

    from semifreddo.nn.powers import on_their_grid

    # Brevitas warns about optional packages when it is imported.
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        exporter = _exporter()

        channels, height, width = shape
        image = torch.full((1, channels, height, width), 0.5)
        try:
            # The exporter writes weights as they are trained, and a uniform quantizer behind them.
            stack.enter_context(on_their_grid(model))
            # The TorchScript exporter keeps parameter names; folding constants would lose them.
            model_proto: onnx.ModelProto = exporter.export(
                model,
                args=image,
                dynamo=False,
                do_constant_folding=False,
                input_names=[INPUT_TENSOR],
                output_names=[OUTPUT_TENSOR],
            )
            return model_proto
        except (RuntimeError, TypeError, ValueError, torch.onnx.errors.OnnxExporterError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(
                f"{path}: the model cannot be exported for images of shape {shape}: {reason}"
            ) from error


def _exporter() -> Any:
    """Brevitas' exporter, which writes unsigned values of one bit as what they are.

    Brevitas takes every quantizer of one bit for one that gives -1 and 1.
    """
    from brevitas.export.onnx.qonnx.function import BrevitasQuantOp
    from brevitas.export.onnx.qonnx.handler import BrevitasActQuantProxyHandler
    from brevitas.export.onnx.qonnx.manager import QONNXManager

    class Activations(BrevitasActQuantProxyHandler):  # type: ignore[misc]
        def prepare_for_export(self, module: Any) -> None:
            super().prepare_for_export(module)
            if module.is_quant_enabled and not module.is_signed:
                self.quant_op = BrevitasQuantOp

    class Exporter(QONNXManager):  # type: ignore[misc]
        handlers = (Activations, *QONNXManager.handlers)

    return Exporter
