"""``semifreddo new``: a design for an image set."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from semifreddo.cli.console import describe, progress
from semifreddo.core.errors import ConfigError

_EPILOG = """\
examples:
  semifreddo new clothes --dataset fashion_mnist --data ~/images
  semifreddo new signs --dataset gtsrb --data ~/images/gtsrb.npz --board kv260
  semifreddo new plants --dataset pictures --data ~/plants --size 32x32
  semifreddo new figures --dataset digits

Writes NAME/design.toml: a network whose blocks fit the images (28x28, 32x32, any size), half of the
classes for its frozen core, and how long it is trained. The images are read from an .npz archive
(arrays x_train, y_train, x_test, y_test, optionally label_names) or from the set's original files,
in the folder itself or in its sub-folder of the set's name. Images of your own are `arrays` (such
an archive, or .npy files of these names) or `pictures` (a folder with a sub-folder of pictures for
each class; --size scales them; see docs/own-data.md). Then:

  semifreddo train clothes && semifreddo export clothes && semifreddo build clothes
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "new", "write a design.toml for an image set", _EPILOG)
    parser.add_argument("name", type=Path, help="folder to make; its name becomes the design's")
    parser.add_argument(
        "--dataset",
        required=True,
        help="pictures or arrays of your own, or digits, mnist, fashion_mnist, cifar10, cifar100, "
        "gtsrb",
    )
    parser.add_argument("--data", type=Path, help="folder or .npz file of the images")
    parser.add_argument("--size", metavar="WIDTHxHEIGHT", help="scale pictures to this size")
    parser.add_argument("--board", default="pynq_z2", help="board to build for")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write it and say what comes next."""
    from semifreddo.flow.new_design import write_design

    size = None if arguments.size is None else _size(arguments.size)
    config = write_design(arguments.name, arguments.dataset, arguments.data, arguments.board, size)
    progress(f"design: {config.root / 'design.toml'}")
    progress(f"next: semifreddo train {config.root}, then export and build")
    return 0


def _size(text: str) -> tuple[int, int]:
    """Height and width."""
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if found is None:
        raise ConfigError(f"--size {text}: is not WIDTHxHEIGHT in pixels, such as 32x32")
    return int(found[2]), int(found[1])
