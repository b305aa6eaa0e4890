from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import blended
from semifreddo.core.errors import NetError
from semifreddo.ir.serial import load_net, net_from_json, net_to_json, save_net


def test_round_trip(tmp_path: Path) -> None:
    net = blended()
    save_net(net, tmp_path / "net.json")
    again = load_net(tmp_path / "net.json")
    assert again == net
    assert net_to_json(again) == net_to_json(net)


def test_changed_value_is_found() -> None:
    data = json.loads(net_to_json(blended()))
    data["blocks"][0]["raw"] = data["blocks"][0]["raw"][::-1]
    with pytest.raises(NetError):
        net_from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"format": "semifreddo-task-1"}'])
def test_another_file(text: str) -> None:
    with pytest.raises(NetError, match=r"^some\.json: not a semifreddo-net"):
        net_from_json(text, "some.json")


TEXT = net_to_json(blended())


@given(st.integers(0, len(TEXT) - 1), st.text(min_size=0, max_size=3))
def test_damaged_text_gives_a_net_error_or_the_same_net(position: int, junk: str) -> None:
    damaged = TEXT[:position] + junk + TEXT[position + 1 :]
    try:
        net = net_from_json(damaged)
    except NetError:
        return
    assert net == blended()


@given(st.integers(0, len(TEXT) - 2))
def test_truncated_text_is_refused(length: int) -> None:
    with pytest.raises(NetError):
        net_from_json(TEXT[:length])


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    with pytest.raises(NetError, match=rf"^{file}: no such net file$"):
        load_net(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(NetError, match=rf"^{file}: not a semifreddo-net/\d+ file \(not text\)$"):
        load_net(file)
