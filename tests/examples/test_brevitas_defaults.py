"""Brevitas' default quantizers, from a plain torch loop to hardware, without a word about it."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from semifreddo.cli.main import main
from semifreddo.convert import read_converted, trace_qonnx
from semifreddo.convert.proof import prove
from semifreddo.convert.singles import compare_single
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.reports.report import BuildReport
from semifreddo.runtime import Accelerator
from semifreddo.sim import reference

ROUNDED = 2
"""Images that torch may answer in another way because it adds in single precision."""

EXAMPLE = Path(__file__).parents[2] / "examples" / "brevitas_defaults.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """What the example writes, trained for three epochs, and torch's right answers."""
    folder = tmp_path_factory.mktemp("defaults")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", [str(EXAMPLE), str(folder), "--epochs", "3"])
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    found = re.search(
        r"^(\d+) of 450 test images right in torch$", printed.getvalue(), re.MULTILINE
    )
    assert found is not None
    return folder, int(found[1])


def test_nothing_of_the_example_knows_semifreddo() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert not re.search(r"^(from|import) semifreddo", text, re.MULTILINE)
    assert "_quant=" not in text and "FixedPoint" not in text  # Brevitas' defaults


def test_the_integers_are_those_of_the_file(made: tuple[Path, int]) -> None:
    folder, right = made
    path = folder / "model.onnx"
    converted = read_converted(path, "digits")
    assert converted.is_real and len(converted.decisions) == 2
    with np.load(folder / "test.npz") as test:
        pixels, labels = test["images"], test["labels"]
    kind = converted.net.input.type
    how = converted.entrance.preprocessing(Preprocessing(), is_ours=False)
    images = how.raw(pixels, kind.width, kind.scale, signed=kind.signed)
    expected = reference.trace(converted.net, images)
    for name, integers in trace_qonnx(path, converted.net, images).items():
        assert np.array_equal(integers, expected[name]), name
    assert prove(converted).holds
    assert not compare_single(path, images[:50]).unexplained
    answers = reference.run(converted.net, images).argmax(axis=1)
    assert abs(int((answers == labels).sum()) - right) <= ROUNDED and right > 200


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_csim_and_rtl_are_equal(made: tuple[Path, int]) -> None:
    folder, right = made
    assert main(["build", str(folder)]) == 0
    report = BuildReport.load(folder / "build" / "report.json")
    rungs = {rung.name: rung.status for rung in report.ladder}
    assert [rungs[name] for name in ("qonnx", "streamnet", "csim", "rtl")] == ["equal"] * 4
    with np.load(folder / "test.npz") as test:
        pixels, labels = test["images"], test["labels"]
    with Accelerator.open(folder / "build" / "digits.sfb") as device:
        answers = device.predict(pixels).raw.argmax(axis=1)
    assert abs(int((answers == labels).sum()) - right) <= ROUNDED
