"""Networks of one random curve, for measuring the estimator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Curve, Role, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice
from semifreddo.studies.hardware.sample_layers import Sample


def curve_samples(seed: int) -> Iterator[Sample]:
    """Ever more curves: tables and searches in turn, alike in all channels or not."""
    index = 0
    while True:
        rng = np.random.default_rng((seed, index))
        yield _sigmoid(rng, wide=index % 2 == 1, own=index % 4 > 1)
        index += 1


def _sigmoid(rng: np.random.Generator, *, wide: bool, own: bool) -> Sample:
    """Sigmoids with a random slope and offset."""
    channels, act = int(rng.integers(4, 17)), int(rng.choice([2, 4, 6, 8]))
    bits = int(rng.choice([14, 18, 24] if wide else [6, 8, 8]))
    source = Stream("image", (8, 8, channels), FixedType.exact(bits, 0, signed=True))
    count, columns = (1 << act) - 1, channels if own else 1
    shares = np.log(np.arange(1, count + 1) / np.arange(count, 0, -1))
    steepness = rng.uniform(2, 16, columns) * 2.0**-bits
    offsets = rng.normal(0, 2.0 ** (bits - 4), columns)
    starts = np.rint(shares[:, None] / steepness + offsets)
    blocks = tuple(
        WeightBlock(
            role, role, raw, width, signed, (0,) * raw.shape[1], frozen=(True,) * raw.shape[1]
        )
        for role, raw, width, signed in _parts(source.type, starts, act)
    )
    output = Stream("layer", source.shape, FixedType.exact(act, 0, signed=False))
    layer = Curve(inputs=("image",), output=output, starts="start", levels="level")
    lanes = int(rng.choice([0, 0, 1, 2, channels // 2]))
    title = (
        f"curve of {bits} bits to {act}, {channels} channels{' of their own' * own}"
        f"{f', {lanes} at a time' * bool(lanes)}"
    )
    net = StreamNet("sample", source, (layer,), blocks)
    return Sample(title, net, Choice(channels_per_cycle=lanes))


def _parts(
    kind: FixedType, starts: np.ndarray[tuple[int, ...], np.dtype[np.float64]], act: int
) -> Iterator[tuple[Role, np.ndarray[tuple[int, ...], np.dtype[np.int64]], int, bool]]:
    inside = np.clip(starts, kind.min_raw, kind.max_raw).astype(np.int64)
    yield "start", inside, kind.width, True
    yield "level", np.arange(1 << act)[:, None], act, False
