"""What the frozen part of a model gives for images that come again, instead of computing it again.

A frozen part begins at the image and ends where anything else reads it: the frozen core of a
network, or the first layers of any model. Of an unchanged image its outputs are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from semifreddo.nn.layers import QuantAdd, QuantAvgPool, QuantConvBlock, QuantInput, SeparableBlock
from semifreddo.nn.lean import watched
from semifreddo.nn.modes import evaluating
from semifreddo.nn.pin import pinned

LIMIT = 1 << 29
"""Bytes that the outputs of a frozen part may take for a set of images; of more, none are kept."""

_UNITS = (
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    QuantIdentity,
    nn.Identity,
    nn.ReLU,
    nn.Flatten,
    nn.MaxPool2d,
    nn.AvgPool2d,
)
_WHOLES = (nn.Sequential, QuantInput, QuantConvBlock, SeparableBlock, QuantAvgPool, QuantAdd)

_Call: TypeAlias = tuple[int, ...]
"""A module and what it reads, by numbers: that of the image is 0."""
Rows: TypeAlias = Tensor | slice


class _Output:
    """One output for many images, in bfloat16 as long as that holds it exactly."""

    def __init__(self, number: int, count: int, like: Tensor) -> None:
        self.number, self._dtype = number, like.dtype
        self._channels_last = like.dim() == 4 and not like.is_contiguous()
        self._values = torch.empty((count, *self._kept(like).shape[1:]), dtype=torch.bfloat16)
        self._filled = 0

    def _kept(self, values: Tensor) -> Tensor:
        """Values in the order of memory that they have."""
        return values.permute(0, 2, 3, 1) if self._channels_last else values

    @property
    def complete(self) -> bool:
        """Whether it is there for all images; a model may call a part of some only."""
        return self._filled >= len(self._values)

    @property
    def bytes(self) -> int:
        return self._values.numel() * self._values.element_size()

    def put(self, rows: slice, values: Tensor) -> None:
        values = self._kept(values)
        if not torch.equal(values.to(self._values.dtype).to(self._dtype), values):
            self._values = self._values.to(self._dtype)
        self._values[rows] = values
        if rows.start <= self._filled:
            self._filled = rows.stop

    def take(self, rows: Rows) -> Tensor:
        if isinstance(rows, slice):
            values = self._values[rows].to(self._dtype, copy=True)
        else:
            values = self._values.index_select(0, rows).to(self._dtype)
        return values.permute(0, 3, 1, 2) if self._channels_last else values


class Outputs:
    """What a frozen part gives for a set of images.

    Args:
        count: How many images.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._found: dict[_Call, _Output] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def modules(self) -> set[int]:
        """Numbers of the modules that gave them."""
        return {module for module, *_ in self._found}

    @property
    def bytes(self) -> int:
        """Memory that they take."""
        return sum(output.bytes for output in self._found.values())

    def put(self, call: _Call, rows: slice, values: Tensor) -> int:
        """Keep what a call gave for some images; the number of this output."""
        if call not in self._found:
            self._found[call] = _Output(1 + len(self._found), self.count, values)
        self._found[call].put(rows, values)
        return self._found[call].number

    def take(self, call: _Call, rows: Rows) -> tuple[int, Tensor] | None:
        """The number of an output and its values for some images; None if it is not kept."""
        output = self._found.get(call)
        return (output.number, output.take(rows)) if output and output.complete else None


@dataclass
class _Pass:
    """A run of the model over some of the images."""

    x: Tensor
    outputs: Outputs
    rows: Rows
    recording: bool = False

    def __post_init__(self) -> None:
        self._version = self.x._version
        self._known: dict[int, tuple[int, Tensor, int]] = {}

    def begins(self, arguments: Sequence[Any]) -> bool:
        """Whether the model is run on exactly these images; nothing but them is known then."""
        self._known.clear()
        whole = len(arguments) == 1 and arguments[0] is self.x and not self.x.requires_grad
        if whole:
            self._know(0, self.x)
        return whole and self.x._version == self._version

    def _know(self, number: int, values: Tensor) -> None:
        # Kept, so that no other tensor gets its id.
        self._known[id(values)] = number, values, values._version

    def _number(self, read: Any) -> int | None:
        number, values, version = self._known.get(id(read), (None, None, None))
        return number if values is not None and values._version == version else None

    def made(self, module: int, forward: Any, arguments: Sequence[Any]) -> Any:
        """What a module gives: kept before, or computed."""
        read = [self._number(argument) for argument in arguments]
        call = (module, *(number for number in read if number is not None))
        if len(call) != 1 + len(read):
            return forward(*arguments)
        if self.recording:
            values = forward(*arguments)
            if isinstance(values, Tensor) and len(values) == len(self.x):
                assert isinstance(self.rows, slice)
                self._know(self.outputs.put(call, self.rows, values), values)
            return values
        found = self.outputs.take(call, self.rows)
        if found is None:
            return forward(*arguments)
        self._know(*found)
        return found[1]


