"""The integer network that a configuration would become, with made-up values, without training.

Layers, shapes, widths and weight blocks are those of the converted network, name by name; weights
are random and bell-shaped, scales are plausible. Costs (:mod:`semifreddo.nn.cost`) and hardware are
predicted from it before there is a model. Needs NumPy only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
from semifreddo.ir.allowed import MOST_TERMS, sums_of_powers
from semifreddo.ir.exact import exact_result
from semifreddo.ir.freeze import matching
from semifreddo.ir.layers import (
    ALPHA_FRAC,
    Add,
    AvgPool,
    Blend,
    Conv,
    Layer,
    Linear,
    Role,
    Route,
    Stream,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet
from semifreddo.ir.structure import Repeat
from semifreddo.ir.validate import window_shape
from semifreddo.nn.config import BackboneConfig, NetworkConfig, SemifreddoConfig, Terms

_INPUT = FixedType.exact(8, 8, signed=False)
_WIDE = 0.4
_SPREAD = {2: 0.7, 3: 0.5}
"""Standard deviation of weights, of the largest one: of few bits a larger one, since the scale of
least squared error clips more of them."""


def skeleton(
    config: NetworkConfig, *, frozen: Sequence[str] | None = None, seed: int = 0
) -> StreamNet:
    """The integer network of a configuration, with random values.

    Args:
        config: The architecture.
        frozen: Patterns of module paths or tensor names, as ``freeze`` takes them; what its kind
            freezes by itself if left out (the frozen core, or nothing).
        seed: Of the values.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    maker, own = _made(config, seed)
    patterns = own if frozen is None else frozen
    names = list(maker.blocks)
    constant = {name for pattern in patterns for name in matching(names, pattern)}
    blocks = tuple(
        dataclasses.replace(block, frozen=(name in constant,) * block.outputs)
        for name, block in maker.blocks.items()
    )
    return StreamNet("skeleton", maker.image, tuple(maker.layers), blocks, tuple(maker.repeats))


def model_bits(config: NetworkConfig) -> int:
    """Bits of all parameters of a configuration as they are trained: what a model file needs.

    Differs from :attr:`~semifreddo.nn.cost.NetworkCost.weight_bits` in weights of one bit, -1 and
    1, which a task holds as signed integers of two.
    """
    maker, _ = _made(config, 0)
    return sum(
        block.raw.size * maker.weight_bits.get(name, block.bits)
        for name, block in maker.blocks.items()
    )


def _made(config: NetworkConfig, seed: int) -> tuple[_Maker, Sequence[str]]:
    """All layers of a configuration, and patterns of what its kind freezes by itself."""
    build = SKELETONS.get(type(config))
    if build is None:
        raise ConfigError(
            f"network: there is no skeleton of a {type(config).__name__}; register one in "
            f"{__name__}"
        )
    maker = _Maker(config, seed)
    return maker, build(maker, config)


class _Formats(NamedTuple):
    """Of a layer: bits of weights and of what comes out, and powers of two of a weight."""

    weights: int
    output: int
    terms: Terms | None = None

    @property
    def most_terms(self) -> int:
        """Most powers of two that a weight can be the sum of; 0 if it is any integer."""
        return MOST_TERMS if self.terms == "learned" else self.terms or 0


