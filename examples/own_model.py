"""A Brevitas model of your own, from its class to a second task on the built device.

Run ``python examples/own_model.py my_design``: it trains, freezes, trains the rest, exports,
builds, runs and retargets. With ``--export-only`` it stops before the build, and
``semifreddo build my_design`` goes on from there.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import brevitas.nn as qnn
from brevitas.quant.fixed_point import (
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

from semifreddo.convert import export_qonnx, export_vectors, refuse_obstacles
from semifreddo.flow.build import build
from semifreddo.flow.config import load_config
from semifreddo.flow.retarget import find_target, train_new_task
from semifreddo.runtime import Accelerator
from semifreddo.train.checkpoint import save_checkpoint
from semifreddo.train.data import Dataset, load_dataset
from semifreddo.train.freeze import freeze, frozen_share
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import measured, train_model

DESIGN = """\
[design]
name = "my_design"
board = "pynq_z2"

[model]
source = "own_model.py:OwnModel"    # verbs that need the model run this code

[vectors]
file = "vectors.npz"

[train]
dataset = "digits"
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


def export(folder: Path, data: Dataset, options: TrainOptions) -> None:
    """Train, freeze, train the rest, and write everything that a build reads."""
    model = OwnModel()
    refuse_obstacles(model, data.input_shape, "OwnModel")  # before any time is spent
    # [snippet]
    train_model(model, data, options)  # folds the batch norms and pins the scales
    plan = freeze(model, ["features.*"], fraction=0.5)  # half the output channels of each layer
    trained = train_model(model, data, options, plan)  # frozen channels keep their integers, proven
    trained = measured(trained, data)  # accuracy on the test split
    export_qonnx(
        trained.model,
        folder / "model.onnx",
        input_shape=data.input_shape,
        plan=plan,
        labels=data.labels,
        info=trained.figures,
    )
    images, labels = data.test.images[:64], data.test.labels[:64]
    export_vectors(trained.model, images, folder / "vectors.npz", truth=labels)
    save_checkpoint(trained, folder / "model.safetensors")  # for the torch rung and retarget
    # [/snippet]
    frozen, weights = frozen_share(trained.model, plan)
    print(f"{frozen} of {weights} weights frozen, accuracy {trained.info['test_accuracy']:.2%}")


def run(folder: Path, data: Dataset, options: TrainOptions) -> None:
    """Build the device, ask it, teach it another task, and ask it again."""
    config = load_config(folder)
    build(config, progress=print)
    images = data.test.images[:8]
    with Accelerator.open(config.bundle_path) as device:
        print("digits:", " ".join(device.predict(images).labels))
        groups = data.relabel({"even": [0, 2, 4, 6, 8], "odd": [1, 3, 5, 7, 9]})
        made, _ = train_new_task(find_target(folder, None), groups, options, name="parity")
        made.task.save(folder / "parity.json")
        device.load_task(made.task)
        print("parity:", " ".join(device.predict(images).labels))


def main() -> None:
    """Write a design folder and, unless told otherwise, build and use it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--export-only", action="store_true")
    args = parser.parse_args()
    folder = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.toml").write_text(DESIGN, encoding="utf-8")
    shutil.copy2(__file__, folder / "own_model.py")
    data = load_dataset("digits")
    options = TrainOptions(epochs=args.epochs, tune_epochs=args.epochs)
    export(folder, data, options)
    if not args.export_only:
        run(folder, data, options)


if __name__ == "__main__":
    main()
