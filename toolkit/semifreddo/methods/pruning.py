"""Gradual magnitude pruning: the smallest weights of each tensor become zero while it trains.

After Zhu and Gupta, 2017, arXiv 1710.01878: the share of zeros rises along a cubic curve, so that
most weights go early, and the last ones when the others have taken over. Two things are chosen for
short trainings: the share is reached at two thirds of the epochs with batch norms, and it is kept
in the epochs after folding, which a batch norm's absence tells. A zero may come back when a step of
the optimizer makes it larger than others.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from semifreddo.core.errors import ConfigError
from semifreddo.nn.fold import batch_norms
from semifreddo.nn.layers import QuantConvBlock
from semifreddo.train.objective import JSON, CrossEntropy

_RISING = 2 / 3
"""Of the epochs with batch norms, in which the share rises."""


class MagnitudePruning(CrossEntropy):
    """Cross entropy; a share of the weights of each convolution block are zero in the end.

    Args:
        share: Of the weights that become zero, above 0 and below 1.
        smoothing: Label smoothing, 0 to 0.9.

    Raises:
        ConfigError: The share is none.
    """

    def __init__(self, share: float, smoothing: float = 0.0) -> None:
        if not 0 < share < 1:
            raise ConfigError(f"pruning: share = {share} is not between 0 and 1")
        super().__init__(smoothing)
        self.share = share
        self._now = 0.0
        self._folded = False

    @property
    def key(self) -> JSON:
        return ["pruning", self.share, self.smoothing]

    def attach(self, model: nn.Module) -> None:
        self._folded = not batch_norms(model)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        left = max(0.0, 1 - (epoch + 1) / (_RISING * epochs))
        self._now = self.share if self._folded else self.share * (1 - left**3)

    def after_step(self, model: nn.Module) -> None:
        for weight in _weights(model):
            prune(weight, self._now)

    def finish(self, model: nn.Module) -> None:
        """The best epoch may have been one before the last weights went."""
        for weight in _weights(model):
            prune(weight, self.share)


def prune(weight: Tensor, share: float) -> None:
    """Make the smallest values of a tensor zero, in place.

    Args:
        weight: Any shape.
        share: Of the values, rounded down to whole ones.
    """
    values = weight.detach().view(-1)
    gone = int(share * values.numel())
    values[torch.topk(values.abs(), gone, largest=False).indices] = 0.0


def _weights(model: nn.Module) -> Iterator[Tensor]:
    return (module.conv.weight for module in model.modules() if isinstance(module, QuantConvBlock))
