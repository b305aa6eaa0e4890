"""``semifreddo run``: images through a built device."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semifreddo.cli.console import Stopwatch, add_output, describe, progress, say, table
from semifreddo.cli.device import add_device, opened, software
from semifreddo.cli.live import Meter
from semifreddo.cli.terminal import TERMINAL
from semifreddo.cli.thumbnail import thumbnail
from semifreddo.core.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from semifreddo.core.vectors import VectorSet
    from semifreddo.runtime import Accelerator
    from semifreddo.runtime.packing import Layout
    from semifreddo.runtime.results import Prediction, Predictions

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
        help="answers to print (10; of vectors none, or N with their pictures; with --json all)",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Open the device, stream, print a table."""
    with opened(arguments) as accelerator:
        if arguments.camera is not None:
            return _run_camera(accelerator, arguments)
        if arguments.images is None:
            return _run_vectors(accelerator, arguments)
        return _run_images(accelerator, arguments)


def _run_vectors(accelerator: Accelerator, arguments: argparse.Namespace) -> int:
    import numpy as np

    from semifreddo.runtime.results import CheckReport

    vectors, meter, raw = accelerator.vectors, Meter(), []
    show = 0 if arguments.json else arguments.show or 0
    kept = _Kept(accelerator, arguments)
    for start in range(0, len(vectors), _BATCH):
        part = slice(start, start + _BATCH)
        watch = Stopwatch()
        # As raw integers: uint8 could be mistaken for pixels.
        answers = accelerator.predict(vectors.images[part].astype(np.int32))
        meter.add(vectors.images[part], answers, watch.seconds, vectors.expected[part])
        raw.append(answers.raw)
        kept.add(answers)
        for index in range(min(len(answers), max(0, show - start))):
            _print_vector(accelerator, start + index, vectors, answers[index])
    report = CheckReport.compare(vectors.expected, np.concatenate([*raw, vectors.expected[:0]]))
    kept.tell(meter)
    if vectors.random:
        progress(f"compared with {vectors}")
    if report.first is not None:
        say(f"first difference: {report.first}")
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
        say(f"  {line}".rstrip())
    expected = vectors.expected[number]
    same = (answer.raw == expected).all()
    label = f"{answer.label}; " if accelerator.net.output.pixels == 1 else ""
    verdict = "equal to the software's" if same else f"expected {' '.join(map(str, expected))}"
    say(f"image {number}: {label}{' '.join(map(str, answer.raw))} ({verdict})\n")


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
    kept = _Kept(accelerator, arguments, names)
    watch = Stopwatch()
    for part in parts:
        begin = watch.seconds
        answers = accelerator.predict(part)
        meter.add(part, answers, watch.seconds - begin)
        kept.add(answers)
    kept.tell(meter)
    say(f"\n{kept.total} images in {watch.seconds:.2f} s")
    return 0 if meter.all_equal else 1


class _Kept:
    """Answers that will be told, and how many there were of each label."""

    def __init__(
        self, accelerator: Accelerator, arguments: argparse.Namespace, names: Sequence[str] = ()
    ) -> None:
        self._accelerator, self._names, self._json = accelerator, names, arguments.json
        # A result that is an image has no class.
        self._classes = accelerator.net.output.pixels == 1
        shown = None if self._json else _SHOWN
        self._wanted = shown if arguments.show is None else arguments.show
        self._answers: list[tuple[str, str | None, tuple[int, ...]]] = []
        self._counts: Counter[str] = Counter()
        self._vectors = arguments.images is None and arguments.camera is None
        self.total = 0

    def add(self, answers: Predictions) -> None:
        """Answers to the next images."""
        if self._classes:
            several = (answers.labels_of(name) for name in answers.places)
            for labels in several if answers.places else [answers.labels]:
                self._counts.update(labels)
        for index in range(len(answers)):
            if self._wanted is not None and len(self._answers) >= self._wanted:
                break
            number = self.total + index
            name = self._names[number] if self._names else str(number)
            label = answers[index].label if self._classes else None
            self._answers.append((name, label, tuple(map(int, answers.raw[index]))))
        self.total += len(answers)

    def tell(self, meter: Meter) -> None:
        """All that was found out: as tables, or as the document of ``--json``."""
        if self._json:
            self._tell_program(meter)
            return
        if not self._vectors:
            self._tell_people()
        say(str(meter))

    def _tell_people(self) -> None:
        head = ("image", *(("label",) if self._classes else ()), "raw outputs")
        if self._answers:
            rows = [
                (name, *((label,) if self._classes else ()), " ".join(map(str, raw)))
                for name, label, raw in self._answers
            ]
            say(f"{table(rows, head)}\n")
        if self._classes:
            labels = self._accelerator.task.labels
            say(f"{table([(name, self._counts[name]) for name in labels], ('label', 'images'))}\n")

    def _tell_program(self, meter: Meter) -> None:
        from semifreddo.reports.documents import Answer, RunDocument

        accelerator = self._accelerator
        document = RunDocument(
            design=accelerator.net.name,
            device=accelerator.backend,
            task=accelerator.task.name,
            labels={name: self._counts[name] for name in accelerator.task.labels}
            if self._classes
            else {},
            answers=tuple(Answer(*answer) for answer in self._answers),
            **meter.figures(),
        )
        TERMINAL.document(document.to_json())
