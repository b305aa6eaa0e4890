"""What a trial asks of a simulation, and what it says of wrong results."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from nets import blended, images
from semifreddo.core.errors import LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.bus import TASK, Words
from semifreddo.ir.task import Task
from semifreddo.rtl.simulation import trials
from semifreddo.rtl.simulation.cosim import Exchange, Stalls
from semifreddo.rtl.simulation.trials import Trials, random_task
from semifreddo.sim import reference

NET = blended()
OWN = Task.of(NET, "own", ("a", "b", "c"))
BATCH = images(NET, 7)


class Simulation:
    """Computes with the task that came last; what is in ``wrong`` comes out otherwise."""

    asked: ClassVar[list[tuple[Any, ...]]] = []
    wrong: tuple[int, ...] = ()

    def __init__(self, executable: Path, bus: Any, **_: Any) -> None:
        self.task = OWN
        self.bus = bus

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def configure(self, stalls: Stalls) -> None:
        self.asked.append(("stalls", stalls.seed))

    def idle(self, cycles: int) -> None:
        self.asked.append(("rests", cycles))

    def dump(self, path: Path | None) -> None:
        self.asked.append(("dumps", path))

    def close(self) -> dict[str, Any]:
        return {"conv": "traffic"}

    def exchange(self, packets: list[Words], count: int, timeout_s: float) -> Exchange:
        kinds = ["task" if packet[0] == TASK else int(packet[1]) for packet in packets]
        self.asked.append((kinds, count, timeout_s))
        done, results = 0, []
        for packet in packets:
            if packet[0] == TASK:
                same = np.array_equal(packet, self.bus.task_packet(OWN.words))
                self.task = OWN if same else random_task(NET)
                continue
            part = BATCH[done : done + int(packet[1])]
            results.append(reference.run(self.task.apply(NET), part))
            done += len(part)
        found = np.concatenate(results) if results else np.zeros((0, 3), np.int64)
        found[list(self.wrong)] += 1
        return Exchange(found, 5, np.arange(count))


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Trials:
    monkeypatch.setattr(trials, "Simulation", Simulation)
    monkeypatch.setattr(Simulation, "asked", [])
    return Trials(Path("device"), NET, 9.0)


def test_images_without_stalls(trial: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the task has come to rest; only the images are timed."""
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.5, 20.0, 21.0]).__next__)
    vectors = VectorSet(BATCH, reference.run(NET, BATCH))
    found = trial.measure(OWN, vectors)
    assert found.seconds == 2.5 and found.traffic == {"conv": "traffic"}
    assert np.array_equal(found.exchange.results, vectors.expected)
    assert Simulation.asked == [(["task"], 0, 9.0), ("rests", 16), ([7], 7, 9.0)]
    other = VectorSet(BATCH, vectors.expected + np.eye(7, 3, dtype=int))
    with pytest.raises(LadderError) as error:
        trial.measure(OWN, other)
    assert str(error.value) == "blended: RTL simulation without stalls: results are wrong"


def test_tasks_that_are_swapped_in_mid_stream(
    trial: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first and the last third have the task, the others random values."""
    assert trial.swap_tasks(OWN, BATCH, Stalls(seed=3)) == 7
    assert Simulation.asked == [("stalls", 3), (["task", 3, "task", 2, "task", 2], 7, 9.0)]
    for wrong, first in (((0,), 0), ((5, 3), 3), ((6,), 6)):
        monkeypatch.setattr(Simulation, "wrong", wrong)
        with pytest.raises(LadderError) as error:
            trial.swap_tasks(OWN, BATCH, Stalls())
        assert str(error.value) == (
            f"blended: RTL simulation: image {first} of 7 is wrong after a task was swapped in "
            "mid-stream"
        )


def test_waves_end_with_the_images(trial: Trials, tmp_path: Path) -> None:
    trial.waves(OWN, BATCH[:2], Stalls(seed=4), tmp_path / "w.vcd")
    assert Simulation.asked == [
        ("stalls", 4),
        ("dumps", tmp_path / "w.vcd"),
        (["task", 2], 2, 9.0),
        ("dumps", None),
    ]


def test_random_values_are_the_same_each_time() -> None:
    one = random_task(NET)
    assert np.array_equal(one.words, random_task(NET).words)
    assert not np.array_equal(one.words, OWN.words)
    assert one.labels == ("0", "1", "2")
