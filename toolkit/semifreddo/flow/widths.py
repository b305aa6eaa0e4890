"""Networks of a design's shape and of equal size, one for each weight bitwidth."""

from __future__ import annotations

from collections.abc import Sequence

from semifreddo.core.errors import ConfigError
from semifreddo.flow.budget import budget_of
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.prediction import predict
from semifreddo.methods.bitwidth import match_size
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.cost import architecture_cost
from semifreddo.nn.skeleton import model_bits
from semifreddo.reports.documents import MatchedWidths


def network_of(config: BuildConfig) -> NetworkConfig:
    """The built-in network of a design.

    Raises:
        ConfigError: It has none.
    """
    network = None if config.train is None else config.train.architecture
    if network is None:
        raise ConfigError(
            f"{config.root}: design.toml describes no built-in network, whose widths could change; "
            "add [train.network] or [train.backbone]"
        )
    return network


def matched_widths(
    config: BuildConfig, bits: Sequence[int | None], size: int
) -> list[MatchedWidths]:
    """The widest networks within a size, and the hardware that is predicted for them.

    Args:
        config: The design, whose network's widths are multiplied.
        bits: Of all weights; None leaves those of the design.
        size: Bits of all parameters.

    Raises:
        ConfigError: The design has no built-in network, bits are out of range, or no network of
            this shape has this size.
    """
    network = network_of(config)
    found = [(count, match_size(network, count, size)) for count in bits]
    return [_figures(config, count, matched) for count, matched in found]


def _figures(config: BuildConfig, bits: int | None, network: NetworkConfig) -> MatchedWidths:
    frozen = (config.train.freeze if config.train is not None else ()) or None
    luts, rate = None, None
    try:
        estimate = predict(
            network, budget_of(config), config.clock_mhz, config.rtl.target_fps, frozen=frozen
        )
    except ConfigError:
        pass  # it does not fit the board
    else:
        luts, rate = round(estimate.total.lut), estimate.frames_per_second(config.clock_mhz)
    cost = architecture_cost(network)
    return MatchedWidths(bits, network.widths, model_bits(network), cost.macs, luts, rate)
