"""What ``[freeze]`` of a design freezes of a model that carries no freeze plan."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from semifreddo.core.errors import ConfigError
from semifreddo.flow.budget import budget_of
from semifreddo.flow.config import FREEZES_ALL, BuildConfig, FreezeSection
from semifreddo.flow.stage import Report
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.layers import AvgPool, MaxPool, Weighted
from semifreddo.passes.lower import lower
from semifreddo.rtl.scheduler.residency import cheapest_frozen

if TYPE_CHECKING:
    from semifreddo.convert import Converted
    from semifreddo.convert.blocks import Frozen
    from semifreddo.ir.net import StreamNet


def converted_design(
    config: BuildConfig,
    plan: FreezePlan | None,
    convert: Callable[[Frozen], Converted],
    report: Report,
) -> Converted:
    """Convert a model, frozen as its own plan or the design says.

    Args:
        config: The design.
        plan: The freeze plan that the model carries.
        convert: Converts the model with a given residency.
        report: Takes a line about what is frozen, if neither plan nor names say it.

    Raises:
        ConfigError: ``[freeze]`` does not fit the model, or stands beside a freeze plan.
        ConversionError: The model has no exact meaning.
    """
    section: FreezeSection = config.freeze
    absent = section == FreezeSection()
    if plan is not None and (absent or plan.tensors):
        if not absent:
            raise ConfigError(
                f"{config.path(config.design.model)}: carries a freeze plan, which says what is "
                "frozen; leave [freeze] out"
            )
        return convert("plan")
    if section.tensors is not None:
        return convert(section.tensors)
    if section.weights == "all":
        return convert("all")
    loadable = convert(())
    tensors = tensors_by_weight(loadable)
    total = sum(_size(loadable.net, name) for name in tensors)
    if absent and total <= FREEZES_ALL:
        return convert("all")
    if absent:
        report(
            f"      {total:,} weights and no freeze plan: all are loadable; [freeze] freezes: "
            'weights = "cheapest" or "all", share = 0.1, or tensors'
        )
        return loadable
    if section.weights == "none":
        return loadable
    if section.share is not None:
        chosen = _first(loadable, tensors, section.share)
    else:
        chosen = _cheapest(config, convert("all"), loadable, tensors)
    weights = sum(_size(loadable.net, name) for name in chosen)
    names = f": {', '.join(chosen)}" if chosen else ""
    report(f"      {weights:,} of {total:,} weights become logic{names}")
    return convert(tuple(glob.escape(each) for name in chosen for each in tensors[name]))


def tensors_by_weight(converted: Converted) -> dict[str, tuple[str, ...]]:
    """By weight tensor of the model, in the order of its layers: itself and its biases."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in converted.net.layers:
        if isinstance(layer, Weighted) and layer.weight in converted.stored:
            held = [name for name in layer.block_names if name in converted.stored]
            found[layer.weight] = tuple(dict.fromkeys([*found.get(layer.weight, ()), *held]))
    return found


def _size(net: StreamNet, name: str) -> int:
    return int(net.block[name].raw.size)


def _first(
    converted: Converted, tensors: Mapping[str, tuple[str, ...]], share: float
) -> Sequence[str]:
    """Tensors from the first on, as long as their weights are within a share of all."""
    sizes = [_size(converted.net, name) for name in tensors]
    chosen, taken = [], 0
    for name, size in zip(tensors, sizes, strict=True):
        taken += size
        if taken > share * sum(sizes):
            break
        chosen.append(name)
    if share and not chosen:
        raise ConfigError(
            f"[freeze] share: {share:g} of {sum(sizes):,} weights is less than the first tensor "
            f"{next(iter(tensors))!r} has; use at least {sizes[0] / sum(sizes):.4f}, or 0 for none"
        )
    return chosen


def _cheapest(
    config: BuildConfig,
    frozen: Converted,
    loadable: Converted,
    tensors: Mapping[str, tuple[str, ...]],
) -> Sequence[str]:
    wanted = config.cheapest_at
    assert wanted is not None
    groups: dict[str, list[str]] = {name: [] for name in tensors}
    for name, owner in _owners(loadable).items():
        groups[owner].append(name)
    chosen = cheapest_frozen(
        lower(frozen.net),
        lower(loadable.net),
        groups,
        budget_of(wanted),
        wanted.clock_mhz,
        target_fps=wanted.rtl.target_fps,
        fixed=wanted.rtl.layers,
        multipliers=wanted.rtl.multipliers,
    )
    return [name for name in tensors if name in chosen]


def _owners(converted: Converted) -> dict[str, str]:
    """By weighted layer, the tensor that decides whether it is frozen.

    A scaler's own numbers follow from several tensors; it goes with the weights in front of it.
    """
    net, owners = converted.net, dict[str, str]()
    makers = {layer.name: layer for layer in net.layers}
    for layer in net.layers:
        if not isinstance(layer, Weighted):
            continue
        source = makers.get(layer.inputs[0])
        while isinstance(source, MaxPool | AvgPool):
            source = makers.get(source.inputs[0])
        if layer.weight in converted.stored:
            owners[layer.name] = layer.weight
        elif source is not None and source.name in owners:
            owners[layer.name] = owners[source.name]
    return owners
