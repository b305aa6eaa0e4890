"""``semifreddo bench``: how fast a device is, and what the host adds to it."""

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
  semifreddo bench --host                           packing, DMA set-up and unpacking alone, on a
                                                    loop-back device; other drivers beside it
                                                    (needs pynq; hls4ml if it is to be compared)
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "bench", "measure a device, or the host's share", _EPILOG)
    parser.add_argument("bundle", type=Path, nargs="?", help="file made by `semifreddo build`")
    parser.add_argument("--host", action="store_true", help="the host's share, without a device")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 256], metavar="N")
    parser.add_argument("--frames", type=int, default=1024, metavar="N", help="per batch size")
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table."""
    if arguments.host:
        return _host()
    if arguments.bundle is None:
        raise ConfigError("bench: give a bundle, or --host")
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


def _host() -> int:
    from semifreddo.runtime.bench import host_costs

    costs = host_costs()
    rows = [
        (
            cost.driver,
            f"{1e3 * cost.seconds:.2f}",
            f"{cost.us_per_image:.2f}",
            f"{cost.seconds / costs[0].seconds:.1f}",
            cost.registers,
        )
        for cost in costs
    ]
    head = (f"{costs[0].images} images 28x28", "ms", "us per image", "times ours", "registers")
    print(table(rows, head))
    return 0
