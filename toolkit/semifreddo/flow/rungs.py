"""The rungs of the ladder that this machine has, and the reason for each it has not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ConversionError
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.trained import checkpoint_kind, load_trained
from semifreddo.ir.net import StreamNet
from semifreddo.runtime import Accelerator
from semifreddo.sim import reference
from semifreddo.sim.ladder import Counted, Rung, Tracer

if TYPE_CHECKING:
    from semifreddo.convert.layerwise import Layerwise


def _absent(*packages: str) -> str:
    """Why a rung is missing if a package is, else an empty text."""
    names = [name for name in packages if find_spec(name) is None]
    return f"not installed: {', '.join(names)}" if names else ""


def torch_rung(
    checkpoint: Path | None, config: BuildConfig | None = None, frac: int | None = None
) -> Rung:
    """The trained model itself, in torch.

    Args:
        checkpoint: Where it is; None in a bundle.
        config: The design, whose ``[model]`` may name the class of a user's own model.
        frac: Fraction bits of the results; those of the model's last layer if left out.
    """
    if checkpoint is None:
        return Rung("torch", None, "a bundle holds no checkpoint; check the design's folder")
    if not checkpoint.is_file():
        return Rung("torch", None, f"needs the checkpoint {checkpoint.name}, which is not there")
    if reason := _absent("torch", "brevitas", "safetensors"):
        return Rung("torch", None, reason)
    own = config is not None and config.model is not None
    if checkpoint_kind(checkpoint) == "user" and not own:
        return Rung(
            "torch",
            None,
            f"{checkpoint.name} holds a model of your own, which only your code can build; name "
            "its class in [model] of design.toml",
        )

    def run(images: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        from semifreddo.nn.integers import raw_outputs
        from semifreddo.train.checkpoint import load_checkpoint

        if config is None:
            trained = load_checkpoint(checkpoint)
        else:
            trained = load_trained(config, checkpoint)
        return raw_outputs(trained.model, images, frac=frac)

    return Rung("torch", run)


def qonnx_rung(model: Path | None, net: StreamNet) -> Rung:
    """The exported file, executed node by node: by qonnx, or by onnx in double precision."""
    if model is None:
        return Rung("qonnx", None, "a bundle holds no model; check the design's folder")
    if not model.is_file():
        return Rung("qonnx", None, f"needs the model {model.name}, which is not there")
    if reason := _absent("qonnx", "onnx", "onnxruntime"):
        return Rung("qonnx", None, reason)
    magnitude = net.output.type.width - net.output.type.signed
    if magnitude > np.finfo(np.float64).nmant + 1:
        return Rung("qonnx", None, f"answers have {magnitude} bits, more than double precision")
    from semifreddo.convert.execute import run_qonnx, trace_qonnx

    return Rung(
        "qonnx",
        lambda images: run_qonnx(model, net, images),
        trace=lambda images: trace_qonnx(model, net, images),
        note=lambda: _proven(model),
    )


def _proven(model: Path) -> str:
    """What double precision is proven to decide; nothing of scales that are powers of two."""
    from semifreddo.convert import read_converted
    from semifreddo.convert.proof import prove

    converted = read_converted(model, "model")
    return str(prove(converted)) if converted.is_real else ""


def _counted(compare: Callable[[], Layerwise]) -> Counted:
    """What a comparison layer by layer gave, or why there is none."""
    try:
        found = compare()
    except ConversionError as error:
        return Counted(0, 0, 0, 0, str(error))
    wrong = found.unexplained
    return Counted(
        found.values,
        len(found.differences),
        len(wrong),
        len({each.image for each in wrong}),
        str(wrong[0]) if wrong else "",
    )


def single_rung(model: Path) -> Rung:
    """The exported file in single precision, by qonnx, layer by layer."""
    if reason := _absent("qonnx", "onnx", "onnxruntime"):
        return Rung("qonnx32", None, reason)
    from semifreddo.convert.singles import compare_single

    return Rung(
        "qonnx32", None, count=lambda images: _counted(lambda: compare_single(model, images))
    )


def torch_layers_rung(config: BuildConfig, plain: Rung) -> Rung:
    """The trained model in torch's single precision, layer by layer.

    Args:
        config: The design.
        plain: The rung of :func:`torch_rung`, which may have a reason not to be climbed.
    """
    if plain.run is None:
        return plain
    checkpoint = config.path(config.design.checkpoint)

    def count(images: npt.NDArray[np.integer]) -> Counted:
        from semifreddo.convert.singles import compare_torch
        from semifreddo.flow.model_file import model_file

        trained = load_trained(config, checkpoint).model
        return _counted(lambda: compare_torch(model_file(config), trained, images))

    return Rung("torch", None, count=count)


def streamnet_rung(net: StreamNet) -> Rung:
    """The integer reference."""
    return Rung(
        "streamnet",
        lambda images: reference.run(net, images),
        trace=lambda images: reference.trace(net, images),
    )


def device_rung(accelerator: Accelerator, trace: Tracer | None = None) -> Rung:
    """A device or its simulation, through the runtime."""

    def run(images: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        # Vectors are stored in the smallest type; as uint8 they could be mistaken for pixels.
        raw: npt.NDArray[np.int64] = accelerator.predict(images.astype(np.int32)).raw
        return raw

    return Rung(accelerator.backend, run, trace=trace)


def _is_real(model: Path) -> bool:
    """Whether a model has scales that are no powers of two."""
    from semifreddo.convert import read_converted

    return model.is_file() and read_converted(model, "model").is_real


def model_rungs(config: BuildConfig, net: StreamNet) -> list[Rung]:
    """Rungs above any device, of a design."""
    from semifreddo.flow.model_file import model_file

    model = model_file(config)
    frac = net.output.type.frac
    torch = torch_rung(config.path(config.design.checkpoint), config, frac)
    qonnx = qonnx_rung(model, net)
    if _is_real(model):
        singles = [torch_layers_rung(config, torch), single_rung(model)]
        return [*singles, qonnx, streamnet_rung(net)]
    return [torch, qonnx, streamnet_rung(net)]


def board_rungs() -> tuple[Rung, ...]:
    """A board, which a build cannot reach: its bundle is checked there."""
    here = "runs nothing here; on the board, `semifreddo check BUNDLE --transport pynq` climbs it"
    return (Rung("board", None, _absent("pynq") or here),)
