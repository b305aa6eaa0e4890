"""Which weight bitwidth is best for networks of equal size, and for networks of equal hardware?

Networks of two families, of standard and of depthwise separable convolutions, learn Fashion-MNIST
with weights of one bitwidth everywhere, and with bits that differ by layer: the fewest that do no
harm, layer by layer. Widths make all of a family equally large. For the question that the paper
does not ask, widths make networks of one bitwidth equally large in predicted LUTs, with weights
that are logic or loadable, all at the same rate.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from semifreddo.boards.spec import Resources
from semifreddo.core.columns import markdown_table
from semifreddo.core.errors import ConfigError
from semifreddo.flow.prediction import predict
from semifreddo.flow.training import net_of
from semifreddo.ir.net import StreamNet
from semifreddo.methods.bitwidth import largest, match_size, with_weight_bits
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.cost import architecture_cost
from semifreddo.nn.skeleton import model_bits, skeleton
from semifreddo.rtl import choose, make_design
from semifreddo.rtl.synthesis.parts import synthesize_design
from semifreddo.studies.pictures import Point, scatter
from semifreddo.studies.study import JSON, Cell, Figures, Material, Measured, Study, Verdict
from semifreddo.studies.tables import bullets, listed, spread
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, TrainVal, load_dataset
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, train_model

Residency: TypeAlias = Literal["frozen", "loadable"]

_MODEL = "model.safetensors"
_SHAPE = BackboneConfig(
    input_shape=(1, 28, 28),
    classes=10,
    widths=(5, 9, 9),
    strides=(4, 2, 1),
    weight_bits=4,
    per_channel=True,
)
FAMILIES: Mapping[str, BackboneConfig] = {
    "standard": _SHAPE,
    "depthwise": dataclasses.replace(_SHAPE, widths=(9, 18, 18), block="separable"),
}
BITS = (1, 2, 4, 8)
RESIDENCIES: tuple[Residency, ...] = ("frozen", "loadable")
MIXED, SEARCH, SYNTHESIS = "mixed", "search", "synthesis"
CLOCK_MHZ, FPS = 100, 100_000
PLENTY = Resources(lut=2_000_000, ff=4_000_000, dsp=0, bram18=4_000)
"""No DSP slices: what is compared is LUTs."""
LUT_WIDTHS: Mapping[tuple[str, Residency, int], tuple[int, ...]] = {
    ("standard", "frozen", 1): (6, 12, 12),
    ("standard", "frozen", 2): (6, 11, 11),
    ("standard", "frozen", 4): (5, 9, 9),
    ("standard", "frozen", 8): (4, 7, 6),
    ("standard", "loadable", 1): (6, 12, 12),
    ("standard", "loadable", 2): (6, 11, 10),
    ("standard", "loadable", 4): (5, 9, 9),
    ("standard", "loadable", 8): (4, 7, 7),
    ("depthwise", "frozen", 1): (10, 20, 20),
    ("depthwise", "frozen", 2): (10, 21, 21),
    ("depthwise", "frozen", 4): (9, 18, 18),
    ("depthwise", "frozen", 8): (7, 13, 13),
    ("depthwise", "loadable", 1): (10, 21, 21),
    ("depthwise", "loadable", 2): (10, 19, 19),
    ("depthwise", "loadable", 4): (9, 18, 18),
    ("depthwise", "loadable", 8): (8, 15, 15),
}
"""Widths at the predicted LUTs of the family's network of 4 bits, by :func:`lut_matched`; a better
estimator would give others, so they are written down. Each cell has its own."""

OPTIONS = TrainOptions(epochs=30, tune_epochs=6, batch=200, progress=False)


def luts_of(network: BackboneConfig, residency: Residency) -> float:
    """Predicted LUTs of a network that nobody has trained; infinite if it is too slow."""
    frozen = ["blocks", "head"] if residency == "frozen" else []
    try:
        return predict(network, PLENTY, CLOCK_MHZ, FPS, frozen=frozen).total.lut
    except ConfigError:
        return float("inf")


def lut_matched(family: str, residency: Residency, bits: int) -> tuple[int, ...]:
    """Widths at which a network of one bitwidth has the predicted LUTs of that of 4 bits."""
    shape = FAMILIES[family]
    limit = luts_of(shape, residency)
    found = largest(with_weight_bits(shape, bits), limit, lambda each: luts_of(each, residency))
    return found.widths


@lru_cache
def equal_size(family: str, bits: tuple[int, ...]) -> BackboneConfig:
    """The network of a family's size, with bits of each layer; one number is for all of them."""
    shape = FAMILIES[family]
    own = layered(shape, bits if len(bits) > 1 else bits * (len(shape.widths) + 1))
    return match_size(own, None, model_bits(shape))


