"""What stored pixels become in front of a file of another tool, whose first node quantizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import read_converted
from semifreddo.core.preprocessing import Preprocessing

PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
UNIT = 1 / 255


@pytest.mark.parametrize(
    ("scale", "bits", "signed", "unit"),
    [
        (2.0**-7, 8.0, 1, UNIT),  # Brevitas' default of images up to 1, by chance a power of two
        (2.0**-6, 8.0, 1, UNIT),
        (0.0091, 8.0, 1, UNIT),
        (0.013, 4.0, 0, UNIT),
        (2.0**-8, 8.0, 0, UNIT),
        (1.0, 8.0, 0, 1.0),
        (2.5, 8.0, 1, 1.0),
        (0.7, 9.0, 0, 1.0),
    ],
)
def test_pixels_of_a_file_of_another_tool(
    scale: float, bits: float, signed: int, unit: float, tmp_path: Path
) -> None:
    """The judge is the quantizer itself, on pixels or on pixels / 255."""
    graph = Graph(shape=(1, 1, 16, 16))
    image = graph.quant("image", scale, bits, signed=signed, name="/in/Quant")
    made = graph.quant(graph.conv(image, inputs=1), 0.5, name="/out/Quant")
    converted = read_converted(graph.save(tmp_path / "a.onnx", made), "net")
    kind = converted.net.input.type
    how = converted.entrance.preprocessing(Preprocessing(), is_ours=False)
    raw = how.raw(PIXELS, kind.width, kind.scale, signed=kind.signed)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    steps = np.rint(PIXELS * unit / float(np.float32(scale))).clip(low, high)
    assert np.array_equal(raw, steps)


def test_pixels_of_a_model_of_ours(tmp_path: Path) -> None:
    graph = Graph()
    made = graph.quant(graph.conv(graph.image()), 0.5, name="/out/Quant")
    converted = read_converted(graph.save(tmp_path / "a.onnx", made), "net")
    known = Preprocessing(15, 16)
    assert converted.entrance.preprocessing(known, is_ours=True) == known
