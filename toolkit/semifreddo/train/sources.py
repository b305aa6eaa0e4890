"""Image files in their original formats, and .npz archives, as plain arrays."""

from __future__ import annotations

import csv
import gzip
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.arrays import read_array, read_arrays
from semifreddo.core.errors import DataError
from semifreddo.core.resize import resized

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
GTSRB_SIZE, GTSRB_RESIZE = 32, "bilinear"

_NEEDED = ("x_train", "y_train", "x_test", "y_test")
_REST = "_rest_delta.npz"
_DIFFERENCES = ("xd_train", "y_train", "xd_test", "y_test")
_CIFAR_PIXELS = 3072
_IDX_DTYPE_UINT8 = 8


@dataclass(frozen=True, eq=False)
class Source:
    """What a data set's files contain, before any validation split.

    Attributes:
        x_train: uint8 ``(n, height, width, channels)``.
        y_train: Labels.
        x_test: As ``x_train``.
        y_test: Labels.
        labels: Class names.
        is_val: Which training images its authors (or tracks) reserve for validation.
        resize: Filter that scaled the pictures of the files, if they were scaled.
    """

    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    labels: tuple[str, ...]
    is_val: npt.NDArray[np.bool_] | None = None
    resize: str = ""


def stratified(labels: Labels, shares: Sequence[float], seed: int) -> list[npt.NDArray[np.intp]]:
    """Cut indices into parts that have each class in the same proportion.

    Args:
        labels: Class of each element.
        shares: Fraction of all but the last part, which is the rest.
        seed: Of the random choice.
    """
    random = np.random.default_rng(seed)
    parts: list[list[npt.NDArray[np.intp]]] = [[] for _ in range(len(shares) + 1)]
    for label in np.unique(labels):
        index = random.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum(shares) * len(index)).astype(int)
        for part, piece in zip(parts, np.split(index, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


def read_npz(path: Path) -> Source:
    """An archive with arrays x_train, y_train, x_test, y_test and, optionally, label_names.

    Raises:
        DataError: Corrupt, or without those arrays.
    """
    found = read_arrays(path, str(path), what="an .npz archive of plain arrays", wanted=_wanted)
    return _of_arrays(path, found)


def _images(differences: npt.NDArray[Any], where: str) -> Images:
    """Images out of vertical differences ``(3, n, height, width)``, red and blue less green.

    Raises:
        DataError: Of another shape or type.
    """
    if differences.ndim != 4 or len(differences) != 3 or differences.dtype != np.uint8:
        raise DataError(
            f"{where} is {differences.dtype} of shape {differences.shape}, expected uint8 "
            "(3, n, height, width)"
        )
    planes = np.cumsum(differences, axis=2, dtype=np.uint8)
    planes[[0, 2]] += planes[1]
    return np.ascontiguousarray(planes.transpose(1, 2, 3, 0))


def _with_rest(first: Source, path: Path) -> Source:
    """A data set and the other images of it, which a second archive holds as differences.

    Raises:
        DataError: Corrupt, without its arrays, or of images that are not the first's kind.
    """
    found = read_arrays(
        path, str(path), what="an .npz archive of plain arrays", wanted=_DIFFERENCES.__contains__
    )
    if missing := [key for key in _DIFFERENCES if key not in found]:
        raise DataError(f"{path}: has no array {missing[0]!r}; needed: {' '.join(_DIFFERENCES)}")
    joined: dict[str, Any] = {}
    for part in ("train", "test"):
        images = _images(found[f"xd_{part}"], f"{path}: xd_{part}")
        labels = found[f"y_{part}"]
        known: Images = getattr(first, f"x_{part}")
        if images.shape[1:] != known.shape[1:] or labels.shape != (len(images),):
            raise DataError(
                f"{path}: {part} images {images.shape} with labels {labels.shape} do not continue "
                f"images {known.shape}"
            )
        joined[f"x_{part}"] = np.concatenate([known, images])
        joined[f"y_{part}"] = np.concatenate([getattr(first, f"y_{part}"), labels.astype(np.int64)])
    return replace(first, **joined)


def _read_npy(folder: Path) -> Source | None:
    """The arrays of :func:`read_npz` as .npy files of a folder."""
    files = [file for file in sorted(folder.glob("*.npy")) if _wanted(file.stem)]
    return _of_arrays(folder, {f.stem: read_array(f, str(f)) for f in files}) if files else None


def _of_arrays(path: Path, found: Mapping[str, npt.NDArray[Any]]) -> Source:
    missing = [key for key in _NEEDED if key not in found]
    if missing:
        raise DataError(f"{path}: has no array {missing[0]!r}; needed: {' '.join(_NEEDED)}")
    for key in ("y_train", "y_test"):
        if not np.issubdtype(found[key].dtype, np.integer):
            raise DataError(f"{path}: {key} holds {found[key].dtype}, and labels are whole numbers")
    y_train, y_test = (found[key].astype(np.int64) for key in ("y_train", "y_test"))
    classes = int(max(y_train.max(initial=0), y_test.max(initial=0))) + 1
    names = found.get("label_names", np.arange(classes))
    return Source(
        _channels_last(found["x_train"]),
        y_train,
        _channels_last(found["x_test"]),
        y_test,
        tuple(str(name) for name in names),
        found.get("is_val_train"),
    )


def _wanted(key: str) -> bool:
    return key in (*_NEEDED, "label_names", "is_val_train")


def _channels_last(images: Images) -> Images:
    return images[..., None] if images.ndim == 3 else images


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def read_idx(path: Path) -> Images:
    """An idx-ubyte file, gzipped or not.

    Raises:
        DataError: Corrupt.
    """
    data = _read_bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _IDX_DTYPE_UINT8 or not 1 <= data[3] <= 3:
        raise DataError(f"{path}: not an idx-ubyte file")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise DataError(f"{path}: ends in the middle of its header; it is truncated")
    shape = tuple(int(size) for size in np.frombuffer(data[4:header], ">u4"))
    if len(data) - header != prod(shape):
        raise DataError(f"{path}: {len(data) - header} bytes for shape {shape}; it is truncated")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _read_mnist(folder: Path, names: tuple[str, ...]) -> Source | None:
    def find(stem: str) -> Path | None:
        for name in (stem, stem.replace("-idx", ".idx")):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    stems = [
        f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    files = [find(f"{stem}-ubyte") for stem in stems]
    present = [path for path in files if path is not None]
    if not present:
        return None
    if len(present) < len(files):
        lacking = stems[files.index(None)]
        raise DataError(f"{folder}: has {present[0].name} but no {lacking}-ubyte(.gz)")
    x_train, y_train, x_test, y_test = (read_idx(path) for path in present)
    return Source(
        _channels_last(x_train),
        y_train.astype(np.int64),
        _channels_last(x_test),
        y_test.astype(np.int64),
        names,
    )


def _cifar_records(path: Path, label_bytes: int) -> tuple[Images, Labels]:
    data = np.frombuffer(_read_bytes(path), np.uint8)
    record = label_bytes + _CIFAR_PIXELS
    if not data.size or data.size % record:
        raise DataError(f"{path}: {data.size} bytes are not whole records of {record} bytes")
    rows = data.reshape(-1, record)
    images = rows[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, label_bytes - 1].astype(np.int64)


def _read_cifar(folder: Path, name: str) -> Source | None:
    ten = name == "cifar10"
    trains = [f"data_batch_{i}" for i in range(1, 6)] if ten else ["train"]
    test, meta = ("test_batch", "batches.meta.txt") if ten else ("test", "fine_label_names.txt")
    inner = "cifar-10-batches" if ten else "cifar-100"
    for place in (folder, folder / f"{inner}-{'bin' if ten else 'binary'}"):
        files = [place / f"{stem}.bin" for stem in (*trains, test)]
        if not any(path.is_file() for path in files):
            continue
        parts = [_cifar_records(path, 1 if ten else 2) for path in files]
        classes = 10 if ten else 100
        lines = (place / meta).read_text().split() if (place / meta).is_file() else []
        names = tuple(lines) if len(lines) == classes else tuple(map(str, range(classes)))
        x_train = np.concatenate([images for images, _ in parts[:-1]])
        y_train = np.concatenate([labels for _, labels in parts[:-1]])
        return Source(x_train, y_train, *parts[-1], names)
    for place in (folder, folder / (f"{inner}-py" if ten else f"{inner}-python")):
        if (place / trains[0]).is_file():
            raise DataError(
                f"{place / trains[0]}: this is the Python (pickle) version, which is code and is "
                f"not read; fetch the binary version, {name.replace('r', 'r-')}-binary.tar.gz"
            )
    return None


def read_ppm(path: Path) -> Images:
    """A binary PPM (P6) image with 8 bits per channel, ``(height, width, 3)``.

    Raises:
        DataError: Corrupt.
    """
    data = _read_bytes(path)
    head = re.match(rb"P6\s+(?:#[^\n]*\n\s*)*(\d{1,5})\s+(\d{1,5})\s+255\s", data)
    if head is None:
        raise DataError(f"{path}: not a binary PPM (P6) image of 8 bits per channel")
    width, height = int(head[1]), int(head[2])
    pixels = np.frombuffer(data, np.uint8, offset=head.end())
    if pixels.size != width * height * 3:
        raise DataError(f"{path}: {pixels.size} bytes for {width}x{height}x3; it is damaged")
    return pixels.reshape(height, width, 3)


def _gtsrb_folder(folder: Path, table: Path) -> tuple[list[Images], list[int], list[str]]:
    images, labels, names = [], [], []
    try:
        with table.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter=";"):
                picture = read_ppm(folder / row["Filename"])
                images.append(resized(picture, GTSRB_SIZE, GTSRB_SIZE, GTSRB_RESIZE))
                labels.append(int(row["ClassId"]))
                names.append(row["Filename"])
    except (KeyError, ValueError, TypeError, UnicodeDecodeError, OSError) as error:
        raise DataError(
            f"{table}: not a GTSRB table with Filename and ClassId ({error!r})"
        ) from error
    return images, labels, names


def _read_gtsrb(folder: Path) -> Source | None:
    for place in (folder, folder / "GTSRB"):
        train, test = place / "Final_Training" / "Images", place / "Final_Test" / "Images"
        tables = sorted(train.glob("*/GT-*.csv"))
        if not tables:
            continue
        if not (test / "GT-final_test.csv").is_file():
            raise DataError(
                f"{test}: has no GT-final_test.csv (the labels of the test images, published "
                "separately as GTSRB_Final_Test_GT.zip)"
            )
        x_train, y_train, val = [], [], []
        for table in tables:
            images, labels, names = _gtsrb_folder(table.parent, table)
            x_train += images
            y_train += labels
            # Frames of one track are near-duplicates: every seventh track is for validation.
            val += [int(name.split("_")[0]) % 7 == 6 for name in names]
        x_test, y_test, _ = _gtsrb_folder(test, test / "GT-final_test.csv")
        classes = max(y_train) + 1
        return Source(
            np.stack(x_train),
            np.array(y_train, np.int64),
            np.stack(x_test),
            np.array(y_test, np.int64),
            tuple(map(str, range(classes))),
            np.array(val),
            GTSRB_RESIZE,
        )
    return None


ORIGINALS: Mapping[str, Callable[[Path], Source | None]] = {
    "mnist": lambda folder: _read_mnist(folder, DIGIT_NAMES),
    "fashion_mnist": lambda folder: _read_mnist(folder, FASHION_NAMES),
    "cifar10": lambda folder: _read_cifar(folder, "cifar10"),
    "cifar100": lambda folder: _read_cifar(folder, "cifar100"),
    "gtsrb": _read_gtsrb,
    "arrays": _read_npy,
}
"""Readers of the original files in a folder; None if the folder has none of them."""


def _has_splits(path: Path) -> bool:
    """Whether an archive is a data set, and not, say, another selection of the same images."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{key}.npy" for key in _NEEDED} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def find_source(name: str, directory: Path) -> Source:
    """Look for a data set in a directory and in its sub-folder of the data set's name.

    Archives named ``<name>*.npz`` come first, of them the shortest name that has all arrays, and
    with it the other images of ``<name>_rest_delta.npz`` if that is beside it; then the original
    files. The name of an archive itself means that archive alone.

    Raises:
        DataError: Nothing found, or only the rest, or what was found is damaged.
    """
    if directory.is_file():
        return read_npz(directory)
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory")
    for folder in (directory, directory / name):
        archives = sorted(folder.glob(f"{name}*.npz"), key=lambda path: (len(path.name), path.name))
        rest = folder / f"{name}{_REST}"
        if archives == [rest]:
            raise DataError(
                f"{rest}: is the second part of a data set; the archive with its first part "
                f"({name}*.npz: {' '.join(_NEEDED)}) belongs beside it"
            )
        if archives:
            first = read_npz(next(filter(_has_splits, archives), archives[0]))
            return _with_rest(first, rest) if rest in archives else first
        source = ORIGINALS[name](folder)
        if source is not None:
            return source
    if name == "arrays":
        raise DataError(
            f"{directory}: neither arrays*.npz nor x_train.npy, y_train.npy, x_test.npy and "
            "y_test.npy are there; name the .npz file itself, or its folder"
        )
    raise DataError(
        f"{directory}: neither {name}*.npz nor the original {name} files are there (nor in "
        f"{directory / name}); download them from the data set's own site"
    )
