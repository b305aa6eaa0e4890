"""A split as a model sees it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from semifreddo.nn.inputs import ModelInput, batch_of
from semifreddo.nn.recall import FrozenPart, Outputs, Rows
from semifreddo.train.data import Split

_BATCH = 512


def input_of(model: nn.Module, split: Split) -> ModelInput:
    """How a model sees a split's images."""
    height, width, channels = split.images.shape[1:]
    return ModelInput(model, (channels, height, width))


def raw_images(model: nn.Module, split: Split) -> npt.NDArray[np.integer]:
    """A split's images as the raw integers that the model's input, and so its device, reads."""
    return input_of(model, split).raw(split.images, split.preprocessing)


class Seen:
    """A split as a model sees it, again and again; what cannot move is computed once.

    Args:
        model: Its quantizers are not exchanged meanwhile, their scales may move.
        split: Images and labels.
        part: The frozen part of the model, if it is to recall its outputs.
    """

    def __init__(self, model: nn.Module, split: Split, part: FrozenPart | None = None) -> None:
        self.labels = torch.from_numpy(split.labels)
        self._split, self._source = split, input_of(model, split)
        self._constant = self._source.constant
        self._scale = self._source.scale
        self._raw = self._now()
        self._part = part
        self._outputs: Outputs | None = None
        if part is not None and self._constant:
            self._outputs = part.outputs(len(split), (x for _, x in self._batches()))

    def __len__(self) -> int:
        return len(self.labels)

    def _now(self) -> Tensor:
        return batch_of(self._source.raw(self._split.images, self._split.preprocessing))

    def raw(self) -> Tensor:
        """All images as raw integers at the present scale, NCHW."""
        if not self._constant:
            self._raw = self._now()
        return self._raw

    def real(self, raw: Tensor) -> Tensor:
        """What raw integers mean at the present scale."""
        x = raw * (self._scale if self._constant else self._source.scale)
        # Channels side by side, as convolutions of more than one want them.
        return x.contiguous(memory_format=torch.channels_last) if x.shape[1] > 1 else x

    def recalled(self, x: Tensor, rows: Rows) -> Tensor:
        """Real values of some images, unchanged; the frozen part recalls what it gives for them."""
        if self._part is not None and self._outputs is not None:
            self._part.recall(self._outputs, x, rows)
        return x

    def _batches(self) -> Iterator[tuple[slice, Tensor]]:
        raw = self.raw()
        for start in range(0, len(self), _BATCH):
            rows = slice(start, start + _BATCH)
            yield rows, self.real(raw[rows])

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order, and their labels."""
        for rows, x in self._batches():
            yield self.recalled(x, rows), self.labels[rows]
