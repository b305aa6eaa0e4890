"""Brevitas' own twelve example networks, with random weights and statistics of random images.

TFC, SFC, LFC and CNV with 1 and 2 bits, as ``brevitas_examples.bnn_pynq`` builds them: affine
input, bipolar and ternary values, batch norms behind everything, answers with a scale of their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
examples = pytest.importorskip("brevitas_examples.bnn_pynq.models", reason="needs Brevitas")

from torch import nn  # noqa: E402

from semifreddo.convert import Converted, read_converted, trace_qonnx  # noqa: E402
from semifreddo.convert.trace import trace  # noqa: E402
from semifreddo.hls import plan_project  # noqa: E402
from semifreddo.hls.schedule import ScheduledNet, default_schedule  # noqa: E402
from semifreddo.hls.transport import open_project  # noqa: E402
from semifreddo.ir.address_map import AddressMap  # noqa: E402
from semifreddo.sim import reference  # noqa: E402

WIDTHS = ("1w1a", "1w2a", "2w2a")
SMALL = [f"tfc_{width}" for width in WIDTHS]
LARGE = [f"{family}_{width}" for family in ("sfc", "lfc", "cnv") for width in WIDTHS]


def example(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The model, after a few batches, and the shape of its images."""
    settings = examples.get_model_cfg(name.replace("lfc_2w2a", "lfc_1w2a"))
    settings.set("QUANT", "WEIGHT_BIT_WIDTH", name.split("_")[1][0])  # LFC has no file for 2W2A
    torch.manual_seed(7)
    kind = settings.get("MODEL", "ARCH")
    model = examples.model_impl[kind](settings).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    shape = (1, 28, 28) if kind == "FC" else (3, 32, 32)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(16, *shape))
    return model.eval(), shape


def converted(name: str, folder: Path) -> tuple[Path, Converted]:
    model, shape = example(name)
    path = folder / f"{name}.onnx"
    path.write_bytes(trace(model, path, shape).SerializeToString())
    return path, read_converted(path, name, frozen="none")


def pictures(made: Converted, count: int) -> np.ndarray:
    """Integers that the input quantizer can give."""
    quantizer = made.entrance.quantizer
    levels = np.arange(quantizer.low, quantizer.high + 1, quantizer.step)
    return np.random.default_rng(1).choice(levels, (count, *made.net.input.shape))


def equal_at_every_quantizer(name: str, folder: Path, count: int) -> None:
    path, made = converted(name, folder)
    images = pictures(made, count)
    expected, found = reference.trace(made.net, images), trace_qonnx(path, made.net, images)
    for layer, values in found.items():
        assert np.array_equal(values, expected[layer]), layer
        assert len(np.unique(values)) > 1, f"{layer} is constant, so nothing was compared"
    quantizers = [layer for layer in found if layer.split("_")[-1].endswith("quant")]
    assert len(quantizers) == (3 if "fc" in name else 8)


@pytest.mark.parametrize("name", SMALL)
def test_small_examples(name: str, tmp_path: Path) -> None:
    equal_at_every_quantizer(name, tmp_path, 50)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_examples(name: str, tmp_path: Path) -> None:
    """Up to three million weights."""
    equal_at_every_quantizer(name, tmp_path, 50)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("name", [*SMALL, *LARGE[:3]])
def test_examples_in_cpp(name: str, tmp_path: Path) -> None:
    """LFC and CNV have pixels of more bits than a word of an HLS stream, which is refused."""
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    made = converted(name, tmp_path)[1]
    net, images = made.net, pictures(made, 20)
    scheduled = ScheduledNet(net, default_schedule(net))
    plan = plan_project(scheduled, tool="vivado", part="xc7z020clg400-1", clock_ns=10.0)
    plan.write(tmp_path / "project")
    with open_project(tmp_path / "project") as device:
        device.load(AddressMap.of(net).pack(net), 60)
        assert np.array_equal(device.run(images, 3000), reference.run(net, images))
