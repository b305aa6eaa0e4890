"""The number format of an input that a file itself does not quantize."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from semifreddo.convert.load import QONNX_DOMAIN, load_model
from semifreddo.convert.quant import QUANTIZERS
from semifreddo.core.errors import ConversionError
from semifreddo.core.files import write_atomic

_NODE = "the input's format"
"""Name of the quantizer that is put in front, and of its result."""


@dataclass(frozen=True)
class InputFormat:
    """What the integers of an input mean: ``raw * scale``.

    Attributes:
        bits: Their width.
        signed: Whether they are two's complement.
        scale: Real value of a raw 1.
    """

    bits: int
    signed: bool
    scale: float


def write_with_format(source: Path, form: InputFormat, target: Path) -> None:
    """Write a model whose input is quantized, of one that does not do so.

    Args:
        source: A QONNX file.
        form: Format of its input.
        target: The file to write; it is whole or absent.

    Raises:
        ConversionError: The model cannot be read, has several inputs, or quantizes its input.
    """
    model = load_model(source)
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in stored]
    if len(inputs) != 1:
        raise ConversionError(f"{source}: the model has {len(inputs)} inputs; [input] is for one")
    (image,) = inputs
    for node in graph.node:
        if image in node.input[:1] and node.op_type in (*QUANTIZERS, "QuantizeLinear"):
            raise ConversionError(
                f"{source}: node {node.name!r} ({node.op_type}) quantizes the input; leave bits, "
                "signed and scale of [input] out"
            )
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == image:
                node.input[place] = _NODE
    parameters = {"scale": form.scale, "zero point": 0.0, "bits": float(form.bits)}
    for what, value in parameters.items():
        tensor = onnx.numpy_helper.from_array(np.float32(value), f"{_NODE}: {what}")
        graph.initializer.append(tensor)
    graph.node.insert(
        0,
        onnx.helper.make_node(
            "Quant",
            [image, *(f"{_NODE}: {what}" for what in parameters)],
            [_NODE],
            name=_NODE,
            domain=QONNX_DOMAIN,
            signed=int(form.signed),
            narrow=0,
            rounding_mode="ROUND",
        ),
    )
    if QONNX_DOMAIN not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(QONNX_DOMAIN, 1))
    write_atomic(target, model.SerializeToString())
