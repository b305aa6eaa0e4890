"""What a device does while it runs: frames per second, latency, agreement with the software."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from semifreddo.cli.console import table
from semifreddo.cli.terminal import TERMINAL

if TYPE_CHECKING:
    import numpy as np

    from semifreddo.ir.net import StreamNet
    from semifreddo.runtime.results import Predictions

_REFRESH_S = 0.5
_TIMES = ("ms/batch p50", "ms/batch p95", "ms/batch p99")
HEADER = ("frames", "frames/s", *_TIMES, "equal to software")
"""A batch is what one exchange with the device carries, there and back."""


class Meter:
    """Counts exchanges with a device; shows a line on a terminal while they go on."""

    def __init__(self, net: StreamNet | None = None) -> None:
        """Start.

        Args:
            net: What the current task's answers are compared with; None compares nothing.
        """
        self._net = net
        self._start = time.perf_counter()
        self._shown = self._start
        self._latencies: list[float] = []
        self._largest = 0
        self._frames = 0
        self._compared = 0
        self._equal = 0

    def add(
        self,
        images: np.ndarray,
        answers: Predictions,
        seconds: float,
        expected: np.ndarray | None = None,
    ) -> None:
        """One exchange: what went in, what came out, how long it took, what the software says."""
        self._frames += len(answers)
        self._largest = max(self._largest, len(answers))
        self._latencies.append(seconds)
        if expected is None and self._net is not None:
            from semifreddo.sim import reference

            expected = reference.run(self._net, images)
        if expected is not None:
            self._compared += len(expected)
            self._equal += int((expected == answers.raw).all(axis=1).sum())
        now = time.perf_counter()
        if sys.stderr.isatty() and not TERMINAL.quiet and now - self._shown > _REFRESH_S:
            self._shown = now
            print("\r" + "  ".join(map(str, self.row)), end="\033[K", file=sys.stderr, flush=True)

    @property
    def all_equal(self) -> bool:
        """Whether nothing differed from the software."""
        return self._equal == self._compared

    def figures(self) -> dict[str, Any]:
        """The same as fields of a :class:`~semifreddo.reports.documents.RunDocument`."""
        from semifreddo.reports.documents import Exchanges

        spent = sum(self._latencies)
        return {
            "images": self._frames,
            "frames_per_second": round(self._frames / spent, 1) if spent else None,
            "exchanges": Exchanges(
                len(self._latencies),
                self._largest,
                *(round(1e3 * value, 3) for value in percentiles(self._latencies)),
            ),
            "compared": self._compared,
            "equal": self._equal,
        }

    @property
    def row(self) -> tuple[object, ...]:
        """Cells under :data:`HEADER`; latency is that of an exchange."""
        spent = sum(self._latencies)
        rate = f"{self._frames / spent:.0f}" if spent else "-"
        ms = [f"{1e3 * value:.2f}" for value in percentiles(self._latencies)]
        equal = f"{self._equal} of {self._compared}" if self._compared else "-"
        return (self._frames, rate, *ms, equal)

    def __str__(self) -> str:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        return f"{table([self.row], HEADER)}\n(a batch: {self._largest} images, there and back)"


def percentiles(seconds: list[float]) -> list[float]:
    """The 50th, 95th and 99th; zeros if there is nothing."""
    import numpy as np

    return [float(value) for value in np.percentile(seconds or [0.0], (50, 95, 99))]
