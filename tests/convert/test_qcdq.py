"""Ranges of integers as formats, clips and parameters; ``test_spellings.py`` has whole files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from semifreddo.convert.node import Node
from semifreddo.convert.qcdq import _clipped, _columns, _format, _smallest, with_quantizers
from semifreddo.core.errors import ConversionError

NODE = Node("/q/DequantizeLinear", "DequantizeLinear", ("x", "s", "z"), ("y",), {})


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 1, (1, False, False)),
        (0, 15, (4, False, False)),
        (0, 14, (4, False, True)),
        (-8, 7, (4, True, False)),
        (-7, 7, (4, True, True)),
        (-1, 1, (2, True, True)),
        (-2, 1, (2, True, False)),
        (-(1 << 31), (1 << 31) - 1, (32, True, False)),
        (0, (1 << 32) - 1, (32, False, False)),
    ],
)
def test_the_format_of_a_range(low: int, high: int, found: tuple[int, bool, bool]) -> None:
    """Bits, whether they have a sign, and whether the lowest number is left out."""
    assert _format("a.onnx", NODE, low, high) == found


@pytest.mark.parametrize(("low", "high"), [(0, 100), (-7, 8), (1, 15), (-1, 0), (0, 1 << 32)])
def test_ranges_of_no_format(low: int, high: int) -> None:
    with pytest.raises(ConversionError) as error:
        _format("a.onnx", NODE, low, high)
    assert str(error.value) == (
        f"a.onnx: node '/q/DequantizeLinear' (DequantizeLinear): clips to {low}..{high}, which is "
        "the range of no bit width"
    )


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [(0, 0, (-2, 1)), (0, 1, (-2, 1)), (-3, 3, (-4, 3)), (-4, 4, (-8, 7)), (0, 127, (-128, 127))],
)
def test_the_smallest_signed_range(low: int, high: int, ends: tuple[int, int]) -> None:
    assert _smallest(low, high) == ends


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (("x",), (-9, 9)),
        (("x", "low"), (-3, 9)),
        (("x", "low", "high"), (-3, 5)),
        (("x", "wide", "far"), (-9, 9)),
    ],
)
def test_what_a_clip_leaves(names: tuple[str, ...], ends: tuple[int, int]) -> None:
    known: dict[str, Any] = {
        "low": np.array(-3), "high": np.array(5), "wide": np.array(-99), "far": np.array(99)
    }  # fmt: skip
    clip = Node("/c/Clip", "Clip", names, ("y",), {})
    assert _clipped(clip, known, -9, 9) == ends
    assert _clipped(None, known, -9, 9) == (-9, 9)


def test_parameters_lie_along_their_axis() -> None:
    scale, zero = _columns(NODE, 4, np.array([0.5]), np.array([3], np.int8))
    assert scale.shape == zero.shape == () and (float(scale), float(zero)) == (0.5, 3.0)
    scale, zero = _columns(NODE, 4, np.array([0.5, 0.25]), np.array([3], np.int8))
    assert scale.shape == zero.shape == (1, 2, 1, 1) and zero.ravel().tolist() == [3.0, 3.0]
    rows = Node("q", "DequantizeLinear", (), ("y",), {"axis": 0})
    scale, zero = _columns(rows, 2, np.array([0.5, 0.25]), np.array([3, 4], np.int8))
    assert scale.tolist() == [[0.5], [0.25]] and zero.tolist() == [[3.0], [4.0]]
    last = Node("q", "DequantizeLinear", (), ("y",), {"axis": -1})
    assert _columns(last, 3, np.array([0.5, 0.25]), np.zeros(2, np.int8))[0].shape == (1, 1, 2)


def test_stored_integers_of_many_bits_get_the_smallest_format() -> None:
    """Of 32 bits that hold -5 and 6, four are used; of eight, all are."""
    known = {"s": np.array(0.5), "z": np.array(0, np.int32)}
    for kind, bits in ((np.int32, 4.0), (np.int8, 8.0)):
        constants = known | {"x": np.array([-5, 6], kind)}
        (node,), found = with_quantizers("a.onnx", [NODE], constants)
        assert (node.op, node.attributes["signed"], node.attributes["narrow"]) == ("Quant", 1, 0)
        assert found[node.inputs[0]].tolist() == [-2.5, 3.0]
        assert float(found[f"{NODE.name}/bits"]) == bits


@pytest.mark.parametrize("names", [("x",), ("x", "computed"), ("x", "s", "computed")])
def test_parameters_that_are_computed(names: tuple[str, ...]) -> None:
    node = Node("/q", "DequantizeLinear", names, ("y",), {})
    with pytest.raises(ConversionError) as error:
        with_quantizers("a.onnx", [node], {"x": np.array([1], np.int8), "s": np.array(0.5)})
    assert str(error.value) == (
        "a.onnx: node '/q' (DequantizeLinear): its scale and zero point must be constants"
    )
