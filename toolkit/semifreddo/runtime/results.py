"""What an accelerator answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one image.

    Attributes:
        raw: ``(outputs,)`` raw integers of the output stream.
        logits: ``(outputs,)`` real values of ``raw``.
        index: Class index, over the labels of the task; -1 if there is no one class.
        label: Class name; of several outputs one for each, joined by commas; of a result that is an
            image "".
    """

    raw: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    index: int
    label: str


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers to a batch; every array is the caller's own copy.

    Attributes:
        raw: ``(n, outputs)`` raw integers of the output stream, as the device gave them.
        logits: ``(n, outputs)`` real values of ``raw``.
        indices: ``(n,)`` indices of labels: what the largest of the outputs that the task uses
            means (the first of equal ones). Other outputs never win. All -1 if results are images,
            or if the model has several outputs.
        task: Name of the task that answered.
        task_labels: Class names of the task; none if results are images.
        heads: Of a model with several outputs, indices of labels as above by the output's name;
            empty otherwise, and if results are images.
        places: Channels of each output of a model with several.
    """

    raw: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int64]
    task: str
    task_labels: tuple[str, ...]
    heads: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    places: Mapping[str, slice] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, image: int) -> Prediction:
        index = int(self.indices[image])
        each = [index] if index >= 0 else [int(found[image]) for found in self.heads.values()]
        label = ", ".join(self.task_labels[place] for place in each)
        return Prediction(self.raw[image].copy(), self.logits[image].copy(), index, label)

    @property
    def labels(self) -> list[str]:
        """Class name of each image.

        Raises:
            DataError: The results are images, or those of several outputs.
        """
        if self.places and self.task_labels:
            raise DataError(
                f"task {self.task!r}: the model has the outputs {', '.join(self.places)}; ask for "
                "the labels of one, labels_of(name)"
            )
        if not self.task_labels:
            raise DataError(
                f"task {self.task!r}: the results are images, which have no class; use raw or "
                "logits"
            )
        return [self.task_labels[index] for index in self.indices]

    def labels_of(self, output: str) -> list[str]:
        """Class name of each image by one of several outputs.

        Raises:
            DataError: There is no such output, or the results are images.
        """
        self._place(output)
        if output not in self.heads:
            raise DataError(f"task {self.task!r}: output {output!r} is an image; use raw_of")
        return [self.task_labels[index] for index in self.heads[output]]

    def raw_of(self, output: str) -> npt.NDArray[np.int64]:
        """Raw integers of one of several outputs, a copy: ``(n, channels)``.

        Of images they are ``(n, pixels, channels)``.

        Raises:
            DataError: There is no such output.
        """
        place = self._place(output)
        channels = max(each.stop for each in self.places.values())
        part = self.raw.reshape(len(self.raw), -1, channels)[:, :, place]
        return (part[:, 0] if part.shape[1] == 1 else part).copy()

    def _place(self, output: str) -> slice:
        if output not in self.places:
            known = ", ".join(self.places) or "one only, without a name"
            raise DataError(f"task {self.task!r}: no output {output!r}; it has: {known}")
        return self.places[output]


@dataclass(frozen=True)
class Mismatch:
    """One raw integer that differs."""

    image: int
    output: int
    expected: int
    got: int

    def __str__(self) -> str:
        return f"image {self.image}, output {self.output}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class CheckReport:
    """How a device's answers compare with expected raw integers.

    Attributes:
        images: Images compared.
        mismatched_images: Images with at least one differing integer.
        mismatched_values: Differing integers in all.
        first: The first difference, or None if all are equal.
    """

    images: int
    mismatched_images: int
    mismatched_values: int
    first: Mismatch | None

    @classmethod
    def compare(
        cls, expected: npt.NDArray[np.integer], got: npt.NDArray[np.integer]
    ) -> CheckReport:
        """Compare ``(n, outputs)`` integers with ``==``."""
        different = expected != got
        where = np.argwhere(different)
        first = None
        if len(where):
            image, output = (int(index) for index in where[0])
            first = Mismatch(image, output, int(expected[image, output]), int(got[image, output]))
        return cls(len(expected), int(different.any(axis=1).sum()), len(where), first)

    @property
    def ok(self) -> bool:
        """Whether there was something to compare and all of it was equal."""
        return self.images > 0 and self.first is None

    def __str__(self) -> str:
        if not self.images:
            return "nothing to compare: no images"
        if self.first is None:
            return f"{self.images} of {self.images} images equal"
        return (
            f"{self.mismatched_images} of {self.images} images differ "
            f"({self.mismatched_values} values); first: {self.first}"
        )
