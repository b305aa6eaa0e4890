"""The layer kinds of a StreamNet.

Every layer computes an *exact* integer result and then casts it into its output stream's
:class:`~semifreddo.core.fixed.FixedType`; there is no rounding anywhere else. Streams carry images
pixel by pixel, all channels of a pixel at once, so shapes are ``(height, width, channels)``. A
layer's name is also the name of the stream it produces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType, IntArray
from semifreddo.ir.allowed import MOST_TERMS, SIGNS, refusal, sums_of_powers

Shape: TypeAlias = tuple[int, int, int]
Role: TypeAlias = Literal["weight", "bias", "alpha", "start", "level"]

ALPHA_FRAC = 3
"""Blend factors are k/8: three fraction bits, k from 0 to 8."""


@dataclass(frozen=True)
class RoleFormat:
    """What the values of all blocks of one role have in common.

    Attributes:
        lowest: Smallest value that a task may load; None where storage is the only limit.
        highest: Largest value, likewise.
        storage: Bits and sign of a stored value, whatever format the model's quantizer had; None
            where the quantizer decides.
    """

    lowest: int | None = None
    highest: int | None = None
    storage: tuple[int, bool] | None = None

    def range_of(self, storage: FixedType) -> tuple[int, int]:
        """Smallest and largest value that a task may load into blocks with some storage."""
        low = storage.min_raw if self.lowest is None else self.lowest
        return low, storage.max_raw if self.highest is None else self.highest


ROLES: dict[Role, RoleFormat] = {
    "weight": RoleFormat(),
    "bias": RoleFormat(),
    "alpha": RoleFormat(0, 1 << ALPHA_FRAC, storage=(ALPHA_FRAC + 1, False)),
    "start": RoleFormat(),
    "level": RoleFormat(),
}


@dataclass(frozen=True)
class Stream:
    """What flows between two layers: one image as ``(height, width, channels)`` raw integers."""

    name: str
    shape: Shape
    type: FixedType

    @property
    def pixels(self) -> int:
        """Stream words per image (one word carries all channels of a pixel)."""
        return self.shape[0] * self.shape[1]

    @property
    def channels(self) -> int:
        """Values per stream word."""
        return self.shape[2]


@dataclass(frozen=True, eq=False)
class WeightBlock:
    """One tensor of weights, biases or blend factors, output channel last.

    Attributes:
        name: The tensor's name in the trained model, e.g. ``cores.0.blocks.1.conv.weight``.
        role: What it is used for. A bias is the threshold of the activation behind it.
        raw: Integers: conv ``(kh, kw, cin / groups, cout)``, linear ``(n_in, n_out)`` with the
            inputs in (height, width, channel) order, bias and alpha ``(cout,)``, starts and levels
            of a curve ``(count, cout)``, or ``(count, 1)`` for all channels.
        bits: Storage width of one value; every value, also of a task loaded later, fits.
        signed: Two's complement if true.
        frac: Fraction bits per output channel (all equal for a per-tensor scale).
        frozen: Per output channel: true if the values are logic, false if they are loadable.
        signs: Whether every value, also of a task loaded later, is -1 or 1 (weights only, stored
            in two bits).
        terms: Signed powers of two, ``2**0`` to ``2**(bits - 2)``, of which every value, also of a
            task loaded later, is the sum of at most so many (weights only); 0 if nothing is known.
    """

    name: str
    role: Role
    raw: npt.NDArray[np.int64]
    bits: int
    signed: bool
    frac: tuple[int, ...]
    frozen: tuple[bool, ...]
    signs: bool = False
    terms: int = 0

    def __post_init__(self) -> None:
        outputs = self.raw.shape[-1] if self.raw.ndim else 0
        if not outputs or len(self.frac) != outputs or len(self.frozen) != outputs:
            raise NetError(
                f"{self.name}: {len(self.frac)} fraction widths and {len(self.frozen)} freeze "
                f"flags for shape {self.raw.shape}; each needs one entry per output channel"
            )
        if not self.type.holds(self.raw):
            raise NetError(
                f"{self.name}: values {int(self.raw.min())}..{int(self.raw.max())} do not fit "
                f"{self.bits} {'signed' if self.signed else 'unsigned'} bits"
            )
        if self.signs:
            self._check_signs()
        if self.terms:
            self._check_terms()

    def _check_signs(self) -> None:
        if (self.role, self.bits, self.signed) != ("weight", 2, True):
            raise NetError(
                f"{self.name}: a {self.role} of {self.bits} "
                f"{'signed' if self.signed else 'unsigned'} bits is no block of signs; signs are "
                "weights of 2 signed bits"
            )
        if why := refusal(self.raw, SIGNS):
            raise NetError(f"{self.name}: {why}, the weights of its layer; train it with 1 bit")

    def _check_terms(self) -> None:
        possible = self.role == "weight" and self.signed and self.bits > 1 and not self.signs
        if not possible or not 0 < self.terms <= MOST_TERMS:
            raise NetError(
                f"{self.name}: a {self.role} of {self.bits} "
                f"{'signed' if self.signed else 'unsigned'} bits is no sum of {self.terms} powers "
                f"of two; such sums are signed weights of 1 to {MOST_TERMS} terms"
            )
        if why := refusal(self.raw, sums_of_powers(self.bits, self.terms)):
            raise NetError(
                f"{self.name}: {why}, the sums of at most {self.terms} signed powers of two; train "
                'it with weights = "powers_of_two"'
            )

    def __eq__(self, other: object) -> bool:
        """Equal in name, format, freeze flags and every value."""
        if not isinstance(other, WeightBlock):
            return NotImplemented
        return self._key == other._key and np.array_equal(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        format_ = self.bits, self.signed, self.signs, self.terms
        return (self.name, self.role, *format_, self.frac, self.frozen)

    @property
    def type(self) -> FixedType:
        """Integer format of one stored value (fraction bits differ per channel: see ``frac``)."""
        return FixedType.exact(self.bits, 0, signed=self.signed)

    @property
    def allowed(self) -> Sequence[int]:
        """All values a task may load, ascending."""
        if self.signs:
            return SIGNS
        if self.terms:
            return sums_of_powers(self.bits, self.terms)
        low, high = ROLES[self.role].range_of(self.type)
        return range(low, high + 1)

    @property
    def max_value(self) -> int:
        """Largest value a task may load."""
        return self.allowed[-1]

    @property
    def min_value(self) -> int:
        """Smallest value a task may load."""
        return self.allowed[0]

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...]) -> IntArray:
        """Random values that a task may load, all equally likely.

        Args:
            rng: Where they come from.
            shape: Of the array.
        """
        allowed = self.allowed
        places: IntArray = rng.integers(0, len(allowed), shape)
        return allowed[0] + places if isinstance(allowed, range) else np.array(allowed)[places]

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return int(self.raw.shape[-1])

    @property
    def rows(self) -> int:
        """Values per output channel (the fan-in of a weight, 1 for a bias)."""
        return int(self.raw.size // self.outputs)

    @property
    def matrix(self) -> npt.NDArray[np.int64]:
        """The values as ``(rows, outputs)``."""
        return self.raw.reshape(self.rows, self.outputs)

    @property
    def frozen_channels(self) -> npt.NDArray[np.intp]:
        """Indices of the output channels that are logic."""
        return np.flatnonzero(np.array(self.frozen))

    @property
    def configurable_channels(self) -> npt.NDArray[np.intp]:
        """Indices of the output channels that are loadable."""
        return np.flatnonzero(~np.array(self.frozen))

    @property
    def residency(self) -> Literal["frozen", "configurable", "partial"]:
        """How the whole tensor is held."""
        if all(self.frozen):
            return "frozen"
        return "partial" if any(self.frozen) else "configurable"

    def bounds(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Smallest and largest value each entry can ever have, shaped like ``raw``.

        A frozen entry has one value; a loadable one has the whole range that a task may load.
        """
        frozen = np.array(self.frozen)
        low = np.where(frozen, self.raw, self.min_value)
        high = np.where(frozen, self.raw, self.max_value)
        return low, high


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What all layers have: input streams and one output stream, which names the layer."""

    inputs: tuple[str, ...]
    output: Stream

    @property
    def name(self) -> str:
        """Name of the layer and of the stream it produces."""
        return self.output.name

    @property
    def kind(self) -> str:
        """Name of the layer kind, as printed and stored."""
        return type(self).__name__

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the weight blocks the layer reads."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Weighted(Layer):
    """What layers with a weight have: the names of its block and of the bias' block."""

    weight: str
    bias: str | None

    @property
    def block_names(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


@dataclass(frozen=True, kw_only=True)
class Conv(Weighted):
    """Convolution (cross-correlation) with zero padding.

    ``depthwise`` convolutions have weight shape ``(kh, kw, 1, channels)``; pointwise ones are
    ordinary convolutions with a 1x1 kernel. ``padding`` is (top, left, bottom, right).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    depthwise: bool


@dataclass(frozen=True, kw_only=True)
class Linear(Weighted):
    """Fully connected layer over the whole input image, flattened (height, width, channel)."""


@dataclass(frozen=True, kw_only=True)
class MaxPool(Layer):
    """Maximum over windows. Padding is zero, hence allowed on unsigned inputs only."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class AvgPool(Layer):
    """Sum over windows, with floor(log2(area)) fraction bits more than the input.

    That is the exact mean if the area is a power of two. Otherwise the converter keeps the factor
    that is missing, and a scaler behind the pool takes it in.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """None: a mean over padding would be another function."""
        return (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Add(Layer):
    """Sum of two streams of equal shape (fraction bits may differ)."""


@dataclass(frozen=True, kw_only=True)
class Blend(Layer):
    """Alpha blending ``(k * frozen + (8 - k) * trainable) / 8`` with one k per channel.

    Inputs are (frozen, trainable). ``alpha`` names a block of integers k in 0..8.
    """

    alpha: str

    @property
    def block_names(self) -> tuple[str, ...]:
        return (self.alpha,)


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """Wiring: output channel ``i`` is channel ``indices[i]`` of the concatenated inputs.

    Serves concatenation, channel slices and the core shuffle.
    """

    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Every pixel becomes a block of pixels; of the whole image a rectangle is kept.

    Channel ``c`` of the pixel in row ``y`` and column ``x`` of a block is channel
    ``indices[(y * columns + x) * channels + c]`` of the pixel that the block comes from. Serves
    nearest-neighbour resizing (all pixels of a block are alike), depth-to-space, and, with blocks
    of one pixel, crops.

    Attributes:
        factor: Rows and columns of a block.
        origin: Row and column of the whole image at which the rectangle begins.
        size: Rows and columns of the rectangle.
        indices: Channels, pixel by pixel of a block.
    """

    factor: tuple[int, int]
    origin: tuple[int, int]
    size: tuple[int, int]
    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Cast(Layer):
    """Bring a stream into another format, nothing else."""


@dataclass(frozen=True, kw_only=True)
class Curve(Layer):
    """Any function of a value, given by its steps: level ``k``, where ``k`` starts are reached.

    ``starts`` names a block of sorted integers in the units of the input, ``levels`` one with an
    integer more. Each of the blocks has a column per channel, or one column for all of them, and is
    frozen: the function is logic, and other weights in front of it do not change it.
    """

    starts: str
    levels: str

    @property
    def block_names(self) -> tuple[str, ...]:
        return (self.starts, self.levels)


_KINDS = (Conv, Linear, MaxPool, AvgPool, Add, Blend, Route, Upsample, Cast, Curve)

LAYER_KINDS: dict[str, type[Layer]] = {kind.__name__: kind for kind in _KINDS}
