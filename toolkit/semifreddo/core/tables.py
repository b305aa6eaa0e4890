"""Tables from outside (TOML, JSON) to typed dataclasses, strictly.

Nothing is silently ignored: an unknown key is a problem that names the nearest known one, and all
problems of a file are collected before anything is raised. Fields are declared once, with
:func:`option`, and their help texts and limits serve errors and documentation alike.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class _WrongValue(Exception):
    """What is wrong with a value; the caller adds the key."""


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    factory: Callable[[], Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    pattern: str | None = None,
) -> Any:
    """A dataclass field that :func:`read_table` checks.

    Args:
        default: Its value if the key is absent; without one the key is required.
        help: One line for people.
        factory: Makes the default instead, where it can change (a dict).
        low: Smallest number, or smallest length of a list.
        high: Largest number.
        pattern: Regular expression that a whole text must match.
    """
    metadata = {"help": help, "low": low, "high": high, "pattern": pattern}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: ``; did you mean 'x'?``, or the known names, or nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def read_table(cls: type[T], table: object, where: str, problems: list[str]) -> T | None:
    """Make a dataclass of a table.

    Args:
        cls: A dataclass. Field types may be str, bool, int, float, Path, Literal, dataclasses,
            ``tuple[X, ...]``, ``Mapping[str, X]`` and ``X | None``.
        table: What a TOML or JSON parser gave.
        where: Named in problems, e.g. ``design.toml [csim]``.
        problems: Gets one line for everything wrong.

    Returns:
        The dataclass, or None if something was wrong.
    """
    if not isinstance(table, Mapping):
        problems.append(f"{where}: is {_shown(table)}, expected a table")
        return None
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    before = len(problems)
    for key in table:
        if key not in fields:
            problems.append(f"{where}: unknown key {str(key)!r}{nearest(str(key), fields)}")
    values: dict[str, Any] = {}
    for name, item in fields.items():
        if name in table:
            try:
                values[name] = _convert(hints[name], table[name], f"{where} {name}", problems)
                _check_limits(item.metadata, values[name])
            except _WrongValue as error:
                problems.append(f"{where} {name}: {error}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            about = item.metadata.get("help", "")
            problems.append(f"{where}: key {name!r} is missing{f' ({about})' if about else ''}")
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expected(what: str, value: object) -> _WrongValue:
    return _WrongValue(f"{_shown(value)} is not {what}")


_SCALARS: dict[type, str] = {str: "a text", bool: "true or false", int: "a whole number"}


def _convert(hint: Any, value: object, where: str, problems: list[str]) -> Any:
    if hint in _SCALARS:
        if type(value) is not hint:
            raise _expected(_SCALARS[hint], value)
        return value
    if hint is float:
        if type(value) not in (int, float) or not math.isfinite(typing.cast(float, value)):
            raise _expected("a finite number", value)
        return float(typing.cast(float, value))
    if hint is Path:
        if not isinstance(value, str) or not value:
            raise _expected("a path", value)
        return Path(value)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return read_table(typing.cast(type, hint), value, where, problems)
    return _convert_generic(hint, value, where, problems)


def _convert_generic(hint: Any, value: object, where: str, problems: list[str]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        inner = next(kind for kind in arguments if kind is not type(None))
        return _convert(inner, value, where, problems)
    if origin is typing.Literal:
        if value not in arguments or type(value) not in {type(known) for known in arguments}:
            hint_text = nearest(str(value), [str(known) for known in arguments])
            raise _WrongValue(f"{_shown(value)} is not known{hint_text}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _expected("a list", value)
        return tuple(
            _convert(arguments[0], entry, f"{where}[{index}]", problems)
            for index, entry in enumerate(value)
        )
    if not isinstance(value, Mapping):
        raise _expected("a table", value)
    return {
        str(key): _convert(arguments[1], entry, f"{where}.{key}", problems)
        for key, entry in value.items()
    }


def _check_limits(limits: Mapping[str, Any], value: Any) -> None:
    if not limits or value is None:
        return
    low, high, pattern = limits["low"], limits["high"], limits["pattern"]
    size = len(value) if isinstance(value, tuple | str) else value
    if low is not None and size < low:
        what = f"{low} or more entries" if isinstance(value, tuple) else f"{low} or more"
        raise _WrongValue(f"{_shown(value)}, expected {what}")
    if high is not None and size > high:
        raise _WrongValue(f"{_shown(value)}, expected {high} or less")
    if pattern is not None and not re.fullmatch(pattern, value):
        raise _WrongValue(f"{value!r} does not match {pattern}")
