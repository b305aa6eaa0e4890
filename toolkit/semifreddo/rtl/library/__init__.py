"""The hand-written modules, as package data, and which of them a design needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

_USE = re.compile(r"\b(sf_\w+)\s*(?:#\s*\(|\w+\s*\()")


def source(name: str) -> str:
    """The text of a library module."""
    return (files(__package__) / f"{name}.sv").read_text(encoding="utf-8")


def needed(texts: Iterable[str]) -> dict[str, str]:
    """File name and text of every library module that texts use, directly or not."""
    found: dict[str, str] = {}
    pending = list(texts)
    while pending:
        for name in _USE.findall(pending.pop()):
            file = f"{name}.sv"
            if file not in found:
                found[file] = source(name)
                pending.append(found[file])
    return dict(sorted(found.items()))
