"""A block that is cut out computes what it computes in its network."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo.ir.net import StreamNet
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.skeleton import skeleton
from semifreddo.sim import reference
from semifreddo.studies.hardware.networks import pictures
from semifreddo.studies.hardware.trained_blocks import (
    BLENDS,
    CORES,
    frozen_block,
    loadable_core,
)


@pytest.fixture
def net() -> StreamNet:
    config = SemifreddoConfig(
        input_shape=(1, 8, 8), classes=3, widths=(3, 5), strides=(2, 1), act_bits=4
    )
    return skeleton(config, seed=1)


def test_the_frozen_block(net: StreamNet) -> None:
    images = pictures(net, 4)
    whole = reference.trace(net, images)
    cut = frozen_block(net, images)
    assert {block.residency for block in cut.net.blocks} == {"frozen"}
    found = reference.trace(cut.net, cut.images)
    assert np.array_equal(found[CORES[0]], whole[CORES[0]])
    assert found["both"].shape == (4, 4, 4, 10)
    assert np.array_equal(found["both"][..., 5:], found[BLENDS[1]])
    assert len(np.unique(found["both"])) >= 3


def test_cores_see_the_same_integers_as_in_the_network(net: StreamNet) -> None:
    """Where a trainable core reads another format, the block's weights make up for it."""
    images = pictures(net, 2)
    cut = frozen_block(net, images)
    for name in CORES:
        core = next(layer for layer in net.layers if layer.name == name)
        own = next(layer for layer in cut.net.layers if layer.name == name)
        fracs = [
            n.streams[layer.inputs[0]].type.frac + n.block[layer.block_names[0]].frac[0]
            for n, layer in ((net, core), (cut.net, own))
        ]
        assert fracs[0] == fracs[1]
        assert own.output == core.output


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_loadable_core(net: StreamNet, channels: int) -> None:
    images = pictures(net, 3)
    cut = loadable_core(net, images, channels)
    assert {block.residency for block in cut.net.blocks} == {"configurable"}
    found = reference.trace(cut.net, cut.images)[BLENDS[0]]
    assert np.array_equal(found, reference.trace(net, images)[BLENDS[0]][..., :channels])
