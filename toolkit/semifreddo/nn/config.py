"""What a built-in network looks like, as data."""

# ruff: noqa: RUF009 -- option() makes a field, it is no shared default

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import option, read_table

if TYPE_CHECKING:
    from typing import Self

BlockKind: TypeAlias = Literal["standard", "separable", "binary"]
AlphaKind: TypeAlias = Literal["channel", "layer"]
WeightKind: TypeAlias = Literal["uniform", "powers_of_two"]
Terms: TypeAlias = Literal[1, 2, "learned"]
"""Powers of two that a weight is made of."""

_KINDS = ("weights", "core_weights", "trainable_weights")
_ACT_BITS = 8
MAX_WIDTH = 4096
"""Channels of a block, and pixels of a side."""

_MAX_STRIDE = 4
_PADDINGS = (1, 2, 0)
"""Of the first convolution, as they are tried; hardware pads a 3x3 window by 2 at most."""


@dataclass(frozen=True)
class NetworkConfig:
    """What all built-in networks have: blocks one behind the other, a global mean, a classifier.

    The first block is always a standard convolution.

    Raises:
        ConfigError: A value is out of range or does not fit the others.
    """

    input_shape: tuple[int, ...] = option(help="image (channels, height, width)", low=3)
    classes: int = option(help="outputs of the head", low=2, high=4096)
    widths: tuple[int, ...] = option(help="channels of each block", low=1)
    strides: tuple[int, ...] = option(help="stride of each block, 1 to 4", low=1)
    block: BlockKind = option(
        "standard",
        help="kind of all blocks but the first; binary: weights of -1 and 1, and outputs of one "
        "bit, also of the first block, whose weights have weight_bits (in a backbone only)",
    )
    weight_bits: int = option(
        4, help="weight bits where no other is given; of one bit are -1 and 1", low=1, high=8
    )
    head_weight_bits: int | None = option(None, help="weight bits of the classifier", low=1, high=8)
    act_bits: int = option(_ACT_BITS, help="activation bits where no other is given", low=2, high=8)
    pool_bits: int = option(8, help="bits of the globally pooled features", low=2, high=16)
    bias_bits: int = option(16, help="bias bits", low=4, high=24)
    per_channel: bool = option(False, help="one weight scale per output channel in the blocks")
    weights: WeightKind = option(
        "uniform",
        help="kind of the blocks' weights: any integers, or sums of signed powers of two, which "
        "are shifts in frozen logic",
    )
    terms: Terms = option(
        2,
        help="with powers_of_two: how many powers a weight is made of, 1 or 2; learned chooses for "
        "each output channel",
    )
    term_penalty: float = option(
        0.08,
        help="with learned terms: weight of the penalty under which channels do with fewer terms",
        low=0,
        high=1,
    )
    stem_padding: int | None = option(
        None,
        help="zero padding of the first convolution; absent: the first of 1, 2 and 0 with which "
        "the area of the last map is a power of two",
        low=0,
        high=8,
    )

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value, low, high = (
                getattr(self, item.name),
                item.metadata.get("low"),
                item.metadata.get("high"),
            )
            limited = isinstance(value, int) and low is not None and high is not None
            if limited and not low <= value <= high:
                raise ConfigError(f"network: {item.name} = {value} is outside {low}..{high}")
        _check_entries("input_shape", self.input_shape, MAX_WIDTH)
        _check_entries("widths", self.widths, MAX_WIDTH)
        _check_entries("strides", self.strides, _MAX_STRIDE)
        if len(self.input_shape) != 3:
            raise ConfigError(
                f"network: input_shape {self.input_shape} is not (channels, height, width)"
            )
        if len(self.widths) != len(self.strides):
            raise ConfigError(
                f"network: {len(self.widths)} widths but {len(self.strides)} strides; "
                "each block needs both"
            )
        if self.stem_padding is None:
            chosen = _fitting_padding(self.input_shape, self.strides)
            object.__setattr__(self, "stem_padding", 1 if chosen is None else chosen)
        self._check_map()
        self._check_own()

    def _check_own(self) -> None:
        """What only this kind of network asks for."""

    @property
    def learns_terms(self) -> bool:
        """Whether the number of terms of some weights is learned."""
        return self.terms == "learned" and self.weights == "powers_of_two"

    def terms_of(self, kind: WeightKind) -> Terms | None:
        """Powers of two of a weight of a kind; None if it is any integer."""
        return self.terms if kind == "powers_of_two" else None

    def _check_map(self) -> None:
        height, width = self.map_size
        if min(height, width) < 1:
            raise ConfigError(
                f"network: strides {self.strides} leave nothing of a {self.input_shape} image"
            )
        if not _is_power_of_two(height * width):
            raise ConfigError(
                f"network: with strides {list(self.strides)} and stem_padding {self.first_padding} "
                f"the last map of a {self.input_shape[1]}x{self.input_shape[2]} image is "
                f"{height}x{width}, whose area is not a power of two, so its mean has no exact "
                f"division; {self._advice()}"
            )

    def _advice(self) -> str:
        """What makes the last map's area a power of two."""
        padding = _fitting_padding(self.input_shape, self.strides)
        if padding is not None:
            return f"use stem_padding = {padding}, or leave it out"
        changed = [
            (*self.strides[:index], stride, *self.strides[index + 1 :])
            for index in reversed(range(len(self.strides)))
            for stride in range(1, _MAX_STRIDE + 1)
        ]
        for strides in changed:
            padding = _fitting_padding(self.input_shape, strides)
            if padding is not None:
                return f"use strides = {list(strides)} with stem_padding = {padding}"
        return "change input_shape"

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Blocks that must have the same width; others alone."""
        return tuple((block,) for block in range(len(self.widths)))

    def width_step(self, _block: int) -> int:
        """What the width of a block must be a multiple of."""
        return 1

    @property
    def first_padding(self) -> int:
        """Zero padding of the first convolution, given or chosen."""
        assert self.stem_padding is not None  # __post_init__
        return self.stem_padding

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the last block's output."""
        return _last_map(self.input_shape, self.strides, self.first_padding)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        data = dataclasses.asdict(self)
        return {key: _lists(value) for key, value in data.items()}

    def deciding(self) -> dict[str, Any]:
        """As :meth:`to_dict`, of what is on, for the settings of a study.

        Keys of powers of two are left out where no weight is made of them.
        """
        found = self.to_dict()
        if "powers_of_two" not in {found.get(name) for name in _KINDS}:
            for name in (*_KINDS, "terms", "term_penalty"):
                found.pop(name, None)
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "network") -> Self:
        """Inverse of :meth:`to_dict`; keys with defaults may be left out.

        Raises:
            ConfigError: Lists every unknown or missing key and wrong value.
        """
        problems: list[str] = []
        config = read_table(cls, data, where, problems)
        if config is None:
            raise ConfigError("; ".join(problems))
        return config


