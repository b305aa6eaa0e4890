"""The build report as one self-contained page: no scripts, no network, readable in ten years."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import numpy as np
import numpy.typing as npt
from PIL import Image

from semifreddo.core.vectors import VectorSet, describe
from semifreddo.ir.address_map import AddressMap, Region
from semifreddo.ir.net import StreamNet
from semifreddo.reports.drawing import CONFIGURABLE, FROZEN, NEUTRAL, draw_net
from semifreddo.reports.figures import CellFigures, TrafficFigures
from semifreddo.reports.report import BuildReport

_SAMPLES = 16
_SAMPLE_PIXELS = 64


@dataclass(frozen=True)
class Sample:
    """One test image and the network's answer."""

    picture: str
    answer: str


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(image: npt.NDArray[np.integer], peak: int) -> bytes:
    """A PNG of one raw image ``(h, w, c)``; of other than 1 or 3 channels, the first is shown."""
    pixels = (np.clip(image, 0, None).astype(np.int64) * 255 // max(peak, 1)).astype(np.uint8)
    if pixels.shape[-1] != 3:
        pixels = pixels[..., 0]
    size = (_SAMPLE_PIXELS * pixels.shape[1] // pixels.shape[0], _SAMPLE_PIXELS)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, "png")
    return buffer.getvalue()


def _samples(net: StreamNet, vectors: VectorSet, labels: tuple[str, ...]) -> list[Sample]:
    head = vectors.head(_SAMPLES)
    answers = head.expected[:, : len(labels)].argmax(axis=1)
    peak = net.input.type.max_raw
    return [
        Sample(_data_uri(_png(image, peak)), labels[answer])
        for image, answer in zip(head.images, answers, strict=True)
    ]


def _by_name(figures: Sequence[CellFigures] | Sequence[TrafficFigures]) -> dict[str, object]:
    return {entry.name: entry for entry in figures}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("semifreddo.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda value: "—" if value is None else f"{value:,}"
    environment.filters["seconds"] = lambda value: "—" if value is None else f"{value:.2f} s"
    environment.filters["percent"] = lambda value: "—" if value is None else f"{100 * value:.2f} %"
    return environment


def render_html(
    report: BuildReport,
    net: StreamNet | None,
    vectors: VectorSet | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """Render a report.

    Args:
        report: The figures.
        net: The network, drawn if given.
        vectors: Test images; the first few are shown with their answers.
        pictures: Further PNG pictures by title, e.g. training curves.

    Returns:
        The page's text, the same for the same input.
    """
    samples = []
    regions: tuple[Region, ...] = ()
    if net is not None:
        regions = AddressMap.of(net).regions
        if vectors is not None and report.task is not None:
            samples = _samples(net, vectors, report.task.labels)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            describe=describe,
            net=net,
            drawing=None if net is None else draw_net(net),
            regions=regions,
            measured=_by_name(report.synthesis.parts if report.synthesis else ()),
            traffic=_by_name(report.cosim.layers if report.cosim else ()),
            samples=samples,
            pictures={title: _data_uri(png) for title, png in (pictures or {}).items()},
            colors={"frozen": FROZEN, "configurable": CONFIGURABLE, "neutral": NEUTRAL},
        )
    )
