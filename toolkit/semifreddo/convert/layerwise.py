"""Single precision, layer by layer: each layer is fed with that execution's own previous integers.

A sum in single precision depends on the order of additions, so two executors of one file differ in
a few values where scales are no powers of two. Such a difference is explained if the exact number
lies so near a rounding boundary that single precision may take it for the other side: within the
bound of :mod:`semifreddo.convert.roundoff`. Any other difference is an error. As every layer starts
from the same integers in both computations, no difference hides behind an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.decisions import Decision
from semifreddo.convert.from_qonnx import Converted, convert_graph
from semifreddo.convert.metadata import ModelInfo
from semifreddo.convert.proof import quotient_error
from semifreddo.convert.quant import QUANTIZERS
from semifreddo.convert.roundoff import SINGLE, bounds_of
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import IntArray
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""Tensors of a file by name, batch first, as an execution in single precision gave them."""

_OFF_GRID = 2.0**-20
"""What a whole number times its scale in single precision is wrong by, relative to itself."""

_SLACK = 1 + 2.0**-20
"""Of a comparison in double precision."""


@dataclass(frozen=True)
class Difference:
    """A value that single precision makes another integer of.

    Attributes:
        where: Tensor of the file.
        image: Position of the image.
        channel: Channel of the stream.
        expected: The exact integer.
        found: What single precision made.
        distance: How far the exact number is from the boundary between both, in steps.
        error: How far single precision may be off, in steps.
    """

    where: str
    image: int
    channel: int
    expected: int
    found: int
    distance: float
    error: float

    @property
    def explained(self) -> bool:
        """Whether round-off can make this difference."""
        return self.distance <= self.error

    def __str__(self) -> str:
        return (
            f"{self.where}, image {self.image}, channel {self.channel}: expected {self.expected}, "
            f"found {self.found}; {self.distance:.1e} steps from the boundary, single precision "
            f"may be off by {self.error:.1e}"
        )


@dataclass(frozen=True)
class Layerwise:
    """What a comparison gave.

    Attributes:
        values: How many integers were compared, weights among them.
        differences: All that differ.
    """

    values: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Those that round-off cannot make."""
        return tuple(each for each in self.differences if not each.explained)


def compare(
    converted: Converted,
    executed: Iterable[tuple[npt.NDArray[np.integer], Tensors]],
    absent: frozenset[str] = frozenset(),
) -> Layerwise:
    """Compare an execution in single precision with the integers of a file.

    Args:
        converted: The file.
        executed: Raw images, and for each batch the tensors named by :func:`wanted`.
        absent: Tensors among these that the execution does not give; what reads them starts from
            the exact integers.

    Raises:
        ConversionError: A tensor is missing, or does not hold whole numbers times its scale.
    """
    found: _Comparison | None = None
    image = 0
    for images, tensors in executed:
        if found is None:
            found = _Comparison(converted, tensors, absent)
        found.batch(images.astype(np.int64), tensors, image)
        image += len(images)
    if found is None:
        return Layerwise(0, ())
    return Layerwise(found.values, tuple(found.differences))


def wanted(converted: Converted) -> list[str]:
    """The tensors that a comparison reads: what quantizers make, and the result."""
    weights = [name for name, _ in _weights(converted)]
    return sorted(
        {*(each.gives for each in converted.decisions), *weights, converted.result_tensor}
    )


def _weights(converted: Converted) -> Iterator[tuple[str, Any]]:
    """Tensors of quantized constants, and their quantizers' nodes."""
    for node in converted.graph.nodes:
        if node.op in QUANTIZERS and node.outputs[0] in converted.constants:
            yield node.outputs[0], node


