"""How much of a design's hardware is frozen, as predicted for its board. Needs torch."""

from __future__ import annotations

from collections import Counter

from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stages.rtl import schedule_of
from semifreddo.flow.training import net_of
from semifreddo.ir.layers import Layer
from semifreddo.ir.net import StreamNet
from semifreddo.train.checkpoint import TrainedModel


def predicted_luts(config: BuildConfig, trained: TrainedModel) -> str:
    """One line: LUTs of frozen, partly frozen and loadable layers, or why nothing is predicted.

    Args:
        config: The design, whose board and ``[rtl]`` decide the hardware.
        trained: A model of it, with its freeze plan.

    Raises:
        ConversionError: The model cannot become hardware.
    """
    net = net_of(trained, config.name)
    try:
        found = schedule_of(config, net).estimate
    except (ConfigError, ProjectError) as error:
        return f"predicted LUTs: unknown ({error})"
    luts = Counter[str]()
    layers = {layer.name: layer for layer in net.layers}
    for layer in found.layers:
        luts[_residency(net, layers[layer.name])] += layer.lut
    total = round(found.total.lut)
    parts = ", ".join(
        f"{luts[kind]} ({luts[kind] / total:.1%}) in {kind} layers"
        for kind in ("frozen", "partly frozen", "loadable")
    )
    return f"predicted LUTs on {config.board.name}: {parts}, of {total}"


def _residency(net: StreamNet, layer: Layer) -> str:
    """Of a layer's weights; a layer without any is wiring and glue."""
    frozen = [flag for name in layer.block_names for flag in net.block[name].frozen]
    if not frozen:
        return "other"
    return "frozen" if all(frozen) else "partly frozen" if any(frozen) else "loadable"