def layered(shape: BackboneConfig, bits: Sequence[int]) -> BackboneConfig:
    """A network with bits of each block, and of the classifier in the end."""
    *blocks, head = bits
    return dataclasses.replace(shape, layer_weight_bits=tuple(blocks), head_weight_bits=head)


def config_of(cell: Cell) -> BackboneConfig:
    """The network of a cell."""
    family, _, _ = cell.way.partition(",")
    shape = dataclasses.replace(FAMILIES[family], widths=tuple(cell.point["widths"]))
    return layered(shape, cell.point["bits"])


def _cell(
    way: str, seed: int, config: BackboneConfig, more: Mapping[str, JSON] | None = None
) -> Cell:
    assert config.layer_weight_bits is not None and config.head_weight_bits is not None
    bits = [*config.layer_weight_bits, config.head_weight_bits]
    return Cell(way, seed, {"bits": bits, "widths": list(config.widths), **(more or {})})


def _equal_luts(family: str, residency: Residency, bits: int) -> BackboneConfig:
    """The network of one bitwidth with the predicted LUTs of the family's of 4 bits."""
    shape = FAMILIES[family]
    widths = LUT_WIDTHS[family, residency, bits]
    return layered(dataclasses.replace(shape, widths=widths), [bits] * (len(shape.widths) + 1))


def _by_weights(shape: BackboneConfig) -> list[int]:
    """Layers, the classifier as the last, the one of most weights first."""
    count = [0] * (len(shape.widths) + 1)
    for block in skeleton(shape).blocks:
        if block.role == "weight":
            part, place, *_ = block.name.split(".")
            count[int(place) if part == "blocks" else -1] += block.raw.size
    return sorted(range(len(count)), key=lambda layer: -count[layer])


def find_mixed(
    family: str, seed: int, measured: Callable[[Cell], Measured | None], harm: float
) -> tuple[int, ...] | None:
    """The fewest bits of each layer that do no harm; None as long as something is not measured.

    Layers of most weights come first. Each keeps the fewest bits, with those of the layers before
    it, at which validation accuracy is what 8 bits everywhere give.

    Args:
        family: Of the network, at its own widths.
        seed: Of the search.
        measured: What is known of a cell; is asked for one cell after the other.
        harm: Points of accuracy that do not count.
    """
    shape = FAMILIES[family]

    def accuracy_of(bits: Sequence[int]) -> float | None:
        found = measured(_cell(f"{family}, {SEARCH}", seed, layered(shape, bits)))
        return None if found is None else 100 * float(found.validation["val"])

    kept = [max(BITS)] * (len(shape.widths) + 1)
    whole = accuracy_of(kept)
    if whole is None:
        return None
    for layer in _by_weights(shape):
        for fewer in BITS[:-1]:
            trial = [*kept[:layer], fewer, *kept[layer + 1 :]]
            found = accuracy_of(trial)
            if found is None:
                return None
            if found >= whole - harm:
                kept = trial
                break
    return tuple(kept)


def _all_weights(net: StreamNet, residency: Residency) -> StreamNet:
    """The same network, all of it logic or all of it loadable."""
    blocks = tuple(
        dataclasses.replace(block, frozen=(residency == "frozen",) * block.outputs)
        for block in net.blocks
    )
    return dataclasses.replace(net, blocks=blocks)


