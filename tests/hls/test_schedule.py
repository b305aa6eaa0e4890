"""Schedules that do not fit are refused, and the default one cannot deadlock."""

from __future__ import annotations

import dataclasses

import pytest

from hls.builders import IMAGE, Builder
from nets import blended
from semifreddo.adders.size import predicted_adders
from semifreddo.core.errors import ConfigError
from semifreddo.hls.schedule import (
    MAX_ADDERS,
    HlsSchedule,
    LayerSchedule,
    ScheduledNet,
    default_schedule,
)


def changed(**choices: LayerSchedule) -> ScheduledNet:
    net = blended()
    schedule = default_schedule(net)
    return ScheduledNet(net, dataclasses.replace(schedule, layers={**schedule.layers, **choices}))


def test_a_fork_gets_a_whole_image_at_each_branch() -> None:
    net = blended()
    schedule = default_schedule(net)
    assert schedule.input_fifo_depth == 16
    assert schedule.layers["core"].fifo_depth == 4
    assert schedule.layers["pool"].fifo_depth == 2
    with pytest.raises(
        ConfigError,
        match=r"^schedule: stream 'image': fifo_depth 8 is below 16, and a smaller FIFO between a "
        r"fork and a join can deadlock$",
    ):
        ScheduledNet(net, dataclasses.replace(schedule, input_fifo_depth=8))


def test_choices_are_checked() -> None:
    assert changed(core=LayerSchedule(rows_per_cycle=9))["core"].rows_per_cycle == 9
    with pytest.raises(
        ConfigError,
        match=r"^schedule: layer 'core': rows_per_cycle 5 does not divide its 9 weight rows; "
        r"use 3 or 9$",
    ):
        changed(core=LayerSchedule(rows_per_cycle=5))
    with pytest.raises(ConfigError, match=r"layer 'core': frozen = 'wires'; use 'adders' or"):
        changed(core=LayerSchedule(frozen="wires"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^schedule: blended has no layer 'cors'$"):
        changed(dors=LayerSchedule(), cors=LayerSchedule())
    with pytest.raises(ConfigError, match=r"^schedule: stream 'core': fifo_depth 1 is below 2$"):
        changed(core=LayerSchedule(fifo_depth=1))
    with pytest.raises(ConfigError, match=r"^schedule: layer 'core' has no entry$"):
        ScheduledNet(blended(), HlsSchedule({}, 16))


def test_large_frozen_matrices_become_tables() -> None:
    b = Builder((4, 4, 16), IMAGE)
    b.conv("small", "image", 32, frozen=1.0, bits=4)
    b.conv("large", "small", 64, frozen=1.0, bits=8)
    net = b.net()
    layers = default_schedule(net).layers
    assert predicted_adders(net.block["large.weight"].matrix) > MAX_ADDERS
    assert (layers["small"].frozen, layers["large"].frozen) == ("adders", "constants")
