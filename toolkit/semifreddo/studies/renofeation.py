"""Is a task that Renofeation taught harder to fool through the frozen core than a fine-tuned one?

A device is trained on some Fashion-MNIST classes: a core, and two trainable cores around it. Then
it learns other classes from few images in several ways (:data:`TEACHERS`), all with equally many
epochs, and one attack that knows the frozen core alone is tried on all of them:

- ``fine-tuned``: what `semifreddo retarget` does, from the values that the device has;
- ``robust``: what `semifreddo retarget --robust` does;
- ``re-trained``: the same device, its loadable values from random ones;
- ``own core``: a network of the same topology that shares nothing with the device;
- ``core + head``: the frozen core and a trained classifier, nothing else.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from semifreddo.core.columns import markdown_table
from semifreddo.ir.layers import ALPHA_FRAC
from semifreddo.methods.forgetting import from_scratch
from semifreddo.methods.renofeation import Noise, robust_retarget
from semifreddo.methods.transfer_attack import (
    Attack,
    PublicPath,
    attacked,
    distances,
    fooled,
    shuffled_noise,
)
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import exact_logits
from semifreddo.nn.model import FROZEN_CORE, CoreNet, SemifreddoNet
from semifreddo.studies.halving import halved
from semifreddo.studies.pictures import Point, scatter
from semifreddo.studies.study import JSON, Cell, Figures, Material, Measured, Study, Verdict
from semifreddo.studies.tables import bullets, listed, spread
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import Dataset, Split, TrainVal, load_dataset
from semifreddo.train.freeze import freeze
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import (
    alpha_histogram,
    retarget,
    train_core,
    train_model,
    train_task,
)
from semifreddo.train.seen import raw_images

FINE_TUNED, ROBUST = "fine-tuned", "robust"
CORE_HEAD = "core + head"

CONFIG = SemifreddoConfig(
    input_shape=(1, 14, 14), classes=6, widths=(8, 16), strides=(2, 2), stem_padding=1
)
SOURCE_OPTIONS = TrainOptions(epochs=4, tune_epochs=1, batch=150, rate=1e-2, progress=False)
TARGET_OPTIONS = TrainOptions(epochs=30, tune_epochs=10, batch=100, rate=1e-2, progress=False)
NOISE = Noise()
ATTACK = Attack(strength=24, features=2)

_DEVICE = "device.safetensors"


@dataclass(frozen=True)
class Bench:
    """One seed's device and task, and what it takes to teach it.

    Attributes:
        study: All choices.
        device: Trained on the source classes.
        task: Images of the classes that are learned.
        seed: Of the way.
    """

    study: Renofeation
    device: TrainedModel
    task: TrainVal
    seed: int

    @property
    def parts(self) -> TrainOptions:
        """Of a way of two phases: ``epochs``, then ``tune_epochs``."""
        return dataclasses.replace(self.study.target, seed=self.seed)

    @property
    def whole(self) -> TrainOptions:
        """Of a way of one phase: as many epochs in all."""
        epochs = self.parts.epochs + self.parts.tune_epochs
        return dataclasses.replace(self.parts, epochs=epochs, tune_epochs=0)

    def robust(self) -> TrainedModel:
        """Renofeation; its mean takes as many epochs as ``tune_epochs``."""
        average = self.parts.tune_epochs / self.parts.epochs
        noise = dataclasses.replace(self.study.noise, average=average)
        return robust_retarget(self.device, self.task, self.parts, noise=noise)


def _own_core(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.seed)
    config = bench.study.config
    return train_model(SemifreddoNet(config), bench.task, bench.parts, network=config)


def _core_head(bench: Bench) -> TrainedModel:
    torch.manual_seed(bench.seed)
    model = CoreNet(bench.study.config)
    fold_batch_norm(model)
    core = bench.device.model.get_submodule(FROZEN_CORE)
    model.get_submodule(FROZEN_CORE).load_state_dict(copy.deepcopy(core.state_dict()))
    return train_model(model, bench.task, bench.parts, freeze(model, [FROZEN_CORE]))


TEACHERS: Mapping[str, Callable[[Bench], TrainedModel]] = {
    FINE_TUNED: lambda bench: retarget(bench.device, bench.task, bench.whole),
    ROBUST: lambda bench: bench.robust(),
    "re-trained": lambda bench: from_scratch(bench.device, bench.task, bench.whole),
    "own core": _own_core,
    CORE_HEAD: _core_head,
}


@dataclass(frozen=True)
class Renofeation(Study[TrainVal, Dataset]):
    """All choices of the study.

    Attributes:
        config: Topology of the device.
        source: How the core, and then the trainable cores, learn the source classes.
        target: How every way learns the task.
        noise: Of the robust ways.
        attack: What every way is attacked with.
        source_classes: Of the device's first task.
        target_classes: Of the task.
        source_images: Training images of the first task.
        target_images: Training images of the task.
        val_images: Validation images that the best epoch is chosen with.
        attacked_images: Images of the task that are attacked: others of validation, and of the
            test split.
        premise: Points by which the attack must fool a fine-tuned task more often than noise does.
        share: Of a fine-tuned task's attack success that a robust one may have.
        slack: Points of clean accuracy that a robust task may lose against a fine-tuned one.
    """

    name = "renofeation"
    title = "Tasks that are harder to fool through the frozen core"
    claim = (
        "A task that Renofeation teaches from random values is fooled far less often through the "
        "public frozen core than a fine-tuned one, and answers clean images about as well."
    )
    origin = "after Chin et al., Renofeation, CVPR Workshops 2021, arXiv 2002.02998, at our scale"
    margin = (
        "the attack fools fine-tuned tasks at least 5 points more often than noise of equal norm "
        "does (otherwise undecided); it fools robust tasks at most half as often as fine-tuned "
        "ones; and the clean accuracy of robust tasks is at most 2 points below that of fine-tuned "
        "ones; means over the seeds, on the test split."
    )
    data = "fashion_mnist"

    config: SemifreddoConfig = CONFIG
    source: TrainOptions = SOURCE_OPTIONS
    target: TrainOptions = TARGET_OPTIONS
    noise: Noise = NOISE
    attack: Attack = ATTACK
    source_classes: tuple[int, ...] = (0, 1, 2, 5, 7, 8)
    target_classes: tuple[int, ...] = (3, 4, 6, 9)
    source_images: int = 3_000
    target_images: int = 400
    val_images: int = 200
    attacked_images: int = 400
    premise: float = 5.0
    share: float = 0.5
    slack: float = 2.0

    def settings(self) -> JSON:
        parts = (("config", self.config), ("source", self.source), ("target", self.target))
        return dataclasses.asdict(self) | {
            "ways": list(TEACHERS),
            **{name: part.deciding() for name, part in parts},
        }

    def cells(self, seeds: Sequence[int], _done: Sequence[Measured]) -> Sequence[Cell]:
        """One for each seed: all ways share a device and the images of one attack."""
        return [Cell("every way", seed) for seed in seeds]

    def images(self, directory: Path | None) -> Dataset:
        """All classes, at half the height and width."""
        return halved(load_dataset(self.data, directory))

    def load(self, directory: Path | None) -> Material[TrainVal, Dataset]:
        data = self.images(directory)
        return Material(data.development, data)

    def validate(self, cell: Cell, data: TrainVal, folder: Path) -> Figures:
        options = dataclasses.replace(self.source, seed=cell.seed)
        source = data.subset(self.source_classes)
        source = source.limit(self.source_images, self.val_images, seed=cell.seed)
        core = train_core(self.config, source, options)
        device = train_task(self.config, core, source, options)
        save_checkpoint(device, folder / _DEVICE)
        task, images = self._task(data, cell.seed)
        bench = Bench(self, device, task, cell.seed)
        taught = {}
        for way, teach in TEACHERS.items():
            taught[way] = teach(bench)
            save_checkpoint(taught[way], folder / _file(way))
        return {
            "source": device.info["val_accuracy"],
            "frozen": {way: _frozen_share(trained) for way, trained in taught.items()},
            **self._attacked(device, taught, images),
        }

    def _task(self, data: TrainVal, seed: int) -> tuple[TrainVal, Split]:
        """The task, and validation images that it does not choose its best epoch with."""
        task = data.subset(self.target_classes)
        task = task.limit(self.target_images, self.val_images + self.attacked_images, seed=seed)
        images = task.val.take(np.arange(len(task.val)) >= self.val_images)
        return dataclasses.replace(task, val=task.val.head(self.val_images)), images

    def test(self, cell: Cell, folder: Path, split: Dataset) -> Figures:
        images = split.subset(self.target_classes).limit(test=self.attacked_images, seed=cell.seed)
        taught = {}
        for way in TEACHERS:
            model = CoreNet(self.config) if way == CORE_HEAD else None
            if model is not None:
                fold_batch_norm(model)
            taught[way] = load_checkpoint(folder / _file(way), model)
        return self._attacked(load_checkpoint(folder / _DEVICE), taught, images.test)

    def _attacked(
        self, device: TrainedModel, taught: Mapping[str, TrainedModel], images: Split
    ) -> dict[str, JSON]:
        """What one attack, and noise of equal norm, does to all ways."""
        path = PublicPath(device)
        runs = [
            attacked(path, images, self.attack, feature)
            for feature in path.liveliest(images, self.attack)
        ]
        noise = [shuffled_noise(images, run, self.attack.seed) for run in runs]
        found: dict[str, JSON] = {
            "moved": distances(path, images, runs),
            "noise_moved": distances(path, images, noise),
            "ways": {},
        }
        for way, trained in taught.items():
            clean = _answers(trained, images)
            found["ways"][way] = {
                "clean": float((clean == images.labels).mean()),
                **{
                    name: fooled(clean, [_answers(trained, run) for run in changed], images.labels)
                    for name, changed in (("attack", runs), ("noise", noise))
                },
            }
        return found

    def verdict(self, results: Sequence[Measured]) -> Verdict:
        tuned, robust = (_Row.of(results, way) for way in (FINE_TUNED, ROBUST))
        above = tuned.mean("attack") - tuned.mean("noise")
        if above < self.premise:
            why = (
                f"The attack fools fine-tuned tasks {above:.1f} points more often than noise of "
                "equal norm does, so nothing can be shown here."
            )
            return Verdict("undecided", why)
        below = tuned.mean("clean") - robust.mean("clean")
        holds = robust.mean("attack") <= self.share * tuned.mean("attack") and below <= self.slack
        others = (
            f"{way} {_Row.of(results, way).mean('attack'):.1f} %"
            for way in ("re-trained", "own core", CORE_HEAD)
        )
        why = (
            f"The attack fools robust tasks in {robust.mean('attack'):.1f} % of the images that "
            f"they answered right, fine-tuned ones in {tuned.mean('attack'):.1f} % ("
            f"{', '.join(others)}); noise of equal norm in {robust.mean('noise'):.1f} and "
            f"{tuned.mean('noise'):.1f} %. Robust tasks are {abs(below):.2f} points "
            f"{'below' if below >= 0 else 'above'} fine-tuned ones on clean images."
        )
        return Verdict("holds" if holds else "does not hold", why)

    def picture(self, results: Sequence[Measured]) -> str:
        rows = {way: _Row.of(results, way) for way in TEACHERS}
        points = {
            way: [Point(row.mean("clean"), row.mean("attack"), spread=row.deviation("attack"))]
            for way, row in rows.items()
        }
        return scatter(points, "clean accuracy in per cent", "images fooled in per cent (test)")

    def body(self, results: Sequence[Measured]) -> str:
        config, target, attack = self.config, self.target, self.attack
        facts = {
            "device": f"Fashion-MNIST's classes {listed(self.source_classes)}, "
            f"{self.source_images} images of half height and width",
            "task": f"classes {listed(self.target_classes)}, {self.target_images} images; "
            f"{self.attacked_images} others are attacked",
            "network": f"{config.block} blocks, widths {listed(config.widths)} in each core, "
            f"{config.weight_bits}-bit weights, {config.act_bits}-bit activations",
            "epochs": f"{target.epochs} and {target.tune_epochs}, in every way: at a falling rate "
            "and for the mean of weights if robust, with scales that follow and with pinned ones "
            f"in `own core` and `{CORE_HEAD}`, all at a falling rate otherwise",
            "robust": f"features count {self.noise.distil:g} times their mean squared difference, "
            f"and {self.noise.dropout:.0%} of the channels are dropped; chosen with seed 0 on "
            "validation images, where features that counted 1 had tasks fooled 0.63 to 0.71 times "
            "as often as fine-tuned ones",
            "attack": f"at most {attack.strength} of 255 grey levels, {attack.steps} steps, "
            f"through the frozen core alone; for each of the {attack.features} features that "
            "differ most between images, and one that fools is enough",
        }
        tested = bool(results) and all(item.test is not None for item in results)
        header = ["way", "frozen share", "validation: clean %", "fooled %"]
        header += ["test: clean %", "fooled %", "by noise %"]
        lines = []
        for way in TEACHERS if results else ():
            validation, row = _Row.of(results, way, "validation"), _Row.of(results, way)
            shares = [item.validation["frozen"][way] for item in results]
            lines.append(
                [
                    way,
                    spread(shares) + " %",
                    *(validation.shown(name) for name in ("clean", "attack")),
                    *(
                        row.shown(name) if tested else "not measured"
                        for name in ("clean", "attack", "noise")
                    ),
                ]
            )
        parts = [
            bullets(facts),
            "Mean ± standard deviation over the seeds. Fooled: share of the images answered right "
            "that the attack, or random noise with the same largest change and the same sum of "
            "squares, makes wrong; answers are those of the raw integers that hardware gives. "
            "Frozen share: what blends take of the frozen core. `re-trained` is the same device "
            "from random values, `own core` a network that shares nothing with it.\n",
            markdown_table(header, lines),
        ]
        if results:
            moved = [
                spread([getattr(item, _split(tested))[name] for item in results])
                for name in ("moved", "noise_moved")
            ]
            parts.append(
                "**The frozen path itself stays attackable**: the attack moves the frozen core's "
                f"features by {moved[0]} % of their length, noise of equal norm by {moved[1]} %, "
                f"in every device, whatever its task was taught with. `{CORE_HEAD}` shows what "
                "that does to a task that has nothing else, and blends carry it as far as their "
                "frozen share goes. All of this is one attack through the frozen core: who reads "
                "the loadable values can attack them directly.\n"
            )
        return "\n".join(parts)


@dataclass(frozen=True)
class _Row:
    """A way over the seeds; shares by name."""

    values: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, results: Sequence[Measured], way: str, split: str = "test") -> _Row:
        found = [getattr(item, split)["ways"][way] for item in results if getattr(item, split)]
        names = ("clean", "attack", "noise")
        return cls({name: tuple(item[name] for item in found) for name in names})

    def mean(self, name: str) -> float:
        """In per cent."""
        return 100 * statistics.fmean(self.values[name])

    def deviation(self, name: str) -> float:
        """In points."""
        values = self.values[name]
        return 100 * statistics.stdev(values) if len(values) > 1 else 0.0

    def shown(self, name: str) -> str:
        """Mean and deviation."""
        return spread(self.values[name])


def _split(tested: bool) -> str:
    return "test" if tested else "validation"


def _file(way: str) -> str:
    return f"{list(TEACHERS).index(way)}.safetensors"


def _answers(trained: TrainedModel, split: Split) -> npt.NDArray[np.int64]:
    logits = exact_logits(trained.model, raw_images(trained.model, split))
    answers: npt.NDArray[np.int64] = logits[:, : len(trained.labels)].argmax(1)
    return answers


def _frozen_share(trained: TrainedModel) -> float:
    """Mean share that blends take of the frozen core; all of it if there is nothing else."""
    counts = alpha_histogram(trained.model)
    total = sum(counts.values())
    return sum(k * n for k, n in counts.items()) / (total << ALPHA_FRAC) if total else 1.0
