"""Networks of one layer with weights that are only -1 and 1, for measuring the estimator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, Multiplier
from semifreddo.studies.hardware.sample_layers import Sample, same_size


def sign_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers of binary blocks, each without multipliers and then with them."""
    index = 0
    while True:
        rng = np.random.default_rng((seed, index // 2))
        yield _layer(rng, "lut" if index % 2 else "xnor")
        index += 1


def _layer(rng: np.random.Generator, multiplier: Multiplier) -> Sample:
    """A convolution of bits, or of values of some bits, with a loadable threshold."""
    act, kernel = int(rng.choice([1, 1, 1, 2, 4])), int(rng.choice([1, 3, 3]))
    inputs, outputs = int(rng.choice([8, 12, 16, 24])), int(rng.choice([8, 12, 16, 24, 32]))
    count = kernel**2 * inputs
    rows = int(rng.choice([1, 3, 9, 18, count]))
    lanes = int(rng.choice([2, 4, 8, outputs]))
    rows = min(rows, count) if rows * lanes <= 300 else 1
    loadable = (False,) * outputs
    raw = rng.choice([-1, 1], (kernel, kernel, inputs, outputs))
    reach = int(count * (1 << act)).bit_length()
    bias = rng.integers(-count, count, outputs)
    blocks = (
        WeightBlock("w", "weight", raw, 2, True, (0,) * outputs, loadable, signs=True),
        WeightBlock("b", "bias", bias, reach + 1, True, (0,) * outputs, loadable),
    )
    ends = FixedType(act, 0, False, Rounding.FLOOR, Overflow.SATURATE)
    size = (12, 12)
    layer = same_size("w", "b", kernel, Stream("layer", (*size, outputs), ends))
    image = Stream("image", (*size, inputs), FixedType.exact(act, 0, signed=False))
    title = (
        f"{multiplier} {kernel}x{kernel} {inputs} to {outputs}, {act} bit, "
        f"{rows} rows, {lanes} channels"
    )
    net = StreamNet("sample", image, (layer,), blocks)
    return Sample(title, net, Choice(rows, lanes % outputs, multiplier=multiplier))
