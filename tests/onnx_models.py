"""Hand-written ONNX graphs: a valid one, and whatever a test changes in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

QONNX = "qonnx.custom_op.general"
STANDARD_OPS = {"": 17, QONNX: 2}


@dataclass
class Graph:
    """An ONNX graph under construction: quantized image in, whatever was added last out."""

    shape: tuple[Any, ...] = (1, 2, 4, 4)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    props: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    kind: int = TensorProto.FLOAT
    opset: int = STANDARD_OPS[""]

    def constant(self, name: str, value: Any) -> str:
        """Add an initializer; floats are stored as float32, integers as int64."""
        array = np.asarray(value)
        self.constants[name] = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        return name

    def node(
        self,
        op: str,
        *inputs: str,
        name: str = "",
        outputs: int = 1,
        domain: str = "",
        **fields: Any,
    ) -> str:
        """Add a node; gives its (first) output."""
        name = name or f"/{op.lower()}{len(self.nodes)}/{op}"
        results = [f"{name}_output_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, results, name=name, domain=domain, **fields))
        return results[0]

    def quant(
        self,
        source: str,
        scale: Any = 2.0**-4,
        bits: Any = 8.0,
        *,
        zero: float = 0.0,
        signed: int = 1,
        narrow: int = 0,
        mode: str = "ROUND",
        name: str = "",
    ) -> str:
        """Add a Quant node with constant parameters."""
        tag = name or f"/quant{len(self.nodes)}/Quant"
        parameters = [
            self.constant(f"{tag}/{what}", np.asarray(value, np.float64))
            for what, value in (("scale", scale), ("zero", zero), ("bits", bits))
        ]
        return self.node(
            "Quant", source, *parameters, name=tag, domain=QONNX, signed=signed, narrow=narrow,
            rounding_mode=mode,
        )  # fmt: skip

    def image(self, scale: float = 2.0**-8, bits: float = 8.0) -> str:
        """The quantized image; the same one whenever it is asked for."""
        if "/input/Quant/scale" in self.constants:
            return "/input/Quant_output_0"
        return self.quant("image", scale, bits, signed=0, name="/input/Quant")

    def weight(self, name: str, shape: tuple[int, ...], scale: Any = 2.0**-3) -> str:
        """A quantized random weight."""
        rng = np.random.default_rng(len(self.constants))
        values = rng.integers(-7, 8, shape) * 2.0**-3
        return self.quant(self.constant(name, values), scale, 4.0, name=f"/{name}/Quant")

    def conv(self, source: str, outputs: int = 3, inputs: int = 2, **fields: Any) -> str:
        """A 3x3 convolution, the first named ``/conv/Conv`` with weight ``conv.weight``."""
        tag = "conv" if "conv.weight" not in self.constants else f"conv{len(self.nodes)}"
        shape = (outputs, inputs // fields.get("group", 1), 3, 3)
        return self.node(
            "Conv", source, self.weight(f"{tag}.weight", shape), name=f"/{tag}/Conv", **fields
        )

    def model(self, output: str) -> onnx.ModelProto:
        """The finished model."""
        constants = [onnx.numpy_helper.from_array(v, k) for k, v in self.constants.items()]
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("image", self.kind, self.shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None])
                for name in (output, *self.outputs)
            ],
            constants,
        )
        versions = STANDARD_OPS | {"": self.opset}
        imports = [helper.make_opsetid(domain, v) for domain, v in versions.items()]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        helper.set_model_props(model, self.props)
        return model

    def save(self, path: Path, output: str) -> Path:
        """Write the finished model."""
        path.write_bytes(self.model(output).SerializeToString())
        return path


def small(graph: Graph | None = None) -> onnx.ModelProto:
    """Image, convolution, ReLU, quantizer, pool, linear layer: valid."""
    graph = graph or Graph()
    x = graph.conv(graph.image(), pads=[1, 1, 1, 1])
    x = graph.quant(graph.node("Relu", x), signed=0)
    x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Flatten", x, axis=1)
    x = graph.node("Gemm", x, graph.weight("head.weight", (5, 12)), transB=1)
    return graph.model(x)
