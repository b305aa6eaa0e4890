"""``semifreddo bench``: how fast a device is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import Stopwatch, describe, table
from semifreddo.cli.device import add_device, opened, software
from semifreddo.cli.live import HEADER, Meter
from semifreddo.core.errors import ConfigError

if TYPE_CHECKING:
    from semifreddo.runtime import Accelerator

_EPILOG = """\
examples:
  semifreddo bench digits.sfb                       batches of 1, 16 and 256 random images
  semifreddo bench digits.sfb --batch 1 --frames 5000
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "bench", "measure a device", _EPILOG)
    parser.add_argument("bundle", type=Path, help="file made by `semifreddo build`")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[1, 16, 256], metavar="N", help="frames per call"
    )
    parser.add_argument("--frames", type=int, default=1024, metavar="N", help="per batch size")
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    if min(arguments.batch) < 1 or arguments.frames < 1:
        raise ConfigError("bench: --batch and --frames count from 1")
    with opened(arguments) as accelerator:
        found = [_row(accelerator, batch, arguments.frames) for batch in arguments.batch]
    print(table([row for row, _ in found], ("batch", *HEADER)))
    return 0 if all(equal for _, equal in found) else 1


def _row(accelerator: Accelerator, batch: int, frames: int) -> tuple[tuple[object, ...], bool]:
    """Cells of one batch size, and whether the answers are the software's."""
    import numpy as np

    stream = accelerator.net.input
    rng = np.random.default_rng(0)
    images = rng.integers(stream.type.min_raw, stream.type.max_raw + 1, (batch, *stream.shape))
    meter = Meter(software(accelerator))
    accelerator.predict(images)  # opens what opens late
    for _ in range(-(-frames // batch)):
        watch = Stopwatch()
        answers = accelerator.predict(images)
        meter.add(images, answers, watch.seconds)
    return (batch, *meter.row), meter.all_equal
