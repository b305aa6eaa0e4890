"""The reference against plain arithmetic; ``tests/matrix`` has every layer kind."""

from __future__ import annotations

import dataclasses
import itertools
import weakref

import numpy as np
import pytest

import plain
from nets import blended, block, images
from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Conv, Curve, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference

CASES = [
    {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "depthwise": False},
    {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 1, 1, 0), "depthwise": False},
    {"kernel": (2, 3), "stride": (1, 2), "padding": (0, 0, 0, 2), "depthwise": False},
    {"kernel": (1, 1), "stride": (2, 1), "padding": (0, 0, 0, 0), "depthwise": False},
    {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "depthwise": True},
    {"kernel": (3, 2), "stride": (2, 2), "padding": (2, 0, 0, 1), "depthwise": True},
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [4, 24], ids=["float32", "float64"])
def test_conv_equals_its_definition(case: dict, bits: int) -> None:
    rng = np.random.default_rng(7)
    channels, outputs = 3, 3 if case["depthwise"] else 4
    shape = (*case["kernel"], 1 if case["depthwise"] else channels, outputs)
    weight = dataclasses.replace(
        block(rng, "w", shape, 2),
        bits=bits,
        raw=rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), shape),
        frac=(3, 1, 5, 4)[:outputs],
    )
    bias = block(rng, "b", (outputs,), 2, "bias")
    height = (5 + case["padding"][0] + case["padding"][2] - shape[0]) // case["stride"][0] + 1
    width = (6 + case["padding"][1] + case["padding"][3] - shape[1]) // case["stride"][1] + 1
    layer = Conv(
        inputs=("image",),
        output=Stream("y", (height, width, outputs), FixedType.exact(40, 13, signed=True)),
        weight="w",
        bias="b",
        **case,
    )
    source = Stream("image", (5, 6, channels), FixedType.exact(8, 8, signed=False))
    net = StreamNet("conv", source, (layer,), (weight, bias))
    batch = images(net, 2)
    expected = plain.streams(net, batch)["y"]
    assert np.array_equal(reference.run(net, batch), expected.reshape(2, -1))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("largest", "exact", "rounded"),
    [((1 << 24) - 1, np.float32, np.float64), ((1 << 53) - 1, np.float64, np.int64)],
)
def test_the_quickest_type_that_holds_all_sums(
    sign: int, largest: int, exact: type, rounded: type
) -> None:
    """Of pixels of one bit, whose product with a weight is that weight."""
    source = FixedType.exact(1, 0, signed=False)
    weight = block(np.random.default_rng(0), "w", (1, 1, 1, 1), 1)
    for raw, kind in ((sign * largest, exact), (sign * (largest + 1), rounded)):
        one = dataclasses.replace(weight, bits=60, raw=np.full((1, 1, 1, 1), raw))
        assert reference._exact_dtype(source, one) is kind


def test_chunks_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    net = blended()
    batch = images(net, 23)
    whole = reference.run(net, batch)
    monkeypatch.setattr(reference, "_CHUNK_VALUES", 1)
    assert np.array_equal(reference.run(net, batch), whole)


def test_a_chunk_holds_about_four_million_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the widest stream, with the windows of a convolution three by three."""
    net, widest = blended(), 4 * 4 * 4 * 9
    (chunk,) = reference._chunks(net, 10)
    assert chunk == slice(0, (1 << 22) // widest)
    monkeypatch.setattr(reference, "_CHUNK_VALUES", 5 * widest + widest - 1)
    assert list(reference._chunks(net, 15)) == [slice(0, 5), slice(5, 10), slice(10, 15)]
    assert list(reference._chunks(net, 6)) == [slice(0, 5), slice(5, 10)]
    monkeypatch.setattr(reference, "_CHUNK_VALUES", widest - 1)
    assert list(reference._chunks(net, 2)) == [slice(0, 1), slice(1, 2)], "one image at least"


def test_what_nobody_reads_any_more_is_not_held() -> None:
    """Neither the image nor a stream, once the last layer that reads it is done."""
    net = blended()
    batch = images(net, 2)
    streams = reference._streams(net, batch)
    held = weakref.ref(next(streams)[1])
    assert held() is not None, "mix will read it"
    assert [name for name, _ in itertools.islice(streams, 2)] == ["adapter", "mix"]
    next(streams)
    assert held() is None


@pytest.mark.parametrize("width", [12, 13])
def test_a_curve_of_few_and_of_many_arguments(width: int) -> None:
    """Looked up in a table, or searched: one for all channels, and one for each."""
    rng = np.random.default_rng(width)
    kind = FixedType.exact(width, 3, signed=True)
    source = Stream("image", (5, 4, 2), kind)
    batch = rng.integers(kind.min_raw, kind.max_raw + 1, (6, 5, 4, 2))
    batch[0, 0, :2, 0] = kind.min_raw, kind.max_raw
    for columns, rows in ((1, 1), (1, 2), (2, 1), (2, 2)):
        starts = np.sort(rng.integers(kind.min_raw, kind.max_raw, (3, columns)), axis=0)
        levels = rng.integers(-8, 8, (4, rows))
        batch[1, 0, :3, 0] = starts[:, 0]
        parts = [
            WeightBlock(name, role, raw, bits, True, (frac,) * raw.shape[1], (True,) * raw.shape[1])
            for name, role, raw, bits, frac in (
                ("starts", "start", starts, width, 3),
                ("levels", "level", levels, 4, 1),
            )
        ]
        layer = Curve(
            inputs=("image",),
            output=Stream("y", (5, 4, 2), FixedType.exact(4, 1, signed=True)),
            starts="starts",
            levels="levels",
        )
        net = StreamNet("curve", source, (layer,), tuple(parts))
        expected = plain.streams(net, batch)["y"]
        assert np.array_equal(reference.run(net, batch), expected.reshape(6, -1))


def test_no_images() -> None:
    net = blended()
    assert reference.run(net, images(net, 0)).shape == (0, 3)


def test_trace_names_every_layer() -> None:
    net = blended()
    found = reference.trace(net, images(net, 2))
    assert list(found) == [layer.name for layer in net.layers]
    for layer in net.layers:
        assert found[layer.name].shape == (2, *layer.output.shape)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            np.zeros((1, 4, 4, 2), np.uint8),
            "images have shape (1, 4, 4, 2), expected (n, 4, 4, 1)",
        ),
        (np.zeros((4, 4, 1), np.uint8), "images have shape (4, 4, 1), expected (n, 4, 4, 1)"),
        (np.zeros((1, 4, 4, 1)), "images are float64, expected integers (uint8, say)"),
        (np.arange(241, 257).reshape(1, 4, 4, 1), "image values 241..256 are outside 0..255"),
        (np.arange(-1, 15).reshape(1, 4, 4, 1), "image values -1..14 are outside 0..255"),
    ],
)
def test_bad_images(batch: np.ndarray, message: str) -> None:
    for refuse in (reference.run, reference.trace):
        with pytest.raises(DataError) as error:
            refuse(blended(), batch)
        assert str(error.value) == f"blended: {message}"
