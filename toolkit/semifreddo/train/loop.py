"""The training loop: one phase of quantization-aware training."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping
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
from semifreddo.nn.inputs import ModelInput, batch_of
from semifreddo.train.checkpoint import load_tensors, save_tensors
from semifreddo.train.data import Split
from semifreddo.train.freeze import FreezeGuard
from semifreddo.train.options import TrainOptions

_FORMAT = "semifreddo-training/1"
_EVALUATION_BATCH = 512
_STATE_FILE = "state.safetensors"
METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch measured; accuracies are fractions."""

    phase: str
    epoch: int
    rate: float
    loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Phase:
    """What a call of :func:`fit` does.

    Attributes:
        name: Shown, and written into the metrics.
        epochs: How many.
        rate: Highest learning rate.
        outputs: How many of the model's first outputs are trained; the others are left alone.
    """

    name: str
    epochs: int
    rate: float
    outputs: int


def _logits(model: nn.Module, x: Tensor, outputs: int) -> Tensor:
    result = model(x)
    tensor: Tensor = getattr(result, "value", result)
    return tensor.flatten(1)[:, :outputs]


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


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, outputs: int) -> tuple[float, float]:
    """Loss and accuracy (a fraction) over a split, in evaluation mode.

    Only the first ``outputs`` outputs take part.
    """
    training = model.training
    source = _input_of(model, split)
    model.eval()
    loss, right = 0.0, 0
    for start in range(0, len(split), _EVALUATION_BATCH):
        labels = torch.from_numpy(split.labels[start : start + _EVALUATION_BATCH])
        images = split.images[start : start + _EVALUATION_BATCH]
        raw = source.raw(images, split.preprocessing)
        logits = _logits(model, source.real(batch_of(raw)), outputs)
        loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
    model.train(training)
    return loss / len(split), right / len(split)


def _input_of(model: nn.Module, split: Split) -> ModelInput:
    height, width, channels = split.images.shape[1:]
    return ModelInput(model, (channels, height, width))


def _augment(x: Tensor, options: TrainOptions, random: torch.Generator) -> Tensor:
    """Random mirroring and shifts, another for each image; what enters is zero."""
    count = len(x)
    if options.flip:
        flip = torch.rand(count, generator=random) < 0.5
        x = torch.where(flip[:, None, None, None], x.flip(3), x)
    if options.shift:
        reach, (height, width) = options.shift, x.shape[2:]
        padded = nn.functional.pad(x, [reach] * 4)
        down, right = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=random)
        rows = (torch.arange(height) + down)[:, None, :, None]
        columns = (torch.arange(width) + right)[:, None, None, :]
        image = torch.arange(count)[:, None, None, None]
        x = padded[image, torch.arange(x.shape[1])[None, :, None, None], rows, columns]
    return x


def _optimizer(model: nn.Module, options: TrainOptions, rate: float) -> torch.optim.Optimizer:
    # Biases, batch norms and blend factors are few and meaningful: no decay.
    trained = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in trained if p.dim() > 1 and p.shape[0] > 1]
    others = [p for p in trained if not any(p is weight for weight in weights)]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate)


def _state_digest(model: nn.Module) -> str:
    parts = [
        f"{name}:{digest_bytes(tensor.detach().contiguous().numpy().tobytes())}"
        for name, tensor in model.state_dict().items()
    ]
    return digest_json(parts)


class _Run:
    """The state of a phase: everything an interruption must not lose."""

    def __init__(self, model: nn.Module, phase: Phase, options: TrainOptions) -> None:
        self.model, self.phase = model, phase
        self.optimizer = _optimizer(model, options, phase.rate)
        self.history: list[EpochMetrics] = []
        self.best = self._model_state()
        self.best_key = (-1.0, -math.inf)
        self.best_epoch = -1

    def _model_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def finish_epoch(self, metrics: EpochMetrics) -> None:
        self.history.append(metrics)
        key = (metrics.val_accuracy, -metrics.val_loss)
        if key > self.best_key:
            self.best, self.best_key, self.best_epoch = self._model_state(), key, metrics.epoch

    def save(self, path: Path, identity: str, *, finished: bool) -> None:
        tensors = {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"model/{name}": tensor for name, tensor in self._model_state().items()}
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
        self.best = _below(tensors, "best/")
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        accuracy, loss, self.best_epoch = json.loads(metadata["best"])
        self.best_key = (accuracy, loss)
        self.history = [EpochMetrics(**entry) for entry in json.loads(metadata["history"])]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _batches(count: int, size: int, random: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=random)
    for start in range(0, count, size):
        # A batch of one image has no batch statistics.
        if count - start > 1 or count == 1:
            yield order[start : start + size]


