"""The committed bundle is of the committed model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.vectors import VectorSet
from semifreddo.ir.address_map import AddressMap
from semifreddo.runtime import Bundle
from semifreddo.sim import reference

ROOT = Path(__file__).parents[2]
BUNDLE = Bundle.load(ROOT / "tests" / "golden" / "digits.sfb")


def test_it_is_the_design() -> None:
    pytest.importorskip("qonnx", reason="needs the train extra")
    from semifreddo.convert import convert

    net = convert(ROOT / "hls_projects" / "digits" / "model.onnx", "digits")
    assert net == BUNDLE.net, "run tests/golden/make_digits_bundle.py again"


@pytest.mark.parametrize("name", ["digits", "odd_even"])
def test_its_vectors_are_right(name: str) -> None:
    values = AddressMap.of(BUNDLE.net).unpack(BUNDLE.tasks[name].words)
    vectors = BUNDLE.vectors[name]
    found = reference.run(BUNDLE.net.with_values(values), vectors.images)
    assert np.array_equal(found, vectors.expected)


def test_it_answers_the_whole_test_split() -> None:
    vectors = VectorSet.load(ROOT / "hls_projects" / "digits" / "vectors.npz")
    assert len(vectors) == 450
    assert np.array_equal(reference.run(BUNDLE.net, vectors.images), vectors.expected)
