"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import importlib.util
import re
import signal
from collections.abc import Generator, Iterator

import pytest

EXTRAS = {
    "torch": "train",
    "brevitas": "train",
    "qonnx": "train",
    "onnx": "train",
    "onnxruntime": "train",
    "safetensors": "train",
    "sklearn": "train",
    "matplotlib": "train",
    "hls4ml": "hls",
    "da4ml": "rtl",
    "PIL": "report",
    "jinja2": "report",
    "shtab": "completion",
}
"""Packages by the extra that brings them."""


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file of tests that imports a package of an extra is skipped by name where it is absent."""
    report = yield
    missing = re.search(r"No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if missing and missing[1] in EXTRAS and importlib.util.find_spec(missing[1]) is None:
        report.outcome = "skipped"
        reason = f"Skipped: needs {missing[1]} (extra {EXTRAS[missing[1]]})"
        report.longrepr = (str(collector.path), 0, reason)
    return report


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C works here and in child processes, also where the suite was started with it ignored.

    A shell ignores SIGINT for what it starts in the background, and children inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
