"""Hardware choices of the RTL backend: how many cycles each layer takes for a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import nearest, option, read_table
from semifreddo.ir.layers import Conv, Layer, Linear, Route, WeightBlock
from semifreddo.ir.net import StreamNet

Multiplier: TypeAlias = Literal["lut", "dsp", "packed", "xnor", "shift"]
"""Logic; a DSP slice for each product; a slice for several products that share an operand; of
weights that are only -1 and 1, logic that changes signs; or, of weights that are sums of one or two
powers of two, logic that shifts."""

OFFERED: tuple[Multiplier, ...] = ("lut", "dsp", "xnor", "shift")
"""What the scheduler chooses from, unless it is told otherwise."""

Frozen: TypeAlias = Literal["adders", "rom"]

WindowKind: TypeAlias = Literal["registers", "memory"]
"""Where the pixels of a window are: in registers, or in a memory that is read tap by tap."""


def is_wiring(layer: Layer, net: StreamNet) -> bool:
    """Whether a layer is nothing but wires: a route that leaves every value as it is."""
    target = layer.output.type
    return isinstance(layer, Route) and all(
        (stream.type.width, stream.type.frac, stream.type.signed)
        == (target.width, target.frac, target.signed)
        for stream in net.input_streams(layer)
    )


@dataclass(frozen=True)
class Choice:
    """Choices for one layer.

    Attributes:
        rows_per_cycle: Rows of the weight matrix multiplied per cycle, for loadable channels. A
            word takes ``ceil(rows / rows_per_cycle)`` cycles and each loadable channel has
            ``rows_per_cycle`` multipliers.
        channels_per_cycle: Loadable channels that are multiplied at the same time, so that
            ``rows_per_cycle * channels_per_cycle`` multipliers work through the channels in
            groups; of a layer without weights the channels that are computed at the same time, in
            ``ceil(channels / channels_per_cycle)`` cycles; 0 is all of them.
        digit_bits: Bits per cycle of the frozen channels' adder graph; 0 is all bits at once.
        multiplier: What multiplies loadable weights.
        frozen: What frozen channels are: an adder graph, or multipliers that read their weights
            from a ROM, one after the other.
        rom_rows_per_cycle: Rows of the weight matrix multiplied per cycle with weights of a ROM.
        rom_channels_per_cycle: Channels that are multiplied with weights of a ROM at the same
            time; 0 is all frozen ones.
        rom_multiplier: What multiplies with weights of a ROM.
        window: Where the pixels of a window are. A memory serves layers whose channels are all
            computed by one array of multipliers, which takes a part of a pixel in each cycle.
    """

    rows_per_cycle: int = option(1, help="weight rows multiplied per cycle", low=1)
    channels_per_cycle: int = option(0, help="channels computed at the same time; 0 is all", low=0)
    digit_bits: int = option(0, help="bits per cycle of frozen adders; 0 is all at once", low=0)
    multiplier: Multiplier = option("lut", help="what multiplies")  # noqa: RUF009 -- makes a field
    frozen: Frozen = option("adders", help="what frozen channels are")  # noqa: RUF009 -- as above
    rom_rows_per_cycle: int = option(1, help="rows of a ROM multiplied per cycle", low=1)
    rom_channels_per_cycle: int = option(
        0, help="channels of a ROM computed at the same time; 0 is all", low=0
    )
    rom_multiplier: Multiplier = option("lut", help="what multiplies with a ROM")  # noqa: RUF009 -- as above
    window: WindowKind = option("registers", help="where a window's pixels are")  # noqa: RUF009 -- as above


@dataclass(frozen=True)
class Override:
    """What a user fixes of a layer's choice; None leaves it to the scheduler."""

    rows_per_cycle: int | None = option(None, help="weight rows multiplied per cycle", low=1)
    channels_per_cycle: int | None = option(
        None, help="channels computed at the same time; 0 is all", low=0
    )
    digit_bits: int | None = option(
        None, help="bits per cycle of frozen adders; 0 is all at once", low=0
    )
    multiplier: Multiplier | None = option(None, help="what multiplies")  # noqa: RUF009 -- as above
    frozen: Frozen | None = option(None, help="what frozen channels are")  # noqa: RUF009 -- as above
    rom_rows_per_cycle: int | None = option(None, help="rows of a ROM multiplied per cycle", low=1)
    rom_channels_per_cycle: int | None = option(
        None, help="channels of a ROM computed at the same time; 0 is all", low=0
    )
    rom_multiplier: Multiplier | None = option(None, help="what multiplies with a ROM")  # noqa: RUF009 -- as above
    window: WindowKind | None = option(None, help="where a window's pixels are")  # noqa: RUF009 -- as above

    def may_be(self, kind: Frozen) -> bool:
        """Whether frozen channels may be of a kind: what is fixed of one rules out the other."""
        if self.frozen:
            return self.frozen == kind
        rom = (self.rom_rows_per_cycle, self.rom_channels_per_cycle, self.rom_multiplier)
        given = {"adders": self.digit_bits is not None, "rom": any(v is not None for v in rom)}
        return given[kind] or not any(given.values())

    def applied(self, choice: Choice) -> Choice:
        """The choice with what is fixed put in."""
        return Choice(
            **{**asdict(choice), **{k: v for k, v in asdict(self).items() if v is not None}}
        )


