"""Files that qonnx runs and ONNX' checker refuses: missing imports, older names of the domain."""

from __future__ import annotations

from pathlib import Path

import pytest

from onnx_models import QONNX, small
from semifreddo.convert.from_qonnx import from_qonnx
from semifreddo.core.errors import ConversionError

onnx = pytest.importorskip("onnx")


def convolution(path: Path) -> onnx.ModelProto:
    """A quantized convolution, as exported today."""
    model = small()
    onnx.save(model, path)
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("domain", [QONNX, "onnx.brevitas", "finn.custom_op.general"])
@pytest.mark.parametrize("missing", [[], [QONNX]])
def test_imports_are_completed(path: Path, domain: str, missing: list[str]) -> None:
    model = convolution(path)
    expected = from_qonnx(path, "net")
    kept = [entry for entry in model.opset_import if entry.domain not in missing]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    for node in model.graph.node:
        node.domain = domain if node.domain == QONNX else node.domain
    onnx.save(model, path)
    found = from_qonnx(path, "net")
    assert found.device_digest == expected.device_digest
    assert found.task_digest == expected.task_digest


def test_a_file_without_any_import(path: Path) -> None:
    model = convolution(path)
    expected = from_qonnx(path, "net")
    del model.opset_import[:]
    onnx.save(model, path)
    assert from_qonnx(path, "net").device_digest == expected.device_digest


def test_an_operator_of_somebody_else_is_not_ours(path: Path) -> None:
    """A Conv of another meaning must not be read as ONNX' Conv."""
    model = convolution(path)
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.domain = "somebody.else"
    onnx.save(model, path)
    match = r"operator somebody\.else\.Conv is not supported; use the operator of ONNX"
    with pytest.raises(ConversionError, match=match):
        from_qonnx(path, "net")
