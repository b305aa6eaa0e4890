"""Stream names: readable C identifiers made from ONNX node names."""

from __future__ import annotations

import re

# What Brevitas puts between a module and its operator; says nothing to a reader.
_NOISE = frozenset({"act_quant", "export_handler", "activation_impl", "weight_quant", "bias_quant"})


def module_path(node: str) -> str:
    """The module a node belongs to, e.g. ``cores.0.conv`` for ``/cores.0/conv/Conv``.

    TorchScript repeats the path of a container in front of its elements
    (``/layers/layers.0/conv/Conv``); the repetition is left out.
    """
    parts: list[str] = []
    for part in node.split("/")[:-1]:
        if not part or part in _NOISE:
            continue
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def stream_name(node: str) -> str:
    """A C identifier for a node's result; not necessarily unique."""
    path, operator = module_path(node), node.rsplit("/", maxsplit=1)[-1].lower()
    kind, _, count = operator.partition("_")
    if path.split(".")[-1].lower() == kind:
        text = f"{path}_{count}" if count else path
    else:
        text = f"{path}_{operator}"
    text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
    return text if text[:1].isalpha() else f"n{text}"


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
