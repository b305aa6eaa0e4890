"""Brevitas to QONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx

from semifreddo.convert.from_qonnx import convert_graph
from semifreddo.convert.load import check_model_proto, read_graph
from semifreddo.convert.metadata import ModelInfo
from semifreddo.convert.obstacles import obstacles_of, refuse
from semifreddo.convert.trace import trace
from semifreddo.core.errors import CheckpointError, ConversionError, DataError
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import IntArray
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.freeze import FreezePlan
from semifreddo.sim import reference

if TYPE_CHECKING:
    from torch import nn


def _check_names(model: onnx.ModelProto, plan: FreezePlan, path: Path) -> None:
    names = {tensor.name for tensor in model.graph.initializer}
    lost = [tensor.name for tensor in plan.tensors if tensor.name not in names]
    if lost:
        raise CheckpointError(
            f"{path}: the model does not use {lost[0]!r}, which the freeze plan freezes; make the "
            "plan from this model"
        )


def export_qonnx(
    model: nn.Module,
    path: Path | str,
    *,
    input_shape: tuple[int, int, int],
    plan: FreezePlan | None = None,
    labels: tuple[str, ...] = (),
    repeats: tuple[tuple[str, ...], ...] = (),
    info: Mapping[str, str] | None = None,
) -> None:
    """Write a model as QONNX, with freeze plan and powers of two in its metadata.

    The file has one float input ``image`` of shape (1, channels, height, width), holding r / 256
    for raw images r, and one output ``result``. Initializers have the names of the model's
    parameters. Equal models give equal files.

    Args:
        model: A Brevitas model in evaluation mode whose first layer quantizes the image.
        path: The file; written whole or not at all.
        input_shape: Image as (channels, height, width).
        plan: Which tensors are frozen; none if left out.
        labels: Class names of the outputs.
        repeats: Module paths of each pass of a repeated block; see
            :class:`~semifreddo.convert.metadata.ModelInfo`.
        info: Free text entries to keep with the model.

    Raises:
        ConversionError: The model is in training mode, cannot be traced, or cannot be built: then
            every obstacle is listed, as :func:`~semifreddo.convert.check_model` does.
        CheckpointError: The plan names a tensor the model does not use.
    """
    from semifreddo.nn.powers import promised_terms

    path = Path(path)
    if model.training:
        raise ConversionError(f"{path}: the model is in training mode; call model.eval() first")
    plan = plan or FreezePlan()
    exported = trace(model, path, input_shape)
    _check_names(exported, plan, path)
    refuse(obstacles_of(exported), str(path))
    known = ModelInfo(plan, labels, repeats, dict(info or {}), promised_terms(model))
    onnx.helper.set_model_props(exported, known.to_props())
    write_atomic(path, exported.SerializeToString(deterministic=True))


def export_vectors(
    model: nn.Module,
    images: npt.NDArray[np.uint8],
    path: Path | str,
    preprocessing: Preprocessing = IDENTITY,
    truth: npt.NDArray[np.integer] | None = None,
) -> None:
    """Write golden vectors: stored images as raw integers, and the model's raw answers to them.

    The answers are those of torch in double precision. If a scale is no power of two, torch's sums
    are no reference, and the answers are those of the integer network; the QONNX rung of the ladder
    compares them with the exported file.

    Args:
        model: The Brevitas model that :func:`export_qonnx` writes.
        images: Stored pixels, uint8 ``(n, h, w, c)``, at least one.
        path: The ``.npz`` file that ``[vectors] file`` in design.toml names.
        preprocessing: Of the training images, which may have a mean and a deviation.
        truth: Class of each image, ``(n,)``; with it the report shows which answers are wrong.

    Raises:
        DataError: No images, not uint8 ``(n, h, w, c)``, or not one class of the model per image.
        ConfigError: The model does not take images of this shape.
        ConversionError: The model cannot be converted.
    """
    from semifreddo.nn.inputs import ModelInput

    path = Path(path)
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise DataError(
            f"{path}: golden vectors need at least one uint8 image (n, h, w, c), got "
            f"{images.dtype} of shape {images.shape}"
        )
    height, width, channels = images.shape[1:]
    raw = ModelInput(model, (channels, height, width)).raw(images, preprocessing)
    VectorSet(raw, raw_answers(model, raw), truth=truth).save(path)


def raw_answers(model: nn.Module, raw: npt.NDArray[np.integer]) -> IntArray:
    """Raw answers of a model to raw images, as :func:`export_vectors` writes them.

    Args:
        model: A Brevitas model.
        raw: Raw integers ``(n, h, w, c)``.

    Raises:
        ConversionError: The model cannot be converted.
    """
    from semifreddo.nn.integers import raw_outputs

    try:
        return raw_outputs(model, raw)
    except ConversionError:
        height, width, channels = raw.shape[1:]
        path = Path("the model")
        proto = trace(model, path, (channels, height, width))
        check_model_proto(proto, path)
        converted = convert_graph(read_graph(proto, path), "model", "all")
        if not converted.is_real and not converted.outputs:
            raise
    return reference.run(converted.net, raw)
