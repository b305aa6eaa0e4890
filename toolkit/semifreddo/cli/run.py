"""``semifreddo run``: images through a built device."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semifreddo.cli.console import Stopwatch, describe, progress, table
from semifreddo.cli.device import add_device, opened, software
from semifreddo.cli.live import Meter
from semifreddo.cli.thumbnail import thumbnail
from semifreddo.core.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from semifreddo.core.vectors import VectorSet
    from semifreddo.runtime import Accelerator
    from semifreddo.runtime.packing import Layout
    from semifreddo.runtime.results import Prediction

_BATCH = 64
_SHOWN = 10
_EPILOG = """\
examples:
  semifreddo run digits.sfb                        the golden vectors of the bundle
  semifreddo run digits.sfb --show 3               and pictures and answers of the first three
  semifreddo run digits.sfb --images scans.npz     array "images", uint8 (n, h, w, c) or (n, h, w)
  semifreddo run digits.sfb --images pictures/     PNG, JPEG, BMP, TIFF, WebP; 2.png before 10.png
  semifreddo run digits.sfb --images one.jpg --resize
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
    source.add_argument("--images", type=Path, help=".npy, .npz, picture, or folder of pictures")
    parser.add_argument(
        "--layout", choices=("nhwc", "nchw"), default="nhwc", help="order of an array's axes"
    )
    parser.add_argument("--resize", action="store_true", help="scale pictures of another size")
    source.add_argument("--camera", type=int, metavar="N", help="number of a camera")
    source.add_argument("--vectors", action="store_true", help="golden vectors (the default)")
    add_device(parser)
    parser.add_argument("--frames", type=int, metavar="N", help="most pictures of the camera")
    parser.add_argument("--verify", action="store_true", help="compare with the integer reference")
    parser.add_argument(
        "--show",
        type=int,
        metavar="N",
        help="answers to print (10; of vectors none, or N with their pictures)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open the device, stream, print a table."""
    with opened(arguments) as accelerator:
        if arguments.camera is not None:
            return _run_camera(accelerator, arguments)
        if arguments.images is None:
            return _run_vectors(accelerator, arguments.show or 0)
        return _run_images(accelerator, arguments)


def _run_vectors(accelerator: Accelerator, show: int) -> int:
    import numpy as np

    from semifreddo.runtime.results import CheckReport

    vectors, meter, raw = accelerator.vectors, Meter(), []
    for start in range(0, len(vectors), _BATCH):
        part = slice(start, start + _BATCH)
        watch = Stopwatch()
        # As raw integers: uint8 could be mistaken for pixels.
        answers = accelerator.predict(vectors.images[part].astype(np.int32))
        meter.add(vectors.images[part], answers, watch.seconds, vectors.expected[part])
        raw.append(answers.raw)
        for index in range(min(len(answers), max(0, show - start))):
            _print_vector(accelerator, start + index, vectors, answers[index])
    report = CheckReport.compare(vectors.expected, np.concatenate([*raw, vectors.expected[:0]]))
    print(meter)
    if vectors.random:
        progress(f"compared with {vectors}")
    if report.first is not None:
        print(f"first difference: {report.first}")
    if not report.images:
        raise DataError(
            f"task {accelerator.task.name!r} has empty golden vectors: nothing was compared"
        )
    return 0 if report.ok else 1


def _print_vector(
    accelerator: Accelerator, number: int, vectors: VectorSet, answer: Prediction
) -> None:
    """An image of the vectors, and what the device and the software say of it."""
    kind = accelerator.net.input.type
    for line in thumbnail(vectors.images[number], kind.min_raw, kind.max_raw):
        print(f"  {line}".rstrip())
    expected = vectors.expected[number]
    same = (answer.raw == expected).all()
    label = f"{answer.label}; " if accelerator.net.output.pixels == 1 else ""
    verdict = "equal to the software's" if same else f"expected {' '.join(map(str, expected))}"
    print(f"image {number}: {label}{' '.join(map(str, answer.raw))} ({verdict})\n")


def _run_images(accelerator: Accelerator, arguments: argparse.Namespace) -> int:
    import numpy as np

    from semifreddo.cli.images import load_images
    from semifreddo.runtime.packing import pack_images

    made = accelerator.task.preprocessing
    found = load_images(arguments.images, accelerator.net.input, made, resize=arguments.resize)
    if found.skipped:
        progress(f"no pictures, skipped: {', '.join(found.skipped)}")
    # Pictures have their channels last already.
    layout: Layout = "nhwc" if found.pictures else arguments.layout
    images = pack_images(found.raw, accelerator.net.input, layout)
    if made.normalises and images.dtype == np.uint8:
        images = accelerator.raw_of(images)  # an array of pixels
    if not len(images):
        raise DataError(f"{arguments.images}: holds no images")
    parts = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    return _stream(accelerator, parts, arguments, found.names)


def _run_camera(accelerator: Accelerator, arguments: argparse.Namespace) -> int:
    """One picture per exchange: what counts is how old an answer is."""
    from semifreddo.cli.camera import frames

    made = accelerator.task.preprocessing
    pictures = frames(arguments.camera, accelerator.net.input, arguments.frames, made)
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
    names: Sequence[str] = (),
) -> int:
    meter = Meter(software(accelerator) if arguments.verify else None)
    shown: list[tuple[object, ...]] = []
    wanted = _SHOWN if arguments.show is None else arguments.show
    counts: Counter[str] = Counter()
    # A result that is an image has no class.
    classes, total = accelerator.net.output.pixels == 1, 0
    watch = Stopwatch()
    for part in parts:
        begin = watch.seconds
        answers = accelerator.predict(part)
        meter.add(part, answers, watch.seconds - begin)
        first = total
        counts.update(answers.labels if classes else ())
        for index in range(min(len(answers), wanted - len(shown))):
            raw = " ".join(map(str, answers.raw[index]))
            name = names[first + index] if names else first + index
            shown.append((name, *((answers[index].label,) if classes else ()), raw))
        total += len(answers)
    if shown:
        header = ("image", *(("label",) if classes else ()), "raw outputs")
        print(table(shown, header), end="\n\n")
    if classes:
        rows = [(label, counts[label]) for label in accelerator.task.labels]
        print(table(rows, ("label", "images")), end="\n\n")
    print(meter)
    print(f"\n{total} images in {watch.seconds:.2f} s")
    return 0 if meter.all_equal else 1
