"""SemifreddoNet: one frozen core, two trainable cores, alpha blending, shuffle, repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from semifreddo.nn.blend import AlphaBlend, CoreShuffle
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.layers import Precision, QuantInput
from semifreddo.nn.network import FormatGroup, Network, make_block, make_head

FROZEN_CORE = "cores.0"
"""Module path of the frozen core; all its parameter names start with it and a dot."""


def _core_precision(config: SemifreddoConfig, frozen: bool) -> Precision:
    bits = config.core_weight_bits if frozen else config.trainable_weight_bits
    kind = config.core_weights if frozen else config.trainable_weights
    return Precision(
        weight_bits=bits or config.weight_bits,
        act_bits=config.act_bits,
        bias_bits=config.bias_bits,
        per_channel=config.per_channel,
        terms=config.terms_of(kind or config.weights),
    )


def _core(config: SemifreddoConfig, *, frozen: bool) -> nn.ModuleList:
    """Blocks of a core; a trainable one has an extra last block for each repeat of its own."""
    precision = _core_precision(config, frozen)
    indices = list(range(len(config.widths)))
    if not frozen and not config.shared_repeats:
        indices = list(config.passes)
    return nn.ModuleList(make_block(config, index, precision) for index in indices)


def _output(block: nn.Module) -> nn.Module:
    """The activation quantizer of a block's output."""
    return cast(nn.Module, block.act)


class CoreNet(Network):
    """The core that will be frozen, alone, with a head of its own (phase 1 of training).

    Its blocks have the names they have in :class:`SemifreddoNet`: ``cores.0.<block>...``.
    """

    kind = "core"
    config: SemifreddoConfig

    def __init__(self, config: SemifreddoConfig) -> None:
        super().__init__()
        self.config = config
        self.input = QuantInput()
        self.cores = nn.ModuleList([_core(config, frozen=True)])
        self.head = make_head(config, config.widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        blocks = cast(nn.ModuleList, self.cores[0])
        x = self.input(x)
        for index in self.config.passes:
            x = blocks[index](x)
        return cast(Tensor, self.head(x))

    def format_groups(self) -> tuple[FormatGroup, ...]:
        """Layers that share number formats: a repeated block reads what it writes."""
        blocks = cast(nn.ModuleList, self.cores[0])
        return ((_output(blocks[-2]), _output(blocks[-1])),) if self.config.repeats > 1 else ()


class SemifreddoNet(Network):
    """The three-core network.

    Step by step, for each block (the last one ``repeats`` times)::

        t1, t2 = shuffle(t1, t2)                     # option, from the second block on
        f      = F(f)                                # the frozen core reads only itself
        t1, t2 = blend1(f, T1(t1)), blend2(f, T2(t2))

    starting from f = t1 = t2 = the image, and ending in the head over concat(t1, t2).

    Module paths: ``cores.<0|1|2>.<block>``, ``blends.<block>.<0|1>``, ``shuffles.<block - 1>``,
    ``head``. With loadable weights of their own, repeats have block numbers after the last block.
    """

    kind = "semifreddo"
    config: SemifreddoConfig

    def __init__(self, config: SemifreddoConfig) -> None:
        super().__init__()
        self.config = config
        self.input = QuantInput()
        self.cores = nn.ModuleList(_core(config, frozen=core == 0) for core in range(3))
        blended = cast(nn.ModuleList, self.cores[1])
        self.blends = nn.ModuleList(
            nn.ModuleList(
                AlphaBlend(
                    config.widths[index], config.act_bits, per_channel=config.alpha == "channel"
                )
                for _ in range(2)
            )
            for index in config.passes[: len(blended)]
        )
        shuffled = config.widths[:-1] if config.shuffle else ()
        self.shuffles = nn.ModuleList(CoreShuffle(width) for width in shuffled)
        self.head = make_head(config, 2 * config.widths[-1])

    def _loadable(self, step: int) -> int:
        """Block of the trainable cores, and blend, used in a step."""
        return self.config.passes[step] if self.config.shared_repeats else step

    def forward(self, x: Tensor) -> Tensor:
        frozen = self.input(x)
        first = second = frozen
        one, two, three = (cast(nn.ModuleList, core) for core in self.cores)
        for step, block in enumerate(self.config.passes):
            if step and self.config.shuffle:
                # A repeated block reads the width it writes, so its shuffle serves all passes.
                first, second = self.shuffles[block - 1](first, second)
            loadable = self._loadable(step)
            frozen = one[block](frozen)
            blends = cast(nn.ModuleList, self.blends[loadable])
            first = blends[0](frozen, two[loadable](first))
            second = blends[1](frozen, three[loadable](second))
        return cast(Tensor, self.head(torch.cat((first, second), 1)))

    def repeats(self) -> tuple[tuple[str, ...], ...]:
        """Of the repeated last block; its frozen block is one module in all passes."""
        if self.config.repeats == 1:
            return ()
        last = len(self.config.widths) - 1
        passes = []
        for step in range(last, len(self.config.passes)):
            loadable = self._loadable(step)
            shuffle = (f"shuffles.{last - 1}",) if self.config.shuffle else ()
            cores = (f"cores.0.{last}", f"cores.1.{loadable}", f"cores.2.{loadable}")
            passes.append((*shuffle, *cores, f"blends.{loadable}.0", f"blends.{loadable}.1"))
        return tuple(passes)

    def format_groups(self) -> tuple[FormatGroup, ...]:
        """Layers that share number formats.

        The two blends of a block do, because their outputs are concatenated. The passes of a
        repeated block do, because they are the same hardware, and so does what it reads at first.
        """
        groups: list[FormatGroup] = [
            tuple(cast(AlphaBlend, blend).out for blend in cast(nn.ModuleList, pair))
            for pair in self.blends
        ]
        if self.config.repeats == 1:
            return tuple(groups)
        last = len(self.config.widths) - 1
        frozen = cast(nn.ModuleList, self.cores[0])
        groups.append((_output(frozen[last - 1]), _output(frozen[last])))
        groups.append(tuple(out for pair in groups[last - 1 : len(self.blends)] for out in pair))
        for core in list(self.cores)[1:]:
            blocks = list(cast(nn.ModuleList, core))[last:]
            groups += list(zip(*(list(block.modules()) for block in blocks), strict=True))
        return tuple(groups)

    def load_core(self, state: Mapping[str, Tensor]) -> None:
        """Take the frozen core's tensors out of a state of :class:`CoreNet` (folded alike)."""
        prefix = f"{FROZEN_CORE}."
        own = {k: v for k, v in state.items() if k.startswith(prefix)}
        self.cores[0].load_state_dict({k.removeprefix(prefix): v for k, v in own.items()})


def core_network(config: SemifreddoConfig) -> CoreNet:
    """The frozen core of a configuration with its own head over ``config.classes`` outputs."""
    return CoreNet(config)
