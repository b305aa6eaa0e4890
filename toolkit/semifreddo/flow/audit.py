"""How easily a task is fooled through the frozen core of its device. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ConfigError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.flow.retarget import Target, load_model
from semifreddo.flow.training import (
    Groups,
    Progress,
    Teacher,
    fine_tune,
    make_task,
    normalised,
    retarget_device,
    select,
)
from semifreddo.ir.layers import ALPHA_FRAC
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.methods.forgetting import from_scratch
from semifreddo.methods.transfer_attack import (
    Attack,
    PublicPath,
    attacked,
    distances,
    fooled,
    shuffled_noise,
)
from semifreddo.reports.documents import AuditedNetwork
from semifreddo.sim import reference
from semifreddo.train.data import Dataset, Split
from semifreddo.train.options import TrainOptions
from semifreddo.train.seen import input_of

BASELINES: dict[str, Teacher] = {"fine-tuned": fine_tune, "re-trained": from_scratch}
"""What a task is compared with: the same classes taught in other ways."""


@dataclass(frozen=True)
class Audit:
    """What an attack through the frozen core does.

    Attributes:
        layer: The last layer that follows from frozen weights alone.
        images: Test images.
        moved: How far the attack moves the features of that layer, of their own length.
        noise_moved: The same of noise of equal norm.
        frozen_share: Mean share that blends take of the frozen core; None without blends.
        networks: The task, then the baselines.
    """

    layer: str
    images: int
    moved: float
    noise_moved: float
    frozen_share: float | None
    networks: tuple[AuditedNetwork, ...]


def task_images(
    task: Task, data: Dataset, classes: tuple[int, ...] | None, groups: Groups | None
) -> Dataset:
    """Images of a task with its answers as labels.

    Args:
        task: Whose labels say which classes it knows, if they are names of classes.
        data: All classes.
        classes: Of the task, in its order, if its labels do not say.
        groups: Of classes, by label of the task.

    Raises:
        ConfigError: What the task answers is not known, or does not fit.
    """
    if task.heads:
        raise ConfigError(
            f"task {task.name}: has {len(task.heads)} answers to each image; only tasks of one "
            "answer are audited"
        )
    if groups is not None:
        if sorted(groups) != sorted(task.labels):
            raise ConfigError(
                f"--groups: named {', '.join(groups)}, and task {task.name} answers "
                f"{', '.join(task.labels)}"
            )
        return select(data, None, {label: groups[label] for label in task.labels})
    if classes is None:
        if unknown := [label for label in task.labels if label not in data.labels]:
            raise ConfigError(
                f"task {task.name}: its answer {unknown[0]!r} is no class of {data.name}; name "
                "what it answers with --groups or --classes, and other images with --dataset"
            )
        classes = tuple(data.labels.index(label) for label in task.labels)
    if len(classes) != len(task.labels):
        raise ConfigError(
            f"--classes: {len(classes)} classes, and task {task.name} has {len(task.labels)} "
            "answers"
        )
    return select(data, classes, None)


def audit_task(
    target: Target,
    task: Task,
    data: Dataset,
    attack: Attack,
    *,
    options: TrainOptions | None,
    images: int,
    progress: Progress = lambda _: None,
) -> Audit:
    """Attack a task through the public part of its device.

    The attacked images are pixels, and the integer network answers them, as any device does.

    Args:
        target: The built device.
        task: A task of it.
        data: Its images, from :func:`task_images`.
        attack: How.
        options: How baselines are trained; none are if left out.
        images: Test images at most, classes as equal in number as possible.
        progress: Takes one line at a time.

    Raises:
        TaskError: The task, or the checkpoint, is another device's.
        ConfigError: Nothing of the network is public.
    """
    net = task.apply(target.device)
    trained = load_model(target)
    make_task(target.device, trained, task.name, {})  # refuse a wrong checkpoint before training
    path = PublicPath(trained)
    seen = Preprocessing.from_figures(trained.info)
    data = normalised(data, seen.mean, seen.deviation)
    test = data.limit(test=images).test
    progress(f"attack: {len(test)} images through {path.layer}")
    runs = [attacked(path, test, attack, feature) for feature in path.liveliest(test, attack)]
    noise = [shuffled_noise(test, run, attack.seed) for run in runs]

    def judge(name: str, answers: Callable[[Split], npt.NDArray[np.int64]]) -> AuditedNetwork:
        clean = answers(test)
        shares = [
            fooled(clean, [answers(split) for split in changed], test.labels)
            for changed in (runs, noise)
        ]
        return AuditedNetwork(name, float((clean == test.labels).mean()), *shares)

    def answers_of(loaded: StreamNet, asked: Task) -> Callable[[Split], npt.NDArray[np.int64]]:
        source = input_of(trained.model, test)

        def answers(split: Split) -> npt.NDArray[np.int64]:
            raw = source.raw(split.images, split.preprocessing)
            return asked.answers(reference.run(loaded, raw).reshape(len(split), -1))

        return answers

    networks = [judge(task.name, answers_of(net, task))]
    for name, teacher in BASELINES.items() if options is not None else ():
        assert options is not None
        progress(f"training for comparison: {name}")
        made = retarget_device(
            target.device,
            trained,
            data,
            options,
            name=f"audit-{name}",
            folder=_folder(target, name, task),
            teacher=teacher,
        )
        networks.append(judge(name, answers_of(made.task.apply(target.device), made.task)))
    return Audit(
        layer=path.layer,
        images=len(test),
        moved=distances(path, test, runs),
        noise_moved=distances(path, test, noise),
        frozen_share=frozen_share(net),
        networks=tuple(networks),
    )


def _folder(target: Target, name: str, task: Task) -> Path | None:
    if target.config is None:
        return None
    return target.config.build_dir / "train" / f"audit-{task.name}" / name


def frozen_share(net: StreamNet) -> float | None:
    """Mean share that the blends of a network take of their frozen input; None without blends."""
    factors = [block.raw for block in net.blocks if block.role == "alpha"]
    if not factors:
        return None
    return float(np.concatenate(factors).mean()) / (1 << ALPHA_FRAC)
