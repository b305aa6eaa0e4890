"""The training loop: one phase of quantization-aware training."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from semifreddo.core.digest import digest_bytes, digest_json
from semifreddo.core.errors import CheckpointError, ConfigError, DataError
from semifreddo.core.files import write_atomic
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.lean import lean
from semifreddo.nn.recall import FrozenPart
from semifreddo.nn.twin import in_bfloat16
from semifreddo.train.augment import augmented
from semifreddo.train.checkpoint import load_tensors, save_tensors
from semifreddo.train.data import Split
from semifreddo.train.evaluation import evaluate
from semifreddo.train.freeze import FreezeGuard
from semifreddo.train.objective import CrossEntropy, Objective, state_digest
from semifreddo.train.options import TrainOptions
from semifreddo.train.seen import Seen

_FORMAT = "semifreddo-training/3"
_STATE_FILE = "state.safetensors"
METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch measured; scores are means over images, accuracies (fractions) by default."""

    phase: str
    epoch: int
    rate: float
    loss: float
    train_score: float
    val_loss: float
    val_score: float
    seconds: float


@dataclass(frozen=True)
class Phase:
    """What a call of :func:`fit` does.

    Attributes:
        name: Shown, and written into the metrics.
        epochs: How many.
        rate: Highest learning rate.
        outputs: How many of the model's first outputs are trained; the others are left alone.
        objective: What is minimised; cross entropy with the options' smoothing if left out.
        warmup: Epochs in which the rate rises linearly, before it falls along a cosine.
        crop: Side of the random crops that the first epochs see instead of whole images.
        cropped: How many epochs see crops.
        bfloat16: Compute layers in bfloat16.
        constant: Keep the rate instead of letting it fall along a cosine.
    """

    name: str
    epochs: int
    rate: float
    outputs: int
    objective: Objective | None = None
    warmup: int = 0
    crop: int | None = None
    cropped: int = 0
    bfloat16: bool = False
    constant: bool = False

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted over all epochs of so many steps."""
        rising = self.warmup * steps
        if step < rising:
            return self.rate * step / rising
        if self.constant:
            return self.rate
        progress = (step - rising) / (self.epochs * steps - rising)
        return self.rate * 0.5 * (1 + math.cos(math.pi * progress))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Set torch's number of threads for the block.

    Threads of torch spin while they wait, so more threads than free cores are much slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parameter_groups(models: Sequence[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, as an optimizer takes it: the weights, which decay, and all else.

    Biases, batch norms and blend factors are few and meaningful: they do not decay.
    """
    trained = [p for model in models for p in model.parameters() if p.requires_grad]
    weights = [p for p in trained if p.dim() > 1 and p.shape[0] > 1]
    others = [p for p in trained if not any(p is weight for weight in weights)]
    return [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _optimizer(
    models: Sequence[nn.Module], options: TrainOptions, rate: float
) -> torch.optim.Optimizer:
    groups = parameter_groups(models, options.weight_decay)
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate, fused=True)


