"""A small valid file of every format that this toolkit reads, and what reads it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fakes import bundle_of
from nets import blended
from semifreddo.cli.images import load_images
from semifreddo.convert.from_qonnx import from_qonnx
from semifreddo.core.first_light import complete, read_archive, write_archive
from semifreddo.core.pictures import picture_shape
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.baseline import Baseline
from semifreddo.flow.config import load_config
from semifreddo.flow.ladder import load_ladder
from semifreddo.ir.freeze import FreezePlan, IntegerTensor
from semifreddo.ir.serial import load_net, save_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import TargetFigures
from semifreddo.reports.report import BuildReport
from semifreddo.runtime import Bundle, write_bundle
from semifreddo.runtime.simulated.hwh import handoff
from semifreddo.sim.ladder import RungResult
from semifreddo.train.checkpoint import load_checkpoint
from semifreddo.train.sources import read_idx, read_npz, read_ppm
from semifreddo.vivado.handoff import parse_handoff, registers_of
from semifreddo.vivado.ipxact import parse_registers
from semifreddo.vivado.reports import (
    parse_cosim,
    parse_csynth_xml,
    parse_hierarchy,
    parse_timing,
    parse_utilization,
)

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "hls_projects" / "digits"

IDX_SHAPE = b"".join(size.to_bytes(4, "big") for size in (3, 4, 4))
RUNG = RungResult("rtl", "equal", 3, 0, 1.5, "")
FLAGS = {"a.weight": np.array([True, False])}
TENSOR = IntegerTensor(np.zeros((2, 3), np.int64), (3, 3))
LADDER = json.dumps({"rungs": [asdict(RUNG)]}).encode()
TARGET = TargetFigures("pynq_z2", "xc7z020clg400-1", 100.0, 53200, 106400, 220, 280)
REPORT = BuildReport("tiny", "2026-01-01T00:00:00", {"numpy": "2"}, TARGET).to_json().encode()


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: With its suffix.
        data: A valid one.
        mutation: What damages it, beside changes of bytes.
        read: Everything that reads it, as the verbs do.
    """

    name: str
    data: bytes
    mutation: str
    read: Callable[[Path], object]


def _text_of(read: Callable[[str], object]) -> Callable[[Path], object]:
    """A reader of reports: these replace what is no text."""
    return lambda path: read(path.read_text(encoding="utf-8", errors="replace"))


def _design(path: Path) -> object:
    return load_config(path)


def _picture(kind: str, mode: str) -> bytes:
    made = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (4, 4, len(mode)), np.uint8)
    image = Image.fromarray(values.squeeze()).convert(mode)
    image.save(made, kind)
    return made.getvalue()


def _npz(**arrays: Any) -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


def corpus(folder: Path) -> list[Format]:
    """All formats.

    Args:
        folder: For files that only a path can be written to.
    """
    frozen = FreezePlan.of(FLAGS, lambda _: TENSOR)
    net = blended()
    bundle = bundle_of(net)
    write_bundle(folder / "net.sfb", bundle)
    save_net(net, folder / "net.json")
    facts = complete([], "nothing has run")
    write_archive(folder / "first.tar.gz", "nothing", facts, {}, {"logs/a.log": b"text"})
    small = np.zeros((3, 4, 4, 1), np.uint8)
    labels = np.array([0, 1, 2])
    data = _npz(x_train=small, y_train=labels, x_test=small, y_test=labels)
    stream = net.input

    def images(path: Path) -> object:
        return load_images(path, stream, resize=True)

    def checkpoint(path: Path) -> object:
        return load_checkpoint(path)

    def model(path: Path) -> object:
        return from_qonnx(path, "tiny")

    def plan(path: Path) -> object:
        return FreezePlan.from_json(path.read_text(encoding="utf-8", errors="replace"))

    pictures = [
        Format(f"{what}.{kind.lower()}", _picture(kind, mode), "png", read)
        for what, read in (("image", images), ("header", picture_shape))
        for kind, mode in [
            ("PNG", "RGB"),
            ("JPEG", "L"),
            ("BMP", "RGB"),
            ("TIFF", "L"),
            ("WEBP", "RGB"),
        ]
    ]
    array = io.BytesIO()
    np.save(array, small)
    reports = {
        "csynth.xml": (parse_csynth_xml, "<profile><ReportVersion/></profile>"),
        "cosim.rpt": (parse_cosim, "| Verilog | Pass | 1 | 2 | 3 | 1 | 2 | 3 |\n"),
        "utilization.rpt": (parse_utilization, "| Site Type | Used |\n| Slice LUTs | 12 |\n"),
        "hierarchy.rpt": (parse_hierarchy, "| Instance | Module | FFs |\n| a | b | 3 |\n"),
        "timing.rpt": (parse_timing, "WNS(ns)  TNS(ns)\n-------  -------\n 0.1  0.0\n"),
        "component.xml": (parse_registers, "<spirit:component/>"),
    }
    texts = [
        Format(name, text.encode(), "bytes", _text_of(read))
        for name, (read, text) in reports.items()
    ]
    shapes = bundle.vectors["shapes"]
    known = VectorSet(shapes.images, shapes.expected, truth=shapes.expected.argmax(axis=1))
    hwh = handoff("zynq_ultra_ps_e", "net").encode()
    return [
        Format("design.toml", (DIGITS / "design.toml").read_bytes(), "text", _design),
        Format("task.json", bundle.default_task.to_json().encode(), "json", Task.load),
        Format("net.json", (folder / "net.json").read_bytes(), "json", load_net),
        Format("net.sfb", (folder / "net.sfb").read_bytes(), "zip", Bundle.load),
        Format("vectors.npz", known.to_bytes(), "zip", VectorSet.load),
        Format("dataset.npz", data, "zip", read_npz),
        Format("images-idx3-ubyte", b"\0\0\x08\x03" + IDX_SHAPE + bytes(48), "bytes", read_idx),
        Format("image.ppm", b"P6\n4 4\n255\n" + bytes(48), "bytes", read_ppm),
        Format("ladder.json", LADDER, "json", load_ladder),
        Format("report.json", REPORT, "json", BuildReport.load),
        Format("images.npz", _npz(images=small), "zip", images),
        Format("images.npy", array.getvalue(), "npy", images),
        Format("model.onnx", (DIGITS / "model.onnx").read_bytes(), "onnx", model),
        Format(
            "model.safetensors",
            (DIGITS / "model.safetensors").read_bytes(),
            "safetensors",
            checkpoint,
        ),
        Format("plan.json", frozen.to_json().encode(), "json", plan),
        Format("baseline.json", (DIGITS / "baseline.json").read_bytes(), "json", Baseline.load),
        Format("first.tar.gz", (folder / "first.tar.gz").read_bytes(), "bytes", read_archive),
        Format("net.hwh", hwh, "bytes", _text_of(parse_handoff)),
        Format("registers.hwh", hwh, "bytes", _text_of(lambda t: registers_of(t, "axi_dma_0"))),
        *texts,
        *pictures,
    ]
