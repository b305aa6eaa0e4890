"""Binary networks and the distribution loss, which keeps their signs informative.

In front of a sign the values y of a channel should be neither all of one sign (degeneration), nor
so large that no gradient passes (saturation), nor so small that the gradient that does pass is
that of another function (mismatch). With mean m and deviation s over images and pixels the loss is
a sum of three squares, a mean over channels and layers. After Ding et al., CVPR 2019, arXiv
1904.02823; the released form is the one of the authors' code, the published form that of the text,
as others have implemented it.

The values are those of a batch norm, whose factor and offset are s and m in training mode. So the
loss trains these, and nothing in front of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from semifreddo.nn.binary import SignNorm, sign_layers, sign_scale
from semifreddo.nn.layers import QuantConvBlock
from semifreddo.train.objective import JSON, CrossEntropy
from semifreddo.train.options import DistributionForm

_EPS = 1e-12


def released(mean: Tensor, deviation: Tensor) -> Tensor:
    """The form of the authors' code, of each channel.

    Args:
        mean: Of the values in front of the sign.
        deviation: Of the same values.
    """
    return (
        (2 - mean.abs() - deviation).relu().square()
        + (deviation - 4).relu().square()
        + (mean.square() - deviation.square()).relu().square()
    )


def published(mean: Tensor, deviation: Tensor) -> Tensor:
    """The form of the text, of each channel: degeneration, saturation, mismatch.

    Args:
        mean: Of the values in front of the sign.
        deviation: Of the same values.
    """
    quarter = deviation / 4
    return (
        (mean.abs() - deviation).relu().square()
        + (quarter - 1).relu().square()
        + (1 - mean.abs() - quarter).relu().square()
    )


FORMS: Mapping[DistributionForm, Callable[[Tensor, Tensor], Tensor]] = {
    "released": released,
    "published": published,
}


def distribution(y: Tensor, form: DistributionForm) -> Tensor:
    """The loss of one layer, a mean over channels.

    Args:
        y: What signs are taken of, (count, channels, height, width).
        form: Which of the two.
    """
    variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
    return FORMS[form](mean, (variance + _EPS).sqrt()).mean()


class SignTraining(CrossEntropy):
    """Cross entropy; what weights of -1 and 1 are the signs of stays between -1 and 1."""

    @property
    def key(self) -> JSON:
        return ["signs", self.smoothing]

    def after_step(self, model: nn.Module) -> None:
        """A weight far from zero would hardly ever change its sign again."""
        for _, layer in sign_layers(model):
            layer.weight.data.clamp_(-1, 1)


class DistributionLoss(SignTraining):
    """Cross entropy and the distribution loss of all blocks with weights of -1 and 1.

    Without batch norms, which are folded for the last epochs, it is cross entropy alone.

    Args:
        form: Which of the two.
        weight: Of the distribution loss.
        off: Last epochs without it.
        smoothing: Label smoothing, 0 to 0.9.
    """

    def __init__(
        self,
        form: DistributionForm = "released",
        weight: float = 2.0,
        off: int = 0,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(smoothing)
        self.form, self.weight, self.off = form, weight, off
        self._on = True
        self._seen: list[Tensor] = []
        self._handles: list[RemovableHandle] = []

    @property
    def key(self) -> JSON:
        return ["distribution", self.form, self.weight, self.off, self.smoothing]

    def attach(self, model: nn.Module) -> None:
        norms = [
            module.bn
            for module in model.modules()
            if isinstance(module, QuantConvBlock)
            and isinstance(module.bn, SignNorm)
            and sign_scale(module.conv) is not None
        ]
        self._handles = [norm.register_forward_hook(self._watch) for norm in norms]

    def _watch(self, norm: nn.Module, _: Any, output: Tensor) -> None:
        if norm.training and self._on:
            self._seen.append(2 * output - 1)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self._on = epoch < epochs - self.off

    def backward(
        self, model: nn.Module, x: Tensor, y: Tensor, outputs: int, random: torch.Generator
    ) -> tuple[float, Tensor]:
        self._seen.clear()
        found = super().backward(model, x, y, outputs, random)
        self._seen.clear()
        return found

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        loss = super().loss(outputs, y)
        if not self._seen:
            return loss
        extra = torch.stack([distribution(values, self.form) for values in self._seen]).mean()
        return loss + self.weight * extra

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
