"""Stream names: readable C identifiers made from ONNX node names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# What Brevitas puts between a module and its operator; says nothing to a reader.
_NOISE = frozenset({"act_quant", "export_handler", "activation_impl", "weight_quant", "bias_quant"})
_CALL = re.compile(r"(.+)_(\d+)")


def without_noise(path: str) -> str:
    """Path of a module as node names tell it."""
    return ".".join(part for part in path.split(".") if part not in _NOISE)


@dataclass(frozen=True)
class Scope:
    """What a TorchScript node name says.

    Attributes:
        path: Module the node belongs to, e.g. ``cores.0.2.conv``.
        call: How often the module had been called before in the same inference.
        operator: The node's own name inside the module, e.g. ``Add_1``.
    """

    path: str
    call: int
    operator: str

    def inside(self, path: str) -> bool:
        """Whether the node belongs to a module or to one below it."""
        return self.path == path or self.path.startswith(f"{path}.")

    @property
    def stream_name(self) -> str:
        """A C identifier for the node's result; not necessarily unique."""
        operator = self.operator.lower()
        kind, _, count = operator.partition("_")
        if self.path.split(".")[-1].lower() == kind:
            text = f"{self.path}_{count}" if count else self.path
        else:
            text = f"{self.path}_{operator}"
        if self.call:
            text += f"_call{self.call + 1}"
        text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
        return text if text[:1].isalpha() else f"n{text}"


class Scopes:
    """Reads node names.

    Args:
        parameters: Names of all initializers. They tell a module called ``conv_1`` from the second
            call of ``conv``.
    """

    def __init__(self, parameters: Iterable[str]) -> None:
        self._modules = {
            ".".join(name.split(".")[:depth])
            for name in parameters
            for depth in range(1, name.count(".") + 1)
        }

    def read(self, node: str) -> Scope:
        """Parse ``/layers/layers.0/conv_1/Conv``, say.

        TorchScript repeats the path of a container in front of its elements; the repetition is left
        out. It numbers repeated calls at the end of the last module's name.
        """
        *scope, operator = node.split("/")
        call = 0
        if (
            scope
            and (match := _CALL.fullmatch(scope[-1]))
            and ".".join(_merge(scope)) not in self._modules
        ):
            scope[-1], call = match[1], int(match[2])
        return Scope(".".join(_merge(scope)), call, operator)


def _merge(scope: list[str]) -> list[str]:
    parts: list[str] = []
    for part in scope:
        if not part or part in _NOISE:
            continue
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return parts


class Names:
    """Hands out unique names, deterministically."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def unique(self, wish: str) -> str:
        """``wish``, or ``wish_2``, ``wish_3``... if it is taken."""
        name, count = wish, 2
        while name in self._taken:
            name, count = f"{wish}_{count}", count + 1
        self._taken.add(name)
        return name
