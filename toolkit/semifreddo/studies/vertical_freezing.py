"""Does freezing vertically cost accuracy? Four ways to freeze a third of a network, measured.

A core is trained on five Fashion-MNIST classes; then networks of one topology learn the other five
from few images:

- ``all trainable``: nothing is frozen, from new weights or starting from the trained core;
- ``semifreddo``: one core of three is frozen, in every layer;
- ``layer-wise``: the first layers of all three cores are frozen, as many as come nearest to the
  same share of the block weights, taken from a three-core network trained on the source classes;
- ``core + head``: the frozen core alone, only a head is trained.

All start their trainable parts anew and train alike.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semifreddo.core.columns import markdown_table
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.model import FROZEN_CORE, CoreNet, SemifreddoNet
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
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, TrainVal, load_dataset
from semifreddo.train.freeze import freeze, frozen_share
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import (
    accuracy,
    alpha_histogram,
    freeze_core,
    train_core,
    train_model,
    train_task,
)

SOURCE_CLASSES = (0, 1, 2, 3, 4)
TARGET_CLASSES = (5, 6, 7, 8, 9)

CONFIG = SemifreddoConfig(
    input_shape=(1, 28, 28), classes=5, widths=(8, 16, 16), strides=(2, 2, 2), stem_padding=3
)
SOURCE_OPTIONS = TrainOptions(epochs=8, tune_epochs=3, batch=128, shift=1, progress=False)
TARGET_OPTIONS = TrainOptions(epochs=40, tune_epochs=15, batch=64, shift=1, progress=False)

_MODEL = "model.safetensors"


@dataclass(frozen=True)
class Bench:
    """One seed's data and trainings."""

    study: VerticalFreezing
    data: TrainVal
    seed: int

    @property
    def config(self) -> SemifreddoConfig:
        """Topology of the three-core network."""
        return self.study.config

    @property
    def source(self) -> TrainVal:
        """Images of the classes that cores are trained on."""
        return self._part(SOURCE_CLASSES, self.study.source_images)

    @property
    def target(self) -> TrainVal:
        """Images of the classes that are learned."""
        return self._part(TARGET_CLASSES, self.study.target_images)

    def _part(self, classes: Sequence[int], images: int) -> TrainVal:
        return self.data.subset(classes).limit(images, self.study.val_images, seed=self.seed)

    @property
    def options(self) -> TrainOptions:
        """How every way is trained on the target."""
        return dataclasses.replace(self.study.target, seed=self.seed)

    @property
    def _source_options(self) -> TrainOptions:
        return dataclasses.replace(self.study.source, seed=self.seed)

    def core(self) -> TrainedModel:
        """The core, trained alone on the source classes."""
        return train_core(self.config, self.source, self._source_options)

    def whole(self) -> TrainedModel:
        """A three-core network trained on the source classes."""
        torch.manual_seed(self._source_options.seed)
        return train_model(SemifreddoNet(self.config), self.source, self._source_options)


def _new(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.options.seed)
    return train_model(SemifreddoNet(bench.config), bench.target, bench.options)


def _from_core(bench: Bench) -> TrainedModel:
    core = bench.core()
    torch.manual_seed(bench.options.seed)
    model, _ = freeze_core(bench.config, core)
    model.requires_grad_(True)
    return train_model(model, bench.target, bench.options)


def _semifreddo(bench: Bench) -> TrainedModel:
    return train_task(bench.config, bench.core(), bench.target, bench.options)


def _layers(config: SemifreddoConfig) -> int:
    """How many first blocks of all cores hold the share of the weights nearest to one core's."""
    sizes = _block_sizes(SemifreddoNet(config))
    shares = [sum(sizes[: count + 1]) / sum(sizes) for count in range(len(sizes))]
    return 1 + min(range(len(shares)), key=lambda count: abs(shares[count] - 1 / 3))


def _block_sizes(model: SemifreddoNet) -> list[int]:
    """Weights of each block of a core."""
    return [
        sum(p.numel() for name, p in block.named_parameters() if name.endswith("conv.weight"))
        for block in model.cores[0].children()
    ]


def _layer_wise(bench: Bench) -> TrainedModel:
    whole = bench.whole().model
    torch.manual_seed(bench.options.seed)
    model = SemifreddoNet(bench.config)
    paths = [f"cores.{core}.{block}" for core in range(3) for block in range(_layers(bench.config))]
    for path in paths:
        block = model.get_submodule(path)
        fold_batch_norm(block)
        block.load_state_dict(whole.get_submodule(path).state_dict())
    plan = freeze(model, paths)
    return train_model(model, bench.target, bench.options, plan)


def _head_only(bench: Bench) -> TrainedModel:
    core = bench.core().model
    torch.manual_seed(bench.options.seed)
    model = CoreNet(bench.config)
    fold_batch_norm(model)
    model.cores.load_state_dict(copy.deepcopy(core.get_submodule("cores").state_dict()))
    return train_model(model, bench.target, bench.options, freeze(model, [FROZEN_CORE]))


