"""Settings of measurements from the command line, and the verb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from semifreddo.cli.main import main
from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import option
from semifreddo.studies import catalog
from semifreddo.studies.measurement import Measurement, with_settings


@dataclass(frozen=True)
class Counting(Measurement):
    name: ClassVar[str] = "counting"
    title: ClassVar[str] = "how far it counts"

    upto: int = option(3, help="last number", low=1)
    unit: str = option("", help="behind every number")

    def run(self, folder, jobs, say):
        say(f"{folder.name}, {jobs} at once")
        return "".join(f"{number}{self.unit}\n" for number in range(self.upto))


def test_settings_are_checked_together():
    assert with_settings(Counting(), ["upto=5", "unit=mm"]) == Counting(5, "mm")
    with pytest.raises(ConfigError, match=r"^study counting: unknown key 'up'.*upto.*; study") as e:
        with_settings(Counting(), ["up=5", "upto=0"])
    assert "study counting upto: 0, expected 1 or more" in str(e.value)
    with pytest.raises(ConfigError, match=r"^--set 'upto': expected key=value$"):
        with_settings(Counting(), ["upto"])


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setattr(catalog, "find_study", lambda _name: Counting())


def test_the_verb_prints_the_tables(capsys, tmp_path):
    words = ["study", "counting", "--work", str(tmp_path), "--set", "upto=2"]
    assert main([*words, "--workers", "processes:3"]) == 0
    assert capsys.readouterr() == ("0\n1\n", "counting, 3 at once\n")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--seal"], "--seal is for studies that choose"),
        (["--data", "x"], "--data is for studies that choose"),
        (["--seeds", "1"], "--seeds is for studies that choose"),
        (["--workers", "dask:here"], "runs on this machine; give --workers processes:N"),
    ],
)
def test_what_a_measurement_has_not(capsys, words, what):
    assert main(["study", "counting", *words]) == 2
    assert f"error: study counting: {what}" in capsys.readouterr().err
