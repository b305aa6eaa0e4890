"""How good a model is on a split, as training sees it: real values, in evaluation mode."""

from __future__ import annotations

import torch
from torch import nn

from semifreddo.nn.modes import evaluating
from semifreddo.train.data import Split
from semifreddo.train.objective import CrossEntropy, Objective, first_outputs
from semifreddo.train.seen import Seen


@torch.no_grad()
def evaluate(
    model: nn.Module, images: Split | Seen, outputs: int, objective: Objective | None = None
) -> tuple[float, float]:
    """Cross entropy and mean score over a split.

    Args:
        model: Left in the mode in which it was.
        images: The split, or the same as the model sees it.
        outputs: Only so many of the model's first outputs take part.
        objective: Whose score; accuracy as a fraction if left out.
    """
    objective = objective or CrossEntropy()
    seen = Seen(model, images) if isinstance(images, Split) else images
    loss = score = 0.0
    with evaluating(model):
        for x, labels in seen.batches():
            answers = first_outputs(model(x), outputs)
            loss += float(nn.functional.cross_entropy(answers, labels, reduction="sum"))
            score += float(objective.score(answers, labels).sum())
    return loss / len(seen), score / len(seen)
