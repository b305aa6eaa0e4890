"""Running tools: fake ones that succeed, fail, lie, hang and die."""

from __future__ import annotations

import os
import re
import signal
import subprocess  # noqa: TID251 -- the class that runner starts processes with
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from semifreddo.core.errors import ToolError, ToolTimeoutError
from semifreddo.tools import runner
from semifreddo.tools.packaged import first_version
from semifreddo.tools.runner import PipeProcess, describe_exit, find_tool, run, tool_version

FAKE = Path(__file__).parents[1] / "fake_tools"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_success_means_every_output_is_there(tmp_path: Path) -> None:
    outputs = [tmp_path / "a", tmp_path / "b"]
    log = tmp_path / "logs" / "tool.log"
    done = run([FAKE / "succeed", *outputs], cwd=tmp_path, timeout_s=20, log=log, outputs=outputs)
    assert done.outputs == tuple(outputs)
    assert done.command[0].endswith("succeed")
    assert log.read_text() == f"working in {tmp_path}\n"
    again = run([FAKE / "succeed", *outputs], cwd=tmp_path, timeout_s=20, log=log, outputs=outputs)
    assert 0 < again.seconds < 20
    assert again.outputs == done.outputs


def test_arguments_are_not_a_shell_text_and_the_environment_is_added(tmp_path: Path) -> None:
    name = "a b; $HOME & 'c'"
    run([FAKE / "succeed", name], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")
    assert (tmp_path / name).exists()
    run(["env"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log", env={"SEMIFREDDO_X": "1"})
    assert "SEMIFREDDO_X=1" in (tmp_path / "log").read_text()
    assert "PATH=" in (tmp_path / "log").read_text()


def test_failure_tells_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    expected = f"fail failed with exit code 1; see {log}\n  reading input\n  ERROR: line 7 is wrong"
    with pytest.raises(ToolError, match=f"^{re.escape(expected)}$"):
        run([FAKE / "fail"], cwd=tmp_path, timeout_s=20, log=log)


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^crash failed with signal SIGSEGV; see"):
        run([FAKE / "crash"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-9, "signal SIGKILL"),
        (-1, "signal SIGHUP"),
        (-99, "signal 99"),
    ],
)
def test_how_an_exit_is_told(code: int, told: str) -> None:
    assert describe_exit(code) == told


def test_ten_lines_of_a_long_log(tmp_path: Path) -> None:
    """Blank ones do not count, and what comes after a long log's middle is not lost."""
    said = "\\n\\n".join(f"line {number}" for number in range(20))
    code = f"head -c 200000 /dev/zero | tr '\\0' x; printf '\\n{said}\\n  \\n'; exit 4"
    with pytest.raises(ToolError) as error:
        run(["sh", "-c", code], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")
    last = "".join(f"\n  line {number}" for number in range(10, 20))
    assert str(error.value) == f"sh failed with exit code 4; see {tmp_path / 'log'}{last}"


def test_a_log_that_the_tool_removes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ToolError) as error:
        run(["sh", "-c", "rm log; exit 4"], cwd=tmp_path, timeout_s=20, log=log)
    assert str(error.value) == f"sh failed with exit code 4; see {log}"


def test_success_without_output_is_a_failure(tmp_path: Path) -> None:
    wanted = tmp_path / "program"
    with pytest.raises(ToolError, match=r"^no_output ended well but did not write .*program; see"):
        run(
            [FAKE / "no_output"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log", outputs=[wanted]
        )


@pytest.mark.parametrize("age_s", [0, 100])
def test_a_stale_output_is_a_failure(tmp_path: Path, age_s: int) -> None:
    report = tmp_path / "report"
    report.write_text("of the last run")
    then = time.time() - age_s
    os.utime(report, (then, then))
    with pytest.raises(ToolError, match=r"^no_output ended well but left an old .*report in place"):
        run(
            [FAKE / "no_output"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log", outputs=[report]
        )


@pytest.mark.timeout(30)
def test_a_time_out_ends_the_whole_process_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(
        ToolTimeoutError, match=r"^hang did not finish within 1 s; see .*\n  started"
    ):
        run([FAKE / "hang", pid_file], cwd=tmp_path, timeout_s=1, log=tmp_path / "log")
    child = int(pid_file.read_text())
    while alive(child):  # the time-out of the test is the limit
        time.sleep(0.02)


def test_a_time_out_of_a_run_that_could_be_cancelled(tmp_path: Path) -> None:
    cancel, log = threading.Event(), tmp_path / "log"
    done = run(["sleep", "0.3"], cwd=tmp_path, timeout_s=20, log=log, cancel=cancel)
    assert 0.3 <= done.seconds < 20, "it is looked after more than once"
    with pytest.raises(ToolTimeoutError, match=r"^sleep did not finish within 0\.3 s; see .*log$"):
        run(["sleep", "60"], cwd=tmp_path, timeout_s=0.3, log=log, cancel=cancel)


@pytest.mark.timeout(50)
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_whole_process_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        while not (pid_file.exists() and pid_file.read_text().strip()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run([FAKE / "hang", pid_file], cwd=tmp_path, timeout_s=60, log=tmp_path / "log")
    thread.join()
    child = int(pid_file.read_text())
    while alive(child):  # the time-out of the test is the limit
        time.sleep(0.02)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("how", ["run", "pipe"])
def test_ctrl_c_while_a_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It runs already and nobody has it in hand yet: it is ended all the same."""
    started = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("semifreddo.tools.runner.subprocess.Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        if how == "run":
            run(["sleep", "600"], cwd=tmp_path, timeout_s=60, log=tmp_path / "log")
        else:
            PipeProcess(["sleep", "600"], name="sleeper")
    (process,) = started
    assert process.returncode is not None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def test_a_stopped_process_is_asked_to_end() -> None:
    """It hears nothing but SIGKILL and SIGCONT, and would be waited for in vain."""
    child = PipeProcess(["sleep", "60"], name="sleeper")
    os.kill(child._process.pid, signal.SIGSTOP)
    child.close()
    assert child._process.poll() == -signal.SIGTERM


def test_a_full_disk_under_a_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"exit code 1; see .*\n  fatal error: .*No space left"):
        run([FAKE / "no_space", tmp_path / "x"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full (Linux)")
def test_a_full_disk_under_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(ToolError):
        run([FAKE / "fail"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^nothing cannot be started: No such file or directory"):
        run([tmp_path / "nothing"], cwd=tmp_path, timeout_s=20, log=tmp_path / "log")
    (tmp_path / "file").touch()
    message = r"cannot write the log of x: (Not a directory|File exists)$"
    with pytest.raises(ToolError, match=message):
        run(["x"], cwd=tmp_path, timeout_s=20, log=tmp_path / "file" / "log")


def test_find_tool() -> None:
    assert find_tool(str(FAKE / "succeed"), "").name == "succeed"
    with pytest.raises(ToolError, match=r"^g--- not found; install it with: apt-get install g---$"):
        find_tool("g---", "install it with: apt-get install g---")


def test_tool_version(tmp_path: Path) -> None:
    assert tool_version(FAKE / "old_version") == "fake compiler 2.95"
    with pytest.raises(ToolError, match=r"^fail failed with exit code 1"):
        tool_version(FAKE / "fail")
    with pytest.raises(ToolError, match=r"^sh: prints no version \(-c :\)$"):
        tool_version("sh", ["-c", ":"])
    with pytest.raises(ToolTimeoutError, match=r"^hang did not finish within 0.3 s"):
        tool_version(FAKE / "hang", [str(tmp_path / "pid")], timeout_s=0.3)


def test_how_long_a_version_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def run(words: list[str | Path], *, cwd: Path, timeout_s: float, log: Path) -> None:
        log.write_text(" ".join(map(str, words)))
        limits.append(timeout_s)

    monkeypatch.setattr(runner, "run", run)
    assert tool_version("tool") == "tool --version"
    assert first_version(tmp_path / "once", "-V", "x", None) == f"{tmp_path}/once -V"
    assert limits == [30, 20 * 60]


def server() -> PipeProcess:
    return PipeProcess([sys.executable, FAKE / "echo_server"], name="server")


def test_a_pipe_process_answers_and_closes_twice() -> None:
    process = server()
    assert process.exchange(b"\3ab", 3, 20) == b"\3ab"
    # More than both pipes hold: neither side may block the other.
    request = (bytes([250]) + bytes(249)) * 4000
    assert process.exchange(request, len(request), 60) == request
    process.close()
    process.close()
    assert not process.alive


@pytest.mark.parametrize("words", ["x", "hello"])
def test_a_pipe_process_that_talks_unasked(words: str) -> None:
    """Its words would be taken for the next answer."""
    process = PipeProcess(["sh", "-c", f"printf {words}; cat >/dev/null"], name="talker")
    with pytest.raises(ToolError, match=r"^talker: answers before it is asked$"):
        process.exchange(bytes(1 << 20), 0, 20)  # more than a pipe holds: it has begun by then
    assert not process.alive
    process = server()
    assert process.exchange(b"", 0, 20) == b""
    process.close()


def test_a_pipe_process_that_dies_tells_its_last_words() -> None:
    process = server()
    with pytest.raises(ToolError, match=r"^server ended with exit code 1\n  server: asked to die$"):
        process.exchange(b"\0", 1, 20)
    assert not process.alive


def test_ten_last_words() -> None:
    code = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $n >&2; done; kill -9 $$"
    process = PipeProcess(["sh", "-c", code], name="sh")
    last = "".join(f"\n  {number}" for number in range(3, 13))
    with pytest.raises(ToolError, match=rf"^sh ended with signal SIGKILL{last}$"):
        process.exchange(b"", 1, 20)


def test_a_pipe_process_that_closes_its_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_GRACE_S", 0.2)
    for closed, request in (("0<&-", bytes(1 << 20)), ("1>&-", b"")):
        process = PipeProcess(["sh", "-c", f"exec {closed}; exec sleep 60"], name="mute")
        with pytest.raises(ToolError, match=r"^mute closed its pipe$"):
            process.exchange(request, 1, 20)
        assert not process.alive


def test_a_write_that_would_block_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    write, process, tried = os.write, server(), []

    def blocking(file: int, data: bytes) -> int:
        tried.append(len(data))
        if len(tried) == 1:
            raise BlockingIOError
        return write(file, data)

    monkeypatch.setattr(runner.os, "write", blocking)
    assert process.exchange(b"\3ab", 3, 20) == b"\3ab"
    assert tried == [3, 3]
    process.close()


def test_a_pipe_process_that_hangs_tells_how_far_it_came() -> None:
    process = server()
    message = r"^server: took 4 of 4 bytes and answered 3 of 13 within 1 s$"
    with pytest.raises(ToolTimeoutError, match=message):
        process.exchange(b"\3ab\xff", 13, 1)
    assert not process.alive


def test_a_pipe_process_that_does_not_read_is_not_waited_for() -> None:
    """More than a pipe holds: a write that blocked would never come back."""
    code = "import time; time.sleep(100)"
    process = PipeProcess([sys.executable, "-c", code], name="deaf")
    with pytest.raises(ToolTimeoutError, match=r"^deaf: took \d+ of 1048576 bytes and answered 0 "):
        process.exchange(bytes(1 << 20), 1, 0.5)
    assert not process.alive


def test_tools_run_in_threads_and_without_an_interrupt_handler(tmp_path: Path) -> None:
    made: list[Path] = []

    def start() -> None:
        output = tmp_path / f"out{len(made)}"
        log = tmp_path / "log"
        run(["touch", output], cwd=tmp_path, timeout_s=30, log=log, outputs=[output])
        made.append(output)

    # Whoever runs the tests in the background has no handler to begin with.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        start()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(made) == 2
