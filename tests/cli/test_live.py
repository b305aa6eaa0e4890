"""The line that a running device shows on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from nets import blended
from semifreddo.cli import live
from semifreddo.cli.live import Meter
from semifreddo.cli.terminal import TERMINAL
from semifreddo.reports.documents import Exchanges
from semifreddo.runtime.results import Predictions
from semifreddo.sim import reference


@pytest.fixture(autouse=True)
def a_command() -> Iterator[None]:
    """Nothing that another test began is waited for, and nothing stays behind."""
    TERMINAL.begin(quiet=False, json=False)
    yield
    TERMINAL.end()


@pytest.mark.parametrize(
    ("terminal", "quiet", "shown"),
    [(True, False, True), (True, True, False), (False, False, False)],
)
def test_a_line_on_a_terminal_that_may_speak(
    terminal: bool,
    quiet: bool,
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(TERMINAL, "quiet", quiet)
    monkeypatch.setattr(live, "_REFRESH_S", -1.0)
    net = blended()
    images = np.zeros((3, *net.input.shape), np.int64)
    raw = reference.run(net, images).reshape(3, -1)
    meter = Meter()
    answers = Predictions(raw, raw.astype(float), raw.argmax(1), "task", ())
    meter.add(images, answers, 0.5, raw)
    assert meter.all_equal
    text = capsys.readouterr()
    assert ("\r3  6  500.00" in text.err) == shown and not text.out


def test_what_a_meter_has_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Frames, the largest exchange, percentiles of the latencies, and how many were equal."""
    meter = Meter()
    assert meter.row == (0, "-", "0.00", "0.00", "0.00", "-") and meter.all_equal
    assert meter.figures()["frames_per_second"] is None
    for count, seconds, right in ((4, 0.5, 4), (2, 0.25, 1), (1, 0.25, 1)):
        raw = np.zeros((count, 2), np.int64)
        expected = raw.copy()
        expected[right:, 1] = 1
        answers = Predictions(raw, raw.astype(float), raw.argmax(1), "task", ())
        meter.add(raw, answers, seconds, expected)
    assert meter.row == (7, "7", "250.00", "475.00", "495.00", "6 of 7")
    assert not meter.all_equal
    found = meter.figures()
    assert (found["images"], found["frames_per_second"]) == (7, 7.0)
    assert (found["compared"], found["equal"]) == (7, 6)
    assert found["exchanges"] == Exchanges(3, 4, 250.0, 475.0, 495.0)
    assert str(meter).splitlines()[-1] == "(a batch: 4 images, there and back)"
    assert capsys.readouterr() == ("", "")


def test_the_line_of_a_terminal_gives_way_to_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert str(Meter()).startswith("frames")
    assert capsys.readouterr().err == "\r\033[K"
