"""What to do about an operator that no handler knows."""

from __future__ import annotations

_DEFAULT = "replace it by convolutions, pools, additions, ReLU and linear layers"
_FOREIGN = "use the operator of ONNX, or of qonnx.custom_op.general, of that meaning"
_STATISTICS = "it divides by what it measures in each image; train with BatchNormalization"
_PARTS = "write what it is a part of as Sigmoid, Tanh, Softplus, Softsign or Pow"
_CHOICE = "write the choice as Relu, PRelu, Clip, Min or Max, which do not jump"
_PERIODIC = "no curve of a few steps equals it; use Tanh, or leave it to the host"
_STATE = "a device has no state; unroll it, or use convolutions of one dimension"

_BY_OPERATOR = {
    **dict.fromkeys(
        (
            "InstanceNormalization",
            "LayerNormalization",
            "GroupNormalization",
            "RMSNormalization",
            "MeanVarianceNormalization",
            "LpNormalization",
            "LRN",
            "ReduceL1",
            "ReduceL2",
        ),
        _STATISTICS,
    ),
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Reciprocal"), _PARTS),
    **dict.fromkeys(
        (
            "Where",
            "Greater",
            "GreaterOrEqual",
            "Less",
            "LessOrEqual",
            "Equal",
            "Not",
            "And",
            "Or",
            "ThresholdedRelu",
            "Shrink",
            "Mod",
        ),
        _CHOICE,
    ),
    **dict.fromkeys(("Sin", "Cos", "Tan"), _PERIODIC),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan", "If"), _STATE),
}


def advice(op: str) -> str:
    """What a user can do about an operator, as it follows a semicolon.

    Args:
        op: Operator, behind its domain if that is neither ONNX' nor QONNX'.
    """
    domain, _, _ = op.rpartition(".")
    return _FOREIGN if domain else _BY_OPERATOR.get(op, _DEFAULT)
