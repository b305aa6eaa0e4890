"""Many frames with many changes of the task, while the simulation is killed, stopped, interrupted.

Threads predict without pause; another loads tasks; at random times the simulating process is
killed or stopped (SIGSTOP, so that a call runs into its time-out), or the loading thread gets
Ctrl-C. Every call is repeated until it is answered, and every answer is compared with the integer
reference of the task that it names: a frame without answer is lost, one with another task's answer
is mixed.

    python tests/stress/stress.py csim --frames 100000 --swaps 1000
    python tests/stress/stress.py rtl --frames 20000 --swaps 200
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from built import make
from fakes import other_task
from semifreddo.core.errors import TransportError
from semifreddo.ir.address_map import AddressMap
from semifreddo.runtime import Accelerator, Bundle
from semifreddo.sim import reference

TIMEOUT_S = 3.0
IMAGES = 64
MOST_BATCH = 200
PREDICTING = 3


@dataclass
class Outcome:
    """What happened.

    Attributes:
        frames: Answered.
        lost: Never answered, or answered more or less often than asked.
        mixed: Answered by another task than the one named.
        swaps: Tasks that were confirmed.
        disturbed: Disturbances by kind.
        errors: Calls that failed and were repeated, by kind.
    """

    frames: int = 0
    lost: int = 0
    mixed: int = 0
    swaps: int = 0
    disturbed: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.swaps} swaps: {self.lost} lost, {self.mixed} mixed; "
            f"disturbed {dict(self.disturbed)}; repeated after {dict(self.errors)}"
        )


def simulators(program: Path) -> list[int]:
    """Processes of ours that run the compiled simulation."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(words[1]) == os.getpid() and (entry / "exe").readlink() == program:
                    found.append(int(entry.name))
    return found


class Stress:
    """One run on one device."""

    def __init__(self, bundle: Bundle, device: str, frames: int, swaps: int, seed: int) -> None:
        self.outcome = Outcome()
        self._wanted, self._swaps, self._seed = frames, swaps, seed
        self._program = bundle.device_file(device).resolve()
        self._accelerator = Accelerator.open(bundle, device, timeout_s=TIMEOUT_S)
        net = bundle.net
        first = bundle.default_task
        second = other_task(net, "two", first.labels)
        self._tasks = [first, second]
        rng = np.random.default_rng(seed)
        kind = net.input.type
        self._images = rng.integers(kind.min_raw, kind.max_raw + 1, (IMAGES, *net.input.shape))
        values = [AddressMap.of(net).unpack(task.words) for task in self._tasks]
        self._expected = {
            task.name: reference.run(net.with_values(value), self._images)
            for task, value in zip(self._tasks, values, strict=True)
        }
        self._ended = threading.Event()

    def run(self, disturbances: int) -> Outcome:
        """Predict, swap and disturb until all is done."""
        threads = [
            threading.Thread(target=self._predict, args=(number,)) for number in range(PREDICTING)
        ]
        threads.append(threading.Thread(target=self._disturb, args=(disturbances,)))
        for thread in threads:
            thread.start()
        try:
            for index in range(self._swaps):
                self._repeated(lambda index=index: self._load(index))  # type: ignore[misc]
                self._pause(index)
        finally:
            for thread in threads[:-1]:
                self._uninterrupted(thread.join)
            self._ended.set()
            self._uninterrupted(threads[-1].join)
            self._uninterrupted(self._accelerator.close)
        return self.outcome

    def _pause(self, index: int) -> None:
        """Spread the swaps over the frames."""
        until = self._wanted * (index + 1) // self._swaps
        while self.outcome.frames < until and not self._ended.is_set():
            self._uninterrupted(lambda: time.sleep(0.001))

    def _uninterrupted(self, work: Callable[[], None]) -> None:
        while True:
            try:
                return work()
            except KeyboardInterrupt:
                self._count("Ctrl-C between calls")

    def _count(self, kind: str) -> None:
        with self.outcome.guard:
            self.outcome.errors[kind] += 1

    def _repeated(self, work: Callable[[], None]) -> None:
        """Do something until it succeeds."""
        while True:
            try:
                return work()
            except KeyboardInterrupt:
                self._count("Ctrl-C in a call")
            except TransportError as error:
                self._count(type(error).__name__)

    def _load(self, index: int) -> None:
        self._accelerator.load_task(self._tasks[index % 2])
        self.outcome.swaps += 1

    def _predict(self, number: int) -> None:
        draw = random.Random(f"{self._seed}-{number}")  # noqa: S311 -- not for secrets
        share = self._wanted // PREDICTING + (number < self._wanted % PREDICTING)
        while share:
            chosen = [
                draw.randrange(IMAGES) for _ in range(min(share, draw.randint(1, MOST_BATCH)))
            ]
            share -= len(chosen)
            self._repeated(lambda chosen=chosen: self._answer(chosen))  # type: ignore[misc]

    def _answer(self, chosen: list[int]) -> None:
        answers = self._accelerator.predict(self._images[chosen])
        expected = self._expected[answers.task][chosen]
        with self.outcome.guard:
            self.outcome.frames += len(answers.raw)
            self.outcome.lost += abs(len(chosen) - len(answers.raw))
            if len(answers.raw) == len(chosen):
                self.outcome.mixed += int((answers.raw != expected).any(axis=1).sum())

    def _disturb(self, count: int) -> None:
        """Spread over the frames: a kill, a stop, Ctrl-C in turns."""
        draw = random.Random(self._seed)  # noqa: S311
        for number in range(count):
            until = self._wanted * (number + draw.random()) / count
            while self.outcome.frames < until:
                if self._ended.wait(0.002):
                    return
            kind = ("kill", "stop", "interrupt")[number % 3]
            if kind == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            else:
                for process in simulators(self._program):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
            self.outcome.disturbed[kind] += 1


def stress(
    bundle: Path, device: str, *, frames: int, swaps: int, disturbances: int, seed: int = 0
) -> Outcome:
    """Run on a device of a bundle."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return Stress(Bundle.load(bundle), device, frames, swaps, seed).run(disturbances)
    finally:
        signal.signal(signal.SIGINT, before)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("device", choices=("csim", "rtl"))
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--disturbances", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = stress(
            make(Path(folder)),
            options.device,
            frames=options.frames,
            swaps=options.swaps,
            disturbances=options.disturbances,
            seed=options.seed,
        )
    sys.stdout.write(f"{outcome}; {time.perf_counter() - start:.0f} s with compilation\n")
    good = (outcome.frames, outcome.swaps) == (options.frames, options.swaps)
    return int(not good or bool(outcome.lost or outcome.mixed))


if __name__ == "__main__":
    sys.exit(main())
