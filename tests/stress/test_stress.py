"""Nothing is lost and nothing is mixed: a hundred thousand frames, disturbed all the time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)

from built import make
from stress.stress import stress

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("built"))


@pytest.mark.parametrize(
    ("device", "frames", "swaps"), [("csim", 100_000, 1000), ("rtl", 20_000, 200)]
)
def test_nothing_is_lost_or_mixed(bundle: Path, device: str, frames: int, swaps: int) -> None:
    outcome = stress(bundle, device, frames=frames, swaps=swaps, disturbances=30)
    assert (outcome.frames, outcome.swaps) == (frames, swaps)
    assert (outcome.lost, outcome.mixed) == (0, 0)
    assert set(outcome.disturbed) == {"kill", "stop", "interrupt"}
    assert {"TransportError", "TransportTimeoutError"} <= set(outcome.errors)
