"""The only place that starts processes.

A tool has succeeded if it ended with exit code 0 *and* every output it was to write is newer than
its start. A time-out or Ctrl-C ends the whole process group, so that no child of a tool survives.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType
from typing import IO, TypeAlias

from semifreddo.core import scratch
from semifreddo.core.errors import ToolError, ToolTimeoutError

Progress: TypeAlias = Callable[[str], None]
"""Takes one line at a time."""

_LAST_LINES = 10
_GRACE_S = 2.0
_LOOK_S = 0.2
_PREPARES_S = 1.0
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class ToolRun:
    """A successful run.

    Attributes:
        command: The argument list.
        seconds: Wall time.
        log: File with stdout and stderr together.
        outputs: The files that were written.
    """

    command: tuple[str, ...]
    seconds: float
    log: Path
    outputs: tuple[Path, ...]


def find_tool(name: str, hint: str) -> Path:
    """Find a program on PATH.

    Args:
        name: Program name, or a path to one.
        hint: What to do if it is missing, e.g. ``install it with: apt-get install g++``.

    Raises:
        ToolError: Not found.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} not found; {hint}")
    return Path(found)


def tool_version(
    tool: str | Path,
    arguments: Sequence[str] = ("--version",),
    *,
    pattern: str = r"\d+\.\d+",
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> str:
    """The line that a tool prints about its version.

    Args:
        tool: The program.
        arguments: What asks for the version.
        pattern: Regular expression of the line: other lines may come first, about a locale that is
            not installed or about the tool's own first run.
        timeout_s: Wall-time limit.
        progress: Gets what the tool says while it prepares itself, if that takes over a second.

    Returns:
        The first line that matches; the first line of all if none does.

    Raises:
        ToolError: It cannot be started, fails, or prints nothing.
        ToolTimeoutError: It does not answer.
    """
    with scratch.folder("version") as directory:
        log = Path(directory) / "version.log"
        with _preparation(Path(tool).name, log, progress):
            run([tool, *arguments], cwd=Path(directory), timeout_s=timeout_s, log=log)
        lines = [line.strip() for line in _lines(log) if line.strip()]
    if not lines:
        raise ToolError(f"{Path(tool).name}: prints no version ({' '.join(arguments)})")
    return next((line for line in lines if re.search(pattern, line)), lines[0])


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()


@contextlib.contextmanager
def _preparation(name: str, log: Path, progress: Progress | None) -> Iterator[None]:
    """Tell once what a tool prints while it does not come to its end."""
    if progress is None:
        yield
        return
    ended, begin = Event(), time.monotonic()
    told = Event()

    def watch() -> None:
        while not ended.wait(_PREPARES_S):
            with contextlib.suppress(OSError, StopIteration):
                line = next(line for line in _lines(log) if line.strip())
                progress(f"{name}: {line.strip()}")
                told.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if told.is_set():
            progress(f"{name}: prepared in {time.monotonic() - begin:.0f} s, once on this machine")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    timeout_s: float,
    log: Path,
    outputs: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    cancel: Event | None = None,
) -> ToolRun:
    """Run a tool to its end.

    Args:
        command: Program and arguments; no shell is involved.
        cwd: Working directory.
        timeout_s: Wall-time limit.
        log: File that gets stdout and stderr; replaced.
        outputs: Files that must exist and be newer than the start.
        env: Environment variables to add.
        cancel: Ends the tool when another thread sets it.

    Raises:
        ToolTimeoutError: Not finished in time.
        ToolError: Cannot be started, failed, was cancelled, or left an output out; tells the last
            log lines.
    """
    words = tuple(str(word) for word in command)
    name = Path(words[0]).name
    before = {path: _state(path) for path in outputs}
    begin = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    try:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as handle, _interrupts_later():
                start_ns = os.fstat(handle.fileno()).st_mtime_ns
                process = _start(words, cwd, env, stdin=subprocess.DEVNULL, stdout=handle)
        except OSError as error:
            raise ToolError(f"{log}: cannot write the log of {name}: {error.strerror}") from error
        code = _wait(process, timeout_s, cancel)
    except subprocess.TimeoutExpired:
        raise ToolTimeoutError(
            f"{name} did not finish within {timeout_s:g} s; see {log}{_tail(log)}"
        ) from None
    finally:
        if process is not None:
            end(process)
    if code:
        raise ToolError(f"{name} failed with {describe_exit(code)}; see {log}{_tail(log)}")
    for path in outputs:
        after = _state(path)
        if after is None:
            raise ToolError(f"{name} ended well but did not write {path}; see {log}")
        if after == before[path] or after[0] < start_ns:
            raise ToolError(f"{name} ended well but left an old {path} in place; see {log}")
    return ToolRun(words, time.monotonic() - begin, log, tuple(outputs))


