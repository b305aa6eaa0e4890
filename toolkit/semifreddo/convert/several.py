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
    for value in graph.output:
        _without_order(graph, value)
    joined = onnx.ValueInfoProto()
    joined.CopyFrom(graph.output[0])
    joined.name = JOINED
    if len(dims := joined.type.tensor_type.shape.dim) > 1:
        dims[1].Clear()
    names = [value.name for value in graph.output]
    graph.node.append(onnx.helper.make_node("Concat", names, [JOINED], JOINED, axis=1))
    del graph.output[:]
    graph.output.append(joined)


def _without_order(graph: onnx.GraphProto, output: onnx.ValueInfoProto) -> None:
    """Leave out a last node of an output that only orders or normalises its channels.

    The tensor in front of it takes over the output's name.
    """
    read = [name for node in graph.node for name in node.input]
    kept = {value.name for value in (*graph.input, *graph.output)}
    for node in graph.node:
        if output.name not in node.output or node.input[0] in kept or output.name in read:
            continue
        if node.op_type in ("Softmax", "LogSoftmax"):
            axis = next((item.i for item in node.attribute if item.name == "axis"), -1)
            is_vector = len(output.type.tensor_type.shape.dim) == 2
            if axis != 1 and not (axis == -1 and is_vector):
                return
        elif node.op_type != "Sigmoid":
            return
        inner = node.input[0]
        graph.node.remove(node)
        for other in graph.node:
            for names in (other.input, other.output):
                for place, name in enumerate(names):
                    names[place] = output.name if name == inner else name
        return
