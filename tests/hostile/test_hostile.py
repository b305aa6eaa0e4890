"""Damaged files are refused in one line; what reads them is watched, and the watch is tried."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("brevitas", reason="needs the train extra")
pytest.importorskip("PIL", reason="needs pillow")

from hostile import campaign as campaign_of
from hostile.campaign import Fault, campaign, complaint, damaged
from hostile.corpus import Format, corpus
from semifreddo.core.errors import MOST_CHARACTERS, DataError


def listed(faults: list[Fault]) -> str:
    return "\n".join(f"{fault.name}: {fault.what}" for fault in faults)


def test_a_few_damaged_files() -> None:
    """Ten of each format; `python tests/hostile/campaign.py` reads ten thousand."""
    faults = list(campaign(320, seed=7))
    assert not faults, listed(faults)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_damaged_files() -> None:
    faults = list(campaign(10_000, seed=0))
    assert not faults, listed(faults)


def test_files_are_the_same_for_the_same_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=10)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000 + next(seconds))  # archives are dated
    formats = corpus(tmp_path)
    names = [chosen.name for chosen in formats]
    assert len(set(names)) == len(names) > 25
    once, again, other = (
        [damaged(formats, number, seed)[1] for number in range(60)] for seed in (1, 1, 2)
    )
    assert once == again and once != other
    changed = sum(data != formats[i % len(formats)].data for i, data in enumerate(once))
    assert changed > 50


def slow(_: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


def large(_: Path) -> None:
    bytearray(10**15)


def killed(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def broken(_: Path) -> None:
    raise KeyError("shape")


def rambling(_: Path) -> None:
    raise DataError("one\ntwo")


def fine(_: Path) -> None:
    raise DataError("x" * 10**6)


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (slow, "takes more than 0.2 s"),
        (large, "takes more than 500 MB"),
        (broken, "KeyError: 'shape'"),
        (rambling, "2 lines"),
        (fine, None),
    ],
)
def test_the_watch(
    read: object, what: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_of, "SECONDS", 0.2)
    found = complaint(Format("x", b"", "bytes", read), tmp_path)  # type: ignore[arg-type]
    assert found is None if what is None else found is not None and what in found


def test_a_reader_that_dies_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files behind it are read all the same."""

    def one(folder: Path) -> list[Format]:
        whole = Format("a.json", b"{}", "json", lambda path: None)
        dies = dataclasses.replace(whole, name="b.json", read=dying)
        return [whole, dies]

    def dying(path: Path) -> None:
        if path.read_bytes() != b"{}":
            killed(path)

    monkeypatch.setattr(campaign_of, "corpus", one)
    faults = list(campaign(6, seed=0))
    assert [fault.name for fault in faults] == ["file 1", "file 3", "file 5"]
    assert all(fault.what == "the process ended with -9" for fault in faults)


def test_long_messages_keep_both_ends() -> None:
    text = str(DataError("start " + "x" * 10**5 + " end"))
    assert len(text) <= MOST_CHARACTERS
    assert text.startswith("start ") and text.endswith(" end") and "more ..." in text
