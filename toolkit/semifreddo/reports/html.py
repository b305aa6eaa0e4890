"""The build report as one self-contained page: no scripts, no network, readable in ten years."""

from __future__ import annotations

import base64
import io
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import numpy as np
import numpy.typing as npt
from PIL import Image

from semifreddo.core.vectors import VectorSet, describe
from semifreddo.ir.address_map import AddressMap, Region
from semifreddo.ir.net import StreamNet
from semifreddo.reports.answers import Answers
from semifreddo.reports.confusion import draw_confusion
from semifreddo.reports.drawing import draw_net
from semifreddo.reports.figures import CellFigures, TrafficFigures
from semifreddo.reports.report import BuildReport
from semifreddo.reports.resources import layer_resources, usages

_SAMPLES = 16
_HARDEST = 12
_CONFUSIONS = 8
_CLASSES = 8
_SAMPLE_PIXELS = 64


@dataclass(frozen=True)
class Sample:
    """One test image and the network's answer.

    Attributes:
        number: Among the vectors.
        truth: Its class; empty if nobody knows.
        note: Empty, or how the answer came about.
    """

    picture: str
    number: int
    answer: str
    truth: str = ""
    note: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the answer is known to be wrong."""
        return bool(self.truth) and self.truth != self.answer


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(image: npt.NDArray[np.integer], lowest: int, peak: int) -> bytes:
    """A PNG of one raw image ``(h, w, c)``; of other than 1 or 3 channels, the first is shown."""
    above = np.clip(image.astype(np.int64) - lowest, 0, None)
    pixels = (above * 255 // max(peak - lowest, 1)).astype(np.uint8)
    if pixels.shape[-1] != 3:
        pixels = pixels[..., 0]
    width = max(1, _SAMPLE_PIXELS * pixels.shape[1] // pixels.shape[0])
    size = (min(width, 4 * _SAMPLE_PIXELS), _SAMPLE_PIXELS)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, "png")
    return buffer.getvalue()


def _picture(net: StreamNet, image: npt.NDArray[np.integer]) -> str:
    return _data_uri(_png(image, net.input.type.min_raw, net.input.type.max_raw))


def _samples(net: StreamNet, vectors: VectorSet, labels: tuple[str, ...]) -> list[Sample]:
    """The first images; a result that is an image has no label."""
    head = vectors.head(_SAMPLES)
    answers = head.expected[:, : len(labels)].argmax(axis=1)
    return [
        Sample(_picture(net, image), number, labels[answer] if net.output.pixels == 1 else "")
        for number, (image, answer) in enumerate(zip(head.images, answers, strict=True))
    ]


def _hardest(net: StreamNet, vectors: VectorSet, answers: Answers) -> list[Sample]:
    """The worst images: wrong answers first."""
    return [
        Sample(
            _picture(net, vectors.images[found.index]),
            found.index,
            found.answer,
            found.truth,
            f"by {found.lead}",
        )
        for found in answers.hardest(_HARDEST)
    ]


def _by_name(figures: Sequence[CellFigures] | Sequence[TrafficFigures]) -> dict[str, object]:
    return {entry.name: entry for entry in figures}


def _percent(value: float | None, digits: int = 2) -> str:
    return "—" if value is None else f"{100 * value:.{digits}f} %"


def _number(value: float | None) -> str:
    """A figure of any kind: whole numbers in groups of three, others with four digits."""
    if value is None:
        return "—"
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"


def _change(then: float, now: float) -> str:
    """How much more, also in percent of what was."""
    difference = f"{now - then:+,.0f}" if then == int(then) and now == int(now) else ""
    share = f"{100 * (now / then - 1):+,.1f} %" if then else ""
    return f"{difference} ({share})" if difference and share else difference or share


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("semifreddo.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: "—" if value is None else f"{value:,}",
        "seconds": lambda value: "—" if value is None else f"{value:.2f} s",
        "percent": _percent,
        "number": _number,
        "fixed": lambda value, digits: f"{value:,.{digits}f}",
        "when": lambda text: text.replace("T", " ").replace("+00:00", " UTC"),
        "href": urllib.parse.quote,
    }
    environment.globals["change"] = _change
    return environment


def render_html(
    report: BuildReport,
    net: StreamNet | None,
    vectors: VectorSet | None = None,
    pictures: Mapping[str, bytes] | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """Render a report.

    Args:
        report: The figures.
        net: The network, drawn if given.
        vectors: Test images; the first few are shown with their answers, and if their classes are
            known, which answers are wrong.
        pictures: Further PNG pictures by title, e.g. training curves.
        files: Further files to link to: titles by path, relative to the page.

    Returns:
        The page's text, the same for the same input.
    """
    samples, hardest = [], []
    answers = None
    regions: tuple[Region, ...] = ()
    if net is not None:
        regions = AddressMap.of(net).regions
        if vectors is not None and report.task is not None:
            labels = report.task.labels
            samples = _samples(net, vectors, labels)
            answers = Answers.of(net, vectors, labels)
            hardest = [] if answers is None else _hardest(net, vectors, answers)
    classes = [] if answers is None else answers.classes
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            describe=describe,
            net=net,
            drawing=None if net is None else draw_net(net),
            regions=regions,
            usages=usages(report),
            resources=layer_resources(report),
            traffic=_by_name(report.cosim.layers if report.cosim else ()),
            answers=answers,
            confusion=None if answers is None else draw_confusion(answers.matrix, answers.labels),
            confusions=[] if answers is None else answers.confusions(_CONFUSIONS),
            weakest=sorted(
                (found for found in classes if found.right < found.images),
                key=lambda found: found.right / found.images,
            )[:_CLASSES],
            hardest=hardest,
            samples=samples,
            pictures={title: _data_uri(png) for title, png in (pictures or {}).items()},
            files=files or {},
        )
    )
