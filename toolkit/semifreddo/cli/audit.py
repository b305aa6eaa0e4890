"""``semifreddo audit``: how easily a task is fooled through the frozen core."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import add_output, describe, progress, say, table
from semifreddo.cli.parse import by_pattern, numbers
from semifreddo.cli.terminal import TERMINAL
from semifreddo.core.errors import ConfigError

if TYPE_CHECKING:
    from semifreddo.flow.audit import Audit

_EPILOG = """\
examples:
  semifreddo audit hls_projects/digits hls_projects/digits/build/task.json
  semifreddo audit hls_projects/digits odd_even.json --groups even=0,2,4,6,8 odd=1,3,5,7,9
  semifreddo audit hls_projects/digits odd_even.json --groups even=0,2,4,6,8 odd=1,3,5,7,9 \\
      --strength 32 --no-baselines --json

Frozen weights are the same in every device, so they are public. The audit changes test images by at
most --strength grey levels of 255 so that they disturb the features of the frozen core, knowing
neither the loadable weights nor the classes, and asks the task what it sees. It prints how many
images that were answered right become wrong, beside random noise of equal norm and beside two
networks that it trains for the same classes: fine-tuned (as `semifreddo retarget` does) and
re-trained, from random weights and without the frozen core. A strength at which the re-trained
network is fooled as often is a visible change of the image and says little about the task; one at
which the fine-tuned network is not fooled says nothing either.

`semifreddo retarget --robust` trains tasks that are harder to fool in this way. The frozen path
itself stays attackable, and who reads the loadable values of a device can attack them directly; the
audit does not measure that.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "audit", "attack a task through the frozen core", _EPILOG)
    parser.add_argument("target", type=Path, help="folder of a built design, or a bundle (.sfb)")
    parser.add_argument("task", type=Path, help="task file of that device")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--classes", metavar="LIST", help="classes that it answers, if its labels are other names"
    )
    what.add_argument(
        "--groups", nargs="+", metavar="NAME=LIST", help="classes of each of its answers"
    )
    parser.add_argument("--strength", type=int, default=16, help="grey levels of 255")
    parser.add_argument("--steps", type=int, default=40, help="of the attack")
    parser.add_argument(
        "--features", type=int, default=4, help="features attacked, each in a run of its own"
    )
    parser.add_argument("--images", type=int, default=500, help="test images at most")
    parser.add_argument("--no-baselines", action="store_true", help="train nothing for comparison")
    parser.add_argument("--checkpoint", type=Path, help="the model the device was built from")
    parser.add_argument("--dataset", help="images, if not the design's")
    parser.add_argument("--data", type=Path, help="folder or file of --dataset")
    parser.add_argument(
        "--epochs", type=int, help="of the networks for comparison, instead of [train.task]"
    )
    parser.add_argument("--seed", type=int, help="of the attack, and of what is trained")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attack, compare, print."""
    classes = None if arguments.classes is None else numbers(arguments.classes, "--classes")
    groups = None if arguments.groups is None else by_pattern(arguments.groups, "--groups")
    for name, least in (("epochs", 1), ("images", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise ConfigError(f"--{name} {value}: must be at least {least}")
    if arguments.no_baselines and arguments.epochs is not None:
        raise ConfigError("--epochs: with --no-baselines nothing is trained; leave one of them out")
    from semifreddo.ir.task import Task

    task = Task.load(arguments.task)
    from semifreddo.flow.audit import audit_task, task_images
    from semifreddo.flow.retarget import find_target, images_of, options_of
    from semifreddo.methods.transfer_attack import Attack

    attack = Attack(
        strength=arguments.strength,
        steps=arguments.steps,
        features=arguments.features,
        seed=arguments.seed or 0,
    )
    target = find_target(arguments.target, arguments.checkpoint)
    task.check(target.device.name, target.device.device_digest, target.device.output.channels)
    data = task_images(task, images_of(target, arguments.dataset, arguments.data), classes, groups)
    options = options_of(target, epochs=arguments.epochs, seed=arguments.seed)
    if arguments.quiet:
        options = dataclasses.replace(options, progress=False)
    found = audit_task(
        target,
        task,
        data,
        attack,
        options=None if arguments.no_baselines else options,
        images=arguments.images,
        progress=progress,
    )
    _report(arguments, attack.strength, found)
    return 0


def _report(arguments: argparse.Namespace, strength: int, found: Audit) -> None:
    from semifreddo.reports.documents import AuditDocument

    if arguments.json:
        document = AuditDocument(
            task=found.networks[0].name,
            file=str(arguments.task),
            images=found.images,
            layer=found.layer,
            strength=strength,
            steps=arguments.steps,
            features=arguments.features,
            moved=found.moved,
            noise_moved=found.noise_moved,
            frozen_share=found.frozen_share,
            networks=found.networks,
        )
        TERMINAL.document(document.to_json())
        return
    rows = [
        (each.name, *(f"{share:.1%}" for share in (each.clean, each.attacked, each.noised)))
        for each in found.networks
    ]
    say(table(rows, ("network", "right", "fooled by attack", "fooled by noise")))
    say(
        f"{found.images} images, changed by up to {strength} of 255 grey levels; {found.layer} "
        f"moves by {found.moved:.0%} of its length, under noise of equal norm by "
        f"{found.noise_moved:.0%}"
    )
    share = (
        "" if found.frozen_share is None else f", and blends take {found.frozen_share:.0%} of it"
    )
    say(
        f"the frozen path stays attackable: its weights are the same in every device{share}; "
        "attacks that know the loadable values are not measured here"
    )
