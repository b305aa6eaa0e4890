"""A build report with everything in it, as hard to lay out as it gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from nets import blended, images
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.net import StreamNet
from semifreddo.reports.figures import (
    ArchiveFigures,
    BitstreamFigures,
    BundleFigures,
    CellFigures,
    ChangeFigures,
    CosimFigures,
    CsimFigures,
    HlsFigures,
    LastFigures,
    NetFigures,
    PathFigures,
    ProjectFigures,
    RtlFigures,
    RtlLayerFigures,
    RungFigures,
    StageFigures,
    SynthesisFigures,
    TargetFigures,
    TaskFigures,
    TrafficFigures,
    VectorFigures,
)
from semifreddo.reports.report import BuildReport

CLASSES = 43
LONG = "features_of_a_network_whose_author_likes_telling_names"
DESIGN = "a_design_whose_name_" + "is_very_long_" * 7
COMMAND = f"semifreddo build {'a_folder_below_another_folder/' * 5}{DESIGN} --until bitstream"
LABELS = tuple(f"sign number {index} with a description of its own" for index in range(CLASSES))


def _telling(name: str) -> str:
    return f"{LONG}_{name}"


def net() -> StreamNet:
    """A network of 43 classes whose layers have long names."""
    plain = blended(outputs=CLASSES)
    stream: Callable[[str], str] = lambda name: (  # noqa: E731
        name if name == plain.input.name else _telling(name)
    )
    layers = tuple(
        dataclasses.replace(
            layer,
            inputs=tuple(map(stream, layer.inputs)),
            output=dataclasses.replace(layer.output, name=_telling(layer.name)),
        )
        for layer in plain.layers
    )
    return dataclasses.replace(plain, layers=layers)


def vectors(of: StreamNet) -> VectorSet:
    """60 images; a third of the answers is wrong, and one class has no image."""
    batch = images(of, 60)
    rng = np.random.default_rng(0)
    expected = rng.integers(-3000, 3000, (60, CLASSES))
    truth = expected.argmax(axis=1)
    truth[::3] = rng.integers(0, CLASSES - 1, 20)
    return VectorSet(batch.astype(np.uint8), expected, truth=truth)


def _task(name: str) -> TaskFigures:
    return TaskFigures(name, LABELS, 1_234_567, 0.7512, {"test_images": 12_630.0})


def _layers(names: list[str]) -> tuple[RtlLayerFigures, ...]:
    return tuple(
        RtlLayerFigures(
            name=name,
            kind="conv",
            choice="adders 3 bits per cycle; 16 x 16 lut multipliers",
            cycles=1_234_567,
            busy=0.997,
            lut=1_111_699 // (place + 1),
            ff=1_211_046,
            dsp=1_400 * place,
            bram18=2 * place,
            note="29 x 8 lut multipliers would save 1,031 LUT but take 1,368,000 cycles",
        )
        for place, name in enumerate(names)
    )


def full_report() -> BuildReport:
    """Every figure of every stage."""
    names = [layer.name for layer in net().layers]
    cells = {"lut": 1_111_000, "ff": 2_222_000, "dsp": 9_100, "bram18": 4_000}
    path = "/".join(["a_folder"] * 6)
    difference = (
        "image 3, output 1: expected 5, found 6; diverges in layer "
        f"{names[0]} at row 1, column 2, channel 3: expected 12345, found -12345"
    )
    return BuildReport(
        design=DESIGN,
        finished="2026-01-01T00:00:00+00:00",
        versions={f"package_{index}": "1.2.3.post456+gabcdef" for index in range(20)},
        target=TargetFigures(
            "zcu104", "xczu7ev-ffvc1156-2-e", 333.333, 230_400, 460_800, 1_728, 624, 0.7
        ),
        command=COMMAND,
        stages=tuple(
            StageFigures(
                name,
                None if name == "vendor" else 12_345.678,
                name == "rtl",
                f"vivado_hls is not on PATH; unpack {path} where it is" * (name == "vendor"),
                (f"{name}/{path}/{LONG}.json", f"{name}/{DESIGN}.tar.gz"),
            )
            for name in ("lower", "project", "csim", "rtl", "cosim", "synth", "vendor", "bundle")
        ),
        net=NetFigures("d" * 64, 5, 1_234_567, 7_654_321, 12_345_678, 87_654_321, 10**9, 10**8),
        task=_task(LONG),
        vectors=VectorFigures(60, False),
        project=ProjectFigures("Vitis HLS", 123, 12_345_678, "e" * 64, 1_234_567, 12),
        csim=CsimFigures(123.4, 12_345_678, 1234.5),
        rtl=RtlFigures(
            files=123,
            source_bytes=12_345_678,
            digest="f" * 64,
            seconds=12.3,
            interval_cycles=1_234_567,
            bottleneck=names[0],
            frames_per_second=270.0,
            reason="1,000,000 cycles would need 1,237,698 LUT, 1,457,458 more than the budget",
            latency_cycles=2_345_678,
            layers=_layers([*names, "streams", "buses"]),
            **cells,
        ),
        cosim=CosimFigures(
            compile_seconds=1_234.5,
            executable_bytes=12_345_678,
            images=450,
            latency_cycles=2_345_679,
            interval_cycles=1_234_568,
            frames_per_second=0.123,
            stalled_images=450,
            swapped_images=60,
            waves="cosim/waves.vcd",
            traffic_cycles=123_456_789,
            layers=tuple(TrafficFigures(name, 10**9, 10**7, 10**8) for name in names),
        ),
        synthesis=SynthesisFigures(
            "Yosys 0.70.0.0.post1259 for xcup",
            seconds=1234.5,
            parts=tuple(CellFigures(name, 123_456, 654_321, 1_234, 567) for name in names),
            paths=tuple(PathFigures(name, 123.46, f"from {LONG} to {LONG}") for name in names),
            **cells,
        ),
        hls=HlsFigures("Vitis HLS 2023.2", 2.919, 123_456, 98_765, 123_400, 98_700, **cells),
        archive=ArchiveFigures(f"vivado/{DESIGN}.tar.gz", "rtl", 123, 12_345_678, "a" * 64),
        bitstream=BitstreamFigures(
            "Vivado v2023.2 (64-bit)", f"bitstream/{DESIGN}.bit", 12_345_678, 345.678, **cells
        ),
        ladder=(
            RungFigures("streamnet", "equal", 450, 0, 1_234.567, ""),
            RungFigures("csim", "different", 450, 449, 1_234.567, difference),
            RungFigures("board", "unavailable", 0, None, None, f"not installed: {LONG}"),
        ),
        bundle=BundleFigures(
            f"{DESIGN}.sfb", 123_456_789, "b" * 64, (_task(LONG), _task("groups"))
        ),
        last=LastFigures(
            "2025-12-31T00:00:00+00:00",
            COMMAND,
            "pynq_z2",
            100.0,
            (
                ChangeFigures("task.test_accuracy", 0.7413, 0.7512),
                ChangeFigures("hls.simulated_interval_cycles", 1_234_567, 98_700),
                ChangeFigures("bitstream.fmax_mhz", 123.456, 345.678),
                ChangeFigures("synthesis.dsp", 0, 9_100),
            ),
        ),
    )