DEFAULT = Choice()


@dataclass(frozen=True)
class RtlSchedule:
    """Choices for a network; layers that are not named have the default.

    Attributes:
        layers: By layer name. In a repeat that is folded, the choices of pass 0's layers count.
        unrolled: Names of repeats that are built once per pass; all others are folded: built once,
            and used for every pass.
    """

    layers: Mapping[str, Choice] = field(default_factory=dict)
    unrolled: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Choice:
        return self.layers.get(name, DEFAULT)

    def to_json(self) -> dict[str, Any]:
        """Plain data: every named layer with all its choices."""
        return {
            "layers": {name: asdict(choice) for name, choice in sorted(self.layers.items())},
            "unrolled": sorted(self.unrolled),
        }

    @classmethod
    def from_json(cls, data: object, where: str = "rtl schedule") -> RtlSchedule:
        """Inverse of :meth:`to_json`; choices that are left out have their defaults.

        Raises:
            ConfigError: Names every unknown key and every value of a wrong kind, in one line.
        """
        problems: list[str] = []
        stored = read_table(_Stored, data, where, problems)
        if stored is None:
            raise ConfigError("; ".join(problems))
        return cls(dict(stored.layers), frozenset(stored.unrolled))

    def check(self, net: StreamNet) -> None:
        """Refuse choices that the network has no use for.

        Raises:
            ConfigError: Names the layer, the value and what is possible.
        """
        unknown = sorted(self.unrolled - {repeat.name for repeat in net.repeats})
        if unknown:
            raise ConfigError(
                f"rtl schedule: {net.name} has no repeat {unknown[0]!r}"
                + nearest(unknown[0], [repeat.name for repeat in net.repeats])
            )
        layers = {layer.name: layer for layer in net.layers if not is_wiring(layer, net)}
        for name, choice in self.layers.items():
            if name not in layers:
                raise ConfigError(
                    f"rtl schedule: {net.name} has no layer {name!r} with a choice"
                    + nearest(name, layers)
                )
            layer = layers[name]
            if isinstance(layer, Conv | Linear):
                _check_weighted(net.block[layer.weight], name, choice)
            else:
                _check_lanes(layer, choice)


def _check_weighted(weight: WeightBlock, name: str, choice: Choice) -> None:
    for prefix, found in (("", weight.configurable_channels), ("rom_", weight.frozen_channels)):
        rows, channels = f"{prefix}rows_per_cycle", f"{prefix}channels_per_cycle"
        kind = "frozen" if prefix else "loadable"
        _check_range(name, choice, rows, 1, (weight.rows, "the rows of its weights"))
        _check_range(name, choice, channels, 0, (len(found), f"its {kind} channels"))
        _check_known(name, choice, f"{prefix}multiplier", get_args(Multiplier))
    _check_known(name, choice, "frozen", get_args(Frozen))
    _check_known(name, choice, "window", get_args(WindowKind))
    if choice.digit_bits < 0:
        raise ConfigError(
            f"rtl schedule: layer {name!r}: digit_bits {choice.digit_bits} is negative; "
            "use 0 for all bits at once"
        )


def _check_range(name: str, choice: Choice, key: str, low: int, most: tuple[int, str]) -> None:
    value, (high, what) = getattr(choice, key), most
    if not low <= value <= high:
        raise ConfigError(
            f"rtl schedule: layer {name!r}: {key} {value} is outside {low}..{high}, {what}"
        )


def _check_known(name: str, choice: Choice, key: str, known: tuple[str, ...]) -> None:
    value = getattr(choice, key)
    if value not in known:
        raise ConfigError(
            f"rtl schedule: layer {name!r}: {key} {value!r}; use {' or '.join(known)}"
        )


def _check_lanes(layer: Layer, choice: Choice) -> None:
    if replace(choice, channels_per_cycle=0) != DEFAULT:
        raise ConfigError(
            f"rtl schedule: layer {layer.name!r} ({layer.kind}) has only channels_per_cycle to "
            "choose; leave the others out"
        )
    channels = layer.output.channels
    if not 0 <= choice.channels_per_cycle <= channels:
        raise ConfigError(
            f"rtl schedule: layer {layer.name!r}: channels_per_cycle {choice.channels_per_cycle} "
            f"is outside 0..{channels}, its channels"
        )


@dataclass(frozen=True)
class _Stored:
    """An :class:`RtlSchedule` as it stands in a file."""

    layers: Mapping[str, Choice] = option(help="choices by layer name")
    unrolled: tuple[str, ...] = option((), help="repeats that are built once per pass")
