"""The rung of the compiled C simulation; ``tests/flow/test_build.py`` has the stage itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeDevice
from nets import blended
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.device import default_workers
from semifreddo.flow.stages import csim
from semifreddo.ir.task import Task


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_processes_of_the_simulation(
    fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int | None
) -> None:
    """As many as the design says, or as fit this machine."""
    net, opened = blended(), []

    def open_fake(file: Path, *_: object, workers: int, **__: Any) -> FakeDevice:
        opened.append((file, workers))
        return FakeDevice(net)

    monkeypatch.setattr(csim, "open_csim", open_fake)
    config = dataclasses.replace(fresh, csim=dataclasses.replace(fresh.csim, workers=workers))
    with csim.csim_rung(config, tmp_path / "device", net, Task.of(net, "a", ("x", "y", "z"))):
        assert opened == [(tmp_path / "device", workers or default_workers())]
