from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nets import ACT, blended, block
from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.exact import Exact, cast_problem, exact_result
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Curve,
    Layer,
    Linear,
    MaxPool,
    Route,
    Stream,
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.sim import reference


def with_layer(net: StreamNet, index: int, **changes: object) -> StreamNet:
    layers = list(net.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    return dataclasses.replace(net, layers=tuple(layers))


def with_block(net: StreamNet, name: str, **changes: object) -> StreamNet:
    blocks = [dataclasses.replace(b, **changes) if b.name == name else b for b in net.blocks]
    return dataclasses.replace(net, blocks=tuple(blocks))


def routed(net: StreamNet, inputs: tuple[str, ...], indices: tuple[int, ...]) -> StreamNet:
    """A route behind the mix, which the pool reads."""
    shape = (4, 4, max(1, len(indices)))
    route = Route(inputs=inputs, output=Stream("routed", shape, ACT), indices=indices)
    pool = dataclasses.replace(net.layers[3], inputs=("routed",))
    return dataclasses.replace(net, layers=(*net.layers[:3], route, pool, *net.layers[4:]))


def depthwise(net: StreamNet, channels: int) -> StreamNet:
    """A depthwise convolution of one input channel with weights for several."""
    return with_layer(net, 0, depthwise=True, output=Stream("core", (4, 4, channels), ACT))


def signed_pool(net: StreamNet, padding: tuple[int, int, int, int]) -> StreamNet:
    """A max pool of signed values in front of everything."""
    signed = Stream("signed", (4, 4, 1), FixedType.exact(8, 8, signed=True))
    top, left, bottom, right = padding
    size = (4 + top + bottom - 1, 4 + left + right - 1, 1)
    pool = MaxPool(
        inputs=("signed",),
        output=Stream("pooled", size, signed.type),
        kernel=(2, 2),
        stride=(1, 1),
        padding=padding,
    )
    return StreamNet("pools", signed, (pool,), ())


def two_passes(net: StreamNet, **changes: object) -> StreamNet:
    """A cast that is run twice, the second time as something else."""
    first = Cast(inputs=("image",), output=Stream("first", (4, 4, 1), ACT))
    second = dataclasses.replace(
        Cast(inputs=("first",), output=Stream("second", (4, 4, 1), ACT)), **changes
    )
    return StreamNet(
        "passes", net.input, (first, second), (), (Repeat("b", (("first",), ("second",))),)
    )


MALFORMED: dict[str, tuple[Callable[[StreamNet], StreamNet], str]] = {
    "name": (lambda net: dataclasses.replace(net, name="my net"), "'my net' is not an identifier"),
    "unknown stream": (lambda net: with_layer(net, 0, inputs=("nope",)), "no earlier stream"),
    "kernel": (lambda net: with_layer(net, 0, kernel=(5, 5)), "weight shape is"),
    "output shape": (
        lambda net: with_layer(net, 0, output=Stream("core", (9, 4, 4), ACT)),
        r"core \(Conv\): output shape is \(9, 4, 4\), expected \(4, 4, 4\)",
    ),
    "unknown block": (lambda net: with_layer(net, 0, weight="x"), "there is no block 'x'"),
    "unused block": (
        lambda net: dataclasses.replace(
            net,
            blocks=(
                *net.blocks,
                *(block(np.random.default_rng(), name, (2,), 0) for name in ("other", "extra")),
            ),
        ),
        "no layer uses block 'extra'",
    ),
    "unread stream": (
        lambda net: dataclasses.replace(
            net,
            layers=(
                Cast(inputs=("image",), output=Stream("idle", (4, 4, 1), ACT)),
                *net.layers,
            ),
        ),
        "nothing reads stream 'idle'",
    ),
    "no layers": (lambda net: dataclasses.replace(net, layers=()), "the net has no layers"),
    "no inputs": (lambda net: with_layer(net, 0, inputs=()), r"core \(Conv\): no earlier stream"),
    "its own result": (lambda net: with_layer(net, 0, inputs=("core",)), "no earlier stream"),
    "a later stream": (lambda net: with_layer(net, 0, inputs=("mix",)), "no earlier stream"),
    "two layers of one name": (
        lambda net: with_layer(net, 1, output=Stream("core", (4, 4, 4), ACT)),
        "two streams are named 'core'",
    ),
    "a layer named as the input": (
        lambda net: with_layer(net, 1, output=Stream("image", (4, 4, 4), ACT)),
        "two streams are named 'image'",
    ),
    "two blocks of one name": (
        lambda net: dataclasses.replace(net, blocks=(*net.blocks, net.blocks[0])),
        "two weight blocks have the same name",
    ),
    "bias shape": (
        lambda net: with_block(
            net, "adapter.bias", raw=np.zeros(3, int), frac=(11,) * 3, frozen=(True,) * 3
        ),
        r"adapter \(Conv\): bias shape is \(3,\), expected \(4,\)",
    ),
    "linear weight shape": (
        lambda net: with_block(net, "head.weight", raw=np.zeros((5, 3), int)),
        r"logits \(Linear\): weight shape is \(5, 3\), expected \(4, 3\)",
    ),
    "linear output": (
        lambda net: with_layer(net, 4, output=Stream("logits", (1, 3, 1), ACT)),
        r"output shape is \(1, 3, 1\), expected \(1, 1, 3\)",
    ),
    "alpha shape": (
        lambda net: with_block(
            net, "mix.alpha", raw=np.zeros(5, int), frac=(3,) * 5, frozen=(False,) * 5
        ),
        r"mix \(Blend\): alpha shape is \(5,\), expected \(4,\)",
    ),
    "depthwise channels": (
        lambda net: depthwise(net, 4),
        r"core \(Conv\): depthwise channel count is 4, expected 1",
    ),
    "three to blend": (
        lambda net: with_layer(net, 2, inputs=("core", "adapter", "core")),
        r"mix \(Blend\): number of inputs is 3, expected 2",
    ),
    "unequal to blend": (
        lambda net: with_layer(net, 2, inputs=("core", "image")),
        r"mix \(Blend\): shape of the second input is \(4, 4, 1\), expected \(4, 4, 4\)",
    ),
    "two to cast": (
        lambda net: two_passes(net, inputs=("first", "image")),
        r"second \(Cast\): number of inputs is 2, expected 1",
    ),
    "no indices": (lambda net: routed(net, ("mix",), ()), r"routed \(Route\): indices leave"),
    "negative index": (lambda net: routed(net, ("mix",), (0, 1, 2, -1)), r"indices leave 0\.\.3"),
    "one index too high": (
        lambda net: routed(net, ("mix", "image"), (0, 1, 2, 5)),
        r"indices leave 0\.\.4",
    ),
    "images of two sizes": (
        lambda net: StreamNet(
            "sizes",
            net.input,
            (
                AvgPool(
                    inputs=("image",),
                    output=Stream("small", (2, 2, 1), ACT),
                    kernel=(2, 2),
                    stride=(2, 2),
                ),
                Route(
                    inputs=("small", "image"),
                    output=Stream("both", (2, 2, 2), ACT),
                    indices=(0, 1),
                ),
            ),
            (),
        ),
        r"both \(Route\): set of image sizes is 2, expected 1",
    ),
    "empty result": (
        lambda net: with_layer(
            net, 3, kernel=(8, 8), stride=(8, 8), output=Stream("pool", (0, 0, 4), ACT)
        ),
        r"pool \(AvgPool\): empty output \(0, 0, 4\)",
    ),
    "signed values padded above": (
        lambda net: signed_pool(net, (1, 0, 0, 0)),
        r"pooled \(MaxPool\): padding needs an unsigned input",
    ),
    "signed values padded right": (
        lambda net: signed_pool(net, (0, 0, 0, 1)),
        r"pooled \(MaxPool\): padding needs an unsigned input",
    ),
    "a layer that is not there in a pass": (
        lambda net: dataclasses.replace(
            net, repeats=(Repeat("b", (("core",), ("gone",), ("lost",))),)
        ),
        "repeat 'b': there is no layer 'gone'",
    ),
    "passes of two lengths": (
        lambda net: dataclasses.replace(
            net, repeats=(Repeat("b", (("core",), ("adapter", "mix"))),)
        ),
        "at least two passes of equal length",
    ),
    "passes of two types": (
        lambda net: two_passes(
            net, output=Stream("second", (4, 4, 1), FixedType.exact(8, 4, signed=False))
        ),
        "'second' and 'first' differ in kind, shape or type",
    ),
    "passes of two kinds": (
        lambda net: StreamNet(
            "passes",
            net.input,
            (
                Cast(inputs=("image",), output=Stream("first", (4, 4, 1), ACT)),
                Route(inputs=("first",), output=Stream("second", (4, 4, 1), ACT), indices=(0,)),
            ),
            (),
            (Repeat("b", (("first",), ("second",))),),
        ),
        "'second' and 'first' differ in kind, shape or type",
    ),
    "one pass": (
        lambda net: dataclasses.replace(net, repeats=(Repeat("b", (("core",),)),)),
        "at least two passes",
    ),
    "different passes": (
        lambda net: dataclasses.replace(net, repeats=(Repeat("b", (("core",), ("mix",))),)),
        "cannot be the same hardware",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_nets_are_refused(case: str) -> None:
    breakage, message = MALFORMED[case]
    with pytest.raises(NetError, match=message):
        breakage(blended())


def test_what_is_at_the_edge_is_not_refused() -> None:
    """The neighbours of what MALFORMED has."""
    assert routed(blended(), ("mix", "image"), (0, 1, 2, 4)).layers[3].indices[-1] == 4
    assert signed_pool(blended(), (0, 0, 0, 0)).output.shape == (3, 3, 1)
    assert two_passes(blended()).repeats[0].passes == (("first",), ("second",))
    image = Stream("image", (4, 4, 1), FixedType.exact(8, 8, signed=False))
    unsigned = dataclasses.replace(
        signed_pool(blended(), (0, 0, 0, 0)).layers[0],
        inputs=("image",),
        padding=(1, 1, 1, 1),
        output=Stream("pooled", (5, 5, 1), image.type),
    )
    assert StreamNet("pools", image, (unsigned,), ()).output.shape == (5, 5, 1)


SOURCE = Stream("image", (2, 2, 1), FixedType.exact(40, 30, signed=True))


def far(frac: int, width: int = 40) -> Stream:
    return Stream("far", (2, 2, 1), FixedType(width, frac, True, Rounding.FLOOR, Overflow.SATURATE))


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    # A sum of 40 bits with 30 fraction bits and of 40 bits with 9 has 62 bits, a blend three more
    # than either, routed values have no more than the wider.
    [("Add", 9, 51), ("Blend", 11, 49), ("Route", 8, 52)],
)
def test_streams_that_64_bits_cannot_align(kind: str, lowest: int, highest: int) -> None:
    """Fraction bits that lie far apart make wide results; none is computed wrongly in silence."""
    names, target = ("image", "far"), FixedType.exact(8, 8, signed=True)
    blocks: tuple[WeightBlock, ...] = ()
    last: Layer
    if kind == "Add":
        last = Add(inputs=names, output=Stream("y", (2, 2, 1), target))
    elif kind == "Blend":
        last = Blend(inputs=names, output=Stream("y", (2, 2, 1), target), alpha="a")
        blocks = (WeightBlock("a", "alpha", np.array([4]), 4, False, (3,), (True,)),)
    else:
        last = Route(inputs=names, output=Stream("y", (2, 2, 2), target), indices=(0, 1))

    def net(frac: int) -> StreamNet:
        cast = Cast(inputs=("image",), output=far(frac))
        return StreamNet("aligned", SOURCE, (cast, last), blocks)

    for frac in (lowest, 30, highest):
        made = net(frac)
        exact = exact_result(last, made.input_streams(last), made.block.__getitem__)
        assert exact.type.width <= 62
    for frac in (-300, -32, lowest - 1, highest + 1, 300):
        with pytest.raises(NetError, match=r"^(y|far) \(\w+\): .*, at most 62 are computed; "):
            net(frac)


@pytest.mark.parametrize(("weight", "most"), [(-1, 53), (1, 54)])
def test_channels_that_64_bits_cannot_align(weight: int, most: int) -> None:
    """Shifted by the difference of their fraction bits, sums of either sign would leave 64 bits."""
    image = Stream("image", (1, 1, 1), FixedType.exact(8, 0, signed=False))

    def net(frac: int) -> StreamNet:
        raw = np.full((1, 1, 1, 2), weight)
        block = WeightBlock("w", "weight", raw, 2, True, (0, frac), (True, True))
        conv = Conv(
            inputs=("image",),
            output=Stream("y", (1, 1, 2), FixedType.exact(8, 0, signed=True)),
            weight="w",
            bias=None,
            kernel=(1, 1),
            stride=(1, 1),
            padding=(0, 0, 0, 0),
            depthwise=False,
        )
        return StreamNet("channels", image, (conv,), (block,))

    assert net(most).layers
    for frac in (most + 1, 55, 56, 60, 61, 62, 120):
        with pytest.raises(NetError, match=r"needs? (more than )?6\d bits"):
            net(frac)


@pytest.mark.parametrize(
    ("starts", "sorted_"),
    [([0, 3, 5], True), ([0, 0, 5], True), ([3, 0, 5], False), ([0, 5, 3], False)],
)
def test_the_starts_of_a_curve_are_sorted(starts: list[int], sorted_: bool) -> None:
    image = Stream("image", (1, 1, 1), FixedType.exact(8, 0, signed=False))
    blocks = (
        WeightBlock("s", "start", np.array(starts)[:, None], 9, True, (0,), (True,)),
        WeightBlock("l", "level", np.arange(4)[:, None], 4, True, (0,), (True,)),
    )
    curve = Curve(
        inputs=("image",),
        output=Stream("y", (1, 1, 1), FixedType.exact(8, 0, signed=True)),
        starts="s",
        levels="l",
    )
    if sorted_:
        assert StreamNet("curve", image, (curve,), blocks).output.name == "y"
        return
    with pytest.raises(NetError, match=r"y \(Curve\): s is not sorted"):
        StreamNet("curve", image, (curve,), blocks)


@pytest.mark.parametrize(
    ("change", "levels", "message"),
    [
        ({}, {}, ""),
        ({"raw": [[0], [3]], "frac": (0,), "frozen": (True,)}, {}, ""),
        ({"raw": [0, 3]}, {}, "rank of s is 1, expected 2"),
        (
            {"raw": [[0, 1, 2], [3, 4, 5]], "frac": (0,) * 3, "frozen": (True,) * 3},
            {},
            "channels of s is 3, expected 2",
        ),
        ({"frac": (0, 1)}, {}, "s has different fraction bits"),
        ({"frozen": (True, False)}, {}, "s is loadable; freeze it"),
        ({"frac": (1, 1)}, {}, "fraction bits of the starts is 1, expected 0"),
        ({}, {"frozen": (False,)}, "l is loadable; freeze it"),
        ({}, {"raw": [[1], [2]]}, "number of levels is 2, expected 3"),
        ({}, {"raw": [[1], [2], [3], [4]]}, "number of levels is 4, expected 3"),
        ({"raw": [[0, 4], [3, 3]]}, {}, "s is not sorted"),
    ],
)
def test_what_the_blocks_of_a_curve_may_be(
    change: dict[str, Any], levels: dict[str, Any], message: str
) -> None:
    """Two starts for each of two channels, three levels for both."""
    image = Stream("image", (1, 1, 2), FixedType.exact(8, 0, signed=False))
    made = []
    for name, role, raw, frac, changes in (
        ("s", "start", [[0, 1], [3, 4]], (0, 0), change),
        ("l", "level", [[1], [2], [3]], (0,), levels),
    ):
        whole = {"raw": raw, "frac": frac, "frozen": (True,) * len(frac)} | changes
        whole["raw"] = np.array(whole["raw"])
        made.append(WeightBlock(name, role, bits=9, signed=True, **whole))  # type: ignore[arg-type]
    target = Stream("y", (1, 1, 2), FixedType.exact(8, 0, signed=True))
    curve = Curve(inputs=("image",), output=target, starts="s", levels="l")
    if not message:
        assert StreamNet("curve", image, (curve,), tuple(made)).output.name == "y"
        return
    with pytest.raises(NetError) as error:
        StreamNet("curve", image, (curve,), tuple(made))
    assert str(error.value) == f"y (Curve): {message}"


def test_why_a_cast_cannot_be_computed() -> None:
    wide = Exact(0, -(1 << 30), 1 << 30)
    assert cast_problem(wide, FixedType.exact(8, 30, signed=True)) == ""
    assert "needs 63 bits, at most 62" in cast_problem(wide, FixedType.exact(8, 31, signed=True))
    fine = Exact(70, 0, 3)
    assert cast_problem(fine, FixedType.exact(8, 8, signed=True)) == ""
    dropped = cast_problem(fine, FixedType.exact(8, 7, signed=True))
    assert "drops 63 fraction bits, at most 62" in dropped


@pytest.mark.parametrize("area", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("width", [60, 61, 62])
def test_means_that_64_bits_cannot_hold(width: int, area: tuple[int, int]) -> None:
    image = Stream("image", (2, 2, 1), FixedType.exact(width, 0, signed=True))
    size = (2 // area[0], 2 // area[1], 1)
    pool = AvgPool(
        inputs=("image",),
        output=Stream("pool", size, FixedType.exact(8, 0, signed=True)),
        kernel=area,
        stride=area,
    )
    needed = width + (area[0] * area[1]).bit_length() - 1
    if needed <= 62:
        StreamNet("mean", image, (pool,), ())
        return
    message = rf"pool \(AvgPool\): its exact result needs {needed} bits, at most 62 are computed"
    with pytest.raises(NetError, match=message):
        StreamNet("mean", image, (pool,), ())


@pytest.mark.parametrize(
    ("source", "target", "refused"),
    [(0, -62, False), (0, -63, True), (0, 54, False), (0, 55, True), (5, 59, False), (5, 60, True)],
)
def test_casts_that_64_bits_cannot_compute(source: int, target: int, refused: bool) -> None:
    """At most 62 bits are dropped, and 8 bits moved left by 54 have 62; told before any image."""
    image = Stream("image", (1, 1, 1), FixedType.exact(8, source, signed=True))
    cast = Cast(
        inputs=("image",), output=Stream("y", (1, 1, 1), FixedType.exact(8, target, signed=True))
    )
    if not refused:
        net = StreamNet("cast", image, (cast,), ())
        edges = np.array([image.type.min_raw, image.type.max_raw]).reshape(2, 1, 1, 1)
        assert reference.run(net, edges).shape == (2, 1)
        return
    with pytest.raises(NetError, match=r"y \(Cast\): the cast into s8\.-?\d+\S* "):
        StreamNet("cast", image, (cast,), ())


def test_route_indices_stay_in_range() -> None:
    net = blended()
    route = Route(inputs=("mix",), output=Stream("mixed", (4, 4, 4), ACT), indices=(0, 1, 2, 4))
    layers = (*net.layers[:3], route, dataclasses.replace(net.layers[3], inputs=("mixed",)))
    with pytest.raises(NetError, match=r"indices leave 0\.\.3"):
        dataclasses.replace(net, layers=(*layers, net.layers[4]))


def test_device_digest_ignores_loadable_values_only() -> None:
    net = blended()
    loadable = {name: np.zeros_like(value) for name, value in loadable_values(net).items()}
    other_task = net.with_values(loadable)
    assert other_task.device_digest == net.device_digest
    assert other_task.task_digest != net.task_digest
    assert blended(seed=1).device_digest != net.device_digest
    wider = dataclasses.replace(
        net, blocks=tuple(dataclasses.replace(b, bits=b.bits + 1) for b in net.blocks)
    )
    assert wider.device_digest != net.device_digest


def loadable_values(net: StreamNet) -> dict[str, np.ndarray]:
    return {b.name: b.matrix[:, b.configurable_channels] for b in net.configurable_blocks}


def test_with_values_keeps_frozen_channels() -> None:
    net = blended()
    changed = net.with_values({name: value * 0 for name, value in loadable_values(net).items()})
    for before, after in zip(net.blocks, changed.blocks, strict=True):
        frozen = before.frozen_channels
        assert np.array_equal(before.matrix[:, frozen], after.matrix[:, frozen])
        assert not after.matrix[:, before.configurable_channels].any()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "core.weight",
            np.zeros((9, 0), int),
            "^blended: 'core.weight' is not a configurable block",
        ),
        ("head.weight", np.zeros((4, 2), int), "shape"),
        ("head.weight", np.full((4, 3), 8), r"outside -8\.\.7"),
        ("mix.alpha", np.full((1, 4), 9), r"outside 0\.\.8"),
    ],
)
def test_with_values_refuses(name: str, values: np.ndarray, message: str) -> None:
    with pytest.raises(NetError, match=message):
        blended().with_values({name: values})


def test_block_refuses_values_that_do_not_fit() -> None:
    with pytest.raises(NetError, match="do not fit 4 signed bits"):
        dataclasses.replace(blended().blocks[0], raw=np.full((3, 3, 1, 4), 8))


def test_consumers_and_blocks() -> None:
    net = blended()
    assert [layer.name for layer in net.consumers["image"]] == ["core", "adapter"]
    assert net.consumers["logits"] == ()
    head = net.layers[-1]
    assert isinstance(head, Linear)
    assert net.weights_of(head)[0].name == "head.weight"
    assert net.output.type == FixedType.exact(20, 7, signed=True)
    assert next(b.name for b in net.configurable_blocks) == "adapter.weight"


@pytest.mark.parametrize("rows", [-1, 0, 1])
@pytest.mark.parametrize("channels", [-1, 0, 1])
def test_values_of_another_shape_are_refused(rows: int, channels: int) -> None:
    """Also where NumPy would repeat them."""
    net = blended()
    name, value = next((n, v) for n, v in loadable_values(net).items() if min(v.shape) > 1)
    height, width = value.shape[0] + rows, value.shape[1] + channels
    if rows == channels == 0:
        assert net.with_values({name: np.zeros((height, width), int)}) != net
        return
    for shape in ((height, width), (1, width), (height, 1), (height, width, 1), (width,)):
        with pytest.raises(NetError, match=f"{name}: values have shape"):
            net.with_values({name: np.zeros(shape, int)})


def test_the_first_of_unknown_blocks_is_named() -> None:
    values = {"zebra": np.zeros((1, 1), int), "core.weight": np.zeros((9, 0), int)}
    with pytest.raises(NetError, match=r"^blended: 'core\.weight' is not a configurable block$"):
        blended().with_values(values)


UPSAMPLED: dict[str, tuple[dict[str, Any], tuple[int, ...], str]] = {
    "whole": ({}, (4, 6, 2), ""),
    "a part": ({"origin": (1, 3), "size": (3, 3)}, (3, 3, 2), ""),
    "one row too many": ({"origin": (1, 0)}, (4, 6, 2), r"keeps 1\.\.5 of 4 rows"),
    "one column too many": ({"size": (4, 7)}, (4, 7, 2), r"keeps 0\.\.7 of 6 columns"),
    "before the first row": ({"origin": (-1, 0)}, (4, 6, 2), r"keeps -1\.\.3 of 4 rows"),
    "no blocks": ({"factor": (2, 0)}, (4, 6, 2), "of 0 columns"),
    "no channels": ({"indices": ()}, (4, 6, 2), r"indices leave 0\.\.1"),
    "half a channel": ({"indices": (0,) * 9}, (4, 6, 2), "number of channels that are left over"),
    "a channel that is none": ({"indices": (0, 1, 2, 0)}, (4, 6, 1), r"indices leave 0\.\.1$"),
    "before the first": ({"indices": (0, -1, 0, 0)}, (4, 6, 1), r"indices leave 0\.\.1$"),
    "another output": ({}, (4, 6, 1), "shape"),
}


@pytest.mark.parametrize("case", UPSAMPLED)
def test_what_an_upsampled_image_may_be(case: str) -> None:
    """An image of 2x3 pixels and 2 channels, each pixel a block of 2x2."""
    changes, shape, message = UPSAMPLED[case]
    image = Stream("image", (2, 3, 2), ACT)
    choices = {"factor": (2, 2), "origin": (0, 0), "size": (4, 6), "indices": (0, 1) * 4} | changes
    layer = Upsample(inputs=("image",), output=Stream("up", shape, ACT), **choices)
    if not message:
        assert StreamNet("n", image, (layer,), ()).output.shape == shape
        return
    with pytest.raises(NetError, match=rf"^up \(Upsample\): .*{message}"):
        StreamNet("n", image, (layer,), ())
