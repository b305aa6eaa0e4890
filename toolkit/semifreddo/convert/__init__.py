"""Brevitas to QONNX, QONNX to StreamNet."""
