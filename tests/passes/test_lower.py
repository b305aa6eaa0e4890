"""Passes never change what a network computes, and the pipeline ends."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.exact import Exact
from semifreddo.ir.layers import Add, Cast, Conv, Layer, MaxPool, Route, Stream
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.passes.base import PassResult, run_passes
from semifreddo.passes.cast import DropSign, FuseCast, RemoveIdentityCast, compose
from semifreddo.passes.lower import STANDARD_PASSES, lower
from semifreddo.passes.route import MergeRoute, RemoveIdentityRoute
from semifreddo.sim import reference
from strategies import formats, images_of, nets


def relaxed(examples: int) -> settings:
    """No time limit per example: machines are shared."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


U8 = FixedType(8, 4, False, Rounding.HALF_EVEN, Overflow.SATURATE)
S8 = FixedType(8, 4, True, Rounding.HALF_EVEN, Overflow.SATURATE)
IMAGE = Stream("image", (2, 2, 4), FixedType.exact(8, 4, signed=True))


def chain(*layers: Layer, repeats: tuple[Repeat, ...] = ()) -> StreamNet:
    return StreamNet("chain", IMAGE, layers, (), repeats)


def cast(name: str, source: str, kind: FixedType) -> Cast:
    return Cast(inputs=(source,), output=Stream(name, (2, 2, 4), kind))


def route(name: str, inputs: tuple[str, ...], indices: tuple[int, ...], kind: FixedType) -> Route:
    return Route(inputs=inputs, output=Stream(name, (2, 2, len(indices)), kind), indices=indices)


@relaxed(150)
@given(nets(), st.integers(0, 99))
def test_lowering_preserves_results(net: StreamNet, seed: int) -> None:
    lowered = lower(net)
    images = images_of(net, seed=seed)
    assert (reference.run(lowered, images) == reference.run(net, images)).all()
    assert len(lowered.layers) <= len(net.layers)
    assert lowered.blocks == net.blocks
    assert lower(lowered) is lowered


@relaxed(60)
@given(
    nets(kinds=("cast", "route", "concat", "maxpool")),
    st.sampled_from(STANDARD_PASSES),
)
def test_each_pass_preserves_results_and_tells_the_truth(net: StreamNet, step: object) -> None:
    result = step(net)  # type: ignore[operator]
    images = images_of(net)
    assert (reference.run(result.net, images) == reference.run(net, images)).all()
    assert result.modified == (result.net is not net)
    if not result.modified:
        assert result.net == net


@relaxed(300)
@given(formats(), formats(), st.integers(-3, 9), st.integers(-300, 300), st.integers(0, 300))
def test_composed_cast_is_two_casts(
    first: FixedType, second: FixedType, frac: int, low: int, size: int
) -> None:
    values = np.arange(low, low + size + 1)
    kind = compose(Exact(frac, low, low + size), first, second)
    if kind is not None:
        expected = second.cast(first.cast(values, frac), first.frac)
        assert kind.frac == second.frac
        assert (kind.cast(values, frac) == expected).all()


S4 = FixedType(4, 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)
RELU7 = FixedType(7, 4, False, Rounding.FLOOR, Overflow.SATURATE)
FINE = FixedType(20, 12, True, Rounding.FLOOR, Overflow.WRAP)


@pytest.mark.parametrize(
    ("low", "high", "first", "second", "expected"),
    [
        # The first cast holds every value, so the second is all there is.
        (-128, 127, S8, S4, S4),
        (-128, 127, FINE, S4, S4),
        (0, 127, RELU7, S4, S4),
        (-128, 127, S8, replace(S4, overflow=Overflow.WRAP), replace(S4, overflow=Overflow.WRAP)),
        # The first only clamps at zero: one unsigned format does both.
        (-128, 127, RELU7, S4, replace(S4, width=3, signed=False)),
        (-1, 127, RELU7, replace(S4, width=2), replace(S4, width=1, signed=False)),
        (-128, 255, U8, U8, replace(U8, overflow=Overflow.SATURATE)),
        (-5, -1, RELU7, S4, replace(S4, width=3, signed=False)),
        # Nothing of one format does what both do.
        (-128, 127, replace(RELU7, overflow=Overflow.WRAP), S4, None),
        (-128, 127, RELU7, replace(S4, overflow=Overflow.WRAP), None),
        (-128, 128, RELU7, S4, None),  # the first saturates above, too
        (-128, 127, replace(RELU7, frac=3), S4, None),  # and rounds
        (-129, 127, S8, S4, None),
        (-128, 128, S8, S4, None),
        (-128, 127, RELU7, replace(S4, width=1), None),  # nothing is left without the sign
    ],
)
def test_what_two_casts_become(
    low: int, high: int, first: FixedType, second: FixedType, expected: FixedType | None
) -> None:
    assert compose(Exact(4, low, high), first, second) == expected
    if expected is not None:
        values = np.arange(low, high + 1)
        both = second.cast(first.cast(values, 4), first.frac)
        assert (expected.cast(values, 4) == both).all()


