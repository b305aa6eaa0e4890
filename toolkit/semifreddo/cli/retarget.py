"""``semifreddo retarget``: another task for the same built device."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import add_output, describe, progress, say
from semifreddo.cli.parse import by_pattern, numbers
from semifreddo.cli.terminal import TERMINAL
from semifreddo.core.errors import ConfigError

if TYPE_CHECKING:
    from semifreddo.flow.retarget import Target
    from semifreddo.flow.training import Teacher
    from semifreddo.ir.task import Task
    from semifreddo.sim.ladder import LadderReport

_EPILOG = """\
examples:
  semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 -o odd_even.json
  semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 --fine -o fine.json
  semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 --robust \\
      -o robust.json
  semifreddo retarget hls_projects/digits --classes 5-9 -o high.json --vectors high.npz
  semifreddo retarget digits.sfb --checkpoint model.safetensors --dataset digits --classes 0-4 \\
      -o low.json
  semifreddo run digits.sfb --task odd_even.json --images scans.npz

Trains what is configurable (trainable cores, blend factors, head) and writes a task file of a few
kilobytes for the device as it is built; nothing is generated or compiled. The answers of the built
simulation are compared with torch's on the whole test split before the file is written.

With --fine the device learns the classes and answers with their groups, which can be more
accurate and needs an output for each class; `semifreddo labels` says for which groups.

With --robust the trainable cores start from random weights and learn the features of the frozen
core, under noise, so that images made to fool the frozen core fool the task less often; it takes a
third more epochs. `semifreddo audit` measures how often.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "retarget", "train another task for a built device", _EPILOG)
    parser.add_argument("target", type=Path, help="folder of a built design, or a bundle (.sfb)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="task file to write")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--classes", metavar="LIST", help="classes of the new task, e.g. 0,2,5-7")
    what.add_argument(
        "--groups", nargs="+", metavar="NAME=LIST", help="new classes made of old ones"
    )
    parser.add_argument(
        "--fine",
        action="store_true",
        help="with --groups: learn the classes one by one, answer with their groups",
    )
    parser.add_argument(
        "--robust",
        action="store_true",
        help="harder to fool through the public frozen core (docs/methods.md)",
    )
    parser.add_argument("--name", help="name of the task; the output file's if left out")
    parser.add_argument("--labels", help="class names, separated by commas")
    parser.add_argument("--checkpoint", type=Path, help="the model the device was built from")
    parser.add_argument("--dataset", help="images, if not the design's")
    parser.add_argument("--data", type=Path, help="folder or file of --dataset")
    parser.add_argument("--epochs", type=int, help="instead of the design's [train.task]")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--vectors", type=Path, help="also write images and answers (.npz)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, prove, write."""
    classes = None if arguments.classes is None else numbers(arguments.classes, "--classes")
    groups = {} if arguments.groups is None else by_pattern(arguments.groups, "--groups")
    name = arguments.name or arguments.output.name.partition(".")[0]
    from semifreddo.flow.config import TASK_NAME

    if not re.fullmatch(TASK_NAME, name):
        raise ConfigError(
            f"task name {name!r} must be letters, digits, '.', '_' and '-'; see --name"
        )
    if arguments.epochs is not None and arguments.epochs < 1:
        raise ConfigError(f"--epochs {arguments.epochs}: a task must be trained, at least 1")
    if arguments.fine and not groups:
        raise ConfigError("--fine: name the groups that the device answers with, with --groups")
    from semifreddo.core.files import check_target
    from semifreddo.core.vectors import VectorSet
    from semifreddo.ir.task import Task

    check_target(arguments.output, "a task file", Task.load)
    if arguments.vectors is not None:
        check_target(arguments.vectors, "a vector file", VectorSet.load)
    from semifreddo.flow.retarget import find_target, images_of, options_of, train_new_task
    from semifreddo.flow.training import fine_tune, select

    target = find_target(arguments.target, arguments.checkpoint)
    teacher = _robust(target) if arguments.robust else fine_tune
    learned = None if arguments.fine else groups or None
    data = select(images_of(target, arguments.dataset, arguments.data), classes, learned)
    answers = tuple(groups) if arguments.fine else data.labels
    if arguments.labels is not None:
        answers = _renamed(answers, arguments.labels)
    if len(answers) < 2:
        raise ConfigError(
            f"task {name}: one class ({', '.join(answers)}) has the same answer for every image; "
            "name at least two"
        )
    options = options_of(target, epochs=arguments.epochs, seed=arguments.seed)
    if arguments.quiet:
        options = dataclasses.replace(options, progress=False)
    progress(f"task {name}: {', '.join(answers)}")
    if arguments.fine:
        fine = dict(zip(answers, groups.values(), strict=True))
    else:
        data, fine = dataclasses.replace(data, labels=answers), None
    made, report = train_new_task(target, data, options, name=name, groups=fine, teacher=teacher)
    if arguments.vectors is not None:
        made.vectors.save(arguments.vectors)
    made.task.save(arguments.output)
    _report(arguments, made.task, report)
    progress(f"task: {arguments.output}")
    return 0


def _robust(target: Target) -> Teacher:
    """The way of ``--robust``, unless the target has no trainable cores."""
    from semifreddo.flow.retarget import load_model
    from semifreddo.methods.renofeation import require_cores, robust_retarget

    require_cores(load_model(target).model)
    return robust_retarget


def _report(arguments: argparse.Namespace, task: Task, report: LadderReport) -> None:
    from semifreddo.cli.show import ladder_table
    from semifreddo.flow.ladder import figures_of
    from semifreddo.reports.documents import RetargetDocument

    accuracy = task.metrics["test_accuracy"]
    if arguments.json:
        document = RetargetDocument(
            task=task.name,
            file=str(arguments.output),
            labels=task.labels,
            payload_bytes=task.payload_bytes,
            test_accuracy=accuracy,
            rungs=figures_of(report),
            vectors=None if arguments.vectors is None else str(arguments.vectors),
        )
        TERMINAL.document(document.to_json())
    else:
        say(f"task {task.name}: {task.payload_bytes} bytes, test accuracy {accuracy:.2%}")
        say(ladder_table(figures_of(report)))


def _renamed(known: tuple[str, ...], text: str) -> tuple[str, ...]:
    from semifreddo.ir.task import check_labels

    labels = tuple(label.strip() for label in text.split(","))
    if len(labels) != len(known):
        raise ConfigError(f"--labels: {len(labels)} names for {len(known)} classes")
    check_labels(labels, "--labels")
    return labels
