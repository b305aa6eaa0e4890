"""How much faster a training is than a plain loop over the same Brevitas modules.

The plain loop does what a phase of training does (augmentation, falling rate, frozen values put
back, validation, the best epoch kept) with the modules as they are and torch's optimizer as it is
by default. Both run in turns in one process, on one thread, and their CPU time is taken.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import nn

from semifreddo.core.columns import markdown_table
from semifreddo.core.tables import option
from semifreddo.flow.config import load_config
from semifreddo.flow.demo import GROUPS_B
from semifreddo.flow.trained import load_trained
from semifreddo.flow.training import dataset_of, training_of
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.inputs import as_input
from semifreddo.nn.model import FROZEN_CORE, SemifreddoNet
from semifreddo.nn.network import Network
from semifreddo.nn.pin import pin_scales
from semifreddo.studies.measurement import Measurement
from semifreddo.studies.vertical_freezing import CONFIG, TARGET_OPTIONS
from semifreddo.tools.runner import Progress
from semifreddo.train.augment import augmented
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.data import Split, TrainVal
from semifreddo.train.evaluation import evaluate
from semifreddo.train.freeze import FreezeGuard, freeze
from semifreddo.train.loop import Phase, fit, parameter_groups
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, retarget
from semifreddo.train.seen import raw_images

T = TypeVar("T")

_VALIDATION = 64
"""Images: few, so that steps are what is timed."""


@dataclass(frozen=True)
class TrainingSpeed(Measurement):
    """Phases of training and a whole retargeting, each beside the plain loop."""

    name: ClassVar[str] = "training_speed"
    title: ClassVar[str] = "training beside a plain loop"

    images: int = option(1000, help="random images of an epoch of a phase", low=64)
    epochs: int = option(4, help="epochs of a phase", low=1)
    rounds: int = option(5, help="of a phase, of which the median is taken", low=1)
    seeds: int = option(5, help="of the retargeting", low=1)
    design: str = option("hls_projects/digits", help="the design that is retargeted")

    def run(self, _folder: Path, _jobs: int, say: Progress) -> str:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return f"{self._phases(say)}\n{self._retargeting(say)}"
        finally:
            torch.set_num_threads(threads)

    def _phases(self, say: Progress) -> str:
        rows = []
        labels = tuple(map(str, range(CONFIG.classes)))
        train, val = _random_images(self.images), _random_images(_VALIDATION)
        data = TrainVal("random", train, val, labels)
        for name, (model, plan) in _phases_of(train).items():
            phase = Phase(name, self.epochs, TARGET_OPTIONS.rate, CONFIG.classes)
            rates: list[tuple[float, float]] = []
            # The first round warms both up.
            for _ in range(self.rounds + 1):
                seconds = [
                    _seconds(way, copy.deepcopy(model), data, phase, plan)[0]
                    for way in (_plainly, _ours)
                ]
                plain, ours = (self.images * self.epochs / taken for taken in seconds)
                rates.append((plain, ours))
            plain, ours = (statistics.median(column) for column in zip(*rates[1:], strict=True))
            rows.append([name, f"{plain:,.0f}", f"{ours:,.0f}", f"{ours / plain:.2f}"])
            say(f"{name}: {rows[-1][-1]} times as many images per second")
        head = ["phase", "plain loop, images per CPU second", "ours", "times"]
        return markdown_table(head, rows)

    def _retargeting(self, say: Progress) -> str:
        config = load_config(Path(self.design))
        trained, data = load_trained(config), dataset_of(config).relabel(GROUPS_B)
        measured: list[list[float]] = []
        for seed in range(self.seeds):
            options = dataclasses.replace(training_of(config).task, seed=seed, progress=False)
            before, plain = _seconds(plain_retarget, trained, data.development, options)
            after, ours = _seconds(retarget, trained, data.development, options)
            right = [accuracy(made.model, data.test, len(data.labels)) for made in (plain, ours)]
            measured.append([before, after, *right])
            say(f"seed {seed}: {before / after:.2f} times as fast")
        means = [statistics.fmean(column) for column in zip(*measured, strict=True)]
        rows = []
        for name, (before, after, *right) in [*enumerate(measured), ("mean", means)]:
            times = f"{before:.2f} s", f"{after:.2f} s", f"{before / after:.2f}"
            rows.append([name, *times, *(f"{share:.2%}" for share in right)])
        head = ["seed", "plain loop, CPU", "ours", "times", "plain loop, test accuracy", "ours"]
        return markdown_table(head, rows)


def _seconds(run: Callable[..., T], *arguments: Any) -> tuple[float, T]:
    """CPU time of a call, and what it gave."""
    begin = time.process_time()
    found = run(*arguments)
    return time.process_time() - begin, found


def _random_images(count: int) -> Split:
    """Images of the network of ``vertical_freezing``; what a step costs does not depend on them."""
    random = np.random.default_rng(count)
    channels, height, width = CONFIG.input_shape
    pixels = random.integers(0, 256, (count, height, width, channels), np.uint8)
    return Split(pixels, random.integers(0, CONFIG.classes, count))


def _phases_of(train: Split) -> dict[str, tuple[SemifreddoNet, FreezePlan]]:
    """Networks as the phases of a training find them, and what is frozen."""
    torch.manual_seed(0)
    moving = SemifreddoNet(CONFIG)
    x = as_input(moving, raw_images(moving, train.head(256)))
    moving(x)
    pinned = copy.deepcopy(moving)
    fold_batch_norm(pinned)
    pin_scales(pinned, x)
    frozen = copy.deepcopy(pinned)
    return {
        "batch norms, moving scales": (moving, FreezePlan()),
        "folded, pinned": (pinned, FreezePlan()),
        "folded, pinned, one core frozen": (frozen, freeze(frozen, [FROZEN_CORE])),
    }


def _ours(model: nn.Module, data: TrainVal, phase: Phase, plan: FreezePlan) -> None:
    fit(model, data.train, data.val, options=TARGET_OPTIONS, phase=phase, plan=plan)


def _plainly(model: nn.Module, data: TrainVal, phase: Phase, plan: FreezePlan) -> None:
    plain_fit(model, data, TARGET_OPTIONS, phase, plan)


def plain_fit(
    model: nn.Module, data: TrainVal, options: TrainOptions, phase: Phase, plan: FreezePlan
) -> None:
    """A phase of training as a plain loop: cross entropy and AdamW.

    Args:
        model: Left as it was in its best epoch.
        data: Images.
        options: How.
        phase: Epochs, rate and outputs.
        plan: What is frozen.
    """
    x = as_input(model, raw_images(model, data.train))
    y = torch.from_numpy(data.train.labels)
    optimizer = torch.optim.AdamW(parameter_groups([model], options.weight_decay), lr=phase.rate)
    best, state = (-1.0, 0.0), model.state_dict()
    steps = -(-len(y) // options.batch)
    with FreezeGuard(model, plan) as guard:
        guard.attach(optimizer)
        for epoch in range(phase.epochs):
            model.train()
            random = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
            order = torch.randperm(len(y), generator=random)
            for step, index in enumerate(torch.split(order, options.batch)):
                for group in optimizer.param_groups:
                    group["lr"] = phase.rate_at(epoch * steps + step, steps)
                optimizer.zero_grad()
                answers = model(augmented(x[index], options, random))[:, : phase.outputs]
                loss = nn.functional.cross_entropy(answers, y[index])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            val_loss, score = evaluate(model, data.val, phase.outputs)
            if (score, -val_loss) > best:
                best, state = (score, -val_loss), copy.deepcopy(model.state_dict())
        model.load_state_dict(state)
    model.eval()


def plain_retarget(trained: TrainedModel, data: TrainVal, options: TrainOptions) -> TrainedModel:
    """Another task for a built-in network as a plain loop, see ``recipes.retarget``.

    Args:
        trained: What the device was built from. It is not changed.
        data: The new task.
        options: How.
    """
    model = copy.deepcopy(trained.model)
    torch.manual_seed(options.seed)
    assert isinstance(model, Network)
    model.head.reset()
    phase = Phase("retarget", options.epochs, options.rate, len(data.labels))
    plain_fit(model, data, options, phase, trained.plan)
    info = {"val_accuracy": accuracy(model, data.val, len(data.labels))}
    return dataclasses.replace(trained, model=model, labels=data.labels, info=info)
