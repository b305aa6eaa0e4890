"""``semifreddo labels``: whether finer labels pay for a task of groups."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from semifreddo.cli.console import add_output, describe, progress, say, table
from semifreddo.cli.parse import by_pattern
from semifreddo.cli.terminal import TERMINAL

_EPILOG = """\
examples:
  semifreddo labels hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9
  semifreddo labels hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 --json

The question is whether a device that answers groups should learn the classes in them one by one
(semifreddo retarget --fine). The design's model knows the classes; how often it confuses classes of
different groups on validation images, divided by how often it confuses classes of the same group,
is the Average Confusion Ratio of the grouping. The higher it is, the more they tend to gain;
docs/methods.md says how much that was.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "labels", "say whether finer labels pay for a grouping", _EPILOG)
    parser.add_argument("design", type=Path, help="folder of a trained design")
    parser.add_argument(
        "--groups", nargs="+", required=True, metavar="NAME=LIST", help="classes of each group"
    )
    parser.add_argument("--checkpoint", type=Path, help="another model than the design's")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the model, print the ratio and what follows."""
    groups = by_pattern(arguments.groups, "--groups")
    from semifreddo.flow.config import load_config
    from semifreddo.flow.labels import PAYS, judge
    from semifreddo.flow.trained import load_trained
    from semifreddo.flow.training import dataset_of, select, training_of
    from semifreddo.methods.labels import group_table
    from semifreddo.reports.documents import LabelsDocument

    config = load_config(arguments.design)
    train = training_of(config)
    trained = load_trained(config, arguments.checkpoint)
    group_table(groups, len(trained.labels))  # a typing error ends the command before images load
    data = select(dataset_of(config), train.classes, train.groups)
    progress(f"model: {', '.join(trained.labels)}")
    found = judge(trained, data.development, groups)
    confusion, ratio = found.confusion, found.confusion.ratio
    if arguments.json:
        document = LabelsDocument(
            groups={name: tuple(trained.labels[one] for one in of) for name, of in groups.items()},
            images=found.images,
            inter=confusion.inter,
            intra=confusion.intra,
            ratio=ratio if math.isfinite(ratio) else None,
            chance=found.chance if math.isfinite(found.chance) else None,
            threshold=PAYS,
            pays=found.pays,
        )
        TERMINAL.document(document.to_json())
        return 0
    rows = [
        ("classes of different groups", f"{confusion.inter:.4f}"),
        ("classes of the same group", f"{confusion.intra:.4f}"),
        ("ratio", f"{ratio:.3f}"),
        ("ratio of random groups", f"{found.chance:.3f}"),
    ]
    say(table(rows, (f"confused, of {found.images} images", "mean")))
    verb = "are expected to pay" if found.pays else "are not expected to pay"
    say(f"finer labels {verb}: the ratio is {'at least' if found.pays else 'below'} {PAYS:g}")
    return 0
