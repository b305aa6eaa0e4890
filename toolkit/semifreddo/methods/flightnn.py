"""FLightNN: each filter learns whether its weights are one power of two or two.

The loss is cross entropy and a group lasso on what first powers of two leave of the filters that
have second ones. It pulls filters onto single powers and raises the threshold that decides
(:mod:`semifreddo.nn.powers`), which cross entropy lowers where second terms help. Half way the
terms are fixed, and the rest of the epochs train the network that hardware gets. After Ding et al.,
DAC 2019, arXiv 1904.02835, with choices of our own: a term costs while it is used, and as much as
the filter has weights, which is what it costs in hardware; what is left of a filter is a share of
its norm; first terms have no threshold and no penalty.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semifreddo.ir.allowed import MOST_TERMS
from semifreddo.nn.integers import integer_tensor
from semifreddo.nn.powers import fix_terms, powers_quants, signed_digits
from semifreddo.train.objective import JSON, CrossEntropy


class FilterLasso(CrossEntropy):
    """Cross entropy and a penalty on second terms.

    Args:
        penalty: Of the share that first terms leave of a filter, mean over all weights.
        smoothing: Label smoothing, 0 to 0.9.
        learning: Share of the epochs in which the terms are learned; then they are fixed.
    """

    def __init__(self, penalty: float, smoothing: float = 0.0, learning: float = 0.5) -> None:
        super().__init__(smoothing)
        self.penalty, self.learning = penalty, learning
        self._model = nn.Module()

    @property
    def key(self) -> JSON:
        return ["filter lasso", self.penalty, self.smoothing, self.learning]

    def attach(self, model: nn.Module) -> None:
        self._model = model

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        if epoch >= self.learning * epochs:
            fix_terms(self._model)

    def backward(
        self, model: nn.Module, x: Tensor, y: Tensor, outputs: int, random: torch.Generator
    ) -> tuple[float, Tensor]:
        loss, answers = super().backward(model, x, y, outputs, random)
        found = list(powers_quants(model))
        parts = [
            weight[0].numel() * quant.cost(weight).sum()
            for _, weight, quant in found
            if weight.requires_grad and not bool(quant.filter_terms.fixed)
        ]
        if parts:
            weights = sum(weight.numel() for _, weight, _ in found)
            extra = self.penalty / weights * torch.stack(parts).sum()
            extra.backward()  # type: ignore[no-untyped-call]
            loss += float(extra.detach())
        return loss, answers

    def after_step(self, model: nn.Module) -> None:
        """A threshold is of a share: below zero it would always mean the same."""
        for _, _, quant in powers_quants(model):
            if quant.filter_terms.threshold is not None:
                quant.filter_terms.threshold.data.clamp_(min=0)


def filter_terms(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Terms of each filter of the weights of powers of two, by tensor: what hardware computes.

    A term that is zero in all weights of a filter is none.
    """
    found = {}
    for name, _, _ in powers_quants(model):
        raw = integer_tensor(model, name).raw
        digits = signed_digits(raw.reshape(len(raw), -1)).max(1)
        found[name] = tuple(int(count) for count in digits)
    return found


def mean_terms(model: nn.Module) -> float:
    """Mean number of terms of a weight, filters counted with the weights that they have.

    Raises:
        ValueError: No weight is made of powers of two.
    """
    pairs = [
        (sum(terms) * weight[0].numel(), weight.numel())
        for terms, (_, weight, _) in zip(
            filter_terms(model).values(), powers_quants(model), strict=True
        )
    ]
    if not pairs:
        raise ValueError("no weight is made of powers of two")
    return sum(used for used, _ in pairs) / sum(count for _, count in pairs)


def terms_line(model: nn.Module) -> str:
    """What was learned, in one line; "" for a model without weights of powers of two."""
    found = filter_terms(model)
    if not found:
        return ""
    counts = [count for terms in found.values() for count in terms]
    filters = ", ".join(f"{counts.count(k)} with {k}" for k in range(MOST_TERMS + 1))
    return f"powers of two: {mean_terms(model):.2f} a weight; filters: {filters}"