@dataclass(frozen=True)
class OneWeightBitwidth(Study[TrainVal, Dataset]):
    """All choices of the study.

    Attributes:
        options: How every network is trained.
        images: For training, and for validation.
        premise: Points between the best and the worst bitwidth without which nothing is shown.
        slack: Points that count as nothing.
        harm: Points of validation accuracy that fewer bits of a layer may cost in the search.
        lut_seeds: How many of the seeds the networks of equal LUTs are measured with.
        synthesise: Whether the winners at equal LUTs are synthesised.
        timeout_s: Limit of the synthesis of a part.
    """

    name = "one_weight_bitwidth"
    title = "One weight bitwidth"
    claim = (
        "Among networks of equal size, one bitwidth for all weights is at least as accurate as the "
        "fewest bits of each layer that do no harm, and networks of depthwise convolutions want at "
        "least as many bits as networks of standard ones."
    )
    origin = (
        "after Chin et al., One Weight Bitwidth to Rule Them All, ECCV Workshops 2020, arXiv "
        "2008.09916, at our scale; the question of equal LUTs is ours"
    )
    margin = (
        "the best bitwidth of a family is the one of the highest mean validation accuracy at equal "
        "size. In both families it is at least 1 point of mean test accuracy above the worst one "
        "(otherwise undecided); in both its mean test accuracy is at most 0.3 points below that of "
        "mixed bits; and that of depthwise has at least as many bits as that of standard. At equal "
        "LUTs there is no claim: the bitwidth of the highest mean validation accuracy is named."
    )
    data = "fashion_mnist"

    options: TrainOptions = OPTIONS
    images: tuple[int, int] = (6000, 2000)
    premise: float = 1.0
    slack: float = 0.3
    harm: float = 0.5
    lut_seeds: int = 3
    synthesise: bool = True
    timeout_s: float = 3600

    def settings(self) -> JSON:
        families = {name: shape.deciding() for name, shape in FAMILIES.items()}
        return dataclasses.asdict(self) | {
            "options": self.options.deciding(),
            "families": families,
            "rate": [CLOCK_MHZ, FPS],
        }

    def cells(self, seeds: Sequence[int], done: Sequence[Measured]) -> Sequence[Cell]:
        known = {item.cell.key: item for item in done}
        found: dict[str, Cell] = {}

        def add(cell: Cell) -> Measured | None:
            found.setdefault(cell.key, cell)
            return known.get(cell.key)

        for seed in seeds:
            for family in FAMILIES:
                for bits in BITS:
                    add(_cell(family, seed, equal_size(family, (bits,))))
        for family in FAMILIES:
            mixed = find_mixed(family, seeds[0], add, self.harm)
            for seed in seeds if mixed is not None else ():
                add(_cell(family, seed, equal_size(family, mixed)))
        for seed in seeds[: self.lut_seeds]:
            for family, residency, bits in LUT_WIDTHS:
                add(_cell(family, seed, _equal_luts(family, residency, bits)))
        if self.synthesise and all(key in known for key in found):
            for (family, residency), bits in _Table(self, done).lut_winners().items():
                config = _equal_luts(family, residency, bits)
                add(_cell(f"{family}, {SYNTHESIS}", seeds[0], config, {"residency": residency}))
        return list(found.values())

    def load(self, directory: Path | None) -> Material[TrainVal, Dataset]:
        data = load_dataset(self.data, directory).limit(*self.images)
        return Material(data.development, data)

    def validate(self, cell: Cell, data: TrainVal, folder: Path) -> Figures:
        config, options = config_of(cell), dataclasses.replace(self.options, seed=cell.seed)
        torch.manual_seed(cell.seed)
        trained = train_model(Backbone(config), data, options, network=config)
        if cell.way.endswith(SYNTHESIS):
            return self._synthesised(trained, cell.point["residency"], folder)
        save_checkpoint(trained, folder / _MODEL)
        cost = architecture_cost(config)
        return {
            "train": accuracy(trained.model, data.train, len(data.labels)),
            "val": accuracy(trained.model, data.val, len(data.labels)),
            "size": model_bits(config),
            "macs": cost.macs,
        }

    def _synthesised(self, trained: TrainedModel, residency: Residency, folder: Path) -> Figures:
        """LUTs of a trained network, predicted and counted."""
        net = _all_weights(net_of(trained, "network"), residency)
        chosen = choose(net, PLENTY, CLOCK_MHZ, FPS)
        total = synthesize_design(
            make_design(net, chosen.schedule),
            family="xc7",
            cache=folder / "parts",
            timeout_s=self.timeout_s,
            use_dsp=False,
            jobs=1,
        ).total
        return {
            "predicted": chosen.estimate.total.lut,
            "lut": total.lut,
            "ff": total.ff,
            "bram18": total.bram18,
        }

    def test(self, cell: Cell, folder: Path, split: Dataset) -> Figures:
        if cell.way not in FAMILIES:
            return {}  # nothing is claimed of what the search tried, and cells are counted already
        trained = load_checkpoint(folder / _MODEL)
        return {"accuracy": accuracy(trained.model, split.test, len(split.labels))}

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        table = _Table(self, results)
        best, parts, shown, apart = {}, [], [], []
        for family in FAMILIES:
            singles = {bits: table.of(equal_size(family, (bits,))) for bits in BITS}
            best[family] = max(singles, key=lambda bits: singles[bits].val)
            chosen, mixed = singles[best[family]], table.mixed(family)
            gap = chosen.test - min(row.test for row in singles.values())
            ahead = chosen.test - mixed.test
            apart.append(gap >= self.premise)
            shown.append(ahead >= -self.slack)
            parts.append(
                f"{family}: {best[family]} bits are best, {gap:.2f} points above the worst "
                f"bitwidth and {ahead:+.2f} against mixed bits"
            )
        why = f"{'; '.join(parts)}."
        if not all(apart):
            return Verdict("undecided", why)
        holds = all(shown) and best["depthwise"] >= best["standard"]
        return Verdict("holds" if holds else "does not hold", why)

    def picture(self, results: Sequence[Measured]) -> str:
        table = _Table(self, results)
        series = {
            f"{family}, equal size": [
                Point(math.log2(bits), row.test, f"{bits}", row.deviation)
                for bits in BITS
                for row in [table.of(equal_size(family, (bits,)))]
            ]
            for family in FAMILIES
        }
        low = min(point.y - point.spread for points in series.values() for point in points)
        label = "weight bits (logarithm to the base 2)"
        return scatter(series, label, "test accuracy in per cent", floor=low)

    def body(self, results: Sequence[Measured]) -> str:
        table = _Table(self, results)
        facts = {
            "data": f"Fashion-MNIST, {self.images[0]} images for training, {self.images[1]} for "
            "validation",
            **{
                family: f"{shape.block} blocks, widths {listed(shape.widths)} at 4 bits, "
                f"{model_bits(shape):,} bits of parameters"
                for family, shape in FAMILIES.items()
            },
            "numbers": "8-bit activations, a weight scale per output channel, first layer and "
            "classifier like all others; biases of 16 bits count in the size",
            "epochs": _epochs(self.options),
        }
        parts = [
            bullets(facts),
            "Mean ± standard deviation over the seeds; accuracies are those of the raw integers "
            "that hardware gives.\n",
            "At equal size:\n",
            table.size_table(),
        ]
        if LUT_WIDTHS:
            parts += [
                f"At equal predicted LUTs, those of 4 bits, for {FPS:,} images/s at {CLOCK_MHZ} "
                "MHz without DSP slices, all weights logic (frozen) or all of them loadable; "
                f"{self.lut_seeds} seeds:\n",
                table.lut_table(),
            ]
        if counted := table.synthesis_table():
            parts += [
                "The bitwidth of the highest mean validation accuracy at equal LUTs, trained "
                "(seed of the search), its LUTs predicted from its weights and counted by Yosys "
                "for 7 series:\n",
                counted,
            ]
        return "\n".join(parts)