def _wait(process: subprocess.Popen[bytes], timeout_s: float, cancel: Event | None) -> int:
    """Exit code of a process; looks now and then whether it is still wanted."""
    if cancel is None:
        return process.wait(timeout_s)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return process.wait(min(_LOOK_S, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise
        if cancel.is_set():
            raise ToolError(f"{Path(str(process.args[0])).name} was cancelled")  # type: ignore[index]


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Ctrl-C in the block is raised behind it: what is being started would be lost and run on."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield  # ignored, or another thread's concern
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(signal.SIGINT, came[-1])


def _start(
    words: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    *,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes] = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=None if env is None else os.environ | dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(
            f"{Path(words[0]).name} cannot be started: {error.strerror} ({error.filename})"
        ) from error


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything it started, if it still runs."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
            os.killpg(process.pid, signal.SIGCONT)  # a stopped one hears nothing else
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return


def describe_exit(code: int) -> str:
    """``exit code 2`` or ``signal SIGSEGV``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _tail(log: Path) -> str:
    """The last lines of a log, as the end of an error message."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - _CHUNK_BYTES))
            lines = handle.read(_CHUNK_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return ""
    last = [line for line in lines if line.strip()][-_LAST_LINES:]
    return "".join(f"\n  {line}" for line in last)


class PipeProcess:
    """A long-lived child that answers binary requests.

    Requests are written while answers are read, so neither side can block the other with a full
    pipe. After any error the child is ended and must be started anew.
    """

    def __init__(
        self, command: Sequence[str | Path], *, name: str, cwd: Path | None = None
    ) -> None:
        """Start the child.

        Args:
            command: Program and arguments.
            name: How errors call it.
            cwd: Working directory.

        Raises:
            ToolError: It cannot be started.
        """
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        started: subprocess.Popen[bytes] | None = None
        try:
            with _interrupts_later():
                started = _start(
                    [str(word) for word in command],
                    cwd,
                    None,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                )
        except BaseException:
            if started is not None:
                end(started)
            self._errors.close()
            raise
        self._process = started
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    def exchange(self, request: bytes, answer_bytes: int, timeout_s: float) -> bytes:
        """Send a request and wait for an answer of known size.

        Raises:
            ToolTimeoutError: The answer is not complete in time; says how much had come.
            ToolError: The child ended; tells its last words.
        """
        try:
            return self._exchange(memoryview(request), answer_bytes, time.monotonic() + timeout_s)
        except ToolTimeoutError as error:
            self.close()
            raise ToolTimeoutError(f"{error} within {timeout_s:g} s") from None
        except BaseException:
            self.close()
            raise

    def _exchange(self, request: memoryview, answer_bytes: int, deadline: float) -> bytes:
        answer = bytearray()
        sent = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if request:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while sent < len(request) or len(answer) < answer_bytes:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise ToolTimeoutError(
                        f"{self.name}: took {sent} of {len(request)} bytes and answered "
                        f"{len(answer)} of {answer_bytes}"
                    )
                for key, _ in ready:
                    if key.fileobj is self._stdout:
                        answer += self._read(answer_bytes - len(answer))
                    else:
                        sent += self._write(request[sent : sent + _CHUNK_BYTES])
                        if sent == len(request):
                            selector.unregister(self._stdin)
        return bytes(answer)

    def _read(self, wanted: int) -> bytes:
        data = os.read(self._stdout.fileno(), max(1, min(wanted, 1 << 20)))
        if not data:
            raise ToolError(self._last_words())
        if wanted <= 0:
            raise ToolError(f"{self.name}: answers before it is asked")
        return data

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._stdin.fileno(), data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise ToolError(self._last_words()) from None

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        code = self._process.poll()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        how = "closed its pipe" if code is None else f"ended with {describe_exit(code)}"
        return f"{self.name} {how}" + "".join(f"\n  {line}" for line in lines)

    def close(self) -> None:
        """End the child and free its pipes. Closing twice is allowed."""
        end(self._process)
        for pipe in (self._stdin, self._stdout, self._errors):
            with contextlib.suppress(OSError):
                pipe.close()
