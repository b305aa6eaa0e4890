"""``[train]`` of a design: images, the network if it is a built-in one, and how it is trained."""

# ruff: noqa: RUF009 -- option() makes a field, it is no shared default

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.tables import option
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.topology import TOPOLOGIES, Topology
from semifreddo.train.options import TrainOptions, check_network

_MOST_PADDING = 2
_TABLES = tuple(made.section for made in TOPOLOGIES.values() if made.section is not None)
"""Of ``[train]``: each describes a network of one kind."""


@dataclass(frozen=True)
class TrainSection:
    """``[train]``: what ``semifreddo train`` does before there is a model.

    The task has the data set's own classes, or some of them (``classes``), or new ones made of them
    (``groups``).
    """

    dataset: str = option(
        help="pictures or arrays of your own, or digits, mnist, fashion_mnist, cifar10, cifar100, "
        "gtsrb"
    )
    core_classes: tuple[int, ...] | None = option(
        None,
        help="classes the frozen core is trained on; with [model], classes of the first training "
        "(all of the task if absent)",
        low=2,
    )
    network: Mapping[str, Any] | None = option(
        None, help="a SemifreddoNet: its widths, strides and bits; left out with [model]"
    )
    backbone: Mapping[str, Any] | None = option(
        None,
        help="or a plain or residual network, all of it loadable unless `freeze` names parts; "
        "widths and bits of each block",
    )
    data: Path | None = option(None, help="folder or file of the images, if not embedded")
    validation: float = option(
        0.15,
        help="share of the training images that is for validation; not of digits, nor where the "
        "files say which images are",
        low=0.01,
        high=0.5,
    )
    mean: tuple[float, ...] | None = option(
        None,
        help="with [model]: the model sees (pixel / 255 - mean) / deviation; one number, or one "
        "per channel",
        low=1,
    )
    deviation: tuple[float, ...] | None = option(None, help="see mean; above zero", low=1)
    classes: tuple[int, ...] | None = option(None, help="classes of the task", low=2)
    groups: Mapping[str, tuple[int, ...]] | None = option(
        None, help="or new classes: name = [classes of the data set]"
    )
    freeze: tuple[str, ...] = option(
        (),
        help="with a network that has no core of its own: what `train` freezes between its two "
        "trainings, as in [model]",
    )
    fraction: float = option(
        1.0, help="fraction of the output channels of what `freeze` names", low=0, high=1
    )
    core: TrainOptions = option(
        TrainOptions(),
        help="how the core is trained; with [model], the training before something is frozen",
    )
    task: TrainOptions = option(TrainOptions(), help="how the task around it is trained")

    def __post_init__(self) -> None:
        if self.classes is not None and self.groups is not None:
            raise ValueError("classes and groups exclude each other")
        try:
            Preprocessing(mean=self.mean or (), deviation=self.deviation or ())
        except DataError as error:
            raise ValueError(str(error)) from None

    @property
    def topology(self) -> Topology | None:
        """The kind of the built-in network that is described; None if none is."""
        for topology in TOPOLOGIES.values():
            if topology.section is not None and getattr(self, topology.section) is not None:
                return topology
        return None

    @property
    def architecture(self) -> NetworkConfig | None:
        """The built-in network that is described; None if none is.

        Raises:
            ConfigError: Lists every unknown or missing key and wrong value of its table.
        """
        if (topology := self.topology) is None:
            return None
        assert topology.section is not None
        return topology.config.from_dict(getattr(self, topology.section))


def check_training(train: TrainSection | None, problems: list[str], *, own: bool) -> None:
    """Add what is wrong with a design's training.

    Args:
        train: The section, if the design has one.
        problems: Gets one line for everything wrong.
        own: Whether the design names a model of the user's own.
    """
    if train is None:
        return
    described = [table for table in _TABLES if getattr(train, table) is not None]
    if own:
        _check_options(train, None, problems)
        problems += [
            f"[train.{table}] and [model] exclude each other; leave one out" for table in described
        ]
        if train.freeze:
            problems.append("design.toml [train] freeze: [model] has a key freeze of its own")
        return
    if train.mean is not None:
        problems.append(
            "design.toml [train]: mean and deviation need a model of your own ([model]); a "
            "built-in network reads pixels as they are"
        )
    _check_frozen(train, problems)
    if len(described) != 1:
        problems.append(
            f"design.toml [train]: {_listed(described)} exclude each other; leave one out"
            if described
            else "design.toml [train]: key 'network' is missing (widths, strides and bits of the "
            "network; or describe a backbone, or name a model of your own in [model])"
        )
        return
    try:
        network = train.architecture
    except ConfigError as error:
        problems.append(f"[train.{described[0]}]: {error}")
        return
    assert network is not None
    _check_options(train, network, problems)
    if network.first_padding > _MOST_PADDING:
        problems.append(
            f"[train.{described[0]}]: stem_padding = {network.first_padding} cannot be built; "
            f"hardware pads a 3x3 window by {_MOST_PADDING} at most: leave it out"
        )


def _check_options(train: TrainSection, network: NetworkConfig | None, problems: list[str]) -> None:
    for name, options in (("core", train.core), ("task", train.task)):
        try:
            check_network(network, options)
        except ConfigError as error:
            problems.append(f"[train.{name}]: {error}")
    if train.freeze and train.task.loss != "cross_entropy":
        problems.append(
            f'[train.task]: loss = "{train.task.loss}" needs batch norms, and with freeze they are '
            "folded before this training; put loss into [train.core]"
        )


def _check_frozen(train: TrainSection, problems: list[str]) -> None:
    topology = train.topology
    if (topology is None or topology.core) and train.core_classes is None:
        problems.append(
            "design.toml [train]: key 'core_classes' is missing (classes the frozen core is "
            "trained on)"
        )
    if topology is not None and topology.core and train.freeze:
        problems.append(
            f"design.toml [train]: freeze is not for [train.{topology.section}], whose core is "
            "what is frozen; leave it out"
        )


def _listed(tables: Sequence[str]) -> str:
    return " and ".join(f"[train.{table}]" for table in tables)
