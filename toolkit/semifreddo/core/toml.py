"""TOML files as tables."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from semifreddo.core.errors import ConfigError

MAX_FILE_BYTES = 256 << 10

MAX_DOTS = 64
"""Of a key: tomllib takes time that grows with the square of a key's parts."""

_TOKEN = re.compile(r"(?P<word>[\w\"'-]+)|(?P<dot>\.)|\S")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: Missing, too large, not UTF-8, not TOML, or Python is older than 3.11.
    """
    if sys.version_info < (3, 11):  # a board only runs bundles, which are not TOML
        raise ConfigError(f"{path}: reading TOML needs Python 3.11 or newer")
    import tomllib

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 10} KiB, so not a settings file")
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows write a byte order mark
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if (line := _deep_key(text)) is not None:
        raise ConfigError(f"{path}: line {line} has a key of more than {MAX_DOTS} parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise ConfigError(f"{path}: not a TOML file ({' '.join(str(error).split())})") from error


def _deep_key(text: str) -> int | None:
    """The line in which a key has too many parts; in one pass, whatever the text holds."""
    dots, last = 0, None
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "dot" and last == "word":
            dots += 1
            if dots >= MAX_DOTS:
                return text.count("\n", 0, token.start()) + 1
        elif token.lastgroup != "word" or last != "dot":
            dots = 0
        last = token.lastgroup
    return None


def parse_toml_key(text: str) -> tuple[str, ...]:
    """The parts of a dotted key as TOML writes it, ``limits."task.payload_bytes".max``.

    Returns:
        None of them if the text is no such key.
    """
    if sys.version_info < (3, 11):
        raise ConfigError(f"{text!r}: reading TOML needs Python 3.11 or newer")
    import tomllib

    if "\n" in text or "=" in text or text.count(".") >= MAX_DOTS:
        return ()
    try:
        found: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return ()
    parts = []
    while isinstance(found, dict):
        (part,) = found
        parts.append(part)
        found = found[part]
    return tuple(parts)


def parse_toml_value(text: str) -> Any:
    """A value as TOML writes it; anything that is not one is a plain text (``pynq_z2``)."""
    if sys.version_info < (3, 11):
        raise ConfigError(f"{text!r}: reading TOML needs Python 3.11 or newer")
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text
