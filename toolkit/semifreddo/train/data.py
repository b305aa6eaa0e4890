"""Data sets as uint8 arrays with a validation split that is never the test set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from semifreddo.core.digest import digest_ints
from semifreddo.core.errors import DataError
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.train.pictures import Shape, read_folder
from semifreddo.train.sources import (
    DIGIT_NAMES,
    ORIGINALS,
    Images,
    Labels,
    Source,
    find_source,
    stratified,
)

PICTURES = "pictures"
NAMES = ("digits", *ORIGINALS, PICTURES)

Splits = TypeVar("Splits", bound="TrainVal")
"""Either kind of data: a method gives the kind that it was called on."""

VALIDATION = 0.15
"""Share of the training images that is for validation, if nobody says otherwise."""

_DIGITS_SHARES = (0.6, 0.15)
DIGITS = Preprocessing(multiply=15, top=16)
"""Digits have values 0..16; times 15 they fill 0..240."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 ``(n, height, width, channels)``.
        labels: int64 ``(n,)``.
        preprocessing: That of the data set the split belongs to.
    """

    images: Images
    labels: Labels
    preprocessing: Preprocessing = IDENTITY

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> Split:
        """The first images, at most so many."""
        return self.take(np.arange(min(count, len(self))))

    def take(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Split:
        """The images selected by indices or flags, in that order."""
        return Split(self.images[index], self.labels[index], self.preprocessing)


@dataclass(frozen=True, eq=False)
class TrainVal:
    """What may be looked at while anything is still chosen: no test split.

    Attributes:
        name: Data set name, with the changes made to it.
        train: For the optimizer.
        val: For every choice: early stopping, hyperparameters, formats.
        labels: Class names; labels are indices into them.
        preprocessing: What made the images out of the source's values, and what the model sees of
            them. Its splits know it, too.
    """

    name: str
    train: Split
    val: Split
    labels: tuple[str, ...]
    preprocessing: Preprocessing = field(default=IDENTITY, kw_only=True)

    def __post_init__(self) -> None:
        shapes = set()
        for part, split in self.splits.items():
            where = f"{self.name} ({part})"
            if split.images.ndim != 4 or split.images.dtype != np.uint8:
                raise DataError(
                    f"{where}: images are {split.images.dtype} of shape {split.images.shape}, "
                    "expected uint8 (n, height, width, channels)"
                )
            if split.labels.shape != (len(split.images),) or not len(split):
                raise DataError(
                    f"{where}: {len(split.images)} images with labels of shape "
                    f"{split.labels.shape}; each image needs one label, and there must be some"
                )
            if split.labels.min() < 0 or split.labels.max() >= len(self.labels):
                raise DataError(
                    f"{where}: labels {split.labels.min()}..{split.labels.max()} for "
                    f"{len(self.labels)} class names"
                )
            shapes.add(split.images.shape[1:])
            own = dataclasses.replace(split, preprocessing=self.preprocessing)
            object.__setattr__(self, part, own)
        if len(shapes) != 1:
            raise DataError(f"{self.name}: splits have different image shapes {sorted(shapes)}")

    @property
    def splits(self) -> dict[str, Split]:
        """All splits, by name."""
        return {"train": self.train, "val": self.val}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width), as in a network's configuration."""
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width

    @property
    def digest(self) -> str:
        """Digest of all images and labels."""
        parts = [
            digest_ints(split.labels, digest_ints(split.images)) for split in self.splits.values()
        ]
        return digest_ints(np.zeros(0, np.int64), *parts)

    def _mapped(self: Splits, name: str, target: Sequence[int], labels: Sequence[str]) -> Splits:
        """Replace every label by ``target[label]``; -1 drops the image."""
        table = np.array(target)
        splits: dict[str, Any] = {}
        for part, split in self.splits.items():
            mapped = table[split.labels]
            keep = mapped >= 0
            splits[part] = Split(split.images[keep], mapped[keep])
        return dataclasses.replace(self, name=name, labels=tuple(labels), **splits)

    def subset(self: Splits, classes: Sequence[int]) -> Splits:
        """Only some classes, relabelled 0, 1, ... in the order given.

        Raises:
            DataError: Unknown or repeated class.
        """
        self._check_classes(classes)
        target = [-1] * len(self.labels)
        for new, old in enumerate(classes):
            target[old] = new
        name = f"{self.name}[{','.join(map(str, classes))}]"
        return self._mapped(name, target, [self.labels[old] for old in classes])

    def relabel(self: Splits, groups: Mapping[str, Sequence[int]]) -> Splits:
        """New classes made of old ones, e.g. ``{"even": [0, 2, 4], "odd": [1, 3, 5]}``.

        Images of classes in no group are left out.

        Raises:
            DataError: Unknown class, or one in two groups.
        """
        members = [old for group in groups.values() for old in group]
        self._check_classes(members)
        target = [-1] * len(self.labels)
        for new, group in enumerate(groups.values()):
            for old in group:
                target[old] = new
        return self._mapped(f"{self.name}({'/'.join(groups)})", target, list(groups))

    def _check_classes(self, classes: Sequence[int]) -> None:
        wrong = [c for c in classes if not 0 <= c < len(self.labels)]
        if wrong or not classes:
            raise DataError(
                f"{self.name}: class {wrong[0] if wrong else 'list is empty'}; "
                f"classes are 0..{len(self.labels) - 1}"
            )
        if len(set(classes)) != len(classes):
            raise DataError(f"{self.name}: a class is named twice in {list(classes)}")

    def limit(
        self: Splits,
        train: int | None = None,
        val: int | None = None,
        test: int | None = None,
        seed: int = 0,
    ) -> Splits:
        """At most this many images of each split, its classes as equal in number as possible.

        Raises:
            DataError: A limit is not positive.
        """
        limits = {"train": train, "val": val, "test": test}
        splits: dict[str, Any] = {}
        for part, split in self.splits.items():
            count = limits[part]
            if count is not None and count < 1:
                raise DataError(f"{self.name}: a limit of {count} {part} images leaves nothing")
            splits[part] = split if count is None else split.take(_balanced(split, count, seed))
        return dataclasses.replace(self, **splits)


