"""What a stage sees of a design: the keys that it declares. Touching another one is an error.

The key of a stage's record is made of what it declares, so a setting that a stage uses and does not
declare cannot give a stale build: the stage does not run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from semifreddo.core.errors import SemifreddoError
from semifreddo.flow.config import BuildConfig

_PLACES = ("root", "build_dir", "path")
"""Where a design lies, which decides nothing."""


class UndeclaredError(SemifreddoError):
    """A stage touches a part of the design that it does not declare."""


class _Seen:
    """A section, or the whole design, with only the declared keys in it."""

    def __init__(self, whole: object, stage: str, keys: Sequence[str], prefix: str = "") -> None:
        self._whole = whole
        self._stage = stage
        self._keys = keys
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        key = f"{self._prefix}{name}"
        if key in self._keys or (not self._prefix and name in _PLACES):
            return getattr(self._whole, name)
        if any(declared.startswith(f"{key}.") for declared in self._keys):
            inner = getattr(self._whole, name)
            return None if inner is None else _Seen(inner, self._stage, self._keys, f"{key}.")
        derived = getattr(type(self._whole), name, None)
        if isinstance(derived, property) and derived.fget is not None:
            return derived.fget(self)
        if not hasattr(self._whole, name):
            raise AttributeError(name)
        raise UndeclaredError(
            f"stage {self._stage}: touches {key!r} of the design, which it does not declare; name "
            "it among what decides the stage's result, or what it uses"
        )


def seen(config: BuildConfig, stage: str, keys: Sequence[str]) -> BuildConfig:
    """A design as a stage may see it.

    Args:
        config: The whole design.
        stage: Name of the stage, for errors.
        keys: A section (``rtl``), a key (``board.part``), or a property of a design (``name``,
            ``clock_mhz``).

    Returns:
        What looks like the design; anything else of it raises :class:`UndeclaredError`.
    """
    return cast(BuildConfig, _Seen(config, stage, tuple(keys)))


def value_of(config: BuildConfig, key: str) -> Any:
    """The value of a declared key; None where a section on the way is absent."""
    value: Any = config
    for name in key.split("."):
        value = None if value is None else getattr(value, name)
    return value


def plain(value: Any) -> Any:
    """A value of a design as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def files_of(config: BuildConfig, key: str) -> list[Path]:
    """The files that a key names: one path, several, or none."""
    found = value_of(config, key)
    paths = [] if found is None else [found] if isinstance(found, Path) else found
    return [config.path(path) for path in paths]
