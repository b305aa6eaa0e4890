"""The description of an HLS project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semifreddo.core.errors import ProjectError
from semifreddo.hls.csim import read_description


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
