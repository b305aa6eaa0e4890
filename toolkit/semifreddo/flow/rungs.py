"""The rungs of the ladder that this machine has, and the reason for each it has not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.flow.config import BuildConfig
from semifreddo.flow.trained import checkpoint_kind, load_trained
from semifreddo.ir.net import StreamNet
from semifreddo.runtime import Accelerator
from semifreddo.sim import reference
from semifreddo.sim.ladder import Rung, Tracer


def _absent(*packages: str) -> str:
    """Why a rung is missing if a package is, else an empty text."""
    names = [name for name in packages if find_spec(name) is None]
    return f"not installed: {', '.join(names)}" if names else ""


def torch_rung(checkpoint: Path | None, config: BuildConfig | None = None) -> Rung:
    """The trained model itself, in torch.

    Args:
        checkpoint: Where it is; None in a bundle.
        config: The design, whose ``[model]`` may name the class of a user's own model.
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
        return raw_outputs(trained.model, images)

    return Rung("torch", run)


def qonnx_rung(model: Path | None, net: StreamNet) -> Rung:
    """The exported file, executed node by node: by qonnx, or by onnx in double precision."""
    if model is None:
        return Rung("qonnx", None, "a bundle holds no model; check the design's folder")
    if not model.is_file():
        return Rung("qonnx", None, f"needs the model {model.name}, which is not there")
    if reason := _absent("qonnx", "onnx", "onnxruntime"):
        return Rung("qonnx", None, reason)
    from semifreddo.convert.execute import run_qonnx, trace_qonnx

    return Rung(
        "qonnx",
        lambda images: run_qonnx(model, net, images),
        trace=lambda images: trace_qonnx(model, net, images),
    )


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


_NO_REFERENCE = (
    "its scales are no powers of two, so torch's sums depend on their order; the qonnx rung "
    "executes the exported file in double precision"
)


def _is_real(model: Path) -> bool:
    """Whether a model has scales that are no powers of two."""
    from semifreddo.convert import read_converted

    return model.is_file() and read_converted(model, "model").is_real


def model_rungs(config: BuildConfig, net: StreamNet) -> list[Rung]:
    """Rungs above any device, of a design."""
    torch = torch_rung(config.path(config.design.checkpoint), config)
    if torch.run is not None and _is_real(config.path(config.design.model)):
        torch = Rung("torch", None, _NO_REFERENCE)
    return [
        torch,
        qonnx_rung(config.path(config.design.model), net),
        streamnet_rung(net),
    ]


def board_rungs() -> tuple[Rung, ...]:
    """A board, which a build cannot reach: its bundle is checked there."""
    here = "runs nothing here; on the board, `semifreddo check BUNDLE --transport pynq` climbs it"
    return (Rung("board", None, _absent("pynq") or here),)
