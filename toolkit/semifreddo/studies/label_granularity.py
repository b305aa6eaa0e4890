"""Do finer labels make a coarse answer better, and does the confusion ratio tell when?

Networks answer groups of classes in three ways, each trained as long as the others:

- ``fine``: trained with the classes, the answer mapped to its group;
- ``coarse``: trained with the groups;
- ``coarse + layer``: trained with the groups, with one more linear layer as wide as the classes,
  so that it has at least the capacity of ``fine``.

``fine, few`` has a share of the images and as many steps; ``fine, noise`` has labels of which some
are exchanged within their group, which leaves the groups right and the finer labels wrong.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brevitas.nn import QuantIdentity, QuantLinear
from torch import Tensor, nn

from semifreddo.core.columns import markdown_table
from semifreddo.methods.labels import (
    Grouping,
    confusion_counts,
    confusion_of,
    group_table,
    noisy_labels,
    rank_correlation,
)
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.integers import exact_logits
from semifreddo.nn.quant import activation_quant, bias_quant, weight_quant
from semifreddo.studies.halving import halved
from semifreddo.studies.pictures import Point, scatter
from semifreddo.studies.study import JSON, Cell, Figures, Material, Measured, Study, Verdict
from semifreddo.studies.tables import bullets, listed, spread
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, Split, TrainVal, load_dataset
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import train_model
from semifreddo.train.seen import raw_images

_MODEL = "model.safetensors"
_EXTRA_BITS = 8

FASHION: Mapping[str, Grouping] = {
    "clothes / others": {"clothes": (0, 2, 3, 4, 6), "others": (1, 5, 7, 8, 9)},
    "shoes apart": {"one": (0, 2, 4, 6, 7), "two": (1, 3, 5, 8, 9)},
    "even / odd": {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)},
    "shirt apart": {"one": (1, 5, 6, 8, 9), "two": (0, 2, 3, 4, 7)},
    "coat apart": {"one": (0, 1, 4, 7, 8), "two": (2, 3, 5, 6, 9)},
    "every likeness apart": {"one": (0, 1, 2, 5, 9), "two": (3, 4, 6, 7, 8)},
}
CIFAR: Mapping[str, Grouping] = {
    "animals / vehicles": {"animals": (2, 3, 4, 5, 6, 7), "vehicles": (0, 1, 8, 9)},
    "pairs apart": {"one": (0, 1, 3, 4, 6), "two": (2, 5, 7, 8, 9)},
}
GTSRB: Mapping[str, Grouping] = {
    "six kinds": {
        "speed limit": (0, 1, 2, 3, 4, 5, 7, 8),
        "prohibition": (9, 10, 15, 16),
        "end": (6, 32, 41, 42),
        "mandatory": (33, 34, 35, 36, 37, 38, 39, 40),
        "danger": (11, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
        "unique": (12, 13, 14, 17),
    },
}
SETS: Mapping[str, Mapping[str, Grouping]] = {
    "fashion_mnist": FASHION,
    "cifar10": CIFAR,
    "gtsrb": GTSRB,
}
FEW = ("fashion_mnist", "every likeness apart")
"""Set and grouping on which few images with fine labels meet all of them with coarse ones."""
NOISY = ("fashion_mnist", "clothes / others")

OPTIONS = TrainOptions(
    float_epochs=50,
    float_rate=5e-3,
    epochs=10,
    tune_epochs=4,
    batch=128,
    optimizer="adamw",
    weight_decay=1e-4,
    shift=1,
    progress=False,
)

_HISTORY = (
    "This is the second attempt, under the margin of the first; the same images of the test "
    "split had been looked at once before. The first, undecided, had 1,000 images for training, "
    "blocks of 16, 32 and 32 channels, 4-bit weights and no epochs without quantizers: the rank "
    "correlation was 0.52, fine labels were ahead on one grouping of nine (`coat apart`, +1.39) "
    "and 6.82 points behind on `six kinds`, and on 40 % of the images 3.33 points behind coarse "
    "ones on all; networks with fine labels knew 96.3 % of their training images.\n\n"
    "Before the second, on validation images of Fashion-MNIST with one seed: larger networks "
    "that knew 99 to 100 % of 4,000 training images gained 0.45 points by fine labels on `coat "
    "apart`, lost as many on `every likeness apart`, and 1.00 with fine labels on 40 % there. "
    "With shifts and mirror images they knew 88 to 92 %, gained 1.45 and 1.00, and with 40 % "
    "lost nothing.\n"
)


class WithLayer(nn.Module):
    """A network of fine outputs with one more linear layer behind it, over coarse ones."""

    def __init__(self, config: BackboneConfig, outputs: int) -> None:
        super().__init__()
        self.network = Backbone(config)
        self.out = QuantIdentity(act_quant=activation_quant(_EXTRA_BITS, signed=True))
        self.linear = QuantLinear(
            config.classes,
            outputs,
            bias=True,
            weight_quant=weight_quant(_EXTRA_BITS),
            bias_quant=bias_quant(),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.linear(self.out(self.network(x)))
        return result


@dataclass(frozen=True)
class LabelGranularity(Study[Mapping[str, TrainVal], Mapping[str, Dataset]]):
    """All choices of the study.

    Attributes:
        sets: Groupings by name, of each data set.
        options: How every way is trained.
        widths: Channels of the network's blocks.
        strides: Of the blocks.
        weight_bits: Of all layers.
        mirrored: Sets whose images are mirrored at random; a mirrored traffic sign is another one.
        images: Training images of each set, and validation images.
        test_images: Of each set at most, its fine classes as equal in number as possible.
        few: Set and grouping of the comparison with few images.
        noisy: Set and grouping of the comparison with wrong fine labels.
        share: Of the images that ``fine, few`` has.
        noise: Share of the images whose fine label is exchanged.
        control_seeds: How many of the seeds `coarse + layer` and `fine, noise` are measured with.
    """

    name = "label_granularity"
    title = "Finer labels for a coarse answer"
    claim = (
        "Training with the classes answers groups of them better than training with the groups, "
        "the more so the higher the confusion ratio of the grouping is, and on a grouping with a "
        "high ratio 40 % of the images with fine labels are worth all of them with coarse ones."
    )
    origin = "Chen et al., ICDM Workshops 2018, arXiv 1901.07012, at our scale"
    margin = (
        "over the groupings, the rank correlation (Spearman) of the mean confusion ratio, from "
        "validation images, and the mean gain in test accuracy of fine over coarse is at least "
        "0.5; and on Fashion-MNIST's grouping `every likeness apart` the mean test accuracy of "
        "fine labels on 40 % of the images is at least that of coarse labels on all of them. The "
        "first without the second, or the other way round, is undecided."
    )
    data = "fashion_mnist, cifar10 and gtsrb"

    sets: Mapping[str, Mapping[str, Grouping]] = dataclasses.field(default_factory=lambda: SETS)
    options: TrainOptions = OPTIONS
    widths: tuple[int, ...] = (32, 64, 64)
    strides: tuple[int, ...] = (2, 2, 1)
    weight_bits: int = 8
    mirrored: tuple[str, ...] = ("fashion_mnist", "cifar10")
    images: tuple[int, int] = (4000, 2000)
    test_images: int = 3000
    few: tuple[str, str] = FEW
    noisy: tuple[str, str] = NOISY
    share: float = 0.4
    noise: float = 0.3
    control_seeds: int = 2
    attempt: int = 2

    def __hash__(self) -> int:
        """A worker keeps the data of a study; groupings are mappings, which have no hash."""
        return hash((self.options, self.widths, self.strides, self.images))

    def settings(self) -> JSON:
        return dataclasses.asdict(self) | {"options": self.options.deciding()}

    def cells(self, seeds: Sequence[int], _done: Sequence[Measured]) -> Sequence[Cell]:
        found = []
        for count, seed in enumerate(seeds):
            controlled = count < self.control_seeds
            for name, groupings in self.sets.items():
                found.append(Cell("fine", seed, {"set": name}))
                for grouping in groupings:
                    place = {"set": name, "grouping": grouping}
                    found.append(Cell("coarse", seed, place))
                    if controlled:
                        found.append(Cell("coarse + layer", seed, place))
            for way, (name, grouping) in (("fine, few", self.few), ("fine, noise", self.noisy)):
                if controlled or way == "fine, few":
                    found.append(Cell(way, seed, {"set": name, "grouping": grouping}))
        return found

    def load(
        self, directory: Path | None
    ) -> Material[Mapping[str, TrainVal], Mapping[str, Dataset]]:
        data = {name: halved(load_dataset(name, directory)) for name in self.sets}
        return Material({name: made.development for name, made in data.items()}, data)

    def _config(self, data: TrainVal, outputs: int) -> BackboneConfig:
        return BackboneConfig(
            input_shape=data.input_shape,
            classes=outputs,
            widths=self.widths,
            strides=self.strides,
            weight_bits=self.weight_bits,
        )

    def _groupings(self, cell: Cell) -> Mapping[str, Grouping]:
        """Of a cell: that of its point, or all of its set."""
        known = self.sets[cell.point["set"]]
        one = cell.point.get("grouping")
        return known if one is None else {one: known[one]}

    def validate(self, cell: Cell, data: Mapping[str, TrainVal], folder: Path) -> Figures:
        whole = data[cell.point["set"]]
        fine = len(whole.labels)
        taken = whole.limit(*self.images, seed=cell.seed)
        groupings = self._groupings(cell)
        flip = cell.point["set"] in self.mirrored
        options = dataclasses.replace(self.options, seed=cell.seed, flip=flip)
        if cell.way.startswith("coarse"):
            taken = taken.relabel(next(iter(groupings.values())))
        elif cell.way == "fine, few":
            taken = taken.limit(round(self.share * self.images[0]), seed=cell.seed)
            options = dataclasses.replace(
                options,
                float_epochs=round(options.float_epochs / self.share),
                epochs=round(options.epochs / self.share),
                tune_epochs=round(options.tune_epochs / self.share),
            )
        elif cell.way == "fine, noise":
            taken = self._noised(taken, next(iter(groupings.values())), cell.seed)
        torch.manual_seed(cell.seed)
        model = self._model(cell, taken, fine)
        network = model.config if isinstance(model, Backbone) else None
        trained = train_model(model, taken, options, network=network)
        save_checkpoint(trained, folder / _MODEL)
        train, val = (_answers(trained, split) for split in (taken.train, taken.val))
        figures = {"train": float((train == taken.train.labels).mean())}
        if cell.way.startswith("coarse"):
            return figures | {"val": _group_accuracies(val, taken.val.labels, groupings, None)}
        truth = whole.limit(*self.images, seed=cell.seed).val.labels
        counts = confusion_counts(truth, val, fine)
        ratios = {name: confusion_of(counts, groups).ratio for name, groups in groupings.items()}
        accuracies = _group_accuracies(val, truth, groupings, fine)
        return figures | {"val": accuracies, "ratio": ratios}

    def _model(self, cell: Cell, data: TrainVal, fine: int) -> nn.Module:
        if cell.way == "coarse + layer":
            return WithLayer(self._config(data, fine), len(data.labels))
        return Backbone(self._config(data, len(data.labels)))

    def _noised(self, data: TrainVal, groups: Grouping, seed: int) -> TrainVal:
        made: dict[str, Any] = {
            name: Split(
                split.images,
                noisy_labels(split.labels, groups, len(data.labels), self.noise, seed),
            )
            for name, split in data.splits.items()
        }
        return dataclasses.replace(data, **made)

    def test(self, cell: Cell, folder: Path, split: Mapping[str, Dataset]) -> Figures:
        data = split[cell.point["set"]].limit(test=self.test_images)
        groupings = self._groupings(cell)
        own = None
        if cell.way.startswith("coarse"):
            fine, data = len(data.labels), data.relabel(next(iter(groupings.values())))
            own = self._model(cell, data, fine) if cell.way == "coarse + layer" else None
        trained = load_checkpoint(folder / _MODEL, own)
        classes = None if cell.way.startswith("coarse") else len(data.labels)
        answers = _answers(trained, data.test)
        return {"accuracy": _group_accuracies(answers, data.test.labels, groupings, classes)}

    def _table(self, results: Sequence[Measured]) -> dict[tuple[str, str], _Row]:
        """What was measured, by set and grouping."""
        rows = {(name, one): _Row() for name, groups in self.sets.items() for one in groups}
        for item in results:
            for grouping in self._groupings(item.cell):
                row = rows[item.cell.point["set"], grouping]
                row.validation.setdefault(item.cell.way, []).append(
                    item.validation["val"][grouping]
                )
                row.fit.setdefault(item.cell.way, []).append(item.validation["train"])
                row.test.setdefault(item.cell.way, []).append(
                    None if item.test is None else item.test["accuracy"][grouping]
                )
                if item.cell.way == "fine":
                    row.ratios.append(item.validation["ratio"][grouping])
        return rows

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        rows = self._table(results)
        ratios = [row.ratio for row in rows.values()]
        plain = rank_correlation(ratios, [row.gain("coarse") for row in rows.values()])
        fair = rank_correlation(ratios, [row.gain("coarse + layer") for row in rows.values()])
        few = rows[self.few]
        ahead = few.mean("fine, few") - few.mean("coarse")
        above = sum(row.gain("coarse") > 0 for row in rows.values())
        shown = (plain >= 0.5, ahead >= 0)
        why = (
            f"The rank correlation of ratio and gain is {plain:.2f} over {len(rows)} groupings "
            f"({fair:.2f} for the gain over coarse + layer); fine labels are ahead on {above} of "
            f"them. On `{self.few[1]}` fine labels on {self.share:.0%} of the images are "
            f"{abs(ahead):.2f} points {'above' if ahead >= 0 else 'below'} coarse labels on all."
        )
        return Verdict(
            "holds" if all(shown) else "undecided" if any(shown) else "does not hold", why
        )

    def picture(self, results: Sequence[Measured]) -> str:
        series: dict[str, list[Point]] = {}
        for (name, grouping), row in self._table(results).items():
            series.setdefault(name, []).append(Point(row.ratio, row.gain("coarse"), grouping))
        return scatter(
            series, "confusion ratio (validation)", "gain of fine labels in points (test)"
        )

    def body(self, results: Sequence[Measured]) -> str:
        options = self.options
        facts = {
            "images": f"half height and width; {self.images[0]} for training, at most "
            f"{self.images[1]} for validation and {self.test_images} for the test",
            "network": f"blocks of {listed(self.widths)} channels, strides {listed(self.strides)}, "
            f"{self.weight_bits}-bit weights, 8-bit activations",
            "epochs": f"{options.float_epochs} without quantizers, {options.epochs} with batch "
            f"norm and {options.tune_epochs} folded; `fine, few` has {self.share:.0%} of the "
            "images and as many steps",
            "augmentation": f"shifts by up to {options.shift} pixel, mirror images of "
            f"{' and '.join(self.mirrored)}",
        }
        rows = self._table(results)
        ways = ("fine", "coarse", "coarse + layer")
        tested = bool(results) and all(item.test is not None for item in results)
        header = ["data", "grouping", "ratio", *(f"{way} %" for way in ways), "gain", "fair gain"]
        lines = []
        for (name, grouping), row in sorted(rows.items(), key=lambda entry: entry[1].ratio):
            gains = (
                [f"{row.gain(way):+.2f}" for way in ways[1:]] if tested else ["not measured"] * 2
            )
            shown = [spread(row.test.get(way, [])) for way in ways]
            ratio = spread(row.ratios, scale=1) if row.ratios else "not measured"
            lines.append([name, grouping, ratio, *shown, *gains])
        fits = {
            way: [value for row in rows.values() for value in row.fit.get(way, [])] for way in ways
        }
        parts = [
            bullets(facts),
            "Ratio: the confusion ratio, from validation images. Accuracies of groups on the test "
            "split, mean ± standard deviation over the seeds; gain is fine minus coarse, fair gain "
            "fine minus coarse + layer, in points. Rows in the order of the ratio. `coarse + "
            f"layer` and `fine, noise` are measured with the first {self.control_seeds} seeds.\n",
            markdown_table(header, lines),
            "How far the training images were learned: "
            + ", ".join(f"{way} {spread(values)} %" for way, values in fits.items())
            + ".\n",
            "Controls:\n",
            markdown_table(
                ["control", "data", "grouping", "test %"],
                [
                    [way, *place, spread(rows[place].test.get(way, []))]
                    for way, place in (
                        ("fine, few", self.few),
                        ("coarse", self.few),
                        ("fine, noise", self.noisy),
                        ("fine", self.noisy),
                        ("coarse", self.noisy),
                    )
                ],
            ),
            _HISTORY,
        ]
        return "\n".join(parts)


@dataclass
class _Row:
    """A grouping's figures over the seeds, by way."""

    validation: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    test: dict[str, list[float | None]] = dataclasses.field(default_factory=dict)
    fit: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    ratios: list[float] = dataclasses.field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.fmean(self.ratios) if self.ratios else 0.0

    def mean(self, way: str, seeds: int | None = None) -> float:
        """Mean test accuracy in per cent, of all or of the first seeds."""
        values = self.test[way][:seeds]
        return 100 * statistics.fmean(value for value in values if value is not None)

    def gain(self, way: str) -> float:
        """How many points fine labels are above another way, with the seeds that it has."""
        return self.mean("fine", len(self.test[way])) - self.mean(way)


def _answers(trained: TrainedModel, split: Split) -> npt.NDArray[np.int64]:
    logits = exact_logits(trained.model, raw_images(trained.model, split))
    answers: npt.NDArray[np.int64] = logits.argmax(1)
    return answers


def _group_accuracies(
    answers: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    groupings: Mapping[str, Grouping],
    classes: int | None,
) -> dict[str, float]:
    """Share of right groups by grouping; ``classes``: of fine answers, None for coarse ones."""
    found = {}
    for name, groups in groupings.items():
        if classes is None:
            found[name] = float((answers == truth).mean())
        else:
            table = group_table(groups, classes)
            found[name] = float((table[answers] == table[truth]).mean())
    return found