class _Maker:
    """Puts layers behind each other; streams are found by the names of their layers."""

    def __init__(self, config: NetworkConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        channels, height, width = config.input_shape
        self.image = Stream("image", (height, width, channels), _INPUT)
        self.layers: list[Layer] = []
        self.blocks: dict[str, WeightBlock] = {}
        self.repeats: list[Repeat] = []
        self.weight_bits: dict[str, int] = {}
        self._streams = {"image": self.image}

    def _append(self, layer: Layer) -> str:
        self.layers.append(layer)
        self._streams[layer.name] = layer.output
        return layer.name

    def _name(self, name: str) -> str:
        """The name of another call of the same module, if there was one."""
        again = f"{name}_call"
        calls = 1 + sum(known == name or known.startswith(again) for known in self._streams)
        return name if calls == 1 else f"{again}{calls}"

    def _block(
        self,
        name: str,
        role: Role,
        raw: IntArray,
        kind: FixedType,
        *,
        signs: bool = False,
        terms: int = 0,
    ) -> str:
        if name not in self.blocks:
            frac = (kind.frac,) * raw.shape[-1]
            loadable = (False,) * len(frac)
            self.blocks[name] = WeightBlock(
                name, role, raw, kind.width, kind.signed, frac, loadable, signs, terms
            )
        return name

    def _random(self, shape: tuple[int, ...]) -> Any:
        return np.random.default_rng((self.seed, len(self.blocks))).normal(0, 1, shape)

    def _weights(
        self, path: str, shape: tuple[int, ...], formats: _Formats, source: FixedType
    ) -> tuple[str, str]:
        """Weight and bias of a layer; the bias has the accumulator's scale."""
        bits, terms = formats.weights, formats.most_terms
        top = (1 << (bits - 1)) - 1
        bell = self._random(shape)
        drawn = (
            np.clip(np.round(bell * _SPREAD.get(bits, _WIDE) * top), -top, top)
            if bits > 1
            else np.where(bell >= 0, 1, -1)
        )
        if terms:
            values = np.array(sums_of_powers(bits, terms))
            drawn = values[np.abs(drawn[..., None] - values).argmin(-1)]
        weight = self._block(
            f"{path}.weight",
            "weight",
            drawn.astype(np.int64),
            FixedType.exact(max(2, bits), bits, signed=True),
            signs=bits == 1,
            terms=terms,
        )
        self.weight_bits[weight] = bits
        width, frac = self.config.bias_bits, source.frac + bits
        most = (1 << (width - 1)) - 1
        offsets = np.clip(np.round(self._random(shape[-1:]) * 0.25 * 2.0**frac), -most, most)
        kind = FixedType.exact(width, frac, signed=True)
        return weight, self._block(f"{path}.bias", "bias", offsets.astype(np.int64), kind)

    def conv(
        self,
        path: str,
        source: str,
        outputs: int,
        formats: _Formats,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 1,
        depthwise: bool = False,
        relu: bool = True,
    ) -> str:
        """A convolution and its activation."""
        read = self._streams[source]
        shape = (kernel, kernel, 1 if depthwise else read.channels, outputs)
        weight, bias = self._weights(f"{path}.conv", shape, formats, read.type)
        around = (padding if kernel > 1 else 0,) * 4
        size = window_shape(read.shape, (kernel, kernel), (stride, stride), around)
        name = self._name(f"{path}.conv".replace(".", "_"))
        return self._append(
            Conv(
                inputs=(source,),
                output=Stream(name, (*size, outputs), _activation(formats.output, signed=not relu)),
                weight=weight,
                bias=bias,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=around,
                depthwise=depthwise,
            )
        )

    def block(
        self, path: str, source: str, index: int, formats: _Formats, *, relu: bool = True
    ) -> str:
        """Block ``index`` of the configuration, as ``nn.network.make_block`` makes it."""
        width, stride = self.config.widths[index], self.config.strides[index]
        padding = 1 if index else self.config.first_padding
        if index == 0 or self.config.block != "separable":
            return self.conv(
                path, source, width, formats, stride=stride, padding=padding, relu=relu
            )
        inputs, name = self._streams[source].channels, f"{path}.depthwise"
        source = self.conv(name, source, inputs, formats, stride=stride, depthwise=True)
        return self.conv(f"{path}.pointwise", source, width, formats, kernel=1, relu=relu)

    def add(self, path: str, sources: tuple[str, str], bits: int) -> str:
        """A residual addition, clipped at zero."""
        name, shape = f"{path}.add".replace(".", "_"), self._streams[sources[0]].shape
        output = Stream(name, shape, _activation(bits, signed=False))
        return self._append(Add(inputs=sources, output=output))

    def blend(self, path: str, sources: tuple[str, str], bits: int) -> str:
        """An alpha blend of (frozen, trainable)."""
        read = self._streams[sources[0]]
        factors = np.clip(np.round(4 + 2 * self._random((read.channels,))), 0, 1 << ALPHA_FRAC)
        kind = FixedType.exact(ALPHA_FRAC + 1, ALPHA_FRAC, signed=False)
        alpha = self._block(f"{path}.alpha", "alpha", factors.astype(np.int64), kind)
        name = self._name(f"{path}.blend".replace(".", "_"))
        output = Stream(name, read.shape, _activation(bits, signed=False))
        return self._append(Blend(inputs=sources, output=output, alpha=alpha))

    def route(self, name: str, sources: tuple[str, str], indices: Sequence[int]) -> str:
        """Channels of two streams of one format."""
        read = self._streams[sources[0]]
        kind = FixedType.exact(read.type.width, read.type.frac, signed=read.type.signed)
        output = Stream(self._name(name), (*read.shape[:2], len(indices)), kind)
        return self._append(Route(inputs=sources, output=output, indices=tuple(indices)))

    def head(self, source: str) -> None:
        """Global mean and classifier."""
        config, read = self.config, self._streams[source]
        kind = _activation(config.pool_bits, signed=False)
        pooled = Stream("head_pool_pool_averagepool", (1, 1, read.channels), kind)
        size = read.shape[:2]
        self._append(AvgPool(inputs=(source,), output=pooled, kernel=size, stride=size))
        formats = _Formats(config.head_weight_bits or config.weight_bits, config.pool_bits)
        shape = (read.channels, config.classes)
        weight, bias = self._weights("head.linear", shape, formats, kind)

        def linear(output: FixedType) -> Linear:
            stream = Stream("head_linear_gemm", (1, 1, config.classes), output)
            return Linear(inputs=(pooled.name,), output=stream, weight=weight, bias=bias)

        exact = exact_result(linear(kind), (pooled,), self.blocks.__getitem__)
        self._append(linear(exact.type))


def _activation(bits: int, *, signed: bool) -> FixedType:
    """Values up to 4, or from -4 to 4; a single bit is 0 or 1."""
    frac = 0 if bits == 1 else bits - 2 - signed
    return FixedType(bits, frac, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def _backbone(make: _Maker, config: BackboneConfig) -> Sequence[str]:
    source = "image"
    outputs: list[str] = []
    first_of = {last: first for first, last in config.skips}
    for index in range(len(config.widths)):
        skipped = first_of.get(index)
        formats = _Formats(*config.bits_of(index), config.terms_of(config.weights))
        source = make.block(f"blocks.{index}", source, index, formats, relu=skipped is None)
        if skipped is not None:
            other = outputs[skipped]
            if index in config.projections:
                path, stride = f"projections.{index}", config.projections[index]
                other = make.conv(
                    path, other, config.widths[index], formats, kernel=1, stride=stride, relu=False
                )
            source = make.add(f"adds.{index}", (source, other), formats.output)
        outputs.append(source)
    make.head(source)
    return ()


def _semifreddo(make: _Maker, config: SemifreddoConfig) -> Sequence[str]:
    core, trainable = (
        _Formats(
            bits or config.weight_bits, config.act_bits, config.terms_of(kind or config.weights)
        )
        for bits, kind in (
            (config.core_weight_bits, config.core_weights),
            (config.trainable_weight_bits, config.trainable_weights),
        )
    )
    frozen = first = second = "image"
    passes: list[tuple[str, ...]] = []
    for step, block in enumerate(config.passes):
        begin = len(make.layers)
        loadable = block if config.shared_repeats else step
        frozen = make.block(f"cores.0.{block}", frozen, block, core)
        both = (first, second)
        made = []
        for number in (0, 1):
            source = both[number]
            if step and config.shuffle:
                width = config.widths[block - 1]
                chosen = [i for i in range(2 * width) if i % width % 2 == number]
                name = f"shuffles_{block - 1}_gather{'_1' if number else ''}"
                source = make.route(name, both, chosen)
            path = f"cores.{number + 1}.{loadable}"
            source = make.block(path, source, block, trainable)
            made.append(
                make.blend(f"blends.{loadable}.{number}", (frozen, source), config.act_bits)
            )
        first, second = made
        if config.repeats > 1 and block == len(config.widths) - 1:
            passes.append(_in_order([layer.name for layer in make.layers[begin:]]))
    if passes:
        make.repeats.append(Repeat("repeat", tuple(passes)))
    width = 2 * config.widths[-1]
    make.head(make.route("concat", (first, second), range(width)))
    return ("cores.0",)


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Shuffles, cores, blends: as the network names the parts of a pass."""
    kinds = ("shuffles", "cores", "blends")
    return tuple(name for kind in kinds for name in names if name.startswith(kind))


SKELETONS: Mapping[type[NetworkConfig], Callable[[_Maker, Any], Sequence[str]]] = {
    SemifreddoConfig: _semifreddo,
    BackboneConfig: _backbone,
}
"""By configuration: adds all layers, and gives the patterns of what the kind freezes by itself."""