@dataclass(frozen=True)
class SemifreddoConfig(NetworkConfig):
    """Topology and number formats of a SemifreddoNet.

    All three cores have the same widths.

    Raises:
        ConfigError: A value is out of range or does not fit the others.
    """

    core_weight_bits: int | None = option(
        None, help="weight bits of the frozen core", low=1, high=8
    )
    trainable_weight_bits: int | None = option(
        None, help="weight bits of the trainable cores", low=1, high=8
    )
    core_weights: WeightKind | None = option(
        None, help="kind of the frozen core's weights; absent: weights"
    )
    trainable_weights: WeightKind | None = option(
        None, help="kind of the trainable cores' weights; absent: weights"
    )
    shuffle: bool = option(False, help="exchange channels before each block but the first")
    repeats: int = option(1, help="how often the last block is applied", low=1, high=64)
    shared_repeats: bool = option(True, help="one set of trainable weights for all repeats")
    alpha: AlphaKind = option("channel", help="granularity of the blend factors")

    def _check_own(self) -> None:
        if self.block == "binary":
            raise ConfigError(
                'network: block = "binary" is for a backbone: blends of binary outputs are not '
                "binary; describe it in [train.backbone]"
            )
        for name, bits in (
            ("core_weights", self.core_weight_bits),
            ("trainable_weights", self.trainable_weight_bits),
        ):
            kind: WeightKind = getattr(self, name) or self.weights
            _check_powers(name, kind, bits or self.weight_bits)
        if self.shuffle and any(width % 2 for width in self.widths[:-1]):
            raise ConfigError(
                f"network: with shuffle, widths {self.widths} must be even up to the last block"
            )
        if self.repeats == 1:
            return
        if len(self.widths) < 2 or self.strides[-1] != 1 or self.widths[-1] != self.widths[-2]:
            raise ConfigError(
                f"network: with repeats = {self.repeats} the last block must have stride 1 and the "
                f"width of the block before it; widths are {self.widths}, strides {self.strides}"
            )

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        alone = super().groups
        return alone if self.repeats == 1 else (*alone[:-2], (*alone[-2], *alone[-1]))

    def width_step(self, block: int) -> int:
        """What the width of a block must be a multiple of: shuffles exchange halves."""
        shuffled = block < len(self.widths) - 1 or self.repeats > 1
        return 2 if self.shuffle and shuffled else 1

    @property
    def learns_terms(self) -> bool:
        kinds = (self.core_weights or self.weights, self.trainable_weights or self.weights)
        return self.terms == "learned" and "powers_of_two" in kinds

    @property
    def passes(self) -> tuple[int, ...]:
        """The block used in each step of an inference: the last one ``repeats`` times."""
        return (*range(len(self.widths)), *[len(self.widths) - 1] * (self.repeats - 1))

    @property
    def core_facts(self) -> dict[str, Any]:
        """Everything that the frozen core depends on."""
        names = (
            "input_shape",
            "widths",
            "strides",
            "block",
            "act_bits",
            "bias_bits",
            "per_channel",
            "repeats",
            "stem_padding",
        )
        own = {
            "core_weight_bits": self.core_weight_bits or self.weight_bits,
            "core_terms": self.terms_of(self.core_weights or self.weights),
        }
        return {name: getattr(self, name) for name in names} | own


