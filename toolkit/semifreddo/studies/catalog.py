"""All studies by name."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from semifreddo.core.errors import ConfigError
from semifreddo.studies.study import Study

_STUDIES = {
    "vertical_freezing": "semifreddo.studies.vertical_freezing:VerticalFreezing",
}

NAMES = tuple(_STUDIES)


def find_study(name: str) -> Study[Any, Any]:
    """The study of a name, with its default settings.

    Raises:
        ConfigError: There is none.
    """
    if name not in _STUDIES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; studies are {', '.join(NAMES)}"
        raise ConfigError(f"no study is called {name!r}{hint}")
    module, _, kind = _STUDIES[name].partition(":")
    study: Study[Any, Any] = getattr(import_module(module), kind)()
    return study
