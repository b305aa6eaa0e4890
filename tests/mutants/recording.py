"""A plugin of pytest: which lines of the toolkit each test executes, and how long it takes.

Seconds are those of processors, its children's too: a busy machine does not make a test longer.

Of the Verilog library and the C++ templates it notes which test hands which file to a tool: the
test writes a file of that name, or moves one there. A test that only reads a text does not run it.

``pytest -p mutants.recording --record FILE`` writes what ``mutants.covering`` reads. With ``-n``
each worker leaves what it saw beside that file, and the main process puts it together.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from mutants.covering import digest
from mutants.drawing import files

ROOT = Path.cwd()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="file for the executed lines")


def pytest_configure(config: pytest.Config) -> None:
    record = config.getoption("--record")
    if not record:
        return
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker:
        config.pluginmanager.register(Recorder(record.with_name(f"{record.name}.{worker}")))
    elif config.getoption("numprocesses", None):
        config.pluginmanager.register(Workers(record))
    else:
        config.pluginmanager.register(Recorder(record, whole=True))


def spent() -> float:
    """Processor seconds of this process and of all its children that have ended."""
    return sum(os.times()[:4])


def function(item: pytest.Item) -> str:
    """All cases of one test function count as one test."""
    return item.nodeid.partition("[")[0]


class Recorder:
    """Lines by test function, and files by test; a function of which a case failed is left out."""

    def __init__(self, record: Path, *, whole: bool = False) -> None:
        self.record = record
        self.whole = whole
        self.failed: set[str] = set()
        self.case_seconds: dict[str, float] = {}
        drawn = files(ROOT, ("verilog", "cpp"), None)
        self.names = {path.name: path for paths in drawn.values() for path in paths}
        self.placed: dict[str, set[str]] = defaultdict(set)
        self.by_fixture: dict[Any, set[str]] = defaultdict(set)
        self.fixture_seconds: dict[Any, float] = defaultdict(float)
        self.now: set[str] = set()
        sys.addaudithook(self.audit)
        import coverage

        self.coverage = coverage.Coverage(
            data_file=None, source=[str(ROOT / "toolkit" / "semifreddo")], messages=False
        )
        self.coverage.start()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python calls this before it opens or moves a file."""
        if event == "open":
            target, mode, flags = arguments
            writes = bool(set(mode or "") & set("wax+")) or bool(
                mode is None and flags & (os.O_WRONLY | os.O_RDWR)
            )
        elif event == "os.rename":
            target, writes = arguments[1], True
        else:
            return
        if writes and isinstance(target, (str, os.PathLike)):
            name = Path(target).name
            if name in self.names:
                self.now.add(name)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        before, self.now = self.now, set()
        begin = spent()
        result = yield
        self.fixture_seconds[fixturedef] = spent() - begin
        self.by_fixture[fixturedef] |= self.now
        self.now |= before
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.coverage.switch_context(function(item))
        self.now = set()
        begin = spent()
        result = yield
        own = spent() - begin
        self.coverage.switch_context("")
        fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
        shared = [each for found in fixtures for each in found if each in self.by_fixture]
        for name in self.now.union(*(self.by_fixture[each] for each in shared)):
            self.placed[name].add(item.nodeid)
        # A test that finds a fixture made would have to make it alone.
        wide = (self.fixture_seconds[each] for each in shared if each.scope != "function")
        self.case_seconds[item.nodeid] = max(own, sum(wide))
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.failed.add(name)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        seen: dict[str, Any] = {
            "cases": dict(self.case_seconds),
            "failed": sorted(self.failed),
            "files": {
                Path(name).relative_to(ROOT).as_posix(): data.contexts_by_lineno(name)
                for name in sorted(data.measured_files())
            },
            "placed": {
                self.names[name].as_posix(): sorted(found) for name, found in self.placed.items()
            },
        }
        self.record.parent.mkdir(parents=True, exist_ok=True)
        self.record.write_text(json.dumps(together([seen]) if self.whole else seen))


class Workers:
    """Puts together what the workers of a run saw."""

    def __init__(self, record: Path) -> None:
        self.record = record

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        parts = sorted(self.record.parent.glob(f"{self.record.name}.gw*"))
        self.record.write_text(json.dumps(together(json.loads(p.read_text()) for p in parts)))
        for part in parts:
            part.unlink()


def together(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The record of a whole run; a test function whose cases several workers ran counts once."""
    cases: dict[str, float] = {}
    failed: set[str] = set()
    contexts: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    placed: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        cases |= part["cases"]
        failed |= set(part["failed"])
        for name, lines in part["files"].items():
            for line, found in lines.items():
                contexts[name][int(line)] |= set(found)
        for name, found in part["placed"].items():
            placed[name] |= set(found)
    seconds: dict[str, float] = defaultdict(float)
    for case, duration in cases.items():
        seconds[case.partition("[")[0]] += duration
    tests = sorted(set(seconds) - failed)
    index = {name: number for number, name in enumerate(tests)}
    return {
        "tests": [[name, round(seconds[name], 2)] for name in tests],
        "files": {
            name: {
                "digest": digest(ROOT / name),
                "lines": {
                    line: sorted(index[each] for each in found if each in index)
                    for line, found in lines.items()
                },
            }
            for name, lines in contexts.items()
        },
        "placed": {
            name: [
                [case, round(cases[case], 2)]
                for case in sorted(found)
                if case.partition("[")[0] not in failed
            ]
            for name, found in sorted(placed.items())
        },
    }
