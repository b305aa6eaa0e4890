"""A plugin of pytest: which lines of the toolkit each test executes, and how long it takes.

``pytest -p mutants.recording --record FILE`` writes what ``mutants.covering`` reads.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

from mutants.covering import digest

ROOT = Path.cwd()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="file for the executed lines")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record"):
        config.pluginmanager.register(Recorder(config.getoption("--record")))


def function(item: pytest.Item) -> str:
    """All cases of one test function count as one test."""
    return item.nodeid.partition("[")[0]


class Recorder:
    """Lines by test function; a function of which a case failed is left out."""

    def __init__(self, record: Path) -> None:
        self.record = record
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()
        import coverage

        self.coverage = coverage.Coverage(
            data_file=None, source=[str(ROOT / "toolkit" / "semifreddo")], messages=False
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.coverage.switch_context(function(item))
        result = yield
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0]
        self.seconds[name] += report.duration
        if report.failed:
            self.failed.add(name)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        tests = sorted(set(self.seconds) - self.failed)
        index = {name: number for number, name in enumerate(tests)}
        files = {}
        for name in sorted(data.measured_files()):
            lines = {
                line: sorted(index[each] for each in contexts if each in index)
                for line, contexts in data.contexts_by_lineno(name).items()
            }
            path = Path(name)
            files[path.relative_to(ROOT).as_posix()] = {"digest": digest(path), "lines": lines}
        kept = {"tests": [[name, round(self.seconds[name], 2)] for name in tests], "files": files}
        self.record.parent.mkdir(parents=True, exist_ok=True)
        self.record.write_text(json.dumps(kept))
