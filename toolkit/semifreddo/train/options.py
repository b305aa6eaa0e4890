"""How to train, as data (free of torch)."""

# ruff: noqa: RUF009 -- option() makes a field, it is no shared default

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import option, read_table
from semifreddo.nn.config import NetworkConfig

OptimizerName: TypeAlias = Literal["adam", "adamw", "sgd"]
LossName: TypeAlias = Literal["cross_entropy", "distribution"]
DistributionForm: TypeAlias = Literal["released", "published"]


_FLOAT = ("float_epochs", "float_rate", "warmup", "crop", "whole")
"""Options that mean nothing without float epochs."""

_DISTRIBUTION = ("distribution_form", "distribution_weight", "distribution_off")
"""Options that mean nothing without that loss."""


@dataclass(frozen=True)
class TrainOptions:
    """One training: with batch norm and moving scales, then folded, with scales pinned.

    Before both there may be epochs without quantizers.

    Raises:
        ConfigError: Nothing to train.
    """

    float_epochs: int = option(
        0,
        help="epochs before all others, without quantizers, in bfloat16 where the processor "
        "computes it; not around a frozen core",
        low=0,
        high=10000,
    )
    epochs: int = option(
        40, help="epochs with batch norm and scales that follow", low=0, high=10000
    )
    tune_epochs: int = option(20, help="epochs after folding and pinning", low=0, high=10000)
    batch: int = option(128, help="images per step", low=1, high=65536)
    float_rate: float = option(
        5e-2, help="highest learning rate of the float epochs", low=0.0, high=10
    )
    warmup: int = option(
        0, help="float epochs in which the learning rate rises to that", low=0, high=10000
    )
    crop: int | None = option(
        None,
        help="side of the random crops that the float epochs see instead of whole images",
        low=4,
        high=4096,
    )
    whole: int = option(
        0, help="last float epochs, which see whole images in spite of crop", low=0, high=10000
    )
    rate: float = option(5e-3, help="highest learning rate; falls along a cosine", low=0.0, high=10)
    tune_rate: float = option(
        2e-3, help="highest learning rate after folding and pinning", low=0.0, high=10
    )
    weight_decay: float = option(1e-4, help="weight decay", low=0.0, high=1)
    optimizer: OptimizerName = option("adamw", help="optimizer; sgd has momentum 0.9 (Nesterov)")
    shift: int = option(0, help="random shifts, by up to this many pixels", low=0, high=8)
    flip: bool = option(False, help="random left-right mirroring")
    smoothing: float = option(0.0, help="label smoothing", low=0.0, high=0.9)
    loss: LossName = option(
        "cross_entropy",
        help="distribution adds a loss on what the signs of binary blocks are taken of; it needs "
        'block = "binary"',
    )
    distribution_form: DistributionForm = option(
        "released",
        help="of the distribution loss: as the authors released it, or as they published it",
    )
    distribution_weight: float = option(
        2.0, help="weight of the distribution loss, cross entropy has 1", low=0.0, high=1000
    )
    distribution_off: int = option(
        5,
        help="last of `epochs` without the distribution loss; tune_epochs have none of it",
        low=0,
        high=10000,
    )
    bfloat16: bool = option(
        False,
        help="compute the quantized epochs in bfloat16, too, if the processor computes it: faster, "
        "and sums are rounded",
    )
    patience: int | None = option(
        None, help="stop after this many epochs without a better validation", low=1, high=10000
    )
    seed: int = option(0, help="seed of initial weights, order and augmentation", low=0, high=2**31)
    threads: int = option(
        1,
        help="threads of torch; small networks lose more to waiting than they win",
        low=1,
        high=256,
    )
    progress: bool = option(True, help="show progress bars")

    def __post_init__(self) -> None:
        if not self.epochs + self.tune_epochs:
            raise ConfigError("training: epochs and tune_epochs are both 0, nothing to do")
        if self.float_epochs and not self.epochs:
            raise ConfigError(
                "training: float_epochs need epochs >= 1, in which activations get their scales"
            )
        if self.whole > self.float_epochs:
            raise ConfigError(
                f"training: whole = {self.whole} are more than float_epochs = {self.float_epochs}"
            )
        if self.warmup and self.warmup >= self.float_epochs:
            raise ConfigError(
                f"training: warmup = {self.warmup} leaves none of float_epochs = "
                f"{self.float_epochs}"
            )
        self._check_distribution()

    def _check_distribution(self) -> None:
        if self.loss != "distribution":
            if moved := [name for name in _DISTRIBUTION if getattr(self, name) != _DEFAULTS[name]]:
                raise ConfigError(
                    f'training: {moved[0]} is of the distribution loss; set loss = "distribution", '
                    "or leave it out"
                )
        elif self.distribution_off >= self.epochs:
            raise ConfigError(
                f"training: distribution_off = {self.distribution_off} leaves the distribution "
                f"loss none of epochs = {self.epochs}"
            )

    @property
    def folded(self) -> TrainOptions:
        """The same for a network without batch norms, which has nothing for the other losses."""
        own = {name: _DEFAULTS[name] for name in ("loss", *_DISTRIBUTION)}
        return dataclasses.replace(self, **own)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def deciding(self) -> dict[str, Any]:
        """Plain values of what is on, for the settings of a study.

        A way to train that is off is left out, so one that the toolkit learns later leaves the
        settings of older studies as they were.
        """
        found = self.to_dict()
        if not self.float_epochs:
            for name in _FLOAT:
                del found[name]
        if not self.bfloat16:
            del found["bfloat16"]
        if self.loss == _DEFAULTS["loss"]:
            for name in ("loss", *_DISTRIBUTION):
                del found[name]
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "training") -> TrainOptions:
        """Options from a table; keys may be left out.

        Raises:
            ConfigError: Lists every unknown key and wrong value.
        """
        problems: list[str] = []
        options = read_table(cls, data, where, problems)
        if options is None:
            raise ConfigError("; ".join(problems))
        return options


def check_network(config: NetworkConfig | None, options: TrainOptions) -> None:
    """Refuse options that mean nothing for a network.

    Args:
        config: The network; None for a user's own model.
        options: How it is to be trained.

    Raises:
        ConfigError: Some do; names the first.
    """
    binary = config is not None and config.block == "binary"
    if options.loss == "distribution" and not binary:
        raise ConfigError(
            'training: loss = "distribution" is of binary blocks; describe them in '
            '[train.backbone] with block = "binary", or leave loss out'
        )
    if options.float_epochs and binary:
        raise ConfigError(
            f"training: float_epochs = {options.float_epochs}, but binary blocks are no rounded "
            "form of a network without quantizers; leave float_epochs out"
        )


_DEFAULTS: Mapping[str, Any] = {
    item.name: item.default for item in dataclasses.fields(TrainOptions)
}
