"""Brevitas to QONNX, QONNX to StreamNet."""

from semifreddo.convert.execute import run_qonnx, trace_qonnx
from semifreddo.convert.export import export_qonnx, export_vectors, raw_answers
from semifreddo.convert.from_qonnx import Converted, from_qonnx, read_converted
from semifreddo.convert.load import read_info
from semifreddo.convert.metadata import ModelInfo
from semifreddo.convert.obstacles import Obstacle, check_model, refuse_obstacles
from semifreddo.convert.pipeline import convert

__all__ = [
    "Converted",
    "ModelInfo",
    "Obstacle",
    "check_model",
    "convert",
    "export_qonnx",
    "export_vectors",
    "from_qonnx",
    "raw_answers",
    "read_converted",
    "read_info",
    "refuse_obstacles",
    "run_qonnx",
    "trace_qonnx",
]
