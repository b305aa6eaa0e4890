"""Kinds of built-in networks: each entry fits its class, and a new one needs nothing else."""

from __future__ import annotations

import pytest

from semifreddo.flow.train_section import TrainSection
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.network import Network
from semifreddo.nn.topology import TOPOLOGIES

SMALL = {"input_shape": [1, 8, 8], "classes": 3, "widths": [4, 4], "strides": [2, 1]}


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_an_entry_fits_its_class(kind):
    topology = TOPOLOGIES[kind]
    config = topology.config.from_dict(SMALL)
    assert issubclass(topology.config, NetworkConfig)
    model = topology.build(config)
    assert isinstance(model, Network)
    assert model.kind == topology.kind == kind and model.config == config
    assert topology.config.from_dict(config.to_dict()) == config
    assert model.head.linear.out_features == 3


def test_every_table_of_a_design_describes_one_kind():
    sections = [made.section for made in TOPOLOGIES.values() if made.section is not None]
    assert len(set(sections)) == len(sections)
    for kind, topology in TOPOLOGIES.items():
        if topology.section is not None:
            train = TrainSection("digits", **{topology.section: SMALL})
            assert train.topology is not None and train.topology.kind == kind
            assert train.architecture == topology.config.from_dict(SMALL)
    assert TrainSection("digits").topology is None is TrainSection("digits").architecture


def test_only_networks_with_a_core_are_trained_around_one():
    assert {kind: made.core for kind, made in TOPOLOGIES.items()} == {
        "semifreddo": True,
        "core": False,
        "backbone": False,
    }
