"""Values as Tcl words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_./:+,@%=-]+")
_BACKSLASHED = '\\"$[]{};'


def quote(text: str) -> str:
    """One Tcl word that stands for exactly this text, in ASCII.

    Raises:
        ValueError: A character above U+FFFF, which Tcl 8 cannot hold.
    """
    if _PLAIN.fullmatch(text):
        return text
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if char in _BACKSLASHED:
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    if ord(char) > 0xFFFF:
        raise ValueError(f"character {char!r} cannot be written in Tcl")
    return f"\\u{ord(char):04x}"


def words(values: Iterable[str]) -> str:
    """A list of words, as one word."""
    return f"[list {' '.join(map(quote, values))}]"


def set_dict(name: str, values: Mapping[str, str | int | float | tuple[str, ...]]) -> str:
    """Commands that fill a Tcl dictionary, a line per key.

    Args:
        name: Variable.
        values: Texts and numbers become words, tuples become lists.
    """
    lines = [f"set {name} {{}}"]
    for key, value in values.items():
        word = words(value) if isinstance(value, tuple) else quote(str(value))
        lines.append(f"dict set {name} {quote(key)} {word}")
    return "\n".join(lines) + "\n"
