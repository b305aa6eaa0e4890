"""Task files: what teaches a built device something new.

A task is a JSON text of a few kilobytes: the loadable words of one device (weights, blend factors
and biases, which are the thresholds of the activations behind them), the names of the classes and
the digests that tie it to the device and prove it undamaged. It is data, never code.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.digest import digest_bytes
from semifreddo.core.errors import DataError, TaskError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet

FORMAT = "semifreddo-task/1"
GROUPED = "semifreddo-task/2"
"""Of a task with :attr:`Task.outputs`: what reads only the first would answer wrongly."""

SEVERAL = "semifreddo-task/3"
"""Of a task with :attr:`Task.heads`: what reads only the others would compare different outputs."""

MAX_FILE_BYTES = 64 << 20

_DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    DataError,
    OverflowError,
    RecursionError,
    binascii.Error,
)


def check_labels(labels: Sequence[str], where: str) -> None:
    """Refuse class names that cannot be told apart in an answer.

    Raises:
        TaskError: There is none, or one is empty or stands twice.
    """
    if not labels:
        raise TaskError(f"{where}: has no labels; name at least one class")
    if blank := [index for index, label in enumerate(labels) if not label.strip()]:
        raise TaskError(f"{where}: label {blank[0]} is empty; give every class a name")
    if twice := [label for index, label in enumerate(labels) if label in labels[:index]]:
        raise TaskError(f"{where}: label {twice[0]!r} stands twice; give every class its own name")


@dataclass(frozen=True, eq=False)
class Task:
    """One set of loadable values for one built device.

    Attributes:
        name: What the device does with it, e.g. ``odd-even``.
        net: Name of the design.
        device_digest: :attr:`StreamNet.device_digest` of the device it fits.
        labels: Class names. Output i means label i, unless there are :attr:`outputs`; further
            outputs are not used by this task.
        words: 32-bit words in the order of the device's :class:`AddressMap`.
        metrics: Measured figures, e.g. ``{"test_accuracy": 0.98}``.
        preprocessing: What made the images it was trained on out of their source's values.
        outputs: The label that each of the first outputs means, so that several outputs, for
            instance of finer classes, give one answer; empty if output i means label i.
        heads: Name and number of channels of each output of a model that has several; the device's
            outputs are the channels of all, one head after the other, with a label each, and every
            head has an answer of its own. Empty if the model has one.
    """

    name: str
    net: str
    device_digest: str
    labels: tuple[str, ...]
    words: npt.NDArray[np.uint32]
    metrics: Mapping[str, float] = field(default_factory=dict)
    preprocessing: Preprocessing = IDENTITY
    outputs: tuple[int, ...] = ()
    heads: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.labels, f"task {self.name!r}")
        if self.heads:
            self._check_heads()
        if self.outputs and set(self.outputs) != set(range(len(self.labels))):
            raise TaskError(
                f"task {self.name!r}: its outputs mean the labels {sorted(set(self.outputs))}, "
                f"expected every one of 0..{len(self.labels) - 1}"
            )
        wrong = [key for key, value in self.metrics.items() if not math.isfinite(value)]
        if wrong:
            raise TaskError(f"task {self.name!r}: metric {wrong[0]} is no finite number")

    def _check_heads(self) -> None:
        names = [name for name, _ in self.heads]
        if len(names) < 2 or len(set(names)) < len(names) or min(n for _, n in self.heads) < 1:
            raise TaskError(f"task {self.name!r}: {self.heads!r} are no two or more outputs")
        if self.outputs or sum(count for _, count in self.heads) != len(self.labels):
            raise TaskError(
                f"task {self.name!r}: {len(self.labels)} labels for outputs of "
                f"{', '.join(str(count) for _, count in self.heads)} channels; name each channel"
            )

    @classmethod
    def of(
        cls,
        net: StreamNet,
        name: str,
        labels: tuple[str, ...],
        metrics: Mapping[str, float] | None = None,
        preprocessing: Preprocessing = IDENTITY,
        *,
        outputs: Sequence[int] = (),
        heads: Sequence[tuple[str, int]] = (),
    ) -> Task:
        """Take the loadable values out of a network.

        Raises:
            TaskError: More labels (or :attr:`outputs`) than the device has outputs, or no label, or
                some that are empty or equal.
        """
        if not labels:
            raise TaskError(
                f"task {name!r}: 0 labels for a device of {net.output.channels} outputs"
            )
        words = AddressMap.of(net).pack(net)
        figures = dict(metrics or {})
        digest = net.device_digest
        made = cls(
            name,
            net.name,
            digest,
            labels,
            words,
            figures,
            preprocessing,
            tuple(outputs),
            tuple(heads),
        )
        made.check(net.name, digest, net.output.channels)
        return made

    @property
    def used_outputs(self) -> int:
        """How many of the device's first outputs the task uses."""
        return len(self.outputs) or len(self.labels)

    def answers(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The label of each image, by index.

        Args:
            raw: ``(n, outputs)`` raw integers, as the device gave them.

        Returns:
            ``(n,)``: what the largest of the used outputs means, the first of equal ones; -1 of a
            model with several outputs, which has no one answer (:meth:`answers_of_heads`).
        """
        if self.heads:
            return np.full(len(raw), -1, np.int64)
        best: npt.NDArray[np.int64] = raw[:, : self.used_outputs].argmax(axis=1).astype(np.int64)
        meaning = np.array(self.outputs or range(self.used_outputs), np.int64)
        labels: npt.NDArray[np.int64] = meaning[best]
        return labels

    def answers_of_heads(self, raw: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.int64]]:
        """The label of each image by each output's name, by index into all labels.

        Args:
            raw: ``(n, outputs)`` raw integers, as the device gave them.
        """
        return {
            name: place.start + raw[:, place].argmax(axis=1).astype(np.int64)
            for name, place in self.places.items()
        }

    @property
    def places(self) -> dict[str, slice]:
        """Channels of each output of a model that has several."""
        found, start = {}, 0
        for name, count in self.heads:
            found[name] = slice(start, start + count)
            start += count
        return found

    @property
    def payload_bytes(self) -> int:
        """Bytes that are loaded into the device."""
        return int(self.words.size) * 4

    def apply(self, net: StreamNet) -> StreamNet:
        """The network a device becomes when it loads this task.

        Raises:
            TaskError: The task was made for another device or does not fit.
        """
        self.check(net.name, net.device_digest, net.output.channels)
        return net.with_values(AddressMap.of(net).unpack(self.words))

    def check(self, net_name: str, device_digest: str, outputs: int) -> None:
        """Refuse a task of another device.

        Raises:
            TaskError: Says which device the task is for.
        """
        if self.device_digest != device_digest:
            raise TaskError(
                f"task {self.name!r} was made for device {self.net} {self.device_digest[:12]}, "
                f"this is {net_name} {device_digest[:12]}; retarget it to this device"
            )
        if self.used_outputs > outputs:
            what = "outputs with a label" if self.outputs else "labels"
            raise TaskError(
                f"task {self.name!r}: {self.used_outputs} {what} for a device of {outputs} outputs"
            )

    def to_json(self) -> str:
        """The file's text."""
        words = np.ascontiguousarray(self.words, dtype="<u4").tobytes()
        data = {
            "format": SEVERAL if self.heads else GROUPED if self.outputs else FORMAT,
            "name": self.name,
            "net": self.net,
            "device_digest": self.device_digest,
            "labels": list(self.labels),
            **({"outputs": list(self.outputs)} if self.outputs else {}),
            **({"heads": [list(head) for head in self.heads]} if self.heads else {}),
            "metrics": dict(self.metrics),
            **self.preprocessing.to_figures(),
            "words": base64.b64encode(words).decode(),
            "words_sha256": digest_bytes(words),
        }
        return json.dumps(data, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "task") -> Task:
        """Inverse of :meth:`to_json`.

        Raises:
            TaskError: Not such a text, or damaged.
        """
        try:
            data = parse_json(text)
            if not isinstance(data, dict) or data.get("format") not in (FORMAT, GROUPED, SEVERAL):
                raise TaskError(f"{where}: not a {FORMAT}, {GROUPED} or {SEVERAL} file")
            outputs = data["outputs"] if data["format"] == GROUPED else []
            heads = data["heads"] if data["format"] == SEVERAL else []
            if any(type(name) is not str or type(count) is not int for name, count in heads):
                raise TaskError(f"{where}: its heads are no names and numbers: {heads!r}")
            if any(type(label) is not int for label in outputs):
                raise TaskError(f"{where}: its outputs are not indices of labels: {outputs!r}")
            words = base64.b64decode(data["words"], validate=True)
            if digest_bytes(words) != data["words_sha256"]:
                raise TaskError(
                    f"{where}: the words do not match their digest; the file is damaged"
                )
            return cls(
                name=str(data["name"]),
                net=str(data["net"]),
                device_digest=str(data["device_digest"]),
                labels=tuple(str(label) for label in data["labels"]),
                words=np.frombuffer(words, dtype="<u4").astype(np.uint32),
                metrics={str(key): float(value) for key, value in data["metrics"].items()},
                preprocessing=Preprocessing.from_figures(data),
                outputs=tuple(outputs),
                heads=tuple((name, count) for name, count in heads),
            )
        except _DAMAGE as error:
            raise TaskError(f"{where}: not a {FORMAT} file ({error!r})") from error

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Task:
        """Read a file.

        Raises:
            TaskError: Missing, too large, corrupt, or something else.
        """
        if not path.is_file():
            raise TaskError(f"{path}: no such task file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TaskError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so not a task file")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TaskError(f"{path}: not a {FORMAT} file (not text)") from error
        return cls.from_json(text, str(path))
