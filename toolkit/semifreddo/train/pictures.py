"""A folder of pictures as a data set: one sub-folder for each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path

import numpy as np

from semifreddo.core.arrays import LIMIT_BYTES
from semifreddo.core.errors import DataError
from semifreddo.core.pictures import (
    CHANNELS,
    natural,
    need_pillow,
    picture_shape,
    pictures_of,
    read_picture,
)
from semifreddo.train.sources import Labels, Source, stratified

Shape = tuple[int | None, int, int]
"""Channels, height and width; channels may be left to the pictures: grey if all of them are."""

RESIZE = "bilinear"
"""Filter that scales pictures of another size, antialiased where they become smaller."""

_TEST_SHARE, _TEST_SEED = 0.2, 0
"""Of each class, where the folder has no test pictures of its own: always the same ones."""

_FEWEST = 10
"""Pictures to train on of a class, so that each split gets one."""


def read_folder(folder: Path, shape: Shape | None) -> Source:
    """Read ``FOLDER/train/CLASS/*`` and ``FOLDER/test/CLASS/*``, or ``FOLDER/CLASS/*``.

    Classes are the names of the sub-folders, in natural order. Without ``test``, a fifth of each
    class is kept for the test. Names that begin with a dot are passed over.

    Args:
        folder: Where the pictures are.
        shape: What the pictures get; those of another size are scaled. ``None``: all have the same
            size already.

    Raises:
        DataError: A class without enough pictures, other classes in ``test``, a file that is no
            picture, or pictures that are damaged, cannot be converted, or differ in size.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file; pictures come as a folder with one folder per class")
    split = (folder / "train").is_dir() and (folder / "test").is_dir()
    found = _classes(folder / "train" if split else folder)
    tests = _classes(folder / "test") if split else {}
    if split and list(tests) != list(found):
        odd = sorted(set(tests) ^ set(found))
        raise DataError(f"{folder}: class {odd[0]!r} is in only one of train and test")
    for name, files in found.items():
        if len(files) < _FEWEST:
            raise DataError(
                f"{folder}: class {name!r} has {len(files)} pictures; it needs at least {_FEWEST}"
            )
    train, y_train = _listed(found.values())
    test, y_test = _listed(tests.values())
    need_pillow(train[0])
    shapes = [picture_shape(file) for file in (*train, *test)]
    height, width = _same_size([*train, *test], shapes) if shape is None else shape[1:]
    channels = shape[0] if shape is not None else None
    wanted = height, width, channels or max(each for *_, each in shapes)
    if wanted[2] not in CHANNELS:
        raise DataError(f"{folder}: pictures have 1 or 3 channels, not {wanted[2]}")
    if (size := len(shapes) * prod(wanted)) > LIMIT_BYTES:
        raise DataError(f"{folder}: {size} bytes of pixels are more than {LIMIT_BYTES}")
    scaled = any(found[:2] != wanted[:2] for found in shapes)
    pixels = np.stack([read_picture(file, wanted, RESIZE) for file in (*train, *test)])
    x_train, x_test = pixels[: len(train)], pixels[len(train) :]
    if not split:
        part, rest = stratified(y_train, (_TEST_SHARE,), _TEST_SEED)
        x_train, y_train, x_test, y_test = (
            x_train[rest],
            y_train[rest],
            x_train[part],
            y_train[part],
        )
    return Source(x_train, y_train, x_test, y_test, tuple(found), resize=RESIZE if scaled else "")


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Pictures by class."""
    places = [place for place in sorted(folder.iterdir(), key=natural) if place.name[0] != "."]
    found = {}
    for place in places:
        if not place.is_dir():
            raise DataError(f"{place}: stands between the folders of the classes; move it away")
        pictures, others = pictures_of(place)
        if strange := [file for file in others if file.name[0] != "."]:
            raise DataError(f"{strange[0]}: is no picture; move it away")
        if not pictures:
            raise DataError(f"{place}: class {place.name!r} has no pictures")
        found[place.name] = pictures
    if len(found) < 2:
        raise DataError(
            f"{folder}: {len(found)} folders; put the pictures of each class into one, at least two"
        )
    return found


def _listed(classes: Iterable[list[Path]]) -> tuple[list[Path], Labels]:
    """All pictures, and the class of each."""
    parts = list(classes)
    labels = [label for label, files in enumerate(parts) for _ in files]
    return [file for files in parts for file in files], np.array(labels, np.int64)


def _same_size(files: Sequence[Path], shapes: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """The height and width that all pictures have."""
    height, width, _ = shapes[0]
    for file, found in zip(files, shapes, strict=True):
        if found[:2] != (height, width):
            raise DataError(
                f"{file}: is {found[1]}x{found[0]} pixels (width x height), {files[0]} is "
                f"{width}x{height}; `semifreddo new` scales pictures to one size with --size"
            )
    return height, width
