"""Kinds of built-in networks: what describes one, and what builds it.

A checkpoint names the kind of its network; a design has a table of ``[train]`` for each kind. A
model of a user's own has no kind. Nothing here needs torch before a network is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from semifreddo.nn.config import BackboneConfig, NetworkConfig, SemifreddoConfig

if TYPE_CHECKING:
    from semifreddo.nn.network import Network


@dataclass(frozen=True)
class Topology:
    """A kind of network.

    Attributes:
        kind: Its name in checkpoints.
        config: What describes one network of it.
        model: ``module:class`` of its :class:`~semifreddo.nn.network.Network`.
        section: Table of ``[train]`` in a design that describes it; None if it is only a part of
            another network.
        core: Whether a core of it is trained first, alone, and frozen.
    """

    kind: str
    config: type[NetworkConfig]
    model: str
    section: str | None = None
    core: bool = False

    def build(self, config: NetworkConfig) -> Network:
        """A new network, with batch norms and scales that follow. Needs torch."""
        module, _, name = self.model.partition(":")
        network: Network = getattr(import_module(module), name)(config)
        return network


TOPOLOGIES: Mapping[str, Topology] = {
    made.kind: made
    for made in (
        Topology(
            "semifreddo",
            SemifreddoConfig,
            "semifreddo.nn.model:SemifreddoNet",
            section="network",
            core=True,
        ),
        Topology("core", SemifreddoConfig, "semifreddo.nn.model:CoreNet"),
        Topology("backbone", BackboneConfig, "semifreddo.nn.backbone:Backbone", section="backbone"),
    )
}
"""By kind; to add one: an entry here, and its table in ``flow/train_section.py``."""
