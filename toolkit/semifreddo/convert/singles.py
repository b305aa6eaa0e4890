"""Files and models in single precision, compared layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from semifreddo.convert.execute import executed, formats_of
from semifreddo.convert.layerwise import Layerwise, Tensors, compare, wanted
from semifreddo.convert.names import Scopes, without_noise
from semifreddo.convert.streams import ROUNDINGS
from semifreddo.core.errors import ConversionError

if TYPE_CHECKING:
    from torch import nn

_BATCH = 64
"""Images at a time that torch computes."""


def compare_single(path: Path, images: npt.NDArray[np.integer]) -> Layerwise:
    """Execute a file with qonnx in single precision and compare it layer by layer.

    Args:
        path: The QONNX file.
        images: Raw integers ``(n, height, width, channels)``.

    Raises:
        DataError: The images do not fit the input.
        ConversionError: qonnx cannot execute the model, or a quantizer gives no whole numbers.
    """
    converted = formats_of(path)
    names = wanted(converted)
    batches = executed(path, converted.net, images, converted, names, is_double=False)

    def parts() -> Iterator[tuple[npt.NDArray[np.integer], Tensors]]:
        start = 0
        for count, tensors in batches:
            constant = converted.constants
            part = {
                name: tensors[name] if name in constant else tensors[name][:count] for name in names
            }
            yield images[start : start + count], part
            start += count

    return compare(converted, parts())


def compare_torch(path: Path, model: nn.Module, images: npt.NDArray[np.integer]) -> Layerwise:
    """Run the model that a file was exported from and compare it layer by layer.

    Args:
        path: The QONNX file.
        model: The Brevitas model.
        images: Raw integers ``(n, height, width, channels)``.

    Raises:
        ConversionError: A quantizer of the file is none of the model's modules.
    """
    from semifreddo.nn.capture import RESULT, captured, quantized_weights

    converted = formats_of(path)
    scopes = Scopes(converted.graph.constants)
    weights = quantized_weights(model)
    given = {
        node.outputs[0]: weights[node.inputs[0]]
        for node in converted.graph.nodes
        if node.outputs[0] in converted.constants and node.inputs and node.inputs[0] in weights
    }
    operators = {node.name: node.op for node in converted.graph.nodes}
    # A rounding in the model's own forward is no module whose result could be captured.
    decisions = [each for each in converted.decisions if operators[each.node] not in ROUNDINGS]
    absent = {each.gives for each in converted.decisions} - {each.gives for each in decisions}
    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    real = (converted.entrance.real(part).transpose(0, 3, 1, 2) for part in parts)

    def batches() -> Iterator[tuple[npt.NDArray[np.integer], Tensors]]:
        for part, outputs in zip(parts, captured(model, real), strict=True):
            plain = {without_noise(path): results for path, results in outputs.items()}
            tensors = dict(given)
            if converted.result_tensor == converted.graph.output:  # no softmax behind it
                tensors[converted.result_tensor] = plain[RESULT][0]
            for decision in decisions:
                scope = scopes.read(decision.node)
                results = plain.get(scope.path, [])
                if scope.call >= len(results):
                    raise ConversionError(
                        f"{converted.graph.where}: node {decision.node!r} is no quantizer of the "
                        "model; export it again"
                    )
                tensors[decision.gives] = results[scope.call]
            yield part, tensors

    return compare(converted, batches(), frozenset(absent))
