"""Figures that nothing is chosen for: a command measures them and prints their tables.

A study (:mod:`semifreddo.studies.study`) has data, choices and a test split that is looked at once.
A measurement has none of these: it counts or times what the code of today makes.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import read_table
from semifreddo.core.toml import parse_toml_value
from semifreddo.tools.runner import Progress


class Measurement(abc.ABC):
    """What is measured; an instance is one choice of settings, a dataclass of ``option`` fields.

    Attributes:
        name: Of the verb's argument.
        title: What the tables show, in one line.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abc.abstractmethod
    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        """Measure, and give the tables as text.

        Args:
            folder: Keeps results, so that what was interrupted goes on.
            jobs: Tools at the same time.
            say: Gets a line per step.

        Raises:
            SemifreddoError: A tool is missing or fails, or what was to be measured is wrong.
        """


M = TypeVar("M", bound=Measurement)


def with_settings(measurement: M, settings: Sequence[str]) -> M:
    """The measurement with other settings.

    Args:
        measurement: One with its defaults.
        settings: ``key=value``, the values as in TOML, from the command line.

    Raises:
        ConfigError: Every problem of the settings, in one line.
    """
    table: dict[str, Any] = {}
    problems: list[str] = []
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            problems.append(f"--set {text!r}: expected key=value")
        else:
            table[key.strip()] = parse_toml_value(value.strip())
    made = read_table(type(measurement), table, f"study {measurement.name}", problems)
    if made is None or problems:
        raise ConfigError("; ".join(problems))
    return made
