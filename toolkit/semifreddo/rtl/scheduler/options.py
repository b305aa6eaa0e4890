"""The choices a layer has, and what each costs: only those that no other choice beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from semifreddo.core.errors import ConfigError
from semifreddo.rtl.choices import DEFAULT, Choice, Multiplier, Override
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.structure import LayerModel
from semifreddo.rtl.scheduler.weighted_structure import WeightedModel


@dataclass(frozen=True)
class Option:
    """One choice for a layer.

    Attributes:
        choice: The choice.
        cycles: Cycles per image.
        area: Predicted resources, whole numbers.
    """

    choice: Choice
    cycles: int
    area: Area


def options_of(model: LayerModel, fixed: Override | None = None) -> tuple[Option, ...]:
    """Choices by rising cycles; with more cycles allowed there is never less to choose from.

    Args:
        model: The layer.
        fixed: What the user has chosen already.

    Raises:
        ConfigError: What is fixed does not fit the layer.
    """
    fixed = fixed or Override()
    if not isinstance(model, WeightedModel):
        return _undominated([_option(model, choice) for choice in _lanes(model, fixed)])
    frozen = _undominated(
        [
            Option(choice, model.frozen_cycles(choice), model.frozen_area(choice))
            for choice in _digits(model, fixed)
        ]
    )
    loadable = _undominated(
        [
            Option(choice, model.loadable_cycles(choice), model.loadable_area(choice))
            for choice in _multipliers(model, fixed)
        ]
    )
    both = [_both(one.choice, other.choice) for one in frozen for other in loadable]
    return _undominated([_option(model, choice) for choice in both])


def _lanes(model: LayerModel, fixed: Override) -> list[Choice]:
    """Channels at a time of a layer without weights."""
    where = f"rtl layer {model.layer.name!r} ({model.layer.kind})"
    if model.wiring and fixed != Override():
        raise ConfigError(f"{where} has nothing to choose")
    if replace(fixed, channels_per_cycle=None) != Override():
        raise ConfigError(f"{where} has only channels_per_cycle to choose")
    if model.wiring:
        return [DEFAULT]
    channels = model.output.channels
    if fixed.channels_per_cycle is None:
        return [Choice(channels_per_cycle=each % channels) for each in _least(channels)]
    if fixed.channels_per_cycle > channels:
        raise ConfigError(
            f"{where}: channels_per_cycle {fixed.channels_per_cycle} is outside 0..{channels}, "
            "its channels"
        )
    return [Choice(channels_per_cycle=fixed.channels_per_cycle)]


def _option(model: LayerModel, choice: Choice) -> Option:
    return Option(choice, model.cycles(choice), model.area(choice))


def _both(frozen: Choice, loadable: Choice) -> Choice:
    return Choice(
        loadable.rows_per_cycle,
        loadable.channels_per_cycle,
        frozen.digit_bits,
        loadable.multiplier,
    )


def _digits(model: WeightedModel, fixed: Override) -> list[Choice]:
    """One digit width for every number of cycles, all bits at once included."""
    if fixed.digit_bits is not None:
        return [Choice(digit_bits=fixed.digit_bits)]
    if model.graph is None:
        return [DEFAULT]
    widest = model.serial_bits
    return [Choice(digit_bits=digit) for digit in (0, *_least(widest)) if digit < widest]


def _least(count: int) -> list[int]:
    """The smallest step for every number of steps in which ``count`` can be done."""
    found = {-(-count // each): each for each in range(count, 0, -1)}
    return sorted(found.values())


def _multipliers(model: WeightedModel, fixed: Override) -> list[Choice]:
    if not model.loadable:
        return [fixed.applied(DEFAULT)]
    rows = [fixed.rows_per_cycle] if fixed.rows_per_cycle else _least(model.rows)
    channels = (
        [fixed.channels_per_cycle]
        if fixed.channels_per_cycle is not None
        else [0 if each == model.loadable else each for each in _least(model.loadable)]
    )
    kinds: Sequence[Multiplier] = ["lut"] if model.narrow else get_args(Multiplier)
    if fixed.multiplier:
        kinds = [fixed.multiplier]
    return [
        Choice(row, channel, multiplier=kind)
        for kind in kinds
        for channel in channels
        for row in rows
    ]


def _undominated(options: Sequence[Option]) -> tuple[Option, ...]:
    """Options that no other beats in cycles, LUTs and DSPs together, by rising cycles."""
    kept: list[Option] = []
    for option in sorted(options, key=_order):
        if not any(
            better.area.lut <= option.area.lut and better.area.dsp <= option.area.dsp
            for better in kept
        ):
            kept.append(option)
    return tuple(kept)


def _order(option: Option) -> tuple[float, ...]:
    return option.cycles, option.area.lut, option.area.dsp, option.area.ff
