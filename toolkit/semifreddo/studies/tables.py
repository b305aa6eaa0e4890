"""What pages are made of: mean and spread over seeds, facts, lists."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float | None], scale: float = 100, digits: int = 2) -> str:
    """``mean ± standard deviation``, or that something is not measured."""
    numbers = [scale * value for value in values if value is not None]
    if len(numbers) < len(values) or not numbers:
        return "not measured"
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return f"{statistics.fmean(numbers):.{digits}f} ± {deviation:.{digits}f}"


def bullets(facts: dict[str, str]) -> str:
    """A list of named facts."""
    return "".join(f"- {name}: {fact}\n" for name, fact in facts.items())


def listed(values: Sequence[int]) -> str:
    """Numbers in a sentence or a cell."""
    return ", ".join(map(str, values))
