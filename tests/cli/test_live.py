"""The line that a running device shows on a terminal."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from nets import blended
from semifreddo.cli import live
from semifreddo.cli.live import Meter
from semifreddo.cli.terminal import TERMINAL
from semifreddo.runtime.results import Predictions
from semifreddo.sim import reference


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
