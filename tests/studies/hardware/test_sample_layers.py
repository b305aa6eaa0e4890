"""Random layers of which the estimator's error is measured."""

from __future__ import annotations

import itertools

from semifreddo.ir.layers import Conv
from semifreddo.studies.hardware.sample_layers import samples


def test_sums_of_both_signs_are_cast_to_both_kinds_of_numbers() -> None:
    layers = [sample.layer for sample in itertools.islice(samples(1), 60)]
    convolutions = [layer for layer in layers if isinstance(layer, Conv)]
    assert {layer.output.type.signed for layer in convolutions} == {False, True}
