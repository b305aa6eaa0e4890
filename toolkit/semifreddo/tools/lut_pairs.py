"""How many look-up tables remain when two that share inputs use one LUT6_2.

A LUT of 7-series and UltraScale+ has two outputs: it computes one function of six inputs, or two of
the same five. Two LUTs fit into one if their distinct inputs together are at most five. Which LUTs
end up together is placement's choice; this greedy matching pairs only LUTs that share at least one
input, the most alike first. It is an estimate: it does not know which slice a LUT will be in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

_SHARED_INPUTS = 5
_MANY_READERS = 64
"""A signal with more readers than this says little about which of them belong together."""


def count_with_pairs(luts: Sequence[frozenset[Hashable]]) -> int:
    """LUTs needed when pairs share one.

    Args:
        luts: The distinct input signals of every LUT; constants left out.
    """
    readers: dict[Hashable, list[int]] = defaultdict(list)
    for index, inputs in enumerate(luts):
        if len(inputs) <= _SHARED_INPUTS:
            for signal in inputs:
                readers[signal].append(index)
    free = {index for index, inputs in enumerate(luts) if 0 < len(inputs) <= _SHARED_INPUTS}
    pairs = 0
    # Wide LUTs first: they have the fewest partners.
    for index in sorted(free, key=lambda index: (-len(luts[index]), index)):
        if index not in free:
            continue
        free.remove(index)
        partner = _partner(index, luts, readers, free)
        if partner is not None:
            free.remove(partner)
            pairs += 1
    return len(luts) - pairs


def _partner(
    index: int,
    luts: Sequence[frozenset[Hashable]],
    readers: dict[Hashable, list[int]],
    free: set[int],
) -> int | None:
    """The free LUT that shares the most inputs and fits; of those alike, the widest."""
    own = luts[index]
    shared: Counter[int] = Counter()
    for signal in own:
        if len(readers[signal]) <= _MANY_READERS:
            shared.update(other for other in readers[signal] if other in free)
    fitting = [
        (count, len(luts[other]), -other)
        for other, count in shared.items()
        if len(own) + len(luts[other]) - count <= _SHARED_INPUTS
    ]
    return -max(fitting)[2] if fitting else None
