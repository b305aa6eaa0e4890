"""One weight bitwidth: networks of equal size, and one of them from training to integers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import tomllib
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import ConfigError
from semifreddo.flow.config import load_config
from semifreddo.flow.training import make_task, net_of
from semifreddo.methods.bitwidth import Widened, largest, match_size, with_weight_bits
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.cost import architecture_cost
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names, raw_outputs
from semifreddo.nn.skeleton import model_bits
from semifreddo.sim import reference
from semifreddo.train.checkpoint import load_checkpoint, save_checkpoint
from semifreddo.train.data import load_dataset
from semifreddo.train.freeze import freeze
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget, train_model
from semifreddo.train.seen import raw_images

torch.set_num_threads(1)

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
BACKBONE = BackboneConfig(
    (1, 8, 8), 10, (4, 6, 6), (1, 2, 1), layer_weight_bits=(8, 3, 2), head_weight_bits=5
)
CORES = SemifreddoConfig((1, 8, 8), 10, (4, 6), (1, 2), core_weight_bits=3)


@st.composite
def networks(draw):
    """Networks of all kinds whose widths depend on each other in all ways."""
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=3))
    strides = [2, *[1] * (len(widths) - 1)]
    block = draw(st.sampled_from(["standard", "separable"]))
    if draw(st.booleans()):
        skips = ((0, 1),) if widths[0] == widths[1] else ()
        return BackboneConfig((1, 8, 8), 3, tuple(widths), tuple(strides), block, skips=skips)
    shuffle = draw(st.booleans())
    widths = [2 * width for width in widths] if shuffle else widths
    repeats = draw(st.integers(1, 2))
    if repeats == 2:
        widths[-1] = widths[-2]
    return SemifreddoConfig(
        (1, 8, 8), 3, tuple(widths), tuple(strides), block, shuffle=shuffle, repeats=repeats
    )


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(1, 8), st.integers(0, 20_000))
def test_within_the_size_and_not_with_another_channel(network, bits, more):
    narrow = with_weight_bits(network, bits)
    size = model_bits(Widened(narrow)[0]) + more
    found = match_size(network, bits, size)
    assert dataclasses.replace(found, widths=network.widths) == narrow
    widened = Widened(narrow)
    place = next(index for index in range(len(widened)) if widened[index] == found)
    wider = widened[place + 1]
    assert model_bits(found) <= size < model_bits(wider)
    grown = [a - b for a, b in zip(wider.widths, found.widths, strict=True)]
    (group,) = (group for group in network.groups if grown[group[0]])
    assert {grown[block] for block in group} <= {1, 2} and sum(grown) == sum(
        grown[block] for block in group
    )


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(1, 7), st.integers(3_000, 10_000), st.integers(0, 5_000))
def test_more_room_and_fewer_bits_never_make_a_block_narrower(network, bits, size, more):
    least = model_bits(Widened(with_weight_bits(network, bits + 1))[0])
    found = match_size(network, bits + 1, size + least)
    for other in (
        match_size(network, bits + 1, size + least + more),
        match_size(network, bits, size + least),
    ):
        assert all(a <= b for a, b in zip(found.widths, other.widths, strict=True))


@settings(max_examples=25, deadline=None)
@given(networks())
def test_a_network_of_its_own_size_is_itself(network):
    assert match_size(network, None, model_bits(network)) == network
    assert match_size(network, network.weight_bits, model_bits(network)) == network


def test_channels_come_as_a_multiplier_brings_them():
    widened = Widened(BACKBONE)
    assert widened[0].widths == (1, 1, 1) and widened[-1].widths == (4096, 4096, 4096)
    assert len(widened) == 1 + 3 * 4095
    known = {network.widths for network in widened[:60]}
    for multiplier in np.arange(0.26, 3, 0.07):
        assert BACKBONE.scaled(multiplier).widths in known
    with pytest.raises(IndexError):
        widened[len(widened)]


def test_one_bitwidth_is_that_of_every_layer():
    assert with_weight_bits(BACKBONE, 4) == dataclasses.replace(
        BACKBONE, weight_bits=4, layer_weight_bits=None, head_weight_bits=None
    )
    assert with_weight_bits(CORES, 1) == dataclasses.replace(
        CORES, weight_bits=1, core_weight_bits=None
    )
    mixed = match_size(BACKBONE, None, 20_000)
    assert mixed.layer_weight_bits == (8, 3, 2) and mixed.head_weight_bits == 5


def test_the_table_of_the_page_is_a_matched_network():
    tables = re.findall(r"```toml\n(\[train\.network\].*?)```", PAGE.read_text(), re.S)
    (network,) = (
        SemifreddoConfig.from_dict(tomllib.loads(table)["train"]["network"])
        for table in tables
        if "weight_bits = 1" in table
    )
    section = load_config(PAGE.parents[1] / "hls_projects" / "digits").train
    design = section.architecture
    matched = match_size(design, 1, model_bits(design))
    assert network.widths == matched.widths and network.weight_bits == 1


def test_any_measure():
    found = largest(BACKBONE, 50_000, lambda network: architecture_cost(network).macs)
    assert architecture_cost(found).macs <= 50_000
    assert min(found.widths) > 1


def test_what_cannot_be_matched():
    with pytest.raises(ConfigError, match=r"network: weight_bits = 9 is outside 1\.\.8"):
        match_size(BACKBONE, 9, 10_000)
    with pytest.raises(ConfigError, match="weights = powers_of_two need at least 2 bits"):
        match_size(
            dataclasses.replace(with_weight_bits(BACKBONE, 4), weights="powers_of_two"), 1, 1
        )
    least = model_bits(Widened(with_weight_bits(BACKBONE, 2))[0])
    message = rf"{least - 1} is less than the narrowest .* needs \({least}, with widths \[1, 1, 1\]"
    with pytest.raises(ConfigError, match=message):
        match_size(BACKBONE, 2, least - 1)
    with pytest.raises(ConfigError, match="4096 channels in every block; use more blocks"):
        largest(BACKBONE, 1e9, lambda network: sum(network.widths))


@pytest.mark.parametrize("block", ["standard", "separable"])
def test_one_bit_from_training_to_another_task(block, tmp_path):
    """Digits: matched, trained, frozen, saved, converted, retargeted, and equal as integers."""
    data = load_dataset("digits").development.limit(200, 100)
    first, second = data.subset([0, 1, 2, 3, 4]), data.subset([5, 6, 7])
    shape = BackboneConfig((1, 8, 8), 5, (4, 4), (2, 1), block, per_channel=True)
    config = match_size(shape, 1, 2_000)
    options = TrainOptions(epochs=2, tune_epochs=1, batch=32, progress=False)
    torch.manual_seed(0)
    trained = train_model(Backbone(config), first, options, network=config)
    frozen = dataclasses.replace(trained, plan=freeze(trained.model, ["blocks.0"]))
    save_checkpoint(frozen, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    net, images = net_of(loaded, "signs"), raw_images(loaded.model, first.val)
    assert np.array_equal(
        reference.run(net, images).reshape(len(images), -1), raw_outputs(trained.model, images)
    )
    new = retarget(loaded, second, dataclasses.replace(options, epochs=1))
    after = make_task(net, new, "second", {}).apply(net)
    assert np.array_equal(
        reference.run(after, images).reshape(len(images), -1), raw_outputs(new.model, images)
    )
    for model in (trained.model, new.model):
        for name in quantized_tensor_names(model):
            if name.endswith("weight"):
                assert set(np.unique(integer_tensor(model, name).raw)) == {-1, 1}