@dataclass(frozen=True)
class BackboneConfig(NetworkConfig):
    """A plain or residual network: one row of blocks, each with widths and bits of its own.

    Raises:
        ConfigError: A value is out of range or does not fit the others.
    """

    layer_weight_bits: tuple[int, ...] | None = option(
        None, help="weight bits of each block, 1 to 8", low=1
    )
    layer_act_bits: tuple[int, ...] | None = option(
        None, help="bits of each block's output, 2 to 8", low=1
    )
    skips: tuple[tuple[int, ...], ...] = option(
        (),
        help="residual additions [from, to], blocks counted from 0: the output of `from` is added "
        "to that of `to`, which has the same shape unless `project` is set",
    )
    project: bool = option(
        False,
        help="where the ends of a skip have different shapes, a 1x1 convolution fits the first to "
        "the last, with the weight and output bits of block `to`; false: such a skip is refused",
    )

    def _check_own(self) -> None:
        for name, bits, low in (
            ("layer_weight_bits", self.layer_weight_bits, 1),
            ("layer_act_bits", self.layer_act_bits, 2),
        ):
            if bits is None:
                continue
            if len(bits) != len(self.widths):
                raise ConfigError(
                    f"network: {name} has {len(bits)} entries for {len(self.widths)} blocks"
                )
            if any(not low <= value <= 8 for value in bits):
                raise ConfigError(f"network: {name} {bits} must hold numbers in {low}..8")
        if self.block == "binary":
            self._check_binary()
        weights = self.layer_weight_bits or (self.weight_bits,)
        _check_powers("weights", self.weights, min(weights))
        for skip in self.skips:
            self._check_skip(skip)
        ends = [skip[1] for skip in self.skips]
        if len(set(ends)) != len(ends):
            raise ConfigError(f"network: of skips {_lists(self.skips)} two end at the same block")

    def _check_binary(self) -> None:
        """Refuse keys that mean nothing, or something else, in a network of binary blocks."""
        meant = {
            "layer_weight_bits": self.layer_weight_bits is None,
            "layer_act_bits": self.layer_act_bits is None,
            "act_bits": self.act_bits == _ACT_BITS,
            "weights": self.weights == "uniform",
            "per_channel": not self.per_channel,
            "skips": not self.skips,
            "project": not self.project,
        }
        if wrong := [name for name, free in meant.items() if not free]:
            raise ConfigError(
                f'network: block = "binary" and {wrong[0]} exclude each other: binary blocks have '
                "weights of -1 and 1 and outputs of one bit, which no skip adds; leave one out"
            )
        if len(self.widths) < 2:
            raise ConfigError(
                'network: block = "binary" is the kind of all blocks but the first, and there is '
                "only one; give widths and strides of more blocks"
            )

    def _check_skip(self, skip: tuple[int, ...]) -> None:
        if len(skip) != 2 or not 0 <= skip[0] < skip[1] < len(self.widths):
            raise ConfigError(
                f"network: skip {list(skip)} is not [from, to], two of the blocks "
                f"0..{len(self.widths) - 1} in this order"
            )
        first, last = self._ends(skip)
        if first != last and not self.project:
            raise ConfigError(
                f"network: skip {list(skip)} adds maps of {'x'.join(map(str, first))} and "
                f"{'x'.join(map(str, last))} (height, width, channels); both must be the same, or "
                "project = true puts a 1x1 convolution between them"
            )

    def _ends(self, skip: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes (height, width, channels) of the two maps that a skip adds."""
        first, last = (
            (*_last_map(self.input_shape, self.strides[: end + 1], self.first_padding), width)
            for end, width in ((end, self.widths[end]) for end in skip)
        )
        return first, last

    @property
    def projections(self) -> Mapping[int, int]:
        """Strides of the 1x1 convolutions in skips, by the block at which the skip ends."""
        changed = [skip for skip in self.skips if self._ends(skip)[0] != self._ends(skip)[1]]
        return {last: math.prod(self.strides[first + 1 : last + 1]) for first, last in changed}

    def bits_of(self, block: int) -> tuple[int, int]:
        """Bits of a block's weights and of its output."""
        if self.block == "binary":
            return (1 if block else self.weight_bits), 1
        weights, acts = self.layer_weight_bits, self.layer_act_bits
        return (
            self.weight_bits if weights is None else weights[block],
            self.act_bits if acts is None else acts[block],
        )

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Blocks that must have the same width, because their outputs are added; others alone."""
        leader = list(range(len(self.widths)))
        for first, last in self.skips:
            if last in self.projections:
                continue
            kept, gone = leader[first], leader[last]
            leader = [kept if known == gone else known for known in leader]
        return tuple(
            tuple(block for block, known in enumerate(leader) if known == name)
            for name in sorted(set(leader), key=leader.index)
        )

    def scaled(self, multiplier: float | Sequence[float]) -> BackboneConfig:
        """The same network with other widths, each at least one channel.

        Args:
            multiplier: Of all widths, or one for each of :attr:`groups`.

        Raises:
            ConfigError: A multiplier is not above zero, or their number is not that of the groups.
        """
        groups = self.groups
        factors = (
            [float(multiplier)] * len(groups)
            if isinstance(multiplier, int | float)
            else [float(factor) for factor in multiplier]
        )
        if len(factors) != len(groups) or not all(0 < factor < math.inf for factor in factors):
            raise ConfigError(
                f"network: width multipliers {factors} are not {len(groups)} numbers above zero, "
                f"one for each group of blocks {_lists(groups)}"
            )
        widths = list(self.widths)
        for group, factor in zip(groups, factors, strict=True):
            for block in group:
                widths[block] = max(1, round(factor * widths[block]))
        return dataclasses.replace(self, widths=tuple(widths))


def _check_powers(name: str, kind: WeightKind, bits: int) -> None:
    if kind == "powers_of_two" and bits < 2:
        raise ConfigError(
            f"network: {name} = powers_of_two need at least 2 bits, zero and one power of each "
            f"sign, not {bits}; weights of one bit are -1 and 1 by themselves: leave {name} out"
        )


def _lists(value: Any) -> Any:
    """Tuples as the lists of TOML and JSON."""
    return [_lists(entry) for entry in value] if isinstance(value, tuple) else value


def _last_map(
    input_shape: tuple[int, ...], strides: tuple[int, ...], first_padding: int
) -> tuple[int, int]:
    height, width = input_shape[1:]
    for index, stride in enumerate(strides):
        grow = 2 * (1 if index else first_padding) - 3
        height, width = ((size + grow) // stride + 1 for size in (height, width))
    return height, width


def _is_power_of_two(area: int) -> bool:
    return area > 0 and not area & (area - 1)


def _fitting_padding(input_shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """The first padding of :data:`_PADDINGS` that gives a last map with an exact mean, if any."""
    for padding in _PADDINGS:
        height, width = _last_map(input_shape, strides, padding)
        if min(height, width) > 0 and _is_power_of_two(height * width):
            return padding
    return None


def _check_entries(name: str, values: tuple[int, ...], high: int) -> None:
    wrong = [value for value in values if not 1 <= value <= high]
    if wrong or not values:
        raise ConfigError(f"network: {name} {values} must hold numbers in 1..{high}")
