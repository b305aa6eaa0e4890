"""Are learned numbers of powers of two better than one or two of them everywhere?

Small networks learn digits with weights of one power of two, of two, of a number that each filter
learns under penalties of several strengths, and with uniform 4-bit weights beside them.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semifreddo.core.columns import markdown_table
from semifreddo.methods.flightnn import filter_terms, mean_terms
from semifreddo.methods.objective import objective_of
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.powers import signed_digits
from semifreddo.studies.pictures import Point, scatter
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
from semifreddo.studies.tables import bullets, spread
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, TrainVal, load_dataset
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, train_model

_MODEL = "model.safetensors"
ONE, TWO = "one term", "two terms"
PENALTIES = (1e-3, 1e-2, 3e-2)
CONFIG = BackboneConfig(
    input_shape=(1, 8, 8),
    classes=10,
    widths=(6, 8),
    strides=(1, 2),
    weight_bits=8,
    weights="powers_of_two",
    head_weight_bits=8,
)


def _learned(penalty: float) -> str:
    return f"learned, {penalty:g}"


WAYS: Mapping[str, BackboneConfig] = {
    ONE: dataclasses.replace(CONFIG, terms=1),
    TWO: dataclasses.replace(CONFIG, terms=2),
    **{
        _learned(penalty): dataclasses.replace(CONFIG, terms="learned", term_penalty=penalty)
        for penalty in PENALTIES
    },
    "uniform, 4 bits": dataclasses.replace(CONFIG, weights="uniform", weight_bits=4),
}
OPTIONS = TrainOptions(epochs=24, tune_epochs=8, batch=64, progress=False)

_HISTORY = (
    "This is the second attempt, under the margin of the first. In the first, first terms had a "
    "trained threshold, too: the learned ways, of 1.86, 1.23 and 0.99 terms on average, reached "
    "62.0, 63.8 and 62.5 % of the test split, 16 to 24 points below the line, because that "
    "threshold rose to the norms of the filters and switched whole filters off and on. What was "
    "changed was chosen on validation images; the test split had been looked at once before.\n"
)


@dataclass(frozen=True)
class LearnedTerms(Study[TrainVal, Dataset]):
    """All choices of the study.

    Attributes:
        options: How every way is trained.
        premise: Points by which two terms must be better than one for the claim to mean anything.
        slack: Points that count as nothing.
        few: Mean terms at which a learned network must be as good as one of two terms.
    """

    name = "learned_terms"
    title = "Learned numbers of powers of two"
    claim = (
        "Filters that learn whether their weights are one power of two or two are more accurate "
        "than the line between one term and two terms everywhere, and nearly as accurate as two "
        "terms with far fewer."
    )
    origin = "after Ding et al., FLightNN, DAC 2019, arXiv 1904.02835, at our scale"
    margin = (
        "two terms are at least 1 point better than one (otherwise undecided); the mean test "
        "accuracy of every learned way is at most 0.3 points below the line from one term to two, "
        "at its mean number of terms; and one of them, with at most 1.6 terms on average, is at "
        "most 0.3 points below two terms."
    )

    options: TrainOptions = OPTIONS
    premise: float = 1.0
    slack: float = 0.3
    few: float = 1.6
    attempt: int = 2

    def settings(self) -> JSON:
        ways = {way: config.to_dict() for way, config in WAYS.items()}
        return dataclasses.asdict(self) | {"options": self.options.deciding(), "ways": ways}

    def cells(self, seeds: Sequence[int], _done: Sequence[Measured]) -> Sequence[Cell]:
        return [Cell(way, seed) for seed in seeds for way in WAYS]

    def load(self, directory: Path | None) -> Material[TrainVal, Dataset]:
        data = load_dataset("digits", directory)
        return Material(data.development, data)

    def validate(self, cell: Cell, data: TrainVal, folder: Path) -> Figures:
        config, options = WAYS[cell.way], dataclasses.replace(self.options, seed=cell.seed)
        torch.manual_seed(cell.seed)
        trained = train_model(
            Backbone(config),
            data,
            options,
            network=config,
            objective=objective_of(config, options),
        )
        save_checkpoint(trained, folder / _MODEL)
        powers = config.weights == "powers_of_two"
        found = [count for terms in filter_terms(trained.model).values() for count in terms]
        return {
            "train": accuracy(trained.model, data.train, len(data.labels)),
            "val": accuracy(trained.model, data.val, len(data.labels)),
            "terms": mean_terms(trained.model) if powers else None,
            "filters": [found.count(count) for count in range(3)] if powers else None,
            "digits": _digits(trained),
        }

    def test(self, _cell: Cell, folder: Path, split: Dataset) -> Figures:
        trained = load_checkpoint(folder / _MODEL)
        return {"accuracy": accuracy(trained.model, split.test, len(split.labels))}

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        rows = {way: _Row.of(items) for way, items in by_way(results).items()}
        one, two = rows[ONE], rows[TWO]
        gap = two.accuracy - one.accuracy
        if gap < self.premise:
            why = f"Two terms are {gap:.2f} points better than one, so nothing can be shown here."
            return Verdict("undecided", why)
        learned = [rows[_learned(penalty)] for penalty in PENALTIES]
        above = [row.accuracy - (one.accuracy + (row.terms - 1) * gap) for row in learned]
        near = [row for row in learned if row.terms <= self.few]
        lost = min((two.accuracy - row.accuracy for row in near), default=float("inf"))
        holds = min(above) >= -self.slack and lost <= self.slack
        shown = ", ".join(
            f"{distance:+.2f} at {row.terms:.2f}"
            for distance, row in zip(above, learned, strict=True)
        )
        nearest = (
            f"the best with at most {self.few:g} terms is {lost:.2f} points below two terms"
            if near
            else f"none has at most {self.few:g} terms"
        )
        why = (
            f"Two terms are {gap:.2f} points better than one. Points between the learned ways and "
            f"the line from one term to two, at their mean terms: {shown}; {nearest}."
        )
        return Verdict("holds" if holds else "does not hold", why)

    def picture(self, results: Sequence[Measured]) -> str:
        rows = {way: _Row.of(items) for way, items in by_way(results).items()}
        powers = {way: row for way, row in rows.items() if row.known}
        points = {
            way: [Point(row.terms, row.accuracy, spread=row.deviation)]
            for way, row in powers.items()
        }
        low = min(row.accuracy - row.deviation for row in powers.values())
        return scatter(points, "mean terms of a weight", "test accuracy in per cent", floor=low)

    def body(self, results: Sequence[Measured]) -> str:
        facts = {
            "data": "digits, 1078 images for training",
            "network": f"blocks of {', '.join(map(str, CONFIG.widths))} channels, 8-bit weights "
            "(seven powers), 8-bit activations; the classifier has uniform weights",
            "epochs": f"{self.options.epochs} with batch norm and {self.options.tune_epochs} "
            "folded, with the terms fixed",
        }
        header = ["way", "terms", "filters of 0, 1, 2", "digits", "train %", "val %", "test %"]
        lines = []
        for way, items in by_way(results).items():
            powers = items[0].validation["terms"] is not None
            known = [item.validation["filters"] for item in items if powers]
            filters = [str(sum(column)) for column in zip(*known, strict=True)]
            lines.append(
                [
                    way,
                    spread([item.validation["terms"] for item in items], 1) if powers else "",
                    ", ".join(filters),
                    spread([item.validation["digits"] for item in items], 1, 0),
                    spread([item.validation["train"] for item in items]),
                    spread([item.validation["val"] for item in items]),
                    spread([item.test["accuracy"] if item.test else None for item in items]),
                ]
            )
        return "\n".join(
            [
                bullets(facts),
                "Mean ± standard deviation over the seeds. Terms: of a weight on average, each "
                "filter counted with its largest weight; filters of all seeds together. Digits: "
                "signed powers of two in all weights of the blocks, each of which is an operand of "
                "an adder in frozen logic that shares nothing. Learned ways are named after their "
                "`term_penalty`.\n",
                markdown_table(header, lines),
                _HISTORY,
            ]
        )


@dataclass(frozen=True)
class _Row:
    """A way over the seeds; accuracy in per cent."""

    accuracy: float
    deviation: float
    terms: float
    known: bool

    @classmethod
    def of(cls, items: Sequence[Measured]) -> _Row:
        found = [100 * item.test["accuracy"] for item in items if item.test]
        terms = [item.validation["terms"] for item in items]
        known = all(value is not None for value in terms)
        return cls(
            statistics.fmean(found),
            statistics.stdev(found) if len(found) > 1 else 0.0,
            statistics.fmean(terms) if known else 0.0,
            known,
        )


def _digits(trained: TrainedModel) -> int:
    names = [
        name
        for name in quantized_tensor_names(trained.model)
        if name.startswith("blocks.") and name.endswith(".weight")
    ]
    return sum(int(signed_digits(integer_tensor(trained.model, name).raw).sum()) for name in names)
