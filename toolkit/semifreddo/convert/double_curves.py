"""Curved activations in double precision, where onnx' evaluator has none or another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.reference.op_run import OpRun

Array = npt.NDArray[Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Erf(OpRun):  # type: ignore[misc]
    """The error function: onnx' evaluator gives single precision."""

    op_domain = ""

    def _run(self, data: Array, **_: Any) -> tuple[Array]:
        return (_erf(data),)


class HardSwish(OpRun):  # type: ignore[misc]
    """With the constants of single precision that its definition has, whatever operator set."""

    op_domain = ""

    def _run(self, data: Array, **_: Any) -> tuple[Array]:
        return (data * np.clip(data * float(np.float32(1 / 6)) + 0.5, 0, 1),)


class Gelu(OpRun):  # type: ignore[misc]
    """By the error function, or as an approximation with tanh."""

    op_domain = ""

    def _run(self, data: Array, **_: Any) -> tuple[Array]:
        if getattr(self, "approximate", None) == "tanh":
            inner = np.tanh(math.sqrt(2 / math.pi) * (data + 0.044715 * data**3))
        else:
            inner = _erf(data * math.sqrt(0.5))
        return (data * (0.5 + 0.5 * inner),)


class Mish(OpRun):  # type: ignore[misc]
    """``x * tanh(log(1 + exp(x)))``."""

    op_domain = ""

    def _run(self, data: Array, **_: Any) -> tuple[Array]:
        return (data * np.tanh(np.logaddexp(0, data)),)


CURVES: Sequence[type[OpRun]] = (Erf, HardSwish, Gelu, Mish)
"""Operators for an evaluator."""
