"""Where the demo works. Free of torch, so that a wrong folder is refused at once."""

from __future__ import annotations

from pathlib import Path

from semifreddo.core.errors import ConfigError
from semifreddo.core.files import write_atomic
from semifreddo.flow.config import FILE_NAME, BuildConfig, load_config

_HERE = Path(__file__).resolve()
_DESIGNS = (_HERE.with_name("demo.toml"), _HERE.parents[3] / "hls_projects/digits/design.toml")
"""The design of the digits: in an installed package, and in a working copy of the repository."""


def prepare(folder: Path) -> BuildConfig:
    """Write the demo's design.

    Raises:
        ConfigError: The folder holds something else.
    """
    design = next(path for path in _DESIGNS if path.is_file())
    text, file = design.read_text(), folder / FILE_NAME
    if not file.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: is not empty and no demo; choose another with --out")
        write_atomic(file, text)
    elif file.read_text() != text:
        raise ConfigError(f"{folder}: holds another design; choose another folder with --out")
    return load_config(folder)
