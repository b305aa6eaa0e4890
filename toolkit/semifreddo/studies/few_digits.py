"""What do weights of few digits cost in accuracy, in the networks whose silicon is measured?

Networks of three cores learn Fashion-MNIST with uniform 4-bit weights and with three kinds that
make frozen logic smaller: pruned, single powers of two, and -1, 0 and 1.
:mod:`semifreddo.studies.hardware.standard_cells` measures the second block of the first seed's
networks in silicon.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from semifreddo.core.columns import markdown_table
from semifreddo.methods.pruning import MagnitudePruning
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.model import SemifreddoNet
from semifreddo.studies.halving import halved
from semifreddo.studies.study import (
    JSON,
    Cell,
    Figures,
    Material,
    Measured,
    Study,
    Verdict,
    by_way,
)
from semifreddo.studies.tables import bullets, listed, spread
from semifreddo.train.checkpoint import load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, TrainVal, load_dataset
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, train_model

MODEL = "model.safetensors"
"""Name of a network's file in the folder of its cell."""

UNIFORM, PRUNED, POWERS, TERNARY = "uniform", "pruned", "powers of two", "ternary"
PRUNED_SHARE = 0.6
_CONFIG = SemifreddoConfig(
    input_shape=(1, 14, 14),
    classes=10,
    widths=(16, 32),
    strides=(2, 1),
    weight_bits=4,
    act_bits=4,
    head_weight_bits=8,
    per_channel=True,
)
WAYS: Mapping[str, SemifreddoConfig] = {
    UNIFORM: _CONFIG,
    PRUNED: _CONFIG,
    POWERS: dataclasses.replace(_CONFIG, weights="powers_of_two", terms=1),
    TERNARY: dataclasses.replace(_CONFIG, weights="powers_of_two", terms=1, weight_bits=2),
}
SMALL, LARGE = "4→8", "16→32"
BLOCKS: Mapping[str, tuple[int, int]] = {LARGE: (16, 32), SMALL: (4, 8)}
"""Widths of a network by the name of its second block."""

OPTIONS = TrainOptions(float_epochs=8, epochs=5, tune_epochs=2, batch=100, progress=False)


def network_cell(way: str, seed: int, block: str) -> Cell:
    """The cell of one network."""
    return Cell(way, seed, {"block": block})


@dataclass(frozen=True)
class FewDigits(Study[TrainVal, Dataset]):
    """All choices of the study.

    Attributes:
        options: How every way is trained.
        images: For training, and for validation.
        most: Points of accuracy that weights of few digits may cost.
    """

    name = "few_digits"
    title = "Weights of few digits"
    claim = (
        "Networks of three cores, 16 and 32 channels wide, lose at most one point of accuracy with "
        "weights of few digits: pruned, single powers of two, or -1, 0 and 1."
    )
    origin = "a premise of ours: such weights are what makes frozen hardware small"
    margin = (
        "the mean test accuracy of each of the three kinds is at most 1 point below that of "
        "uniform 4-bit weights."
    )
    data = "fashion_mnist"

    options: TrainOptions = OPTIONS
    images: tuple[int, int] = (8000, 2000)
    most: float = 1.0

    def settings(self) -> JSON:
        ways = {way: config.deciding() for way, config in WAYS.items()}
        own = {"ways": ways, "blocks": dict(BLOCKS), "pruned_share": PRUNED_SHARE}
        return dataclasses.asdict(self) | {"options": self.options.deciding()} | own

    def cells(self, seeds: Sequence[int], _: Sequence[Measured]) -> Sequence[Cell]:
        return [
            network_cell(way, seed, block) for seed in seeds for block in BLOCKS for way in WAYS
        ]

    def load(self, directory: Path | None) -> Material[TrainVal, Dataset]:
        data = halved(load_dataset(self.data, directory)).limit(*self.images)
        return Material(data.development, data)

    def validate(self, cell: Cell, data: TrainVal, folder: Path) -> Figures:
        config = dataclasses.replace(WAYS[cell.way], widths=BLOCKS[cell.point["block"]])
        options = dataclasses.replace(self.options, seed=cell.seed)
        torch.manual_seed(cell.seed)
        trained = train_model(
            SemifreddoNet(config),
            data,
            options,
            network=config,
            objective=MagnitudePruning(PRUNED_SHARE) if cell.way == PRUNED else None,
        )
        save_checkpoint(trained, folder / MODEL)
        return {
            "train": accuracy(trained.model, data.train, len(data.labels)),
            "val": accuracy(trained.model, data.val, len(data.labels)),
            "zeros": _zeros(trained.model),
        }

    def test(self, cell: Cell, folder: Path, split: Dataset) -> Figures:  # noqa: ARG002
        trained = load_checkpoint(folder / MODEL)
        return {"accuracy": accuracy(trained.model, split.test, len(split.labels))}

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        found = {way: tested_accuracy(results, way, LARGE) for way in WAYS}
        lost = {way: found[UNIFORM] - found[way] for way in WAYS if way != UNIFORM}
        shown = ", ".join(f"{way} {points:.2f}" for way, points in lost.items())
        why = f"Points lost against uniform 4-bit weights ({found[UNIFORM]:.2f} %): {shown}."
        holds = max(lost.values()) <= self.most
        return Verdict("holds" if holds else "does not hold", why)

    def body(self, results: Sequence[Measured]) -> str:
        facts = {
            "data": f"Fashion-MNIST at half height and width, {self.images[0]} images for "
            f"training, {self.images[1]} for validation",
            "network": "three cores of two blocks, strides "
            f"{listed(_CONFIG.strides)}, {_CONFIG.act_bits}-bit activations, one weight scale "
            "for each output channel, alpha blends, all of it trained; 8-bit weights in the "
            "classifier",
            "ways": f"4-bit weights from -7 to 7; the same with {PRUNED_SHARE:.0%} of each tensor "
            "pruned by size while it trains; 0 and plus or minus 1, 2, 4; -1, 0 and 1 in 2 bits",
            "epochs": f"{self.options.float_epochs} without quantizers, {self.options.epochs} "
            f"with batch norms, {self.options.tune_epochs} folded",
        }
        lines = [
            [
                block,
                way,
                spread([item.validation["zeros"] for item in items], 100, 0),
                spread([item.validation["train"] for item in items]),
                spread([item.validation["val"] for item in items]),
                spread([item.test["accuracy"] if item.test else None for item in items]),
            ]
            for block in BLOCKS
            for way, all_items in by_way(results).items()
            if (items := [item for item in all_items if item.cell.point["block"] == block])
        ]
        header = ["second block", "weights", "zeros %", "train %", "val %", "test %"]
        return "\n".join(
            [
                bullets(facts),
                "Mean ± standard deviation over the seeds; zeros are those among the weights of "
                "the second blocks of all three cores.\n",
                markdown_table(header, lines),
                "The silicon of the second blocks is [measured](../rtl-measurements.md#silicon).\n",
            ]
        )


def tested_accuracy(results: Sequence[Measured], way: str, block: str) -> float:
    """Mean accuracy on the test split, in per cent."""
    return 100 * statistics.fmean(
        item.test["accuracy"]
        for item in results
        if item.test and item.cell.way == way and item.cell.point["block"] == block
    )


def _zeros(model: nn.Module) -> float:
    """Share of zeros among the weights of the second blocks."""
    raws = [
        integer_tensor(model, name).raw
        for name in quantized_tensor_names(model)
        if name.startswith("cores.") and name.endswith(".1.conv.weight")
    ]
    return sum(int((raw == 0).sum()) for raw in raws) / sum(raw.size for raw in raws)
