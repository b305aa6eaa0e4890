"""How good a model is on a split, as training sees it: real values, in evaluation mode."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from semifreddo.nn.inputs import ModelInput, batch_of
from semifreddo.train.data import Split
from semifreddo.train.objective import CrossEntropy, Objective, first_outputs

_BATCH = 512


@torch.no_grad()
def evaluate(
    model: nn.Module, split: Split, outputs: int, objective: Objective | None = None
) -> tuple[float, float]:
    """Cross entropy and mean score over a split.

    Args:
        model: Left in the mode in which it was.
        split: The images.
        outputs: Only so many of the model's first outputs take part.
        objective: Whose score; accuracy as a fraction if left out.
    """
    objective = objective or CrossEntropy()
    training = model.training
    source = input_of(model, split)
    model.eval()
    loss = score = 0.0
    for start in range(0, len(split), _BATCH):
        labels = torch.from_numpy(split.labels[start : start + _BATCH])
        images = split.images[start : start + _BATCH]
        raw = source.raw(images, split.preprocessing)
        answers = first_outputs(model(source.real(batch_of(raw))), outputs)
        loss += float(nn.functional.cross_entropy(answers, labels, reduction="sum"))
        score += float(objective.score(answers, labels).sum())
    model.train(training)
    return loss / len(split), score / len(split)


def raw_images(model: nn.Module, split: Split) -> npt.NDArray[np.integer]:
    """A split's images as the raw integers that the model's input, and so its device, reads."""
    return input_of(model, split).raw(split.images, split.preprocessing)


def input_of(model: nn.Module, split: Split) -> ModelInput:
    """How a model sees a split's images."""
    height, width, channels = split.images.shape[1:]
    return ModelInput(model, (channels, height, width))