def _train_epoch(run: _Run, train: Split, options: TrainOptions, epoch: int) -> tuple[float, float]:
    """Mean loss and accuracy over an epoch of training."""
    source = _input_of(run.model, train)
    x, y = batch_of(source.raw(train.images, train.preprocessing)), torch.from_numpy(train.labels)
    # A generator for each epoch: an interrupted run continues with the same numbers.
    random = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
    run.model.train()
    steps = -(-len(train) // options.batch)
    losses, right, seen = 0.0, 0, 0
    for step, index in enumerate(_batches(len(train), options.batch, random)):
        progress = (epoch * steps + step) / (steps * run.phase.epochs)
        for group in run.optimizer.param_groups:
            group["lr"] = run.phase.rate * 0.5 * (1 + math.cos(math.pi * progress))
        seen_as = source.real(_augment(x[index], options, random))
        logits = _logits(run.model, seen_as, run.phase.outputs)
        loss = nn.functional.cross_entropy(logits, y[index], label_smoothing=options.smoothing)
        run.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
        losses += float(loss.detach()) * len(index)
        right += int((logits.detach().argmax(1) == y[index]).sum())
        seen += len(index)
    return losses / seen, right / seen


def _epoch(run: _Run, train: Split, val: Split, options: TrainOptions, epoch: int) -> EpochMetrics:
    """Train one epoch and validate."""
    started = time.monotonic()
    loss, accuracy = _train_epoch(run, train, options, epoch)
    if not math.isfinite(loss):
        raise ConfigError(
            f"{run.phase.name}: the loss is {loss} in epoch {epoch + 1}; lower the learning rate "
            f"({run.phase.rate:g})"
        )
    val_loss, val_accuracy = evaluate(run.model, val, run.phase.outputs)
    rate = float(run.optimizer.param_groups[0]["lr"])
    seconds = time.monotonic() - started
    return EpochMetrics(
        run.phase.name, epoch, rate, loss, accuracy, val_loss, val_accuracy, seconds
    )


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
    return digest_json([asdict(phase), choices, _state_digest(model), pixels, *seen])


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

    Best means highest validation accuracy, then lowest validation loss.

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
    source = _input_of(model, train)
    raw = source.raw(train.images[:2], train.preprocessing)
    guard = FreezeGuard(model, plan or FreezePlan(), source.real(batch_of(raw)))
    run = _Run(model, phase, options)
    state = None if folder is None else folder / _STATE_FILE
    finished = state is not None and state.is_file() and run.restore(state, identity)
    guard.attach(run.optimizer)
    first = len(run.history)
    bar = tqdm(
        total=phase.epochs,
        initial=first,
        desc=phase.name,
        unit="epoch",
        disable=not options.progress,
    )
    with bar, _threads(options.threads):
        for epoch in range(first, 0 if finished else phase.epochs):
            metrics = _epoch(run, train, val, options, epoch)
            run.finish_epoch(metrics)
            bar.update()
            bar.set_postfix(
                loss=f"{metrics.loss:.3f}",
                val=f"{metrics.val_accuracy:.1%}",
                best=f"{run.best_key[0]:.1%}",
            )
            waited = epoch - run.best_epoch
            last = options.patience is not None and waited >= options.patience
            if folder is not None:
                run.save(folder / _STATE_FILE, identity, finished=last or epoch + 1 == phase.epochs)
                write_metrics(run.history, folder / METRICS_FILE)
            if last:
                break
    model.load_state_dict(run.best)
    model.eval()
    guard.close()
    return run.history


def write_metrics(history: list[EpochMetrics], path: Path) -> None:
    """Write metrics as JSON lines, one epoch each."""
    write_atomic(path, "".join(json.dumps(asdict(metrics)) + "\n" for metrics in history))
