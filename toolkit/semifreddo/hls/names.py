"""C++ identifiers for names that people gave to layers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from semifreddo.core.errors import ProjectError
from semifreddo.core.reserved import why_reserved

_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
constexpr const_cast continue decltype default delete div_roundup do double dynamic_cast else enum
explicit export extern false float for frames friend goto hls if inline int input load_task long
main max min mutable namespace new nnet noexcept not not_eq nullptr operator or or_eq private
protected public register reinterpret_cast result return semifreddo short signed sizeof static
static_assert static_cast std struct switch task_memory template this throw true try typedef typeid
typename union unsigned using virtual void volatile wchar_t while xor xor_eq
"""
_RESERVED = frozenset(_WORDS.split())
"""C++ key words, and names that hls4ml's and our sources use at file level."""


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A distinct C++ identifier for each name, the name itself where possible."""
    found: dict[str, str] = {}
    taken = {word.lower() for word in _RESERVED}
    for name in names:
        base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "layer"
        if base[0].isdigit():
            base = f"layer_{base}"
        candidate, number = base, 2
        while candidate.lower() in taken:
            candidate, number = f"{base}_{number}", number + 1
        taken.add(candidate.lower())
        found[name] = candidate
    return found


def check_top_name(name: str) -> None:
    """Refuse a net name that cannot name a C++ function beside hls4ml's sources.

    Raises:
        ProjectError: It means something already.
    """
    if reason := why_reserved(name):
        raise ProjectError(f"net name {name!r} {reason}; rename the design")
