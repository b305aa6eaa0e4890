"""Inputs and the raw integers every rung of the ladder must answer with."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.arrays import LIMIT_BYTES, read_arrays
from semifreddo.core.digest import digest_ints
from semifreddo.core.errors import DataError
from semifreddo.core.files import write_atomic

_NAMES = ("images", "expected")
_RANDOM = "random"
"""Member of a file whose images are random; absent in all others."""
_TRUTH = "truth"
"""Member with each image's class; absent if nobody knows it."""
_WANTED = (*_NAMES, _RANDOM, _TRUTH)


@dataclass(frozen=True, eq=False)
class VectorSet:
    """Images and expected outputs, as raw integers.

    Attributes:
        images: ``(n, height, width, channels)`` raw integers of the input stream's format.
        expected: ``(n, outputs)`` raw integers of the output stream's format.
        random: Whether the images are random and the answers the integer reference's, because
            nobody gave golden vectors. They show that a device computes the same integers as the
            reference, and nothing about the trained model.
        truth: ``(n,)`` class of each image, an index into the task's labels; None if nobody knows.
            No rung reads it: it tells how many answers are right.
    """

    images: npt.NDArray[np.integer]
    expected: npt.NDArray[np.integer]
    random: bool = False
    truth: npt.NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        for name, array, ndim in (("images", self.images, 4), ("expected", self.expected, 2)):
            if array.ndim != ndim or array.dtype.kind not in "iu":
                raise DataError(
                    f"vectors: {name} must be integers with {ndim} dimensions, "
                    f"got {array.dtype} with shape {array.shape}"
                )
        if len(self.images) != len(self.expected):
            raise DataError(
                f"vectors: {len(self.images)} images but {len(self.expected)} expected outputs"
            )
        if self.truth is not None:
            self._check_truth(self.truth)

    def _check_truth(self, truth: npt.NDArray[np.integer]) -> None:
        if truth.dtype.kind not in "iu" or truth.shape != (len(self.images),):
            raise DataError(
                f"vectors: truth must be one integer per image, got {truth.dtype} with shape "
                f"{truth.shape} for {len(self.images)} images"
            )
        outputs = self.expected.shape[1]
        if len(truth) and not 0 <= truth.min() <= truth.max() < outputs:
            raise DataError(
                f"vectors: truth {truth.min()}..{truth.max()}, but the classes of {outputs} "
                f"outputs are 0..{outputs - 1}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def head(self, count: int) -> VectorSet:
        """The first ``count`` vectors."""
        truth = None if self.truth is None else self.truth[:count]
        return VectorSet(self.images[:count], self.expected[:count], self.random, truth)

    def __str__(self) -> str:
        """How many, and of which kind."""
        return describe(len(self), random=self.random)

    @property
    def digest(self) -> str:
        """Digest of all images and answers."""
        return digest_ints(self.images, digest_ints(self.expected))

    def to_bytes(self) -> bytes:
        """The ``.npz`` form: smallest integer types, deflated, no pickles, no time stamps."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            arrays = {"images": self.images, "expected": self.expected}
            if self.random:
                arrays[_RANDOM] = np.ones(1, np.uint8)
            if self.truth is not None:
                arrays[_TRUTH] = self.truth
            for name, array in arrays.items():
                member = io.BytesIO()
                np.lib.format.write_array(member, _narrow(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Write :meth:`to_bytes` atomically."""
        write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> VectorSet:
        """Read a file written by :meth:`save`.

        Raises:
            DataError: The file is missing, corrupt, or holds something else.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such vector file")
        return cls._of(path, str(path))

    @classmethod
    def from_bytes(
        cls, data: bytes, where: str = "vectors", *, limit_bytes: int = LIMIT_BYTES
    ) -> VectorSet:
        """Inverse of :meth:`to_bytes`; of at most ``limit_bytes``, decompressed.

        Raises:
            DataError: Corrupt, or something else.
        """
        return cls._of(data, where, limit_bytes)

    @classmethod
    def _of(cls, source: Path | bytes, where: str, limit_bytes: int = LIMIT_BYTES) -> VectorSet:
        found = read_arrays(
            source,
            where,
            what="a vector file",
            wanted=_WANTED.__contains__,
            limit_bytes=limit_bytes,
        )
        if missing := [name for name in _NAMES if name not in found]:
            raise DataError(f"{where}: not a vector file (has no array {missing[0]!r})")
        try:
            return cls(found["images"], found["expected"], _RANDOM in found, found.get(_TRUTH))
        except DataError as error:
            raise DataError(f"{where}: {error}") from None


def describe(count: int, *, random: bool) -> str:
    """How many vectors, and of which kind: the words are the same wherever they are told."""
    if random:
        return f"{count} random images, answered by the integer reference"
    return f"{count} golden vectors"


def _narrow(array: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    if array.size == 0:
        return array
    low, high = int(array.min()), int(array.max())
    for name in ("u1", "<i2", "<i4"):
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            return array.astype(name)
    return array.astype("<i8")
