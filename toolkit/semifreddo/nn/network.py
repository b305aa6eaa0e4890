"""What the toolkit asks of a built-in network, besides being a torch module."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from torch import nn

from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.layers import Head

FormatGroup: TypeAlias = tuple[nn.Module, ...]


class Network(nn.Module):
    """A network that its configuration describes completely.

    Attributes:
        kind: Of its :class:`~semifreddo.nn.topology.Topology`.
        config: What it was made of.
        head: Its classifier.
    """

    kind: ClassVar[str]
    config: NetworkConfig
    head: Head

    def repeats(self) -> tuple[tuple[str, ...], ...]:
        """Module paths of each pass of a repeated part; empty if nothing is used twice.

        Corresponding positions correspond. Paths that are equal in all passes are one module called
        several times.
        """
        return ()

    def format_groups(self) -> tuple[FormatGroup, ...]:
        """Layers that share number formats."""
        return ()
