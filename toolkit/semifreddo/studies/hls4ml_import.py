"""What hls4ml's own ONNX front end makes of a file: the way of its documentation, measured.

Nothing of the toolkit is behind it: qonnx cleans the file, hls4ml converts, compiles and answers.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ToolError, install_hint

_PRECISION = "fixed<32,16>"
"""Where hls4ml derives no format itself; its default has half as many bits."""

_REASON = 160


def with_hls4ml(
    path: Path,
    images: npt.NDArray[np.float64],
    answers: npt.NDArray[np.floating[Any]],
    folder: Path,
) -> dict[str, Any]:
    """Convert, compile and ask, as hls4ml's documentation does.

    Args:
        path: The QONNX file.
        images: What the file reads, ``(n, height, width, channels)``.
        answers: What it means, ``(n, values)``, height, width and channels flattened.
        folder: Gets hls4ml's project.

    Returns:
        ``version``; where it stopped: ``step`` and ``reason``; or for how many ``images`` the
        largest answer is ``another`` one, and by what share of the answers' range it is off at
        most (``worst``).

    Raises:
        ToolError: hls4ml or qonnx is not installed.
    """
    try:
        import hls4ml  # noqa: F401
        import qonnx  # noqa: F401
    except ImportError as error:
        raise ToolError(f"needs hls4ml and qonnx ({error}); {install_hint('hls')}") from None
    # What it compiles ends its process where an assertion of its C++ fails.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            return process.submit(_asked, path, images, answers, folder).result()
        except BrokenProcessPool:
            reason = "its compiled C++ ends the process"
            return {"version": version("hls4ml"), "step": "run", "reason": reason}


def _asked(
    path: Path,
    images: npt.NDArray[np.float64],
    answers: npt.NDArray[np.floating[Any]],
    folder: Path,
) -> dict[str, Any]:
    found: dict[str, Any] = {"version": version("hls4ml")}
    for step in ("convert", "compile", "run"):
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                if step == "convert":
                    model = _converted(path, folder)
                elif step == "compile":
                    model.compile()
                else:
                    made = np.asarray(model.predict(_stored(model, images)))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the finding
            text = (str(error).strip() or repr(error)).splitlines()[0]
            return found | {"step": step, "reason": f"{type(error).__name__}: {text}"[:_REASON]}
    made = made.reshape(len(images), -1).astype(np.float64)
    if made.shape != answers.shape:
        reason = f"answers of shape {made.shape[1:]}, expected {answers.shape[1:]}"
        return found | {"step": "run", "reason": reason}
    span = float(answers.max() - answers.min()) or 1.0
    return found | {
        "images": len(images),
        "another": int((made.argmax(axis=1) != answers.argmax(axis=1)).sum()),
        "worst": float(np.abs(made - answers).max() / span),
    }


def _converted(path: Path, folder: Path) -> Any:
    import hls4ml
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    model = cleanup_model(ModelWrapper(str(path)))
    shape = model.get_tensor_shape(model.graph.input[0].name)
    is_last = any("channels_last" in node.domain for node in model.graph.node)
    if len(shape) == 4 and not is_last:
        model = model.transform(ConvertToChannelsLastAndClean())
    model = cleanup_model(model.transform(GemmToMatMul()))
    how = {"backend": "Vivado", "default_precision": _PRECISION}
    settings = hls4ml.utils.config_from_onnx_model(model, granularity="name", **how)
    # Streams are for convolutions: behind a reshaped one its dense layers see other values.
    is_dense = not any(node.op_type == "Conv" for node in model.graph.node)
    return hls4ml.converters.convert_from_onnx_model(
        model,
        output_dir=str(folder),
        backend="Vivado",
        io_type="io_parallel" if is_dense else "io_stream",
        hls_config=settings,
    )


def _stored(model: Any, images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The images in the order that the converted model takes: channels last, or channels first."""
    (source,) = model.get_input_variables()
    shape = tuple(int(size) for size in source.shape)
    if len(shape) == 3 and shape != images.shape[1:]:
        images = images.transpose(0, 3, 1, 2)
    elif len(shape) < 3:
        images = images.transpose(0, 3, 1, 2).reshape(len(images), *shape)
    return np.ascontiguousarray(images)
