"""What a training minimises: a loss, several passes, penalties, watched or distilled features."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from semifreddo.core.digest import digest_bytes, digest_json
from semifreddo.core.errors import ConfigError

JSON: TypeAlias = Any


class Objective(abc.ABC):
    """Computes the gradients of a training step, and the score that tells the best epoch.

    One object serves one :func:`~semifreddo.train.loop.fit` at a time: ``attach`` before the first
    step, ``begin_epoch`` before each epoch, for each batch ``backward`` and, behind the optimizer,
    ``after_step``, ``finish`` behind the last epoch, and ``close`` at the end, also when training
    fails or is interrupted.

    Attributes:
        score_name: What :meth:`score` measures.
    """

    score_name: ClassVar[str] = "accuracy"

    @property
    @abc.abstractmethod
    def key(self) -> JSON:
        """Everything that decides the gradients; a saved state of another key is not continued."""

    def attach(self, model: nn.Module) -> nn.Module | None:  # noqa: ARG002
        """Register hooks, and give what is trained along with the model, if anything.

        Args:
            model: In the form that is trained; batch norms are folded between two phases.

        Returns:
            Parameters that join the optimizer and buffers; all are saved and continued with the
            state of the training. Its first values must follow from the model and :attr:`key`.
        """
        return None

    def begin_epoch(self, epoch: int, epochs: int) -> None:  # noqa: B027 -- most need nothing
        """Take note that epoch ``epoch`` (from 0) of ``epochs`` begins."""

    @abc.abstractmethod
    def backward(
        self, model: nn.Module, x: Tensor, y: Tensor, outputs: int, random: torch.Generator
    ) -> tuple[float, Tensor]:
        """Run the model, once or more often, and add to the gradients, which are zero before.

        Args:
            model: In training mode.
            x: Images as the model sees them, augmented: (count, channels, height, width).
            y: Labels, (count,).
            outputs: How many of the model's first outputs are trained.
            random: The epoch's generator, the only source of chance: an interrupted training goes
                on with the same numbers.

        Returns:
            The loss, and the outputs (count, outputs) that :meth:`score` judges.
        """

    def after_step(self, model: nn.Module) -> None:  # noqa: B027 -- most need nothing
        """Change the model behind a step of the optimizer: clip, mask, average.

        Frozen values are put back afterwards.
        """

    def finish(self, model: nn.Module) -> None:  # noqa: B027 -- most need nothing
        """Change the model behind the last epoch; it is as it was in its best one.

        Frozen values are put back afterwards.
        """

    def score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """How good the outputs (count, outputs) of each image are, (count,); more is better."""
        return outputs.argmax(1) == y

    def close(self) -> None:  # noqa: B027 -- most need nothing
        """Remove all hooks."""


class CrossEntropy(Objective):
    """Cross entropy of softmax.

    Args:
        smoothing: Label smoothing, 0 to 0.9.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    @property
    def key(self) -> JSON:
        return ["cross entropy", self.smoothing]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss, with its graph."""
        return nn.functional.cross_entropy(outputs, y, label_smoothing=self.smoothing)

    def backward(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        outputs: int,
        random: torch.Generator,  # noqa: ARG002
    ) -> tuple[float, Tensor]:
        answers = first_outputs(model(x), outputs)
        loss = self.loss(answers, y)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), answers.detach()


def first_outputs(result: Any, outputs: int) -> Tensor:
    """The first outputs of what a model gave, (count, outputs).

    Raises:
        ConfigError: It gave several results.
    """
    if isinstance(result, list | tuple) and not hasattr(result, "value"):
        raise ConfigError(
            f"the model gives {len(result)} results, of which no one loss follows; give an "
            "objective of your own, or train it elsewhere"
        )
    tensor: Tensor = getattr(result, "value", result)
    return tensor.flatten(1)[:, :outputs]


def state_digest(model: nn.Module) -> str:
    """Digest of all parameters and buffers, for the :attr:`Objective.key` of one with a teacher."""
    parts = [
        f"{name}:{digest_bytes(tensor.detach().contiguous().numpy().tobytes())}"
        for name, tensor in model.state_dict().items()
    ]
    return digest_json(parts)
