"""What a command says, on a terminal and elsewhere."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from semifreddo.cli.console import table
from semifreddo.cli.terminal import Terminal, duration

needs_rich = pytest.mark.skipif(find_spec("rich") is None, reason="needs the terminal extra")


class Screen:
    """A terminal of 60 columns: a stream to write to, and what has appeared."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        self.stream = os.fdopen(slave, "w")
        self.text = ""

    def read(self, until: str = "", seconds: float = 10.0) -> str:
        """What has appeared so far; waits for a text, if one is given."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self._master], [], [], 0.05)[0]:
                self.text += os.read(self._master, 1 << 16).decode().replace("\r\n", "\n")
            elif not until:
                break
            if until and until in self.text:
                break
        assert until in self.text, (until, self.text)
        return self.text

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Become both streams; in the test itself, for pytest sets its own after the set-up."""
        monkeypatch.setattr(sys, "stderr", self.stream)
        monkeypatch.setattr(sys, "stdout", self.stream)

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    made = Screen()
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield made
    made.close()


LINES = ("[3/10] csim: compile", "      rung csim: equal on 5 images", "      waits: no vivado")


@needs_rich
def test_words_are_coloured_on_a_terminal(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    screen.attach(monkeypatch)
    terminal = Terminal()
    for line in LINES:
        terminal.progress(line)
    terminal.warn("error: rung rtl is different")
    terminal.end()
    text = screen.read("different")
    assert "\x1b[1;36m[3/10] csim:\x1b[0m compile\n" in text
    assert "rung csim: \x1b[32mequal\x1b[0m on 5 images" in text
    assert "\x1b[33mwaits: no vivado\x1b[0m" in text
    assert text.count("\x1b[1;31m") == 2  # "error:" and "different"
    assert re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()[:3] == list(LINES)


@needs_rich
def test_long_lines_are_left_to_the_terminal(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is copied from it is one line; brackets and colons are no markup."""
    screen.attach(monkeypatch)
    line = f"[bold]{'x' * 90}[/bold] :smile: 12"
    terminal = Terminal()
    terminal.progress(line)
    terminal.end()
    assert f"{line}\n" in screen.read("12")


def test_a_line_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a program reads it through a pipe, which would be written in blocks."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(write, "w") as stream, os.fdopen(read, "rb", buffering=0) as other:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        terminal = Terminal()
        for tell, told in (
            (terminal.progress, "one\n"),
            (terminal.say, "two\n"),
            (terminal.warn, "three\n"),
            (terminal.document, "{}"),
        ):
            tell(told.rstrip("\n"))
            assert other.read() == told.encode()


@pytest.mark.parametrize("without", ["rich", "NO_COLOR", "TERM"])
def test_plain_text_without_rich_or_if_nobody_wants_colour(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    screen.attach(monkeypatch)
    if without == "rich":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    else:
        monkeypatch.setenv(without, "1" if without == "NO_COLOR" else "dumb")
    terminal = Terminal()
    for line in LINES:
        terminal.progress(line)
    terminal.end()
    assert screen.read(LINES[-1]) == "".join(f"{line}\n" for line in LINES)


def test_a_long_step_tells_for_how_long(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    screen.attach(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    now = [0.0]
    terminal = Terminal(clock=lambda: now[0], tick_s=0.01)
    terminal.progress("      compiling with Verilator")
    now[0] = 75.4
    screen.read("... 1 min 15 s")
    terminal.progress("      compiled in 75.4 s")
    text = screen.read("compiled in 75.4 s\n")
    assert text.endswith("\r\x1b[K      compiled in 75.4 s\n")  # the ticking line is gone
    now[0] = 80.0
    screen.read("... 4 s")
    terminal.say("done")
    size = len(screen.read("done\n"))
    now[0] = 500.0
    time.sleep(0.1)
    assert len(screen.read()) == size  # after a result nothing ticks
    terminal.end()


def test_a_new_command_waits_for_nothing_that_an_old_one_began(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen.attach(monkeypatch)
    now = [0.0]
    terminal = Terminal(clock=lambda: now[0], tick_s=0.01)
    terminal.progress("[1/2] lower: something long")
    now[0] = 70.0
    screen.read("... 1 min 10 s")
    terminal.begin(quiet=True, json=False)
    before = len(screen.read())
    now[0] = 80.0
    time.sleep(0.1)  # ten ticks
    assert "1 min 20 s" not in screen.read()[before:]
    terminal.end()


def test_training_has_a_bar_of_its_own(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    screen.attach(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    now = [0.0]
    terminal = Terminal(clock=lambda: now[0], tick_s=0.01)
    terminal.progress("      done in 3 s")
    terminal.progress("== train: a core")
    now[0] = 99.0
    time.sleep(0.1)
    terminal.end()
    assert screen.read() == "      done in 3 s\n== train: a core\n"


def test_elsewhere_there_is_plain_text_and_nothing_ticks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(clock=iter(range(0, 10**6, 100)).__next__, tick_s=0.001)
    for line in LINES:
        terminal.progress(line)
    time.sleep(0.05)
    terminal.say("result")
    terminal.end()
    out, err = capsys.readouterr()
    assert err == "".join(f"{line}\n" for line in LINES)
    assert out == "result\n"


def test_quiet_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.begin(quiet=True, json=False)
    terminal.progress("progress")
    terminal.say("result")
    terminal.warn("error: no")
    assert capsys.readouterr() == ("result\n", "error: no\n")
    terminal.begin(quiet=False, json=True)
    terminal.progress("progress")
    terminal.say("result")
    terminal.document("{}\n")
    assert terminal.told
    assert capsys.readouterr() == ("{}\n", "progress\nresult\n")
    terminal.begin(quiet=True, json=True)
    terminal.say("result")
    terminal.warn("error: no")
    assert not terminal.told
    assert capsys.readouterr() == ("", "error: no\n")
    terminal.end()
    terminal.progress("progress")
    terminal.say("result")
    assert capsys.readouterr() == ("result\n", "progress\n"), "as before the command"


def test_a_table_fits_the_terminal(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    screen.attach(monkeypatch)
    rows = [("a_layer", 12, "three channels at a time would save 23 LUT but take 352 cycles")]
    assert max(map(len, table(rows, ("layer", "cycles", "why")).splitlines())) <= 60
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert max(map(len, table(rows, ("layer", "cycles", "why")).splitlines())) > 70


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59.9, 60, 3661)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "61 min 01 s",
    ]