@dataclass(frozen=True, eq=False)
class Dataset(TrainVal):
    """Three splits and the names of the classes.

    Attributes:
        test: To be measured once, when nothing is left to choose.
    """

    test: Split

    @property
    def splits(self) -> dict[str, Split]:
        return super().splits | {"test": self.test}

    @property
    def development(self) -> TrainVal:
        """The same without the test split, for code that still chooses between models."""
        return TrainVal(
            self.name, self.train, self.val, self.labels, preprocessing=self.preprocessing
        )


def _balanced(split: Split, count: int, seed: int) -> npt.NDArray[np.intp]:
    """Indices of a class-balanced random sample: the rounds of a card deal."""
    order = np.random.default_rng(seed).permutation(len(split))
    rank = np.empty(len(split), np.intp)
    for label in np.unique(split.labels):
        mine = order[split.labels[order] == label]
        rank[mine] = np.arange(len(mine))
    return np.lexsort((np.argsort(order), rank))[:count]


def _digits(seed: int) -> Dataset:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = DIGITS.apply(data.images)[..., None]
    whole = Split(images, data.target.astype(np.int64))
    train, val, test = (whole.take(part) for part in stratified(whole.labels, _DIGITS_SHARES, seed))
    return Dataset("digits", train, val, DIGIT_NAMES, test, preprocessing=DIGITS)


def _with_validation(name: str, source: Source, seed: int, share: float) -> Dataset:
    whole = Split(source.x_train, source.y_train)
    test, made = Split(source.x_test, source.y_test), Preprocessing(resize=source.resize)
    if whole.labels.shape != (len(whole.images),):
        raise DataError(
            f"{name} (train): {len(whole.images)} images with labels of shape {whole.labels.shape}"
        )
    if source.is_val is not None:
        if source.is_val.shape != whole.labels.shape:
            raise DataError(f"{name}: is_val_train has shape {source.is_val.shape}")
        flags = source.is_val.astype(bool)
        parts = whole.take(~flags), whole.take(flags)
        return Dataset(name, *parts, source.labels, test, preprocessing=made)
    val, train = stratified(whole.labels, (share,), seed)
    parts = whole.take(train), whole.take(val)
    return Dataset(name, *parts, source.labels, test, preprocessing=made)


def load_dataset(
    name: str,
    directory: Path | str | None = None,
    *,
    seed: int = 0,
    shape: Shape | None = None,
    validation: float = VALIDATION,
) -> Dataset:
    """Load a data set and cut off its validation split.

    ``digits`` (8x8, embedded in scikit-learn) is cut 60/15/25, stratified. The others come from an
    .npz archive (arrays x_train, y_train, x_test, y_test, optionally label_names and is_val_train)
    or from the original files; 15 % of their training images, stratified, are for validation,
    except that GTSRB is cut by track. ``arrays`` is any such archive, or a folder with the
    arrays as .npy files; ``pictures`` a folder with a sub-folder of pictures for each class
    (:func:`semifreddo.train.pictures.read_folder`).

    Args:
        name: One of :data:`NAMES`.
        directory: Where the files are (or in its sub-folder ``name``), or an .npz file itself.
        seed: Of the split.
        shape: Of ``pictures`` only: channels, height and width that they get.
        validation: Share of the training images, above 0 and below 1; not of ``digits``, and not
            where the files say which images are for validation.

    Raises:
        DataError: Unknown name, missing directory, missing or damaged files.
    """
    if name not in NAMES:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(NAMES)}")
    if name == "digits":
        return _digits(seed)
    if directory is None:
        raise DataError(f"{name}: name the directory its files are in")
    if name == PICTURES:
        return _with_validation(name, read_folder(Path(directory), shape), seed, validation)
    return _with_validation(name, find_source(name, Path(directory)), seed, validation)
