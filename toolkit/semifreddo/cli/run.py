"""``semifreddo run``: images through a built device."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semifreddo.cli.console import Stopwatch, describe, table
from semifreddo.cli.device import add_device, opened, software
from semifreddo.cli.live import Meter

if TYPE_CHECKING:
    import numpy.typing as npt

    from semifreddo.runtime import Accelerator

_BATCH = 64
_EPILOG = """\
examples:
  semifreddo run digits.sfb                        the golden vectors of the bundle
  semifreddo run digits.sfb --images scans.npz     array "images", uint8 (n, h, w, c) or (n, h, w)
  semifreddo run digits.sfb --images pictures/     all .png files, in the order of their names
  semifreddo run digits.sfb --camera 0             until Ctrl-C; needs OpenCV
  semifreddo run digits.sfb --task odd_even.json --images scans.npz --show 20 --verify
  semifreddo run digits.sfb --transport rtl        on the simulated Verilog
  semifreddo run digits.sfb --simulated-board      PYNQ's own code, without a board

Needs NumPy only, besides what drives the device.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "run", "stream images through a built device", _EPILOG)
    parser.add_argument("bundle", type=Path, help="file made by `semifreddo build`")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--images", type=Path, help=".npy, .npz, or a folder of .png files")
    source.add_argument("--camera", type=int, metavar="N", help="number of a camera")
    source.add_argument("--vectors", action="store_true", help="golden vectors (the default)")
    add_device(parser)
    parser.add_argument("--frames", type=int, metavar="N", help="most pictures of the camera")
    parser.add_argument("--verify", action="store_true", help="compare with the integer reference")
    parser.add_argument("--show", type=int, default=10, metavar="N", help="answers to print")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open the device, stream, print a table."""
    with opened(arguments) as accelerator:
        if arguments.camera is not None:
            return _run_camera(accelerator, arguments)
        if arguments.images is None:
            return _run_vectors(accelerator)
        return _run_images(accelerator, arguments)


def _run_vectors(accelerator: Accelerator) -> int:
    import numpy as np

    from semifreddo.runtime.results import CheckReport

    vectors, meter, raw = accelerator.vectors, Meter(), []
    for start in range(0, len(vectors), _BATCH):
        part = slice(start, start + _BATCH)
        watch = Stopwatch()
        answers = accelerator.predict(vectors.images[part])
        meter.add(vectors.images[part], answers, watch.seconds, vectors.expected[part])
        raw.append(answers.raw)
    report = CheckReport.compare(vectors.expected, np.concatenate([*raw, vectors.expected[:0]]))
    print(meter)
    if report.first is not None:
        print(f"first difference: {report.first}")
    return 0 if report.ok else 1


def _run_images(accelerator: Accelerator, arguments: argparse.Namespace) -> int:
    from semifreddo.cli.images import load_images
    from semifreddo.runtime.packing import pack_images

    images = pack_images(
        load_images(arguments.images, accelerator.net.input), accelerator.net.input
    )
    parts = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    return _stream(accelerator, parts, arguments)


def _run_camera(accelerator: Accelerator, arguments: argparse.Namespace) -> int:
    """One picture per exchange: what counts is how old an answer is."""
    from semifreddo.cli.camera import frames

    pictures = frames(arguments.camera, accelerator.net.input, arguments.frames)
    batches = _until_interrupted(picture[None] for picture in pictures)
    return _stream(accelerator, batches, arguments)


def _until_interrupted(pictures: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from pictures
    except KeyboardInterrupt:
        return


def _stream(
    accelerator: Accelerator,
    parts: Iterable[npt.NDArray[Any]],
    arguments: argparse.Namespace,
) -> int:
    meter = Meter(software(accelerator) if arguments.verify else None)
    shown: list[tuple[int, str, str]] = []
    counts: Counter[str] = Counter()
    watch = Stopwatch()
    for part in parts:
        begin = watch.seconds
        answers = accelerator.predict(part)
        meter.add(part, answers, watch.seconds - begin)
        first = sum(counts.values())
        counts.update(answers.labels)
        for index in range(min(len(answers), arguments.show - len(shown))):
            raw = " ".join(map(str, answers.raw[index]))
            shown.append((first + index, answers[index].label, raw))
    if shown:
        print(table(shown, ("image", "label", "raw outputs")), end="\n\n")
    labels = accelerator.task.labels
    print(table([(label, counts[label]) for label in labels], ("label", "images")))
    print(f"\n{meter}")
    total = sum(counts.values())
    print(f"\n{total} images in {watch.seconds:.2f} s")
    return 0 if meter.all_equal else 1
