"""Figures of a simulation; ``test_open_stages.py`` simulates."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nets import blended, images
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stages import cosim
from semifreddo.ir.task import Task
from semifreddo.reports.figures import TrafficFigures
from semifreddo.sim import reference

NET = blended()
TASK = Task.of(NET, "a", ("x", "y", "z"))


class Trials:
    """A design that was simulated: intervals of images, the last of which comes out alone."""

    intervals = np.array([90, 70, 50, 60, 55, 7])

    def __init__(self, executable: Path, net: object, timeout_s: float) -> None:
        self.executable, self.asked = executable, [net, timeout_s]

    def measure(self, task: Task, vectors: VectorSet) -> SimpleNamespace:
        exchange = SimpleNamespace(
            interval_cycles=self.intervals,
            latency_cycles=321,
            end_cycles=np.array([100, 5432]),
        )
        seen = SimpleNamespace(words=9, stalled_cycles=8, starved_cycles=7)
        return SimpleNamespace(exchange=exchange, seconds=3.0, traffic={"conv": seen})

    def swap_tasks(self, task: Task, batch: np.ndarray, stalls: object) -> int:
        return len(batch)

    def waves(self, task: Task, batch: np.ndarray, stalls: object, path: Path) -> None:
        path.write_text(f"{len(batch)} images, {self.asked[1]:g} s")


def measured(
    config: BuildConfig, folder: Path, count: int = 80
) -> tuple[cosim.CosimFigures, list[str]]:
    said: list[str] = []
    program = folder / "program"
    program.write_bytes(b"x" * 77)
    batch = images(NET, count)
    work: Any = SimpleNamespace(config=config, report=said.append)
    design: Any = SimpleNamespace(net=NET, cycles_per_image=58, latency_cycles=300)
    vectors = VectorSet(batch, reference.run(NET, batch))
    return cosim._measure(work, design, program, TASK, vectors), said


def test_what_is_measured(
    fresh: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest interval of the later half, when FIFOs are full; of sixty images around swaps."""
    monkeypatch.setattr(cosim, "Trials", Trials)
    found, said = measured(fresh, tmp_path)
    assert dataclasses.replace(found, layers=()) == cosim.CosimFigures(
        compile_seconds=0.0,
        executable_bytes=77,
        images=80,
        latency_cycles=321,
        interval_cycles=60,
        frames_per_second=26.7,
        stalled_images=80,
        swapped_images=60,
        waves=None,
        traffic_cycles=5432,
        layers=(),
    )
    assert found.layers == (TrafficFigures("conv", 9, 8, 7),)
    assert said == [
        "      a frame every 60 cycles and latency 321, predicted 58 and 300; 60 images around "
        "task swaps equal; simulates 27 frames/s"
    ]
    monkeypatch.setattr(Trials, "intervals", np.array([9]))
    found, _ = measured(fresh, tmp_path, 1)
    assert (found.interval_cycles, found.swapped_images) == (0, 1), "one image has no interval"


def test_waves_of_two_images(
    fresh: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = dataclasses.replace(fresh.cosim, waves=True, timeout_s=12.5, optimize=True)
    config = dataclasses.replace(fresh, cosim=section)
    asked: list[dict[str, Any]] = []

    def build(design: object, folder: Path, **options: Any) -> Path:
        asked.append({"folder": folder.name, **options})
        return tmp_path / "program"

    monkeypatch.setattr(cosim, "Trials", Trials)
    monkeypatch.setattr(cosim, "verilate", build)
    assert measured(config, tmp_path)[0].waves == "cosim/waves.vcd"
    (tmp_path / "cosim").mkdir()
    said: list[str] = []
    work: Any = SimpleNamespace(config=config, build=tmp_path, out=tmp_path, report=said.append)
    batch = images(NET, 5)
    design: Any = SimpleNamespace(net=NET)
    cosim._write_waves(work, design, TASK, VectorSet(batch, reference.run(NET, batch)))
    assert said == ["      compiling with waveforms"]
    assert (tmp_path / "cosim/waves.vcd").read_text() == "2 images, 12.5 s"
    (options,) = asked
    assert (options["folder"], options["waves"], options["optimize"]) == ("waves", True, False)
    cosim._compile(work, design)
    options = asked[1]
    assert (options["folder"], options["waves"], options["optimize"]) == ("plain", False, True)


@pytest.mark.parametrize(("share", "per_mille"), [(0.0, 0), (0.25, 250), (0.0014, 1), (0.0016, 2)])
def test_how_often_streams_are_stalled(fresh: BuildConfig, share: float, per_mille: int) -> None:
    section = dataclasses.replace(fresh.cosim, input_stalls=share, output_stalls=0.5)
    stalls = cosim.stalls_of(section)
    assert (stalls.input_per_mille, stalls.output_per_mille) == (per_mille, 500)
    section = dataclasses.replace(fresh.cosim, input_stalls=0.5, output_stalls=share)
    assert cosim.stalls_of(section).output_per_mille == per_mille
