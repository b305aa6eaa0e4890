"""Layers of many shapes: a project within all limits of its tool, or a refusal in one line.

The judge takes the sizes out of the generated C++, so it does not share a mistake with the check.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from hls.builders import Builder
from hls.judge import faults
from hls.test_csim import PART, scheduled
from hls.test_limits import compile_exactly
from semifreddo.core.errors import ProjectError
from semifreddo.hls import plan_project
from semifreddo.hls.pragmas import Tool
from semifreddo.hls.schedule import LayerSchedule
from semifreddo.ir.net import StreamNet

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

KINDS = ("conv", "depthwise", "linear", "max_windows", "max_tiles", "mean")
CHANNELS = (1, 2, 3, 7, 16, 64, 65, 83, 84, 113, 128, 129, 256, 257, 455, 456, 512, 513, 1024)
TOOLS: tuple[Tool, ...] = ("vivado", "vitis")
SLOW_ADDERS = 500
"""Rows above which da4ml takes minutes; tables then."""


class Shape(NamedTuple):
    kind: str
    inputs: int
    outputs: int
    kernel: int
    bits: int
    mix: float

    @property
    def rows(self) -> int:
        """Of the weight matrix; 0 for a pool."""
        square = self.kernel**2
        return {"conv": self.inputs * square, "linear": self.inputs * square}.get(
            self.kind, square if self.kind == "depthwise" else 0
        )

    @property
    def weights(self) -> int:
        return self.rows * (self.inputs if self.kind == "depthwise" else self.outputs)

    def net(self) -> StreamNet:
        k, size = self.kernel, 8
        b = Builder((k, k, self.inputs) if self.kind == "linear" else (size, size, self.inputs))
        weighted = {"bits": self.bits, "frozen": self.mix, "bias_frozen": self.mix}
        if self.kind in ("conv", "depthwise"):
            deep = self.kind == "depthwise"
            outputs = self.inputs if deep else self.outputs
            edge = (k // 2,) * 4
            b.conv(
                "layer", "image", outputs, kernel=(k, k), padding=edge, depthwise=deep, **weighted
            )
        elif self.kind == "linear":
            b.linear("layer", "image", self.outputs, **weighted)
        elif self.kind == "mean":
            b.avg_pool("layer", "image", (1 << k // 3, 2), (1, 1))
        else:
            stride = (k, k) if self.kind == "max_tiles" else (1, 1)
            b.max_pool("layer", "image", (k, k), stride)
        return b.net("swept")


REFUSED = re.compile(r"swept: layer '(image|layer)'.* at most 4096; .*")


def check(shape: Shape, tool: Tool) -> bool:
    """Whether a project was made."""
    net = shape.net()
    choices = {}
    if shape.rows > SLOW_ADDERS and shape.mix:
        choices["layer"] = LayerSchedule(frozen="constants")
    try:
        files = plan_project(scheduled(net, **choices), tool=tool, **PART).files
    except ProjectError as error:
        said = REFUSED.fullmatch(str(error))
        assert said, f"{shape}: {error}"
        return False
    assert not faults(files, "swept", tool), shape
    return True


def sample(count: int, most_weights: int, seed: int) -> list[Shape]:
    rng = np.random.default_rng(seed)
    found: list[Shape] = []
    while len(found) < count:
        shape = Shape(
            str(rng.choice(KINDS)),
            int(rng.choice(CHANNELS)),
            int(rng.choice(CHANNELS)),
            int(rng.integers(1, 8)),
            int(rng.integers(2, 9)),
            float(rng.choice((0.0, 0.5, 1.0))),
        )
        if shape.weights <= most_weights:
            found.append(shape)
    return found


EDGES = [
    (Shape("conv", 512, 2, 1, 8, 0.0), True),
    (Shape("conv", 513, 2, 1, 8, 0.0), False),
    (Shape("conv", 83, 2, 7, 4, 0.5), True),
    (Shape("conv", 84, 2, 7, 4, 0.5), False),
    (Shape("conv", 2, 512, 1, 2, 0.5), True),
    (Shape("conv", 2, 1024, 1, 2, 0.5), False),
    (Shape("depthwise", 83, 1, 7, 8, 0.5), True),
    (Shape("depthwise", 84, 1, 7, 8, 0.5), False),
    (Shape("linear", 512, 3, 1, 3, 1.0), True),
    (Shape("linear", 1, 1024, 1, 2, 0.0), False),
    (Shape("max_windows", 83, 1, 7, 2, 0.0), True),
    (Shape("max_windows", 84, 1, 7, 2, 0.0), False),
    (Shape("max_tiles", 512, 1, 7, 2, 0.0), True),
    (Shape("mean", 513, 1, 2, 2, 0.0), False),
]


@pytest.mark.parametrize(
    ("shape", "made"),
    EDGES,
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, Shape) else "",
)
def test_at_the_limits(shape: Shape, made: bool) -> None:
    assert check(shape, TOOLS[shape.kernel % 2]) == made


def test_a_sample() -> None:
    shapes = sample(30, 3_000, seed=1)
    assert {shape.kind for shape in shapes} == set(KINDS)
    for shape, tool in zip(shapes, itertools.cycle(TOOLS)):
        check(shape, tool)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_the_whole_sweep(seed: int) -> None:
    """1,000 shapes of up to 3 million weights; every width and freezing of each kind."""
    shapes = sample(100, 3_000_000, seed)
    made = [check(shape, tool) for shape, tool in zip(shapes, itertools.cycle(TOOLS), strict=False)]
    assert 40 < sum(made) < 95


@pytest.mark.parametrize(
    "shape",
    [
        Shape("depthwise", 20, 1, 5, 7, 0.5),
        pytest.param(Shape("conv", 3, 200, 7, 8, 0.5), marks=pytest.mark.slow),
        pytest.param(Shape("conv", 455, 130, 3, 8, 0.0), marks=pytest.mark.slow),
        pytest.param(Shape("linear", 65, 129, 7, 3, 0.5), marks=pytest.mark.slow),
        pytest.param(Shape("max_windows", 83, 1, 7, 2, 0.0), marks=pytest.mark.slow),
        pytest.param(Shape("max_tiles", 512, 1, 3, 2, 0.0), marks=pytest.mark.slow),
        pytest.param(Shape("mean", 100, 1, 4, 2, 0.0), marks=pytest.mark.slow),
    ],
    ids=lambda shape: shape.kind,
)
def test_exact_types_compile(tmp_path: Path, shape: Shape) -> None:
    """So the ``static_assert`` of the headers hold, too."""
    compile_exactly(shape.net(), tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("defines.h", "ap_ufixed<8,0", "ap_ufixed<900,0", "input_t: a word of 18000 bits"),
        ("parameters.h", "n_loaded = 10;", "n_loaded = 4091;", "layer: products is 4101"),
        ("parameters.h", "filt_height = 5;", "filt_height = 50;", "layer: a window is 5000"),
        ("parameters.h", "n_filt = 20;", "n_filt = 5000;", "layer: results is 5000"),
        ("nnet_utils/nnet_code_gen.h", "x[500]", "x[5000]", "x[5000] in 5000 registers"),
        ("nnet_utils/nnet_code_gen.h", "semifreddo::s<", "semifreddo::s<99", "an integer of 99"),
        ("swept.cpp", "#pragma HLS DATAFLOW", "#pragma HLS DATAFLO", "DATAFLO is unknown to"),
    ],
)
def test_what_the_judge_sees(file: str, old: str, new: str, expected: str) -> None:
    shape = Shape("depthwise", 20, 1, 5, 7, 0.5)
    choice = LayerSchedule(frozen="constants" if "loaded" in old else "adders")
    files = dict(plan_project(scheduled(shape.net(), layer=choice), **PART).files)
    assert faults(files, "swept", "vivado") == []
    text = files[f"firmware/{file}"].decode()
    assert old in text
    files[f"firmware/{file}"] = text.replace(old, new).encode()
    found = faults(files, "swept", "vivado")
    assert any(expected in fault for fault in found), found