class _Comparison:
    def __init__(self, converted: Converted, tensors: Tensors, absent: frozenset[str]) -> None:
        self.values = 0
        self.differences: list[Difference] = []
        self._bounds = bounds_of(converted, SINGLE)
        self._converted = self._with_own_weights(converted, tensors)
        self._by_result = {
            each.result: each
            for each in self._converted.decisions
            if each.result != each.source and each.gives not in absent
        }

    def _with_own_weights(self, converted: Converted, tensors: Tensors) -> Converted:
        """The file with the integers that single precision made of its weights."""
        changed: dict[str, npt.NDArray[Any]] = {}
        for name, node in _weights(converted):
            if name not in tensors:
                continue
            scale = np.asarray(converted.constants[node.inputs[1]], np.float64)
            known = np.rint(converted.constants[name] / scale)
            own = _whole(tensors[name].astype(np.float64), scale, name)
            self.values += own.size
            places = np.argwhere(own != known)
            if not len(places) or node.op == "BipolarQuant":
                continue
            source = np.asarray(converted.constants[node.inputs[0]], np.float64)
            steps = np.broadcast_to(source / scale, own.shape)
            for place in map(tuple, places):
                middle = (own[place] + known[place]) / 2
                self.differences.append(
                    Difference(
                        name,
                        0,
                        int(place[0]),
                        int(known[place]),
                        int(own[place]),
                        float(abs(steps[place] - middle)),
                        float(2.0**-SINGLE * 2 * (abs(middle) + 1)),
                    )
                )
            changed[node.inputs[0]] = own * scale
        if not changed:
            return converted
        graph = replace(
            converted.graph,
            constants={**converted.graph.constants, **changed},
            info=ModelInfo(),
        )
        return convert_graph(graph, converted.net.name, "all")

    def batch(self, images: IntArray, tensors: Tensors, first: int) -> None:
        """Compare one batch; ``first`` is the number of its first image."""
        net = self._converted.net
        data: dict[str, IntArray] = {net.input.name: images}
        for layer in net.layers:
            made = reference.step(layer, net, data)
            decision = self._by_result.get(layer.name)
            if decision is not None:
                own = self._own(decision, tensors, made)
                self._decide(decision, data[decision.source], made, own, first)
                made = own
            data[layer.name] = made
        answers = tensors.get(self._converted.result_tensor)
        if net.output.name not in self._by_result and answers is not None:
            self._result(net, data[net.output.name], answers, first)

    def _own(self, decision: Decision, tensors: Tensors, made: IntArray) -> IntArray:
        """The integers that single precision has in a stream."""
        if decision.gives not in tensors:
            raise ConversionError(f"tensor {decision.gives!r} was not executed")
        values = decision.inside(tensors[decision.gives].astype(np.float64))
        scale = np.array(float(decision.quantizer.scale))
        whole = _whole(values, scale, decision.gives)
        own = made.reshape(len(made), -1).copy()
        own[:, decision.index.ravel()] = whole.reshape(len(made), -1)
        return own.reshape(made.shape)

    def _decide(
        self,
        decision: Decision,
        source: IntArray,
        expected: IntArray,
        own: IntArray,
        first: int,
    ) -> None:
        self.values += own.size
        differs = np.argwhere((expected != own).reshape(len(own), -1))
        if not len(differs):
            return
        errors = self._errors(decision)
        arguments = source.reshape(len(source), -1)
        wanted, found = (each.reshape(len(each), -1) for each in (expected, own))
        for image, place in differs:
            want, got = int(wanted[image, place]), int(found[image, place])
            channel = int(place) % decision.channels
            # The farthest boundary between both integers decides.
            level = got if got > want else got + decision.quantizer.step
            distance = decision.distance(channel, level, int(arguments[image, place]))
            self.differences.append(
                Difference(
                    decision.gives,
                    first + int(image),
                    channel,
                    want,
                    got,
                    float(distance),
                    float(errors[place]),
                )
            )

    def _errors(self, decision: Decision) -> npt.NDArray[np.float64]:
        """How far single precision may be off at each position of a stream, in steps."""
        bound = self._bounds.get(decision.reads)
        if bound is None:
            raise ConversionError(
                f"{decision.node}: an operator in front of it has no known error in single "
                "precision"
            )
        inside = decision.inside(bound.error).ravel()
        errors = np.zeros(int(decision.index.max()) + 1)
        errors[decision.index.ravel()] = inside / float(decision.unit)
        return errors + float(quotient_error(decision, SINGLE))

    def _result(self, net: StreamNet, raw: IntArray, values: npt.NDArray[Any], first: int) -> None:
        """Answers without a quantizer are real numbers: they lie within the bound, or are wrong."""
        name = self._converted.result_tensor
        height, width, channels = net.output.shape
        if values.ndim == 4 and values.shape[1:] != (height, width, channels):
            values = values.transpose(0, 2, 3, 1)
        slopes, offsets = self._meaning(net)
        exact = raw.reshape(len(raw), -1, channels)
        off = values.astype(np.float64).reshape(exact.shape) - (exact * slopes + offsets)
        self.values += exact.size
        bound = self._bounds.get(name)
        error = np.inf if bound is None else float(bound.error.max(initial=0))
        for image, pixel, channel in np.argwhere(np.abs(off) > error * _SLACK):
            whole = int(exact[image, pixel, channel])
            steps = float(off[image, pixel, channel] / slopes[channel])
            self.differences.append(
                Difference(
                    name,
                    first + int(image),
                    int(channel),
                    whole,
                    whole + round(steps),
                    abs(steps),
                    error / abs(float(slopes[channel])),
                )
            )

    def _meaning(self, net: StreamNet) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Slope and offset of every channel of the last integers."""
        result = self._converted.result
        channels = net.output.channels
        if result is None:
            return np.full(channels, 2.0**-net.output.type.frac), np.zeros(channels)
        slopes, offsets = (
            np.array([float(value) for value in each]) for each in (result.slopes, result.offsets)
        )
        return slopes, offsets


def _whole(
    values: npt.NDArray[np.float64], scale: npt.NDArray[np.float64], name: str
) -> npt.NDArray[np.int64]:
    """Whole numbers of a quantizer's tensor.

    Raises:
        ConversionError: They are none.
    """
    steps = values / scale
    whole = np.rint(steps)
    if not (np.abs(steps - whole) <= _OFF_GRID * (np.abs(whole) + 1)).all():
        raise ConversionError(f"tensor {name!r} does not hold whole numbers times its scale")
    return whole.astype(np.int64)
