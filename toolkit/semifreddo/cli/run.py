"""``semifreddo run``: images through a built device."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import Stopwatch, describe, progress, table

if TYPE_CHECKING:
    from semifreddo.runtime import Accelerator

_EPILOG = """\
examples:
  semifreddo run digits.sfb                        the golden vectors of the bundle
  semifreddo run digits.sfb --images scans.npz     array "images", uint8 (n, h, w, c) or (n, h, w)
  semifreddo run digits.sfb --images pictures/     all .png files, in the order of their names
  semifreddo run digits.sfb --task odd_even.json --images scans.npz --show 20
  semifreddo run digits.sfb --transport rtl        on the simulated Verilog

Needs NumPy only, besides what drives the device.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "run", "stream images through a built device", _EPILOG)
    parser.add_argument("bundle", type=Path, help="file made by `semifreddo build`")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--images", type=Path, help=".npy, .npz, or a folder of .png files")
    source.add_argument("--vectors", action="store_true", help="golden vectors (the default)")
    parser.add_argument("--task", help="task file, or name of a task in the bundle")
    parser.add_argument("--transport", help="which device: csim, rtl...")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--show", type=int, default=10, metavar="N", help="answers to print")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open the device, stream, print a table."""
    from semifreddo.runtime import Accelerator

    with Accelerator.open(
        arguments.bundle, arguments.transport, timeout_s=arguments.timeout
    ) as accelerator:
        if arguments.task is not None:
            accelerator.load_task(arguments.task)
        task = accelerator.task
        progress(f"{accelerator.net.name} on {accelerator.backend}, task {task.name}")
        if arguments.images is None:
            return _run_vectors(accelerator)
        return _run_images(accelerator, arguments.images, arguments.show)


def _run_vectors(accelerator: Accelerator) -> int:
    watch = Stopwatch()
    report = accelerator.check()
    seconds = watch.seconds
    rows = [
        (
            report.images,
            report.images - report.mismatched_images,
            f"{seconds:.2f}",
            f"{report.images / seconds:.0f}",
        )
    ]
    print(table(rows, ("images", "equal", "seconds", "frames/s")))
    if report.first is not None:
        print(f"first difference: {report.first}")
    return 0 if report.ok else 1


def _run_images(accelerator: Accelerator, path: Path, show: int) -> int:
    from semifreddo.cli.images import load_images

    images = load_images(path, accelerator.net.input)
    watch = Stopwatch()
    answers = accelerator.predict(images)
    seconds = watch.seconds
    if show > 0 and len(answers):
        rows = [
            (index, answers[index].label, " ".join(map(str, answers.raw[index])))
            for index in range(min(show, len(answers)))
        ]
        print(table(rows, ("image", "label", "raw outputs")), end="\n\n")
    counts = Counter(answers.labels)
    print(table([(label, counts[label]) for label in answers.task_labels], ("label", "images")))
    rate = f", {len(answers) / seconds:.0f} frames/s" if len(answers) else ""
    print(f"\n{len(answers)} images in {seconds:.2f} s{rate}")
    return 0