def test_casts_that_64_bits_cannot_compute_are_not_fused() -> None:
    """A range far below zero, of which the first cast leaves a little, which the second widens."""
    exact = Exact(0, -(1 << 40), 3)
    small = FixedType(2, 0, False, Rounding.FLOOR, Overflow.SATURATE)
    fine = FixedType(32, 30, True, Rounding.FLOOR, Overflow.SATURATE)
    assert compose(exact, small, fine) is None
    assert compose(Exact(0, -(1 << 31), 3), small, fine) == replace(fine, width=31, signed=False)


def test_relu_and_signed_quantizer_become_one_unsigned_cast() -> None:
    relu = FixedType(7, 4, False, Rounding.FLOOR, Overflow.SATURATE)
    coarse = FixedType(4, 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    pool = MaxPool(
        inputs=("image",),
        output=Stream("pool", (2, 2, 4), IMAGE.type),
        kernel=(1, 1),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
    )
    lowered = lower(chain(pool, cast("relu", "pool", relu), cast("quant", "relu", coarse)))
    fused = FixedType(3, 1, False, Rounding.HALF_EVEN, Overflow.SATURATE)
    assert [(layer.name, layer.output.type) for layer in lowered.layers] == [("pool", fused)]


def test_a_sign_that_no_value_has_is_dropped() -> None:
    """Also one behind values that are rounded; not that of the output, nor one that may wrap."""
    fine = FixedType(8, 5, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    coarse = FixedType(7, 3, True, Rounding.HALF_UP, Overflow.SATURATE_SYMMETRIC)
    wraps = replace(fine, overflow=Overflow.WRAP)
    net = chain(
        cast("relu", "image", U8),
        cast("fine", "relu", fine),
        cast("coarse", "fine", coarse),
        cast("wraps", "relu", wraps),
        route("both", ("coarse", "wraps", "relu"), (0, 5, 9), fine),
    )
    dropped = run_passes(net, (DropSign(),))
    kinds = {layer.name: layer.output.type for layer in dropped.layers}
    assert kinds["fine"] == FixedType(7, 5, False, Rounding.HALF_EVEN, Overflow.SATURATE)
    assert kinds["coarse"] == FixedType(6, 3, False, Rounding.HALF_UP, Overflow.SATURATE)
    assert (kinds["wraps"], kinds["both"]) == (wraps, fine)
    every = np.arange(-128, 128).reshape(-1, 2, 2, 4)
    assert np.array_equal(reference.run(dropped, every), reference.run(net, every))
    below = cast("negative", "image", fine)
    assert DropSign()(chain(below, cast("out", "negative", U8))).net.layers[0] == below


def test_rounding_twice_is_not_fused() -> None:
    middle = FixedType(8, 2, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    coarse = FixedType(8, 0, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    net = chain(cast("one", "image", middle), cast("two", "one", coarse))
    assert lower(net) is net


def test_a_layer_with_two_readers_keeps_its_format() -> None:
    wide = FixedType.exact(9, 4, signed=True)
    add = Add(inputs=("one", "two"), output=Stream("add", (2, 2, 4), wide))
    net = chain(cast("one", "image", IMAGE.type), cast("two", "one", U8), add)
    assert FuseCast()(net) == PassResult(net, False)


def test_identity_cast_of_the_image_goes_but_never_the_only_layer() -> None:
    same = cast("same", "image", FixedType(9, 4, True, Rounding.FLOOR, Overflow.SATURATE))
    only = chain(same)
    assert RemoveIdentityCast()(only) == PassResult(only, False)
    result = RemoveIdentityCast()(chain(same, cast("out", "same", U8)))
    assert [layer.inputs for layer in result.net.layers] == [("image",)]


def test_routes_merge_and_identities_go() -> None:
    kind = IMAGE.type
    lowered = lower(
        chain(
            route("swap", ("image",), (2, 3, 0, 1), kind),
            route("back", ("swap",), (2, 3, 0, 1), kind),
            cast("out", "back", U8),
        )
    )
    assert [layer.name for layer in lowered.layers] == ["back"]
    assert lowered.layers[0].inputs == ("image",)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_identity_route_goes_wherever_it_stands(place: str) -> None:
    kind, order = IMAGE.type, ["swap", "turn"]
    order.insert(["first", "middle", "last"].index(place), "same")
    indices = {"swap": (2, 3, 0, 1), "turn": (1, 2, 3, 0), "same": (0, 1, 2, 3)}
    sources = ["image", *order]
    net = chain(
        *(
            route(name, (source,), indices[name], kind)
            for name, source in zip(order, sources, strict=False)
        )
    )
    result = RemoveIdentityRoute()(net)
    assert [layer.indices for layer in result.net.layers] == [indices["swap"], indices["turn"]]
    images = images_of(net)
    assert np.array_equal(reference.run(result.net, images), reference.run(net, images))


def test_what_is_no_identity_route_stays() -> None:
    """The only layer, another order, fewer channels, another format, two inputs."""
    kind, every = IMAGE.type, (0, 1, 2, 3)
    finer = FixedType.exact(9, 5, signed=True)
    for only in (
        route("r", ("image",), every, kind),
        route("r", ("image",), (0, 1, 3, 2), kind),
        route("r", ("image",), (0, 1, 2), kind),
        route("r", ("image",), (*every, 3), kind),
        route("r", ("image",), every, finer),
        route("r", ("image", "image"), every, kind),
    ):
        assert RemoveIdentityRoute()(chain(only)) == PassResult(chain(only), False), only
        if only.output.type != kind or only.indices != every or only.inputs != ("image",):
            net = chain(only, route("out", ("r",), (0, 0), only.output.type))
            assert RemoveIdentityRoute()(net) == PassResult(net, False), only


def test_route_with_another_reader_stays() -> None:
    kind = IMAGE.type
    net = chain(
        route("swap", ("image",), (2, 3, 0, 1), kind),
        route("half", ("swap",), (0, 1, 0, 1), kind),
        Add(inputs=("swap", "half"), output=Stream("add", (2, 2, 4), kind)),
    )
    assert MergeRoute()(net) == PassResult(net, False)
    assert RemoveIdentityRoute()(net) == PassResult(net, False)


def test_merged_route_still_reads_every_stream() -> None:
    net = chain(
        cast("a", "image", U8),
        cast("b", "image", U8),
        route("both", ("a", "b"), tuple(range(8)), U8),
        route("first", ("both",), (0, 1, 2, 3), U8),
    )
    lowered = lower(net)
    assert lowered.layers[-1].inputs == ("a", "b")
    images = images_of(net)
    assert (reference.run(lowered, images) == reference.run(net, images)).all()


def test_passes_of_a_repeat_change_alike_or_not_at_all() -> None:
    """The first pass reads a layer that could fuse, but the second has nothing to match it."""
    wide = FixedType.exact(8, 4, signed=True)
    net = chain(
        route("pre", ("image",), (1, 0, 3, 2), wide),
        cast("c0", "pre", U8),
        cast("c1", "c0", U8),
        cast("out", "c1", S8),
        repeats=(Repeat("r", (("c0",), ("c1",))),),
    )
    assert FuseCast()(net) == PassResult(net, False)
    assert lower(net) is net


def test_repeated_blocks_are_fused_in_every_pass() -> None:
    """Two passes of pool + cast become two passes of one layer."""
    layers: list[Layer] = [cast("pre", "image", U8)]
    passes = []
    for number in range(2):
        pool = MaxPool(
            inputs=(layers[-1].name,),
            output=Stream(f"p{number}", (2, 2, 4), U8),
            kernel=(1, 1),
            stride=(1, 1),
            padding=(0, 0, 0, 0),
        )
        coarse = FixedType(8, 4, False, Rounding.HALF_UP, Overflow.SATURATE)
        layers += [pool, cast(f"q{number}", pool.name, coarse)]
        passes.append((pool.name, f"q{number}"))
    lowered = lower(chain(*layers, repeats=(Repeat("r", tuple(passes)),)))
    assert lowered.repeats == (Repeat("r", (("p0",), ("p1",))),)


class Flip:
    """Renames the network forever."""

    def __call__(self, net: StreamNet) -> PassResult:
        return PassResult(dataclasses.replace(net, name=f"{net.name}x"), True)


def test_a_pipeline_that_does_not_end_names_its_passes() -> None:
    net = chain(cast("out", "image", U8))
    with pytest.raises(NetError, match=r"^chainxxx: passes Flip still change the network after 3 "):
        run_passes(net, (Flip(), FuseCast()), max_rounds=3)


def test_convolution_takes_the_cast_behind_it() -> None:
    @relaxed(30)
    @given(nets(kinds=("conv",), repeats=False, head=False, max_steps=2))
    def check(net: StreamNet) -> None:
        out = Cast(inputs=(net.output.name,), output=Stream("z", net.output.shape, S8))
        longer = dataclasses.replace(net, layers=(*net.layers, out))
        result = lower(longer)
        assert (
            reference.run(result, images_of(net)) == reference.run(longer, images_of(net))
        ).all()
        assert any(isinstance(layer, Conv) for layer in result.layers)

    check()


@pytest.mark.parametrize("other", ["a", "z"])
def test_a_route_that_is_merged_leaves_other_inputs_alone(other: str) -> None:
    """Whatever they are called: those of the first route take its place, the others stay."""
    exact = IMAGE.type
    net = chain(
        Cast(inputs=("image",), output=Stream(other, IMAGE.shape, S8)),
        Route(inputs=("image",), output=Stream("m", (2, 2, 2), exact), indices=(3, 0)),
        Route(inputs=("m", other), output=Stream("out", (2, 2, 3), exact), indices=(1, 0, 4)),
    )
    merged = MergeRoute()(net).net
    (last,) = (layer for layer in merged.layers if layer.name == "out")
    assert isinstance(last, Route)
    assert (last.inputs, last.indices) == (("image", other), (0, 3, 6))
    images = np.arange(-16, 0).reshape(1, 2, 2, 4)
    assert np.array_equal(reference.run(net, images), reference.run(merged, images))
