"""Brevitas to QONNX, QONNX to StreamNet."""

from semifreddo.convert.export import export_qonnx
from semifreddo.convert.from_qonnx import from_qonnx
from semifreddo.convert.load import read_info
from semifreddo.convert.metadata import ModelInfo
from semifreddo.convert.pipeline import convert
from semifreddo.convert.rung import execute, execute_traced

__all__ = [
    "ModelInfo",
    "convert",
    "execute",
    "execute_traced",
    "export_qonnx",
    "from_qonnx",
    "read_info",
]