WAYS: Mapping[str, Callable[[Bench], TrainedModel]] = {
    "all trainable, from new": _new,
    "all trainable, from the core": _from_core,
    "semifreddo": _semifreddo,
    "layer-wise": _layer_wise,
    "core + head": _head_only,
}


@dataclass(frozen=True)
class VerticalFreezing(Study[TrainVal, Dataset]):
    """All choices of the study.

    Attributes:
        config: Topology of the three-core network.
        source: How the core (and the three-core source network) is trained.
        target: How every way is trained on the target.
        source_images: Training images of the source classes.
        target_images: Training images of the target classes.
        val_images: Validation images of either.
    """

    name = "vertical_freezing"
    title = "Vertical against layer-wise freezing"
    claim = (
        "Freezing one core of three in every layer costs little accuracy on a new task, less than "
        "freezing the same share of weights as whole first layers."
    )
    origin = "Isikdogan et al., SemifreddoNets, ECCV 2020; the comparison is our own"
    margin = (
        "semifreddo is at most 1.5 points below all trainable from new, above layer-wise and above "
        "core + head, by means of test accuracy. (The targets of the study's first measurement, "
        "which used the same settings and whose results were known when it was repeated here.)"
    )
    data = "fashion_mnist"

    config: SemifreddoConfig = CONFIG
    source: TrainOptions = SOURCE_OPTIONS
    target: TrainOptions = TARGET_OPTIONS
    source_images: int = 10_000
    target_images: int = 1_000
    val_images: int = 1_000

    def settings(self) -> JSON:
        parts = (("config", self.config), ("source", self.source), ("target", self.target))
        return dataclasses.asdict(self) | {name: part.deciding() for name, part in parts}

    def cells(self, seeds: Sequence[int], _done: Sequence[Measured]) -> Sequence[Cell]:
        return [Cell(way, seed) for seed in seeds for way in WAYS]

    def load(self, directory: Path | None) -> Material[TrainVal, Dataset]:
        data = load_dataset(self.data, directory)
        return Material(data.development, data)

    def validate(self, cell: Cell, data: TrainVal, folder: Path) -> Figures:
        bench = Bench(self, data, cell.seed)
        trained = WAYS[cell.way](bench)
        save_checkpoint(trained, folder / _MODEL)
        outputs = len(TARGET_CLASSES)
        frozen, weights = frozen_share(trained.model, trained.plan)
        return {
            "train": accuracy(trained.model, bench.target.train, outputs),
            "val": accuracy(trained.model, bench.target.val, outputs),
            "frozen": frozen / weights,
            "weights": weights,
            "alphas": {str(k): n for k, n in alpha_histogram(trained.model).items()},
        }

    def test(self, cell: Cell, folder: Path, split: Dataset) -> Figures:
        model = (CoreNet if cell.way == "core + head" else SemifreddoNet)(self.config)
        fold_batch_norm(model)
        trained = load_checkpoint(folder / _MODEL, model)
        images = split.subset(TARGET_CLASSES).test
        return {"accuracy": accuracy(trained.model, images, len(TARGET_CLASSES))}

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        mean = {
            way: 100 * statistics.fmean(item.test["accuracy"] for item in items if item.test)
            for way, items in by_way(results).items()
        }
        ours = mean["semifreddo"]
        below = mean["all trainable, from new"] - ours
        above_layers, above_head = ours - mean["layer-wise"], ours - mean["core + head"]
        holds = below <= 1.5 and above_layers > 0 and above_head > 0
        why = (
            f"semifreddo is {below:.2f} points below all trainable from new, {above_layers:.2f} "
            f"above layer-wise and {above_head:.1f} above core + head."
        )
        return Verdict("holds" if holds else "does not hold", why)

    def body(self, results: Sequence[Measured]) -> str:
        config, target = self.config, self.target
        facts = {
            "core": f"Fashion-MNIST's classes {listed(SOURCE_CLASSES)}, "
            f"{self.source_images} images",
            "task": f"classes {listed(TARGET_CLASSES)}, {self.target_images} images",
            "network": f"{config.block} blocks, widths {listed(config.widths)} in each core, "
            f"{config.weight_bits}-bit weights, {config.act_bits}-bit activations",
            "epochs": f"{target.epochs} with batch norm and {target.tune_epochs} folded",
        }
        ways = by_way(results)
        rows = [
            [
                way,
                f"{items[0].validation['frozen']:.1%}",
                items[0].validation["weights"],
                spread([item.validation["train"] for item in items]),
                spread([item.validation["val"] for item in items]),
                spread([item.test["accuracy"] if item.test else None for item in items]),
            ]
            for way, items in ways.items()
        ]
        header = ["way", "frozen", "weights", "train %", "validation %", "test %"]
        parts = [
            bullets(facts),
            "Mean ± standard deviation over the seeds; accuracies are those of the raw integers "
            "that hardware gives.\n",
            markdown_table(header, rows),
        ]
        if "semifreddo" in ways:
            counts = [
                sum(item.validation["alphas"][str(k)] for item in ways["semifreddo"])
                for k in range(9)
            ]
            parts += [
                "Blend factors of `semifreddo`, all seeds together:\n",
                markdown_table([f"{k}/8" for k in range(9)], [counts]),
            ]
        return "\n".join(parts)