class _Run:
    """The state of a phase: everything an interruption must not lose."""

    def __init__(
        self,
        model: nn.Module,
        phase: Phase,
        options: TrainOptions,
        guard: FreezeGuard,
        beside: nn.Module | None = None,
    ) -> None:
        self.model, self.phase, self.guard = model, phase, guard
        self.objective = _objective(phase, options)
        self.beside = beside or nn.Module()
        self.optimizer = _optimizer([model, self.beside], options, phase.rate)
        self.history: list[EpochMetrics] = []
        self.best = self._model_state()
        self.best_key = (-math.inf, -math.inf)
        self.best_epoch = -1

    def _model_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def step(self) -> None:
        """Use the gradients; frozen values are put back behind each change."""
        self.optimizer.step()
        if type(self.objective).after_step is not Objective.after_step:
            self.objective.after_step(self.model)
            self.guard.restore()

    def finish_epoch(self, metrics: EpochMetrics) -> None:
        self.history.append(metrics)
        key = (metrics.val_score, -metrics.val_loss)
        if key > self.best_key:
            self.best, self.best_key, self.best_epoch = self._model_state(), key, metrics.epoch

    def save(self, path: Path, identity: str, *, finished: bool) -> None:
        tensors = {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"model/{name}": tensor for name, tensor in self._model_state().items()}
        tensors |= {f"beside/{name}": value for name, value in self.beside.state_dict().items()}
        optimizer = self.optimizer.state_dict()["state"]
        for index, values in optimizer.items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in values.items()}
        metadata = {
            "format": _FORMAT,
            "identity": identity,
            "finished": json.dumps(finished),
            "best": json.dumps([*self.best_key, self.best_epoch]),
            "history": json.dumps([asdict(metrics) for metrics in self.history]),
        }
        save_tensors(tensors, metadata, path)

    def restore(self, path: Path, identity: str) -> bool:
        """Continue a saved run of the same identity; true if it was finished.

        Raises:
            CheckpointError: It is of the same identity, and damaged.
        """
        try:
            tensors, metadata = load_tensors(path)
        except CheckpointError:
            return False  # a damaged state costs time, not correctness: start again
        if metadata.get("format") != _FORMAT or metadata.get("identity") != identity:
            return False
        try:
            self._take(tensors, metadata)
            return bool(json.loads(metadata["finished"]))
        except (LookupError, TypeError, ValueError, RuntimeError, RecursionError) as error:
            raise CheckpointError(
                f"{path}: a damaged state of this training ({error!r}); remove it to start again"
            ) from error

    def _take(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = tensor
        self.model.load_state_dict(_below(tensors, "model/"))
        self.beside.load_state_dict(_below(tensors, "beside/"))
        self.best = _below(tensors, "best/")
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        score, loss, self.best_epoch = json.loads(metadata["best"])
        self.best_key = (score, loss)
        self.history = [EpochMetrics(**entry) for entry in json.loads(metadata["history"])]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _batches(count: int, size: int, random: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=random)
    for start in range(0, count, size):
        # A batch of one image has no batch statistics.
        if count - start > 1 or count == 1:
            yield order[start : start + size]


def _objective(phase: Phase, options: TrainOptions) -> Objective:
    return phase.objective or CrossEntropy(options.smoothing)


def _train_epoch(run: _Run, train: Seen, options: TrainOptions, epoch: int) -> tuple[float, float]:
    """Mean loss and score over an epoch of training."""
    raw, y = train.raw(), train.labels
    # A generator for each epoch: an interrupted run continues with the same numbers.
    random = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
    run.objective.begin_epoch(epoch, run.phase.epochs)
    crop = run.phase.crop if epoch < run.phase.cropped else None
    steps = -(-len(train) // options.batch)
    losses, score, seen = 0.0, 0.0, 0
    for step, index in enumerate(_batches(len(train), options.batch, random)):
        for group in run.optimizer.param_groups:
            group["lr"] = run.phase.rate_at(epoch * steps + step, steps)
        x, labels = train.real(augmented(raw[index], options, random, crop)), y[index]
        x = train.recalled(x, index)
        run.optimizer.zero_grad()
        loss, answers = run.objective.backward(run.model, x, labels, run.phase.outputs, random)
        run.step()
        losses += loss * len(index)
        score += float(run.objective.score(answers, labels).sum())
        seen += len(index)
    return losses / seen, score / seen


def _epoch(run: _Run, train: Seen, val: Seen, options: TrainOptions, epoch: int) -> EpochMetrics:
    """Train one epoch and validate."""
    started = time.monotonic()
    loss, score = _train_epoch(run, train, options, epoch)
    if not math.isfinite(loss):
        raise ConfigError(
            f"{run.phase.name}: the loss is {loss} in epoch {epoch + 1}; lower the learning rate "
            f"({run.phase.rate:g})"
        )
    val_loss, val_score = evaluate(run.model, val, run.phase.outputs, run.objective)
    rate = float(run.optimizer.param_groups[0]["lr"])
    seconds = time.monotonic() - started
    return EpochMetrics(run.phase.name, epoch, rate, loss, score, val_loss, val_score, seconds)


def _check(train: Split, val: Split, outputs: int) -> None:
    for name, split in (("training", train), ("validation", val)):
        if int(split.labels.max(initial=0)) >= outputs:
            raise DataError(
                f"{name} labels go up to {split.labels.max()}, but {outputs} outputs are trained"
            )


def _identity(
    model: nn.Module, train: Split, val: Split, options: TrainOptions, phase: Phase
) -> str:
    """Digest of everything a phase depends on, before it starts."""
    pixels = [digest_bytes(part.images.tobytes() + part.labels.tobytes()) for part in (train, val)]
    choices = options.to_dict() | {"progress": None, "threads": None}
    seen = [train.preprocessing.to_figures()] if train.preprocessing.normalises else []
    name, epochs, rate, outputs = phase.name, phase.epochs, phase.rate, phase.outputs
    aim = _objective(phase, options).key
    added = (phase.warmup, phase.crop, phase.cropped, phase.bfloat16)
    unusual = [*(added if any(added) else ()), *(["constant"] if phase.constant else [])]
    about = [
        name,
        epochs,
        rate,
        outputs,
        aim,
        choices,
        state_digest(model),
        pixels,
        *seen,
        *unusual,
    ]
    return digest_json(about)


def fit(
    model: nn.Module,
    train: Split,
    val: Split,
    *,
    options: TrainOptions,
    phase: Phase,
    plan: FreezePlan | None = None,
    folder: Path | None = None,
) -> list[EpochMetrics]:
    """Train a model in place and leave it, in evaluation mode, as it was in its best epoch.

    Best means highest validation score, then lowest validation loss.

    Args:
        model: Any model of NCHW real-valued images.
        train: Training images.
        val: Validation images.
        options: How.
        phase: Which part of a recipe this is.
        plan: Kept frozen while training, and checked at the end.
        folder: Where the state is saved after each epoch; a call with the same model, data and
            options continues from it, or returns at once if it was finished.

    Returns:
        What each epoch measured.

    Raises:
        ConfigError: The loss is no longer a number.
        DataError: A label has no output.
        FrozenTensorChangedError: A frozen tensor was or is not what the plan says.
    """
    _check(train, val, phase.outputs)
    identity = _identity(model, train, val, options, phase)
    two = Seen(model, train.head(2))
    example = two.real(two.raw())
    state = None if folder is None else folder / _STATE_FILE
    with contextlib.ExitStack() as stack:
        guard = stack.enter_context(FreezeGuard(model, plan or FreezePlan(), example))
        objective = _objective(phase, options)
        stack.callback(objective.close)
        if phase.bfloat16:
            stack.enter_context(in_bfloat16(model))
        run = _Run(model, phase, options, guard, objective.attach(model))
        finished = state is not None and state.is_file() and run.restore(state, identity)
        guard.attach(run.optimizer)
        if not finished:
            _epochs(run, train, val, options, folder=folder, identity=identity)
        model.load_state_dict(run.best)
        objective.finish(model)
        guard.restore()
        model.eval()
    return run.history


@contextlib.contextmanager
def _fast(
    run: _Run, train: Split, val: Split, options: TrainOptions
) -> Iterator[tuple[Seen, Seen]]:
    """Waste nothing on what a phase does not change, for the block; the images as it sees them."""
    with contextlib.ExitStack() as stack:
        part = None
        if not run.phase.bfloat16:
            stack.enter_context(lean(run.model))
            part = stack.enter_context(FrozenPart(run.model, run.guard.frozen))
        changed = options.shift or options.flip or run.phase.cropped
        yield Seen(run.model, train, None if changed else part), Seen(run.model, val, part)


def _epochs(
    run: _Run,
    train: Split,
    val: Split,
    options: TrainOptions,
    *,
    folder: Path | None,
    identity: str,
) -> None:
    """All epochs that are left."""
    first, epochs = len(run.history), run.phase.epochs
    bar = tqdm(
        total=epochs,
        initial=first,
        desc=run.phase.name,
        unit="epoch",
        disable=None if options.progress else True,  # None: off where there is no terminal
    )
    run.model.train()
    with bar, _threads(options.threads), _fast(run, train, val, options) as seen:
        for epoch in range(first, epochs):
            metrics = _epoch(run, *seen, options, epoch)
            run.finish_epoch(metrics)
            bar.update()
            bar.set_postfix(
                loss=f"{metrics.loss:.3f}",
                val=f"{metrics.val_score:.1%}",
                best=f"{run.best_key[0]:.1%}",
            )
            waited = epoch - run.best_epoch
            last = options.patience is not None and waited >= options.patience
            if folder is not None:
                run.save(folder / _STATE_FILE, identity, finished=last or epoch + 1 == epochs)
                write_metrics(run.history, folder / METRICS_FILE)
            if last:
                break


def write_metrics(history: list[EpochMetrics], path: Path) -> None:
    """Write metrics as JSON lines, one epoch each."""
    write_atomic(path, "".join(json.dumps(asdict(metrics)) + "\n" for metrics in history))
