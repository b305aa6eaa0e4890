"""Does freezing vertically cost accuracy? Four ways to freeze a third of a network, measured.

A core is trained on five Fashion-MNIST classes; then networks of one topology learn the other five
from few images:

- ``all trainable``: nothing is frozen, from new weights or starting from the trained core;
- ``semifreddo``: one core of three is frozen, in every layer;
- ``layer-wise``: the first layers of all three cores are frozen, as many as come nearest to the
  same share of the block weights, taken from a three-core network trained on the source classes;
- ``core + head``: the frozen core alone, only a head is trained.

All start their trainable parts anew and train alike. Everything is chosen on the validation split
(``--no-test`` hides the test split while choosing); the test split is measured once, at the end.
Results are kept per seed and way, so an interrupted run continues.

Run it as ``python -m semifreddo.train.experiment --data DIR``.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from semifreddo.core.digest import digest_json
from semifreddo.core.errors import SemifreddoError
from semifreddo.core.files import write_atomic
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.model import FROZEN_CORE, CoreNet, SemifreddoNet
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import Dataset, load_dataset
from semifreddo.train.freeze import freeze
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
SOURCE_OPTIONS = TrainOptions(epochs=8, tune_epochs=3, batch=128, shift=1)
TARGET_OPTIONS = TrainOptions(epochs=40, tune_epochs=15, batch=64, shift=1)


@dataclass(frozen=True)
class Setting:
    """All choices of the experiment.

    Attributes:
        config: Topology of the three-core network.
        source: How the core (and the three-core source network) is trained.
        target: How every way is trained on the target.
        source_images: Training images of the source classes.
        target_images: Training images of the target classes.
        val_images: Validation images of either.
    """

    config: SemifreddoConfig = CONFIG
    source: TrainOptions = SOURCE_OPTIONS
    target: TrainOptions = TARGET_OPTIONS
    source_images: int = 10_000
    target_images: int = 1_000
    val_images: int = 1_000

    @property
    def digest(self) -> str:
        """Digest of all choices: results of other choices are not mixed in."""
        return digest_json(dataclasses.asdict(self))


class Bench:
    """One seed: the data and the source models, made when first needed."""

    def __init__(self, setting: Setting, data: Dataset, seed: int) -> None:
        self.config = setting.config
        self.source = data.subset(SOURCE_CLASSES).limit(
            setting.source_images, setting.val_images, seed=seed
        )
        self.target = data.subset(TARGET_CLASSES).limit(
            setting.target_images, setting.val_images, seed=seed
        )
        self._source_options = dataclasses.replace(setting.source, seed=seed)
        self.options = dataclasses.replace(setting.target, seed=seed)
        self._core: TrainedModel | None = None
        self._whole: TrainedModel | None = None

    def core(self) -> TrainedModel:
        """The core, trained alone on the source classes."""
        if self._core is None:
            self._core = train_core(self.config, self.source, self._source_options)
        return self._core

    def whole(self) -> TrainedModel:
        """A three-core network trained on the source classes."""
        if self._whole is None:
            torch.manual_seed(self._source_options.seed)
            model = SemifreddoNet(self.config)
            self._whole = train_model(model, self.source, self._source_options)
        return self._whole


def _new(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.options.seed)
    return train_model(SemifreddoNet(bench.config), bench.target, bench.options)


def _from_core(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.options.seed)
    model, _ = freeze_core(bench.config, bench.core())
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
    torch.manual_seed(bench.options.seed)
    model, whole = SemifreddoNet(bench.config), bench.whole().model
    paths = [f"cores.{core}.{block}" for core in range(3) for block in range(_layers(bench.config))]
    for path in paths:
        block = model.get_submodule(path)
        fold_batch_norm(block)
        block.load_state_dict(whole.get_submodule(path).state_dict())
    plan = freeze(model, paths)
    return train_model(model, bench.target, bench.options, plan)


def _head_only(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.options.seed)
    model = CoreNet(bench.config)
    fold_batch_norm(model)
    model.cores.load_state_dict(
        copy.deepcopy(bench.core().model.get_submodule("cores").state_dict())
    )
    return train_model(model, bench.target, bench.options, freeze(model, [FROZEN_CORE]))


WAYS: Mapping[str, Callable[[Bench], TrainedModel]] = {
    "all trainable, from new": _new,
    "all trainable, from the core": _from_core,
    "semifreddo": _semifreddo,
    "layer-wise": _layer_wise,
    "core + head": _head_only,
}


def frozen_share(model: nn.Module, plan: FreezePlan) -> float:
    """Fraction of the weights (biases, blend factors and head included) that is frozen."""
    frozen, total = 0, 0
    for name in quantized_tensor_names(model):
        raw = integer_tensor(model, name).raw
        flags = plan.channels(name, len(raw))
        total += raw.size
        frozen += raw.size // len(raw) * sum(flags)
    return frozen / total


def measure(way: str, bench: Bench, *, test: bool) -> dict[str, Any]:
    """Train one way and measure it."""
    started = time.monotonic()
    trained = WAYS[way](bench)
    outputs = len(bench.target.labels)
    names = quantized_tensor_names(trained.model)
    return {
        "val": accuracy(trained.model, bench.target.val, outputs),
        "test": accuracy(trained.model, bench.target.test, outputs) if test else None,
        "train": accuracy(trained.model, bench.target.train, outputs),
        "frozen": frozen_share(trained.model, trained.plan),
        "weights": sum(integer_tensor(trained.model, name).raw.size for name in names),
        "alphas": {str(k): n for k, n in alpha_histogram(trained.model).items()},
        "seconds": round(time.monotonic() - started, 1),
    }


def run(
    setting: Setting,
    data: Dataset,
    seeds: Sequence[int],
    results: Path,
    *,
    test: bool,
    ways: Sequence[str] = tuple(WAYS),
) -> dict[str, list[dict[str, Any]]]:
    """Measure all ways with all seeds; what the results file already holds is not repeated.

    Returns:
        For each way its measurements, one per seed.
    """
    stored: dict[str, Any] = json.loads(results.read_text()) if results.is_file() else {}
    if stored.get("setting") != setting.digest:
        stored = {"setting": setting.digest, "measured": {}}
    for seed in seeds:
        bench = Bench(setting, data, seed)
        for way in ways:
            key = f"{way}/{seed}"
            known = stored["measured"].get(key)
            if known is None or (test and known["test"] is None):
                stored["measured"][key] = measure(way, bench, test=test)
                write_atomic(results, json.dumps(stored, indent=1) + "\n")
    return {way: [stored["measured"][f"{way}/{seed}"] for seed in seeds] for way in ways}


def _percent(values: Sequence[float | None]) -> str:
    numbers = [100 * value for value in values if value is not None]
    if len(numbers) < len(values):
        return "not measured"
    spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return f"{statistics.fmean(numbers):.2f} ± {spread:.2f}"


def table(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Markdown: mean and standard deviation over the seeds."""
    lines = [
        "| way | frozen | weights | train % | validation % | test % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way, entries in measured.items():
        accuracies = " | ".join(
            _percent([entry[key] for entry in entries]) for key in ("train", "val", "test")
        )
        first = entries[0]
        lines.append(f"| {way} | {first['frozen']:.1%} | {first['weights']} | {accuracies} |")
    return "\n".join(lines) + "\n"


def histogram(entries: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: how often each blend factor k / 8 occurs, over all seeds."""
    counts = [sum(int(entry["alphas"][key]) for entry in entries) for key in map(str, range(9))]
    head = " | ".join(f"{k}/8" for k in range(9))
    return f"| {head} |\n|{' --- |' * 9}\n| {' | '.join(map(str, counts))} |\n"


def report(
    setting: Setting, measured: Mapping[str, Sequence[Mapping[str, Any]]], seeds: Sequence[int]
) -> str:
    """The whole document."""
    seconds = sum(entry["seconds"] for entries in measured.values() for entry in entries)
    config, target = setting.config, setting.target
    facts = {
        "core": f"classes {_list(SOURCE_CLASSES)}, {setting.source_images} images",
        "task": f"classes {_list(TARGET_CLASSES)}, {setting.target_images} images",
        "network": f"{config.block} blocks, widths {_list(config.widths)} in each core, "
        f"{config.weight_bits}-bit weights, {config.act_bits}-bit activations",
        "epochs": f"{target.epochs} with batch norm and {target.tune_epochs} folded",
        "seeds": _list(seeds),
        "training": f"{seconds / 60:.1f} minutes in all",
    }
    parts = [
        "# Vertical against layer-wise freezing\n",
        "Made by `python -m semifreddo.train.experiment` (its docstring says what is compared) on "
        "Fashion-MNIST. Mean ± standard deviation over the seeds; accuracies are those of the raw "
        "integers that hardware gives. Everything was chosen on the validation split; the test "
        "split was measured once.\n",
        "".join(f"- {name}: {fact}\n" for name, fact in facts.items()),
        table(measured),
    ]
    if "semifreddo" in measured:
        parts += [
            "Blend factors of `semifreddo`, all seeds together:\n",
            histogram(measured["semifreddo"]),
        ]
    return "\n".join(parts)


def _list(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m semifreddo.train.experiment")
    parser.add_argument("--data", type=Path, required=True, help="directory of Fashion-MNIST")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("docs/experiment-fashion-mnist.md"))
    parser.add_argument("--results", type=Path, help="measurements so far; beside --out if absent")
    parser.add_argument("--no-test", action="store_true", help="validation only, while choosing")
    chosen = parser.parse_args(arguments)
    results = chosen.results or chosen.out.with_suffix(".json")
    setting = Setting()
    try:
        data = load_dataset("fashion_mnist", chosen.data)
        measured = run(setting, data, chosen.seeds, results, test=not chosen.no_test)
    except SemifreddoError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    text = report(setting, measured, chosen.seeds)
    write_atomic(chosen.out, text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
