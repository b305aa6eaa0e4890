"""Models with several outputs: one result, whose channels are theirs one after the other."""

from __future__ import annotations

import onnx

JOINED = "the outputs"
"""Name of the node that concatenates them, and of the tensor."""


def join_outputs(model: onnx.ModelProto) -> None:
    """Give a model one output instead of several: their concatenation along the channels."""
    graph = model.graph
    if len(graph.output) < 2:
        return
    joined = onnx.ValueInfoProto()
    joined.CopyFrom(graph.output[0])
    joined.name = JOINED
    if len(dims := joined.type.tensor_type.shape.dim) > 1:
        dims[1].Clear()
    names = [value.name for value in graph.output]
    graph.node.append(onnx.helper.make_node("Concat", names, [JOINED], JOINED, axis=1))
    del graph.output[:]
    graph.output.append(joined)
