"""Networks of one layer with weights that are sums of powers of two, to measure the estimator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.ir.layers import Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, Multiplier
from semifreddo.studies.hardware.sample_layers import Sample, same_size

WAYS: tuple[Multiplier, ...] = ("shift", "lut", "dsp")


def power_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers of sums of powers, each shifted, then multiplied by LUTs, then by slices."""
    index = 0
    while True:
        rng = np.random.default_rng((seed, index // len(WAYS)))
        yield _layer(rng, WAYS[index % len(WAYS)])
        index += 1


def _layer(rng: np.random.Generator, multiplier: Multiplier) -> Sample:
    """A convolution with all weights and biases loadable."""
    act, kernel = int(rng.choice([4, 8])), int(rng.choice([1, 3, 3]))
    bits, terms = int(rng.choice([8, 8, 8, 6, 4])), int(rng.choice([1, 1, 2]))
    inputs, outputs = int(rng.choice([4, 8, 12])), int(rng.choice([6, 8, 12, 16]))
    count = kernel**2 * inputs
    rows, lanes = int(rng.choice([1, 3, 4, 9, 12])), int(rng.choice([2, 4, 8, outputs]))
    rows, lanes = min(rows, count), min(lanes, outputs)
    rows = rows if rows * lanes <= 72 else 1
    loadable = (False,) * outputs
    raw = rng.choice(sums_of_powers(bits, terms), (kernel, kernel, inputs, outputs))
    blocks = (
        WeightBlock("w", "weight", raw, bits, True, (bits,) * outputs, loadable, terms=terms),
        WeightBlock(
            "b", "bias", rng.integers(-99, 99, outputs), 12, True, (9,) * outputs, loadable
        ),
    )
    ends = FixedType(act, act - 4, False, Rounding.FLOOR, Overflow.SATURATE)
    size = (12, 12)
    layer = same_size("w", "b", kernel, Stream("layer", (*size, outputs), ends))
    image = Stream("image", (*size, inputs), FixedType.exact(act, act, signed=False))
    title = (
        f"{multiplier} {kernel}x{kernel} {inputs} to {outputs}, {act} bit, {bits}-bit sums of "
        f"{terms}, {rows} rows, {lanes} channels"
    )
    net = StreamNet("sample", image, (layer,), blocks)
    return Sample(title, net, Choice(rows, lanes % outputs, multiplier=multiplier))