class FrozenPart:
    """The frozen part of a model, which recalls its outputs until :meth:`close`.

    Modules are constant if their parameters are frozen, their scales pinned, and their kind is
    known to compute the same of the same and nothing else. A constant module recalls what it gave
    if all that it reads is the image, or recalled itself; so anything may stand between. One of
    whose parts somebody watches by hooks is computed.

    Args:
        model: Any model.
        frozen: Parameters that nothing changes.
    """

    def __init__(self, model: nn.Module, frozen: Iterable[Tensor]) -> None:
        self._model = model
        self._forwards: list[tuple[nn.Module, Any]] = []
        self._next: _Pass | None = None
        self._now: _Pass | None = None
        parts = list(_constant_parts(model, {id(tensor) for tensor in frozen}))
        self._weighted = {i for i, part in enumerate(parts) if any(True for _ in part.parameters())}
        if self._weighted:
            self._replace(model, partial(self._run, model.forward))
            for number, part in enumerate(parts):
                self._replace(part, partial(self._part, number, part.forward))

    def _replace(self, module: nn.Module, forward: Any) -> None:
        self._forwards.append((module, vars(module).get("forward")))
        module.forward = forward

    def close(self) -> None:
        """Compute everything again."""
        for module, forward in reversed(self._forwards):
            del module.forward
            if forward is not None:
                module.forward = forward
        self._forwards.clear()

    def __enter__(self) -> FrozenPart:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def outputs(self, count: int, batches: Iterable[Tensor]) -> Outputs | None:
        """Compute the outputs of a set of images.

        None if they are too many, or if no layer with weights is among what gives them.

        Args:
            count: How many images.
            batches: The images, as the model takes them.
        """
        if not self._forwards:
            return None
        made, start = Outputs(count), 0
        with evaluating(self._model), torch.no_grad():
            for x in batches:
                self._next = _Pass(x, made, slice(start, start + len(x)), recording=True)
                self._model(x)
                if made.bytes > LIMIT:
                    return None
                start += len(x)
        self._next = None
        return made if made.modules & self._weighted else None

    def recall(self, outputs: Outputs, x: Tensor, rows: Rows) -> None:
        """Say of which images the next runs are.

        Args:
            outputs: Of all images.
            x: What the model will be run on: exactly this tensor, any other is computed.
            rows: Which of the images these are.
        """
        self._next = _Pass(x, outputs, rows)

    def _run(self, forward: Any, *arguments: Any, **others: Any) -> Any:
        known = self._next is not None and not others and self._next.begins(arguments)
        self._now = self._next if known else None
        try:
            return forward(*arguments, **others)
        finally:
            self._now = None

    def _part(self, number: int, forward: Any, *arguments: Any, **others: Any) -> Any:
        if self._now is None or others:
            return forward(*arguments, **others)
        return self._now.made(number, forward, arguments)


def _constant_parts(module: nn.Module, frozen: Collection[int]) -> Iterator[nn.Module]:
    """The largest parts of a model that are constant."""
    if (
        _known_kind(module)
        and all(id(parameter) in frozen for parameter in module.parameters())
        and pinned(module)
        and not watched(module)
    ):
        yield module
    elif not isinstance(module, _UNITS):
        for child in module.children():
            yield from _constant_parts(child, frozen)


def _known_kind(module: nn.Module) -> bool:
    if type(module) in _UNITS:
        return True
    return type(module) in _WHOLES and all(map(_known_kind, module.children()))
