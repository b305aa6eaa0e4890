from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from nets import ACT, blended, block
from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Cast, Linear, Route, Stream
from semifreddo.ir.net import Repeat, StreamNet


def with_layer(net: StreamNet, index: int, **changes: object) -> StreamNet:
    layers = list(net.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    return dataclasses.replace(net, layers=tuple(layers))


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
            net, blocks=(*net.blocks, block(np.random.default_rng(), "extra", (2,), 0))
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
    "pool area": (
        lambda net: with_layer(
            net, 3, kernel=(3, 3), stride=(3, 3), output=Stream("pool", (1, 1, 4), ACT)
        ),
        "window area 9 is not a power of two",
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
        ("core.weight", np.zeros((9, 0), int), "not a configurable block"),
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
