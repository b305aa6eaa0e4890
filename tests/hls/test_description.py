"""The description of an HLS project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semifreddo.core.errors import ProjectError
from semifreddo.core.fixed import FixedType
from semifreddo.hls.csim import read_description
from semifreddo.hls.texts import image_lane_bits


def test_a_description(tmp_path: Path) -> None:
    data = {"format": "semifreddo-hls/1", "net": "n"}
    (tmp_path / "semifreddo.json").write_text(json.dumps(data))
    assert read_description(tmp_path) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("{", ""),
        ("[]", ""),
        ("{}", "'format'"),
        ('{"format": "semifreddo-hls/9"}', "format 'semifreddo-hls/9'"),
    ],
)
def test_what_is_no_description(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "semifreddo.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ProjectError) as error:
        read_description(tmp_path)
    begin = f"{file}: not an HLS project written by semifreddo ("
    assert str(error.value).startswith(begin) and reason in str(error.value)


@pytest.mark.parametrize(
    ("width", "lane"), [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (32, 32), (33, 64), (62, 64)]
)
def test_a_value_of_an_image_fills_a_lane_of_whole_bytes(width: int, lane: int) -> None:
    assert image_lane_bits(FixedType.exact(width, 0, signed=False)) == lane
