"""The rung of the compiled C simulation; ``tests/flow/test_build.py`` has the stage itself."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import FakeDevice
from nets import blended, images
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.device import default_workers
from semifreddo.flow.ladder import load_ladder
from semifreddo.flow.stages import csim
from semifreddo.ir.serial import save_net
from semifreddo.ir.task import Task
from semifreddo.sim import reference
from semifreddo.sim.ladder import Rung


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


def test_what_is_measured(
    fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Seconds to a thousandth, frames per second to a tenth, and the size of the program."""
    net, said = blended(), []
    batch = images(net, 20)
    build, out, program = tmp_path / "build", tmp_path / "out", tmp_path / "program"
    for folder in (build, out):
        folder.mkdir()
    program.write_bytes(b"x" * 123)
    save_net(net, build / "net.json")
    Task.of(net, "a", ("x", "y", "z")).save(build / "task.json")
    VectorSet(batch, reference.run(net, batch)).save(build / "vectors.npz")

    @contextlib.contextmanager
    def rung(config: BuildConfig, file: Path, *_: object) -> Iterator[Rung]:
        assert file == out / "csim/device" and file.read_bytes() == b"x" * 123
        yield Rung("csim", lambda x: reference.run(net, x))

    monkeypatch.setattr(csim, "compiled", lambda _: (program, 12.34567))
    monkeypatch.setattr(csim, "csim_rung", rung)
    monkeypatch.setattr(csim, "model_rungs", lambda *_: [Rung("torch", None, "not here")])
    work: Any = SimpleNamespace(config=fresh, build=build, out=out, report=said.append)
    for seconds, rate in ((3.0, 6.7), (0.0, None)):
        monkeypatch.setattr("time.perf_counter", iter([1.0, 1.0 + seconds]).__next__)
        figures = csim._run(work)
        assert figures["csim"] == {
            "compile_seconds": 12.346,
            "executable_bytes": 123,
            "frames_per_second": rate,
        }
        assert [each["name"] for each in figures["ladder"]] == ["torch", "csim"]
        assert load_ladder(out / "csim/ladder.json").results[1].status == "equal"
        shutil.rmtree(out / "csim")
    assert said[:3] == [
        "      compiling with g++",
        "      compiled in 12.3 s",
        "      rung csim: equal on 20 images in 3.0 s",
    ]
