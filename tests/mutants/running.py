"""Runs tests on a copy of the tree, each time in a fresh process that has heavy packages loaded.

Loading torch, ONNX and their kind costs more than most tests of a line, so a server that has loaded
them forks a process for each mutant. The toolkit itself is never loaded before the fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess  # noqa: TID251 -- pytest under another interpreter, not a tool of the toolkit
import sys
from pathlib import Path

import pytest

KILLED, SURVIVED, HUNG = "killed", "survived", "killed by time-out"
LOADED = ("torch", "brevitas", "onnx", "onnxruntime", "qonnx", "hls4ml", "sklearn", "PIL")
PYNQ_TESTS = "tests/pynq_board"
_OPTIONS = ("-q", "-x", "--no-header", "-m", "not slow and not clock", "-p", "no:cacheprovider")


def _environment(place: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(place / "toolkit"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
    }


def _forked(place: Path, tests: list[str], environment: dict[str, str]) -> None:
    """What ``python -m pytest`` would do in the copy."""
    os.setsid()
    os.chdir(place)  # noqa: TID251 -- a process of its own, as if started there
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(place), str(place / "toolkit")]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    sys.exit(int(pytest.main([*_OPTIONS, *tests])))


def _result(code: int | None) -> str:
    if code is None:
        return HUNG
    # Without a collected test (5) nothing noticed the mutant.
    return SURVIVED if code in (0, 5) else KILLED


def run_tests(place: Path, tests: list[str], timeout_s: float) -> str:
    """What the tests say of the copy; a mutant that hangs is killed with all it started."""
    board = [each for each in tests if each.startswith(PYNQ_TESTS)]
    others = [each for each in tests if each not in board]
    for chosen, run in ((others, _run_forked), (board, _run_pynq)):
        result = run(place, chosen, timeout_s) if chosen else SURVIVED
        if result != SURVIVED:
            return result
    return SURVIVED


def _run_forked(place: Path, tests: list[str], timeout_s: float) -> str:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(list(LOADED))
    process = forks.Process(target=_forked, args=(place, tests, os.environ | _environment(place)))
    process.start()
    assert process.pid is not None
    process.join(timeout_s)
    code = process.exitcode
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return _result(code)


def _run_pynq(place: Path, tests: list[str], timeout_s: float) -> str:
    """PYNQ's own code needs the interpreter of its environment."""
    python = os.environ.get("SEMIFREDDO_PYNQ_PYTHON", sys.executable)
    process = subprocess.Popen(
        [python, "-m", "pytest", *_OPTIONS, *tests],
        cwd=place,
        env=os.environ | _environment(place),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return _result(code)
