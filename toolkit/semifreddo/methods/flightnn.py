"""FLightNN: each filter learns whether its weights are one power of two or two.

The loss is cross entropy and a group lasso: for each filter, the norm of its weights and the norm
of what their first powers of two leave, the latter as long as the filter has second terms. It pulls
filters onto single powers and raises the threshold that decides (:mod:`semifreddo.nn.powers`),
which cross entropy lowers where second terms help. Terms are fixed before batch norms are folded,
so the last epochs train with those that hardware gets. After Ding et al., DAC 2019, arXiv
1904.02835; where their text was not at hand the choice is ours: that a term costs while it is used,
and that first terms have no threshold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semifreddo.ir.allowed import MOST_TERMS
from semifreddo.nn.integers import integer_tensor
from semifreddo.nn.powers import powers_quants, signed_digits
from semifreddo.train.objective import JSON, CrossEntropy


class FilterLasso(CrossEntropy):
    """Cross entropy and a penalty on filters and on their second terms.

    Args:
        penalty: Of the norm of what the first terms leave.
        whole: Of the norm of the filter itself, which can remove it.
        smoothing: Label smoothing, 0 to 0.9.
    """

    def __init__(self, penalty: float, whole: float = 1e-5, smoothing: float = 0.0) -> None:
        super().__init__(smoothing)
        self.penalty, self.whole = penalty, whole

    @property
    def key(self) -> JSON:
        return ["filter lasso", self.penalty, self.whole, self.smoothing]

    def backward(
        self, model: nn.Module, x: Tensor, y: Tensor, outputs: int, random: torch.Generator
    ) -> tuple[float, Tensor]:
        loss, answers = super().backward(model, x, y, outputs, random)
        parts = [
            self.whole * whole.sum() + self.penalty * rest.sum()
            for whole, rest in (
                quant.cost(weight)
                for _, weight, quant in powers_quants(model)
                if weight.requires_grad and not bool(quant.filter_terms.fixed)
            )
        ]
        if parts:
            extra = torch.stack(parts).sum()
            extra.backward()  # type: ignore[no-untyped-call]
            loss += float(extra.detach())
        return loss, answers

    def after_step(self, model: nn.Module) -> None:
        """A threshold is of norms: below zero it would always mean the same."""
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
