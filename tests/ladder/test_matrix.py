"""torch == QONNX == StreamNet == C simulation, as integers, on the whole digits test split.

The default run takes a selection in which every value of every property occurs, ``tox -e slow``
takes all combinations. Weights are random: whether answers are right is another test's concern.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("hls4ml", reason="needs the hls extra")

from brevitas_models import calibrated, semifreddo_net, zoo  # noqa: E402
from semifreddo.convert import convert, export_qonnx, run_qonnx  # noqa: E402
from semifreddo.core.vectors import VectorSet  # noqa: E402
from semifreddo.hls import plan_project  # noqa: E402
from semifreddo.hls.transport import open_project  # noqa: E402
from semifreddo.ir.address_map import AddressMap  # noqa: E402
from semifreddo.ir.freeze import FreezePlan  # noqa: E402
from semifreddo.ir.schedule import ScheduledNet, default_schedule  # noqa: E402
from semifreddo.nn.integers import (  # noqa: E402
    integer_tensor,
    quantized_tensor_names,
    raw_outputs,
)
from semifreddo.sim import reference  # noqa: E402
from semifreddo.sim.ladder import Rung, climb  # noqa: E402
from semifreddo.train.data import load_dataset  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def half(channels: int) -> np.ndarray:
    return np.arange(channels) % 2 == 0


def plan_of(model: Any, names: list[str], flags: Any) -> FreezePlan:
    chosen = {name: flags(len(integer_tensor(model, name).raw)) for name in names}
    return FreezePlan.of(chosen, lambda name: integer_tensor(model, name))


def climb_all(
    model: Any, plan: FreezePlan, images: np.ndarray, folder: Path, repeats: Any = ()
) -> None:
    """Export, convert, build and compare every rung on all images."""
    vectors = VectorSet(images, raw_outputs(model, images))
    file = folder / "model.onnx"
    _, height, width, channels = images.shape
    export_qonnx(model, file, input_shape=(channels, height, width), plan=plan, repeats=repeats)
    net = convert(file, "matrix")
    scheduled = ScheduledNet(net, default_schedule(net))
    project = plan_project(scheduled, part="xc7z020clg400-1", clock_ns=10.0, vectors=vectors)
    project.write(folder / "project")
    device = open_project(folder / "project", jobs=1)
    try:
        if AddressMap.of(net).words:
            device.load(AddressMap.of(net).pack(net), 60.0)
        report = climb(
            net,
            vectors,
            [
                Rung("qonnx", lambda x: run_qonnx(file, net, x)),
                Rung("streamnet", lambda x: reference.run(net, x)),
                Rung("csim", lambda x: device.run(x, 300.0)),
            ],
        )
    finally:
        device.close()
    report.check()
    assert [result.status for result in report.results] == ["equal"] * 3
    assert len(np.unique(vectors.expected, axis=0)) >= 40, "too few different answers to tell"


REPEATS = {"once": {}, "three": {"repeats": 3}}
SELECTION = {
    (False, "once", 8, False),
    (True, "once", 4, True),
    (True, "three", 2, False),
    (False, "three", 4, True),
}


def cases() -> list[Any]:
    return [
        pytest.param(*case, marks=() if case in SELECTION else pytest.mark.slow)
        for case in itertools.product((False, True), REPEATS, (8, 4, 2), (False, True))
    ]


@pytest.mark.parametrize(("shuffle", "repeats", "bits", "per_channel"), cases())
def test_semifreddo_net(
    tmp_path: Path, shuffle: bool, repeats: str, bits: int, per_channel: bool
) -> None:
    images = load_dataset("digits").test.images
    model = semifreddo_net(
        images[:64],
        widths=(4, 8, 8),
        shuffle=shuffle,
        weight_bits=bits,
        per_channel=per_channel,
        shared_repeats=not per_channel,
        **REPEATS[repeats],
    )
    plan = plan_of(model, list(model.frozen_names()), lambda n: np.ones(n, bool))
    climb_all(model, plan, images, tmp_path, model.repeats())


@pytest.mark.parametrize(
    ("frozen", "bits", "per_channel"), [(0, 8, True), (50, 4, False), (100, 2, True)]
)
def test_plain_brevitas_cnn(tmp_path: Path, frozen: int, bits: int, per_channel: bool) -> None:
    model = calibrated(zoo(bits, per_channel=per_channel), (3, 8, 8))
    flags = {0: lambda n: np.zeros(n, bool), 50: half, 100: lambda n: np.ones(n, bool)}[frozen]
    plan = plan_of(model, list(quantized_tensor_names(model)), flags)
    gray = load_dataset("digits").test.images
    colour = np.concatenate([gray, np.roll(gray, 1, axis=2), 255 - gray], axis=3)
    climb_all(model, plan, colour, tmp_path)
