"""What a SemifreddoNet looks like, as data."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from semifreddo.core.errors import ConfigError

BlockKind: TypeAlias = Literal["standard", "separable"]
AlphaKind: TypeAlias = Literal["channel", "layer"]


@dataclass(frozen=True)
class SemifreddoConfig:
    """Topology and number formats of a SemifreddoNet.

    Attributes:
        input_shape: Image (channels, height, width).
        classes: Outputs of the head.
        widths: Channels of each block, the same for all three cores.
        strides: Stride of each block.
        block: Kind of all blocks but the first, which is always a standard convolution.
        weight_bits: Weight bits, 2 to 8, where no other is given.
        core_weight_bits: Weight bits of the frozen core.
        trainable_weight_bits: Weight bits of the trainable cores.
        head_weight_bits: Weight bits of the classifier.
        act_bits: Activation bits inside the cores, 2 to 8.
        pool_bits: Bits of the globally pooled features, 2 to 16.
        bias_bits: Bias bits, 4 to 24.
        per_channel: One weight scale per output channel in the cores.
        shuffle: Exchange channels between the trainable cores before each block but the first.
        repeats: How often the last block is applied in one inference.
        shared_repeats: Whether the trainable cores use one set of weights in all repeats.
        alpha: Granularity of the blend factors.
        stem_padding: Zero padding of the first convolution; 3 turns 28x28 into 16x16 at stride 2.

    Raises:
        ConfigError: A value is out of range or does not fit the others.
    """

    input_shape: tuple[int, int, int]
    classes: int
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    block: BlockKind = "standard"
    weight_bits: int = 4
    core_weight_bits: int | None = None
    trainable_weight_bits: int | None = None
    head_weight_bits: int | None = None
    act_bits: int = 8
    pool_bits: int = 8
    bias_bits: int = 16
    per_channel: bool = False
    shuffle: bool = False
    repeats: int = 1
    shared_repeats: bool = True
    alpha: AlphaKind = "channel"
    stem_padding: int = 1

    def __post_init__(self) -> None:
        _check_types(self)
        for name, low, high in (
            ("classes", 2, 4096),
            ("weight_bits", 2, 8),
            ("core_weight_bits", 2, 8),
            ("trainable_weight_bits", 2, 8),
            ("head_weight_bits", 2, 8),
            ("act_bits", 2, 8),
            ("pool_bits", 2, 16),
            ("bias_bits", 4, 24),
            ("repeats", 1, 64),
            ("stem_padding", 0, 8),
        ):
            _in_range(name, getattr(self, name), low, high)
        for size in self.input_shape:
            _in_range("input_shape", size, 1, 4096)
        for width in self.widths:
            _in_range("widths", width, 1, 4096)
        for stride in self.strides:
            _in_range("strides", stride, 1, 4)
        if not self.widths or len(self.widths) != len(self.strides):
            raise ConfigError(
                f"{len(self.widths)} widths but {len(self.strides)} strides; each block needs both"
            )
        if self.shuffle and any(width % 2 for width in self.widths[:-1]):
            raise ConfigError(f"shuffle: widths {self.widths} must be even up to the last block")
        self._check_repeats()
        self._check_map()

    def _check_repeats(self) -> None:
        if self.repeats == 1:
            return
        if len(self.widths) < 2 or self.strides[-1] != 1 or self.widths[-1] != self.widths[-2]:
            raise ConfigError(
                f"repeats = {self.repeats}: the last block must have stride 1 and the width of the "
                f"block before it; widths are {self.widths}, strides {self.strides}"
            )

    def _check_map(self) -> None:
        height, width = self.map_size
        area = height * width
        if min(height, width) < 1:
            raise ConfigError(f"strides {self.strides} leave nothing of a {self.input_shape} image")
        if area & (area - 1):
            raise ConfigError(
                f"the last map is {height}x{width}, whose area is not a power of two, so its mean "
                "has no exact division; change strides, input_shape or stem_padding (3 turns 28x28 "
                "into 16x16 at stride 2)"
            )

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the last block's output."""
        height, width = self.input_shape[1:]
        for index, stride in enumerate(self.strides):
            grow = 2 * (self.stem_padding if index == 0 else 1) - 3
            height, width = ((size + grow) // stride + 1 for size in (height, width))
        return height, width

    @property
    def passes(self) -> tuple[int, ...]:
        """The block used in each step of an inference: the last one ``repeats`` times."""
        return (*range(len(self.widths)), *[len(self.widths) - 1] * (self.repeats - 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON and TOML."""
        data = dataclasses.asdict(self)
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in data.items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SemifreddoConfig:
        """Inverse of :meth:`to_dict`; keys with defaults may be left out.

        Raises:
            ConfigError: Unknown or missing key (with the nearest name), or a wrong value.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
                raise ConfigError(f"network: unknown key {key!r}{hint}")
        required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
        missing = [name for name in required if name not in data]
        if missing:
            raise ConfigError(f"network: missing key {missing[0]!r}")
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**values)


def _in_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{name} = {value} is outside {low}..{high}")


def _matches(value: object, kind: Any) -> bool:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return value in args
    if origin is types.UnionType:
        return any(_matches(value, choice) for choice in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        return len(kinds) == len(value) and all(map(_matches, value, kinds))
    # bool is an int to Python, but "shuffle = 2" and "classes = true" are mistakes.
    return type(value) is kind


def _check_types(config: SemifreddoConfig) -> None:
    for name, kind in typing.get_type_hints(SemifreddoConfig).items():
        value = getattr(config, name)
        if not _matches(value, kind):
            text = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
            raise ConfigError(f"network: {name} = {value!r} is not {text}")
