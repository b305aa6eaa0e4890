"""Operators of ONNX between two quantizers, one at a time."""

from __future__ import annotations

from collections.abc import Callable

from onnx_models import Graph

Build = Callable[[Graph, str], str]


def op(name: str, **attributes: object) -> Build:
    """An operator without further operands."""
    return lambda g, x: g.node(name, x, **attributes)


def with_constants(name: str, *values: object, **attributes: object) -> Build:
    """An operator whose further operands are constants; None leaves one out."""

    def build(g: Graph, x: str) -> str:
        rest = [
            "" if value is None else g.constant(f"{name}.{place}", value)
            for place, value in enumerate(values)
        ]
        return g.node(name, x, *rest, **attributes)

    return build


def chain(*builds: Build) -> Build:
    def build(g: Graph, x: str) -> str:
        for each in builds:
            x = each(g, x)
        return x

    return build


def times(factor: float) -> Build:
    return lambda g, x: g.node("Mul", x, g.constant(f"factor{len(g.nodes)}", factor))


def plus(term: float) -> Build:
    return lambda g, x: g.node("Add", x, g.constant(f"term{len(g.nodes)}", term))


def joined(name: str, *builds: Build) -> Build:
    """An operator of several functions of the same values."""
    return lambda g, x: g.node(name, *(build(g, x) for build in builds))


def same(_: Graph, x: str) -> str:
    return x


CHANNELS = [[[0.125]], [[0.3]], [[1.5]]]

OPERATORS: dict[str, Build] = {
    "Relu": op("Relu"),
    "Sigmoid": op("Sigmoid"),
    "Tanh": op("Tanh"),
    "Erf": op("Erf"),
    "Softplus": op("Softplus"),
    "Softsign": op("Softsign"),
    "Elu": op("Elu", alpha=1.3),
    "Celu": op("Celu", alpha=0.7),
    "Selu": op("Selu"),
    "Gelu": op("Gelu"),
    "Gelu by tanh": op("Gelu", approximate="tanh"),
    "Mish": op("Mish"),
    "Swish": op("Swish"),
    "HardSwish": op("HardSwish"),
    "HardSigmoid": op("HardSigmoid", alpha=0.3, beta=0.4),
    "LeakyRelu": op("LeakyRelu", alpha=0.2),
    "PRelu": with_constants("PRelu", [0.25]),
    "PRelu per channel": with_constants("PRelu", CHANNELS),
    "PRelu that falls": with_constants("PRelu", [[[-0.25]], [[0.5]], [[-1.5]]]),
    "Clip": with_constants("Clip", -0.7, 1.1),
    "Clip from below": with_constants("Clip", -0.7),
    "Clip from above": with_constants("Clip", None, 1.1),
    "Clip far from zero": with_constants("Clip", 0.4, 1.1),
    "Abs": op("Abs"),
    "Neg": op("Neg"),
    "Identity": op("Identity"),
    "Dropout": op("Dropout"),
    "Cast": op("Cast", to=1),
    "Pow": with_constants("Pow", 2.0),
    "Pow of three": with_constants("Pow", 3.0),
    "Pow of four": with_constants("Pow", 4.0),
    "Min": with_constants("Min", 0.8),
    "Max": with_constants("Max", -0.3),
    "Max per channel": with_constants("Max", [[[-0.3]], [[0.2]], [[0.4]]]),
    "Max of three": with_constants("Max", -0.3, 0.1),
    "Min of functions": joined("Min", same, op("Abs"), chain(times(0.3), plus(0.3))),
    "Max of functions": joined("Max", same, times(0.1)),
    "Sum": with_constants("Sum", 0.3),
    "Sum of functions": joined("Sum", same, times(0.3), op("Tanh")),
    "Mean": joined("Mean", same, op("Tanh"), op("Sigmoid")),
    "Floor": op("Floor"),
    "Ceil": op("Ceil"),
    "Round": op("Round"),
    "Sign": op("Sign"),
    "Round of fractions": chain(times(3.3), op("Round"), times(0.31)),
    "Mul and Sigmoid": joined("Mul", same, op("Sigmoid")),
    "Mul and Sigmoid of half": joined("Mul", same, chain(times(0.5), op("Sigmoid"))),
    "Mul and HardSigmoid": joined("Mul", same, op("HardSigmoid", alpha=0.2)),
    "Mul and Tanh of Softplus": joined("Mul", same, chain(op("Softplus"), op("Tanh"))),
    "Mul and Erf": joined("Mul", times(0.5), chain(times(0.7071), op("Erf"), plus(1.0))),
    "Sub of Tanh": joined("Sub", same, op("Tanh")),
    "negative Softplus": chain(op("Neg"), op("Softplus"), op("Neg")),
    "square": joined("Mul", same, same),
    "Div": chain(with_constants("Div", 0.7), op("Relu")),
    "curve of a curve": chain(op("Tanh"), times(2.0), op("Gelu")),
}


def built(name: str, place: str) -> Graph:
    """Image, convolution, operator, quantizer."""
    graph = Graph(opset=24 if name == "Swish" else 22)
    scale = 0.125 if place == "power of two" else 0.0371
    weight = graph.weight("conv.weight", (3, 2, 3, 3), 0.125 if place == "power of two" else 0.113)
    value = graph.node("Conv", graph.image(), weight, name="/conv/Conv", pads=[1, 1, 1, 1])
    if place == "integers":
        value = graph.quant(value, scale, 6.0)
    graph.quant(OPERATORS[name](graph, value), 0.0293, 8.0, name="/last/Quant")
    return graph
