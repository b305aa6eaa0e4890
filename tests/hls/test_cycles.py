"""The loops of the C++ have the bounds that the prediction is made of."""

from __future__ import annotations

import json
import re

import pytest

from hls.builders import Builder
from hls.test_csim import PART, scheduled
from semifreddo.hls import plan_project
from semifreddo.hls.cycles import DRAIN, interval
from semifreddo.hls.kinds import codes_of
from semifreddo.hls.schedule import LayerSchedule

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)


def test_convolutions_and_fully_connected_layers() -> None:
    b = Builder((8, 6, 2))
    b.conv("loaded", "image", 3)
    b.conv("frozen", "loaded", 3, frozen=1.0, stride=(2, 2))
    b.conv("table", "frozen", 2, frozen=1.0, kernel=(1, 1), padding=(0, 0, 0, 0))
    b.linear("head", "table", 2)
    made = scheduled(
        b.net(), loaded=LayerSchedule(rows_per_cycle=3), table=LayerSchedule(frozen="constants")
    )
    found = {name: code.cycles for name, code in codes_of(made).items()}
    assert found == {
        "loaded": 10 * 8 + 48 * (18 // 3 - 1),
        "frozen": 10 * 8,
        "table": 12 + 12 * (3 - 1),
        "head": 12 + 24,
    }
    assert interval(made) == 320 + DRAIN
    files = plan_project(made, **PART).files
    bounds = re.findall(rb"n_cycles = (\d+);", files["firmware/parameters.h"])
    assert [int(bound) for bound in bounds] == [
        found[name] for name in ("loaded", "frozen", "table")
    ]
    data = json.loads(files["semifreddo.json"])
    assert data["interval_cycles"] == 340
    assert data["schedule"]["layers"]["head"]["cycles"] == 36


def test_images_come_in_value_by_value() -> None:
    b = Builder((4, 4, 30))
    b.conv("conv", "image", 1, frozen=1.0, kernel=(1, 1), padding=(0, 0, 0, 0))
    assert interval(scheduled(b.net())) == 480 + DRAIN
