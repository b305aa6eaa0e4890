"""TOML files as tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from semifreddo.core.errors import ConfigError

MAX_FILE_BYTES = 1 << 20


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: Missing, too large, not text, not TOML, or Python is older than 3.11.
    """
    if sys.version_info < (3, 11):  # a board only runs bundles, which are not TOML
        raise ConfigError(f"{path}: reading TOML needs Python 3.11 or newer")
    import tomllib

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so not a settings file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file (not text)") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a TOML file ({' '.join(str(error).split())})") from error


def parse_toml_value(text: str) -> Any:
    """A value as TOML writes it; anything that is not one is a plain text (``pynq_z2``)."""
    if sys.version_info < (3, 11):
        raise ConfigError(f"{text!r}: reading TOML needs Python 3.11 or newer")
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