@dataclass(frozen=True)
class _Row:
    """Networks of one configuration over the seeds; accuracies in per cent."""

    items: tuple[Measured, ...]

    @property
    def val(self) -> float:
        return 100 * statistics.fmean(item.validation["val"] for item in self.items)

    @property
    def _tests(self) -> list[float]:
        return [100 * item.test["accuracy"] for item in self.items if item.test]

    @property
    def test(self) -> float:
        return statistics.fmean(self._tests)

    @property
    def deviation(self) -> float:
        return statistics.stdev(self._tests) if len(self._tests) > 1 else 0.0

    def columns(self) -> list[str]:
        """Training, validation and test accuracy, as tables show them."""
        return [
            spread([item.validation["train"] for item in self.items]),
            spread([item.validation["val"] for item in self.items]),
            spread([item.test["accuracy"] if item.test else None for item in self.items]),
        ]


class _Table:
    """Results by network."""

    def __init__(self, study: OneWeightBitwidth, results: Sequence[Measured]) -> None:
        self.study, self.results = study, results
        self._known = {item.cell.key: item for item in results}

    def of(self, config: BackboneConfig, seeds: int | None = None) -> _Row:
        """All that is measured of a network, of at most so many seeds."""
        family = "standard" if config.block == "standard" else "depthwise"
        cells = [_cell(family, seed, config) for seed in self._seeds(family)[:seeds]]
        return _Row(tuple(self._known[cell.key] for cell in cells if cell.key in self._known))

    def _seeds(self, family: str) -> list[int]:
        return list(
            dict.fromkeys(item.cell.seed for item in self.results if item.cell.way == family)
        )

    def mixed_bits(self, family: str) -> tuple[int, ...] | None:
        """What the search found."""
        seeds = self._seeds(family)
        found = lambda cell: self._known.get(cell.key)  # noqa: E731
        return find_mixed(family, seeds[0], found, self.study.harm) if seeds else None

    def mixed(self, family: str) -> _Row:
        """Networks of bits that differ by layer.

        Raises:
            LookupError: The search has not ended.
        """
        bits = self.mixed_bits(family)
        if bits is None:
            raise LookupError(f"{family}: the search of mixed bits has not ended")
        return self.of(equal_size(family, bits))

    def lut_rows(self, family: str, residency: Residency) -> dict[int, _Row]:
        """By bitwidth, at equal LUTs."""
        return {
            bits: self.of(_equal_luts(family, residency, bits), self.study.lut_seeds)
            for bits in BITS
            if (family, residency, bits) in LUT_WIDTHS
        }

    def lut_winners(self) -> dict[tuple[str, Residency], int]:
        """The bitwidth of the highest mean validation accuracy at equal LUTs."""
        found = {}
        for family, residency in dict.fromkeys(key[:2] for key in LUT_WIDTHS):
            rows = self.lut_rows(family, residency)
            found[family, residency] = max(rows, key=lambda bits: rows[bits].val)
        return found

    def size_table(self) -> str:
        lines = []
        for family in FAMILIES:
            known: dict[str, tuple[int, ...]] = {str(bits): (bits,) for bits in BITS}
            mixed = self.mixed_bits(family)
            if mixed is not None:
                known[f"{MIXED}: {listed(mixed)}"] = mixed
            for name, bits in known.items():
                config = equal_size(family, bits)
                row = self.of(config)
                if row.items:
                    figures = row.items[0].validation
                    size, macs = f"{figures['size']:,}", f"{figures['macs']:,}"
                    lines.append([family, name, listed(config.widths), size, macs, *row.columns()])
        header = ["family", "bits", "widths", "size", "multiplications"]
        return markdown_table([*header, "train %", "val %", "test %"], lines)

    def lut_table(self) -> str:
        lines = []
        for family, residency in dict.fromkeys(key[:2] for key in LUT_WIDTHS):
            for bits, row in self.lut_rows(family, residency).items():
                if row.items:
                    widths = listed(LUT_WIDTHS[family, residency, bits])
                    size = f"{row.items[0].validation['size']:,}"
                    lines.append([family, residency, bits, widths, size, *row.columns()])
        header = ["family", "weights", "bits", "widths", "size"]
        return markdown_table([*header, "train %", "val %", "test %"], lines)

    def synthesis_table(self) -> str:
        """Empty if nothing is synthesised."""
        lines = []
        for item in self.results:
            if item.cell.way.endswith(SYNTHESIS):
                family, _, _ = item.cell.way.partition(",")
                found, bits = item.validation, item.cell.point["bits"][0]
                counted = [f"{found[name]:,.0f}" for name in ("predicted", "lut", "ff", "bram18")]
                lines.append([family, item.cell.point["residency"], bits, *counted])
        header = ["family", "weights", "bits", "predicted LUTs", "LUTs", "flip-flops", "BRAM18"]
        return markdown_table(header, lines) if lines else ""


def _epochs(options: TrainOptions) -> str:
    return f"{options.epochs} with batch norm and {options.tune_epochs} folded"
