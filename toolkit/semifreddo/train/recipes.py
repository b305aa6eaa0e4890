"""The order of training: core, freeze, task, retarget."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semifreddo.core.errors import CheckpointError, ConfigError
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import NetworkConfig, SemifreddoConfig
from semifreddo.nn.fold import batch_norms, fold_batch_norm
from semifreddo.nn.inputs import as_input
from semifreddo.nn.integers import exact_logits, integer_tensor, quantized_tensor_names
from semifreddo.nn.model import FROZEN_CORE, CoreNet, SemifreddoNet, core_network
from semifreddo.nn.network import Network
from semifreddo.nn.pin import pin_scales, pinned
from semifreddo.nn.twin import has_bfloat16, plain_twin
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.checks import (
    check_crop,
    check_data,
    check_model,
    refuse_float,
)
from semifreddo.train.curve import draw_curve
from semifreddo.train.data import Dataset, Split, TrainVal
from semifreddo.train.freeze import check_foldable, freeze, verify
from semifreddo.train.loop import METRICS_FILE, EpochMetrics, Phase, fit, write_metrics
from semifreddo.train.objective import CrossEntropy, Objective
from semifreddo.train.options import TrainOptions, check_network
from semifreddo.train.seen import raw_images

CURVE_FILE = "curve.png"
_CALIBRATION_IMAGES = 256


@dataclass
class _Session:
    """What the phases of one training share."""

    model: nn.Module
    data: TrainVal
    options: TrainOptions
    plan: FreezePlan
    folder: Path | None
    objective: Objective | None = None
    started: float = field(default_factory=time.monotonic)
    history: list[EpochMetrics] = field(default_factory=list)
    facts: dict[str, str | float] = field(default_factory=dict)

    def run(self, name: str, epochs: int, rate: float, *, constant: bool = False) -> None:
        """One phase, resumable in a folder of its own."""
        if not epochs:
            return
        place = None if self.folder is None else self.folder / name.replace(" ", "-")
        self.history += fit(
            self.model,
            self.data.train,
            self.data.val,
            options=self.options,
            phase=Phase(
                name,
                epochs,
                rate,
                len(self.data.labels),
                self.objective,
                bfloat16=self.options.bfloat16 and has_bfloat16(),
                constant=constant,
            ),
            plan=self.plan,
            folder=place,
        )

    def run_float(self) -> None:
        """The epochs without quantizers, of a network of which nothing is frozen."""
        options = self.options
        if not options.float_epochs:
            return
        shape, crop = self.data.input_shape, options.crop
        twin = plain_twin(self.model, shape)
        if crop is not None:
            check_crop(twin, shape, crop)
        phase = Phase(
            "float",
            options.float_epochs,
            options.float_rate,
            len(self.data.labels),
            self.objective,
            warmup=options.warmup,
            crop=crop,
            cropped=0 if crop is None else options.float_epochs - options.whole,
            bfloat16=has_bfloat16(),
        )
        folder = None if self.folder is None else self.folder / "float"
        train, val = self.data.train, self.data.val
        history = fit(twin, train, val, options=options, phase=phase, folder=folder)
        self.history += history
        self.facts["float_type"] = "bfloat16" if phase.bfloat16 else "float32"
        self.facts["float_val_score"] = max(metrics.val_score for metrics in history)

    def finish(self, config: NetworkConfig | None, plan: FreezePlan, task: str) -> TrainedModel:
        """Check the plan, write metrics and curve, and bundle all that belongs to the model."""
        verify(self.model, plan)
        if self.folder is not None:
            write_metrics(self.history, self.folder / METRICS_FILE)
            score = (self.objective or CrossEntropy()).score_name
            draw_curve(self.history, self.folder / CURVE_FILE, task, score)
        info = {
            "task": task,
            "dataset": self.data.name,
            "val_accuracy": accuracy(self.model, self.data.val, len(self.data.labels)),
            "epochs": len(self.history),
            "seconds": round(time.monotonic() - self.started, 1),
            "options": self.options.to_dict(),
            **self.facts,
            **self.data.preprocessing.to_figures(),
        }
        shape = self.data.input_shape
        return TrainedModel(self.model.eval(), config, plan, self.data.labels, info, shape)


def accuracy(model: nn.Module, split: Split, outputs: int) -> float:
    """Fraction of right answers, those that the integers of the hardware will give."""
    logits = exact_logits(model, raw_images(model, split))[:, :outputs]
    return float((logits.argmax(1) == split.labels).mean())


def measured(trained: TrainedModel, data: Dataset) -> TrainedModel:
    """The same model, its accuracy on the test split (from raw integers) written down."""
    test = accuracy(trained.model, data.test, len(data.labels))
    info = dict(trained.info) | {"test_accuracy": test, "test_images": len(data.test)}
    return dataclasses.replace(trained, info=info)


def _calibration(model: nn.Module, data: TrainVal) -> torch.Tensor:
    return as_input(model, raw_images(model, data.train.head(_CALIBRATION_IMAGES)))


def _fold_and_pin(session: _Session) -> None:
    fold_batch_norm(session.model, _calibration(session.model, session.data))
    pin_scales(session.model, _calibration(session.model, session.data))


def train_core(
    config: SemifreddoConfig,
    data: TrainVal,
    options: TrainOptions,
    folder: Path | None = None,
    *,
    objective: Objective | None = None,
) -> TrainedModel:
    """Phase 1: train the core that will be frozen, alone, with a head of its own.

    Args:
        config: Of the whole network; its ``classes`` is replaced by the source task's.
        data: The source task.
        options: How.
        folder: For states (an interrupted call continues), metrics.jsonl and curve.png.
        objective: What is minimised; cross entropy if left out.

    Returns:
        A :class:`~semifreddo.nn.model.CoreNet`, folded and pinned, its core frozen in the plan.

    Raises:
        ConfigError: The data do not fit the configuration.
        DataError: They have another image shape.
    """
    own = dataclasses.replace(config, classes=max(2, len(data.labels)))
    check_data(own, data)
    torch.manual_seed(options.seed)
    model = core_network(own)
    session = _Session(model, data, options, FreezePlan(), folder, objective)
    session.run_float()
    session.run("core", options.epochs, options.rate)
    _fold_and_pin(session)
    session.run("core tune", options.tune_epochs, options.tune_rate)
    return session.finish(own, freeze(model, [FROZEN_CORE]), "core")


def freeze_core(config: SemifreddoConfig, core: TrainedModel) -> tuple[SemifreddoNet, FreezePlan]:
    """Phase 2: a network around a trained core whose weights, biases and formats are constants.

    The trainable cores are new and have batch norms.

    Raises:
        CheckpointError: ``core`` is no core, or one of another configuration.
    """
    if core.kind != CoreNet.kind or not isinstance(core.config, SemifreddoConfig):
        raise CheckpointError("the core is not a core network; train one with train_core")
    for name, wanted in config.core_facts.items():
        found = core.config.core_facts[name]
        if found != wanted:
            raise CheckpointError(
                f"the core was trained with {name} = {found}, the network has {wanted}; train a "
                "core for it"
            )
    model = SemifreddoNet(config)
    fold_batch_norm(model.cores[0])
    model.load_core(core.model.state_dict())
    return model, freeze(model, [FROZEN_CORE])


def train_task(
    config: SemifreddoConfig,
    core: TrainedModel,
    data: TrainVal,
    options: TrainOptions,
    folder: Path | None = None,
    *,
    objective: Objective | None = None,
) -> TrainedModel:
    """Phase 3: train the trainable cores, blend factors and head around a frozen core.

    First with batch norms and scales that follow, then folded and with all scales pinned.

    Raises:
        CheckpointError: ``core`` does not fit the configuration.
        ConfigError: The data have more classes than the network outputs.
        DataError: They have another image shape.
    """
    check_data(config, data)
    refuse_float(options)
    torch.manual_seed(options.seed)
    model, plan = freeze_core(config, core)
    session = _Session(model, data, options, plan, folder, objective)
    session.run("task", options.epochs, options.rate)
    _fold_and_pin(session)
    session.run("task tune", options.tune_epochs, options.tune_rate)
    return session.finish(config, plan, data.name)


def train_model(
    model: nn.Module,
    data: TrainVal,
    options: TrainOptions,
    plan: FreezePlan | None = None,
    folder: Path | None = None,
    *,
    network: NetworkConfig | None = None,
    objective: Objective | None = None,
) -> TrainedModel:
    """Train all of a model, in place; fold and pin it between the two phases.

    Args:
        model: A user's own Brevitas model of NCHW images, or a network that was built of its
            configuration; partly frozen or not.
        data: The task; classes are the model's first outputs.
        options: How.
        plan: What :func:`~semifreddo.train.freeze.freeze` gave for this model.
        folder: For states, metrics and curve.
        network: What a built-in network was built of, so that a checkpoint needs no code.
        objective: What is minimised; cross entropy if left out.

    Raises:
        ConfigError: The model cannot learn these data: another image shape, too few outputs,
            results that are images, all frozen, no float32, nothing quantized, no epochs, a batch
            norm behind a frozen layer.
    """
    if network is not None:
        check_network(network, options)
    moving = bool(batch_norms(model)) or not pinned(model)
    check_model(model, data, options.tune_epochs + (options.epochs if moving else 0))
    session = _Session(model, data, options, plan or FreezePlan(), folder, objective)
    if session.plan.tensors:
        refuse_float(options)
    check_foldable(model, session.plan, _calibration(model, data))
    if moving:
        session.run_float()
        session.run("train", options.epochs, options.rate)
        _fold_and_pin(session)
    session.run("tune", options.tune_epochs, options.tune_rate)
    return session.finish(network, session.plan, data.name)


def _new_head(model: nn.Module) -> None:
    if isinstance(model, Network):
        model.head.reset()


def retarget(
    trained: TrainedModel,
    data: TrainVal,
    options: TrainOptions,
    folder: Path | None = None,
    *,
    objective: Objective | None = None,
    start: Callable[[nn.Module], None] | None = None,
    constant: bool = False,
) -> TrainedModel:
    """Teach the same device another task.

    All formats and all frozen tensors stay as they are; trainable weights, biases, blend factors
    and head change. With fewer classes than outputs only the first outputs are trained.

    Args:
        trained: What the device was built from. It is not changed.
        data: The new task.
        options: How; the scales are constants, so there is one phase of ``epochs`` at ``rate``.
        folder: For states, metrics and curve.
        objective: What is minimised; cross entropy if left out.
        start: Gives the copy of the model the values to start from; new ones of the classifier of a
            built-in network if left out.
        constant: Keep the learning rate instead of letting it fall.

    Raises:
        ConfigError: More classes than outputs, scales that are not pinned, or no epochs.
        DataError: Another image shape.
    """
    if trained.config is not None:
        check_data(trained.config, data)
    if batch_norms(trained.model) or not pinned(trained.model):
        raise ConfigError(
            "retarget: the model has batch norms or scales that still move, so no device has been "
            "built from it; train it with train_task or train_model"
        )
    model = copy.deepcopy(trained.model)
    check_model(model, data, options.epochs)
    torch.manual_seed(options.seed)
    (start or _new_head)(model)
    session = _Session(model, data, options, trained.plan, folder, objective)
    session.run("retarget", options.epochs, options.rate, constant=constant)
    return session.finish(trained.config, trained.plan, data.name)


def alpha_histogram(model: nn.Module) -> dict[int, int]:
    """How many blend factors have each value k (of k / 8): shows whether the core is used."""
    names = [name for name in quantized_tensor_names(model) if name.endswith(".alpha")]
    counts = np.zeros(9, np.int64)
    for name in names:
        counts += np.bincount(integer_tensor(model, name).raw, minlength=9)
    return {k: int(count) for k, count in enumerate(counts)}
