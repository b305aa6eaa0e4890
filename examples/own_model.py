"""A Brevitas model of your own: train, freeze, train the rest, export with golden vectors.

Run ``python examples/own_model.py my_design``, then ``semifreddo build my_design``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import brevitas.nn as qnn
from brevitas.quant.fixed_point import (
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

from semifreddo.convert import export_qonnx, export_vectors
from semifreddo.train.data import load_dataset
from semifreddo.train.freeze import freeze
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import train_model

DESIGN = """\
[design]
name = "my_design"
board = "pynq_z2"

[vectors]
file = "vectors.npz"
"""


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        qnn.QuantConv2d(
            inputs,
            outputs,
            3,
            stride=stride,
            padding=1,
            bias=False,
            weight_quant=Int8WeightPerTensorFixedPoint,
        ),
        nn.BatchNorm2d(outputs),
        qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint),
    ]


class OwnModel(nn.Module):
    """Two convolutions with batch norm and a classifier, for 8x8 grey images."""

    def __init__(self) -> None:
        super().__init__()
        self.input = qnn.QuantIdentity(
            act_quant=Uint8ActPerTensorFixedPoint, scaling_impl_type="const", scaling_init=1.0
        )
        self.features = nn.Sequential(*_conv(1, 4, 1), *_conv(4, 8, 2))
        self.classifier = qnn.QuantLinear(
            8 * 4 * 4,
            10,
            bias=True,
            weight_quant=Int8WeightPerTensorFixedPoint,
            bias_quant=Int8BiasPerTensorFixedPointInternalScaling,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, 1, 8, 8) to (n, 10)."""
        return self.classifier(self.features(self.input(x)).flatten(1))


def main() -> None:
    """Write a design folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    folder = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    data = load_dataset("digits")
    model = OwnModel()
    options = TrainOptions(epochs=args.epochs, tune_epochs=args.epochs)
    # [snippet]
    train_model(model, data, options)  # folds the batch norms and pins the scales
    plan = freeze(model, ["features.*"], fraction=0.5)  # half the output channels of each layer
    trained = train_model(model, data, options, plan)  # frozen channels keep their integers, proven
    export_qonnx(
        trained.model,
        folder / "model.onnx",
        input_shape=data.input_shape,
        plan=plan,
        labels=data.labels,
        info={key: str(value) for key, value in data.preprocessing.to_figures().items()},
    )
    export_vectors(trained.model, data.test.images[:64], folder / "vectors.npz")
    # [/snippet]
    (folder / "design.toml").write_text(DESIGN, encoding="utf-8")


if __name__ == "__main__":
    main()
