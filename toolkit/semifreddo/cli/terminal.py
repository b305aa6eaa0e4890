"""What a command says: progress on standard error, results on standard output.

On a terminal, words are coloured if the package rich is installed and NO_COLOR is not set, and a
step of a build that takes longer says for how long. Anywhere else there is plain text. ``--quiet``
leaves progress out; with ``--json`` one document is all that goes to standard output.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from semifreddo.core.columns import width_of

if TYPE_CHECKING:
    from rich.text import Text

_PATIENCE_S = 2.0
_TICK_S = 1.0
_STEPS = ("[", " " * 6)
"""How lines of a build begin, whose steps are long: ``[3/10] csim: ...``, and what they report."""

_STYLES = (
    (r"^error:", "bold red"),
    (r"^\[\d+/\d+\] [\w-]+:", "bold cyan"),
    (r"^== [\w-]+:", "bold cyan"),
    (r"\bDIFFERENT( on \d+)?|\bdifferent\b", "bold red"),
    (r"\bequal\b", "green"),
    (r"\bwaits: .*|\bnot here\b", "yellow"),
    (r"\bup to date\b", "dim"),
    (r"^-[- ]*$", "dim"),
)
"""Words and their colours, line by line."""


def _coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    """Write lines, in colour where that is possible."""
    if _coloured(stream):
        try:
            from rich.console import Console
        except ImportError:
            pass
        else:
            console = Console(file=stream, highlight=False, markup=False, emoji=False)
            for line in text.split("\n"):
                console.print(_painted(line), soft_wrap=True)
            stream.flush()
            return
    print(text, file=stream, flush=True)


def _painted(line: str) -> Text:
    from rich.text import Text

    text = Text(line)
    for words, style in _STYLES:
        text.highlight_regex(words, style)
    return text


class Terminal:
    """Both streams of a command, and what is being waited for.

    Attributes:
        quiet: Leave progress out.
        json: Standard output gets one document and nothing else.
        told: Whether that document has been printed.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, tick_s: float = _TICK_S
    ) -> None:
        self.quiet = self.json = self.told = False
        self._clock, self._tick_s = clock, tick_s
        self._lock = threading.RLock()
        self._since: float | None = None
        self._shown = False
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None

    def begin(self, *, quiet: bool, json: bool) -> None:
        """Start a command; what an earlier one waited for is no concern of it."""
        with self._lock:
            self._rest()
            self.quiet, self.json, self.told = quiet, json, False

    def progress(self, line: str) -> None:
        """One line about what is going on."""
        if self.quiet:
            return
        with self._lock:
            self._clear()
            _write(sys.stderr, line)
            self._since = self._clock() if line.startswith(_STEPS) else None
            if self._since is not None and self._ticker is None and sys.stderr.isatty():
                self._ended.clear()
                self._ticker = threading.Thread(target=self._tick, daemon=True)
                self._ticker.start()

    def say(self, text: str = "") -> None:
        """A result for people; with ``--json`` it is progress."""
        if self.json:
            if not self.quiet:
                self.warn(text)
            return
        with self._lock:
            self._rest()
            _write(sys.stdout, text)

    def warn(self, text: str) -> None:
        """A line on standard error that ``--quiet`` does not suppress."""
        with self._lock:
            self._rest()
            _write(sys.stderr, text)

    def document(self, text: str) -> None:
        """The document of ``--json``, with its line's end."""
        with self._lock:
            self._rest()
            self.told = True
            sys.stdout.write(text)
            sys.stdout.flush()

    def end(self) -> None:
        """End a command: what is said later goes where it would have gone without it."""
        with self._lock:
            self._rest()
            self.quiet = self.json = False
            self._ended.set()
            ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.join()

    def _rest(self) -> None:
        self._since = None
        self._clear()

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._shown = False

    def _tick(self) -> None:
        while not self._ended.wait(self._tick_s):
            with self._lock:
                if self._since is None or not sys.stderr.isatty():
                    continue
                seconds = self._clock() - self._since
                if seconds < _PATIENCE_S:
                    continue
                text = f"      ... {duration(seconds)}"[: width_of(sys.stderr)]
                sys.stderr.write(f"\r\033[K{text}")
                sys.stderr.flush()
                self._shown = True


def duration(seconds: float) -> str:
    """``75 s`` as ``1 min 15 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


TERMINAL = Terminal()
"""The one of this process."""
