"""The training curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semifreddo.core.files import atomic_path
from semifreddo.train.loop import EpochMetrics


def draw_curve(
    history: Sequence[EpochMetrics], path: Path, title: str, score: str = "accuracy"
) -> None:
    """Draw loss and score over all epochs of all phases into a PNG file.

    Args:
        history: The epochs.
        path: The file.
        title: Of the picture.
        score: What the score is.
    """
    # No pyplot: it takes seconds to import and keeps figures in global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    losses.plot(epochs, [m.loss for m in history], label="training")
    losses.plot(epochs, [m.val_loss for m in history], label="validation")
    losses.set(xlabel="epoch", ylabel="loss")
    scores.plot(epochs, [100 * m.train_score for m in history], label="training")
    scores.plot(epochs, [100 * m.val_score for m in history], label="validation")
    scores.set(xlabel="epoch", ylabel=f"{score} (%)")
    starts = [i for i in range(1, len(history)) if history[i].phase != history[i - 1].phase]
    for axes in (losses, scores):
        for start in starts:
            axes.axvline(start + 0.5, color="grey", linewidth=0.8, linestyle=":")
        axes.legend()
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
