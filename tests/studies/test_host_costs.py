"""What is counted as a host's time; the drivers themselves need PYNQ (``tests/pynq_board``)."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semifreddo.core.errors import TransportError
from semifreddo.sim import reference
from semifreddo.studies import host_costs as study
from semifreddo.studies.host_costs import CLASSES, SHAPE, HostCost, HostCosts

BATCH = np.zeros((4, *SHAPE), np.uint8)


class Ticks:
    """A clock that a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_the_time_of_registers_is_taken_off_and_their_number_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The median of the repeats; the first batch is not counted."""
    ticks, clock = Ticks(monkeypatch), study._Clock()
    own = iter([50.0, 3.0, 1.0, 2.0])

    def access(value: int) -> int:
        ticks.now += 0.25
        return value + 1

    register = clock.timed(access)

    def driver(batch: np.ndarray) -> np.ndarray:
        ticks.now += next(own)
        assert [register(value) for value in (1, 2)] == [2, 3]
        return batch

    found = study._measure("ours", driver, BATCH, 3, clock)
    assert found == HostCost("ours", images=4, seconds=2.0, registers=2)
    assert found.us_per_image == 500_000
    assert (clock.count, clock.seconds) == (6, 4 * 2 * 0.25)


def test_an_access_that_fails_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, clock = Ticks(monkeypatch), study._Clock()

    def access() -> None:
        ticks.now += 0.5
        raise OSError("bus error")

    with pytest.raises(OSError, match="bus error"):
        clock.timed(access)()
    assert (clock.count, clock.seconds) == (1, 0.5)


def test_a_driver_that_leaves_images_out() -> None:
    with pytest.raises(TransportError, match=r"^loop: 3 answers to 4 images$"):
        study._measure("loop", lambda batch: batch[1:], BATCH, 1, study._Clock())


def test_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def measured(images: int, repeats: int) -> list[HostCost]:
        asked.append((images, repeats))
        return [HostCost("ours", images, 0.002, 9), HostCost("loop", images, 0.0125, 90)]

    monkeypatch.setattr(study, "host_costs", measured)
    text = HostCosts(images=50, repeats=3).run(tmp_path, 1, print)
    assert asked == [(50, 3)]
    assert text.splitlines() == [
        "| 50 images 28x28 | ms | us per image | times ours | registers |",
        "|---|---|---|---|---|",
        "| ours | 2.00 | 40.00 | 1.0 | 9 |",
        "| loop | 12.50 | 250.00 | 6.2 | 90 |",
    ]
    HostCosts().run(tmp_path, 1, print)
    assert asked[1] == (1000, 7)


def test_the_network_that_is_timed_answers_for_ten_classes() -> None:
    net = study._net()
    assert net.input.shape == SHAPE and net.output.channels == CLASSES
    assert reference.run(net, BATCH.astype(int)).shape == (4, CLASSES)
    assert not net.configurable_blocks or net.configurable_blocks[0].name == "head.weight"


def test_numbers_of_the_other_driver() -> None:
    """Sixteen bits with ten behind the point, of pixels between nought and one."""
    assert study._encode(1.5) == 1536 and study._decode(np.int16(1536)) == 1.5
    assert study._encode(-0.0006) == -1 and study._encode(0.0004) == 0
    pixels = np.full((2, *SHAPE), 128, np.uint8)
    found: Any = study._scaled(pixels)
    assert found.shape == (2, SHAPE[0] * SHAPE[1]) and (found == 0.5).all()
    assert found.dtype == np.float32


@pytest.mark.skipif(find_spec("pynq") is not None, reason="pynq is installed")
def test_without_pynq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "semifreddo.runtime.simulated.board", None)
    message = r"^the benchmark runs PYNQ's own code: pip install pynq \("
    with pytest.raises(TransportError, match=message):
        study.host_costs()
