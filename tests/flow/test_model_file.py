"""``[input]``: what the input of a file means that does not say it itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the train extra")
pytest.importorskip("qonnx", reason="needs the train extra")

from onnx_models import Graph
from semifreddo.core.errors import ConfigError, ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.flow.config import load_config
from semifreddo.flow.model_file import model_file
from semifreddo.flow.rungs import model_rungs
from semifreddo.flow.stages.lower import Lowered, lower_design
from semifreddo.runtime.packing import nearest_raw
from semifreddo.sim.ladder import climb

FORMAT = "bits = 6\nsigned = true\nscale = 0.25\n"


def design(folder: Path, section: str, source: str = "image") -> Path:
    """A design of a convolution that reads the image, quantized or not."""
    graph = Graph()
    first = graph.image() if source == "quantized" else source
    if source == "centred":
        double = graph.node("Mul", "image", graph.constant("two", 2.0))
        first = graph.quant(graph.node("Sub", double, graph.constant("one", 1.0)), 2.0**-7)
    value = graph.quant(graph.conv(first), 0.07)
    graph.save(folder / "model.onnx", graph.node("Flatten", value))
    (folder / "design.toml").write_text(f'[design]\nname = "foreign"\n\n[input]\n{section}')
    return folder


def lowered(folder: Path, section: str, source: str = "image") -> Lowered:
    return lower_design(load_config(design(folder, section, source)))


@pytest.mark.parametrize(("scale", "step"), [(0.25, 0.0), (0.3, float(np.float32(0.3)))])
def test_the_design_gives_the_input_its_format(tmp_path: Path, scale: float, step: float) -> None:
    found = lowered(tmp_path, FORMAT.replace("0.25", str(scale)))
    kind = found.net.input.type
    assert (kind.width, kind.signed) == (6, True)
    assert found.task.preprocessing.step == step
    assert kind.scale == (1.0 if step else scale)
    config = load_config(tmp_path)
    ladder = climb(found.net, found.vectors, model_rungs(config, found.net))
    ladder.check()
    assert {"qonnx", "streamnet"} <= {result.name for result in ladder.climbed}


def test_pixels_are_what_the_design_says(tmp_path: Path) -> None:
    """A file of another tool is taken to read pixel / 255, unless the design says otherwise."""
    found = lowered(tmp_path, "mean = [0.25]\ndeviation = [0.5]\n", "quantized")
    made, kind = found.task.preprocessing, found.net.input.type
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 8, 16, 2)
    raw = made.raw(pixels, kind.width, kind.scale, signed=kind.signed)
    assert np.array_equal(raw, np.rint((pixels / 255 - 0.25) * 2 * 256).clip(0, 255))


@pytest.mark.parametrize(
    ("section", "source", "reason"),
    [
        (FORMAT, "quantized", r"node '/input/Quant' \(Quant\) quantizes the input; leave bits"),
        ("", "image", r"or name its bits and scale in \[input\] of design.toml"),
        (
            "mean = [0.5]\ndeviation = [0.5]\n",
            "centred",
            r"says itself what it does to pixels; leave mean and deviation of \[input\] out",
        ),
    ],
)
def test_what_the_file_says_itself_is_not_said_again(
    tmp_path: Path, section: str, source: str, reason: str
) -> None:
    with pytest.raises((ConfigError, ConversionError), match=reason):
        lowered(tmp_path, section, source)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("bits = 8\n", "needs bits and scale, or none of them"),
        ("scale = 0.5\n", "needs bits and scale, or none of them"),
        ("signed = true\n", "signed says nothing without bits and scale"),
        ("bits = 1\nsigned = true\nscale = 1.0\n", "a signed number has two or more"),
        ("bits = 8\nscale = 0.0\n", "scale is 0, expected a number above zero"),
        ("bits = 8\nscale = inf\n", "scale: inf is not a finite number"),
        ("mean = [0.5]\n", "needs mean and deviation, or none of them"),
        ("mean = [0.5]\ndeviation = [0.0]\n", "deviations above zero"),
    ],
)
def test_wrong_sections_are_refused(tmp_path: Path, section: str, reason: str) -> None:
    (tmp_path / "design.toml").write_text(f'[design]\nname = "foreign"\n\n[input]\n{section}')
    with pytest.raises(ConfigError, match=reason):
        load_config(tmp_path)


def test_without_a_format_the_file_is_the_users(tmp_path: Path) -> None:
    config = load_config(design(tmp_path, "", "quantized"))
    assert model_file(config) == tmp_path / "model.onnx"
    assert not config.build_dir.exists()


def test_real_values_become_the_nearest_integers() -> None:
    kind = FixedType(4, 0, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    values = np.array([-9.0, -0.26, 0.1, 0.16, 0.25, 0.6, 9.0])
    assert nearest_raw(values, kind, 0.1).tolist() == [-8, -3, 1, 2, 2, 6, 7]
