"""``semifreddo run`` and ``bench`` on a simulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.cli.main import main

BUNDLE = str(Path(__file__).parents[1] / "golden" / "digits.sfb")


def test_run_on_a_simulated_board(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", BUNDLE, "--simulated-board"]) == 0
    out, err = capsys.readouterr()
    assert "digits on pynq on a simulated board, task digits" in err
    assert out.splitlines()[2].endswith("100 of 100")
    assert main(["run", BUNDLE, "--simulated-board", "--task", "odd_even"]) == 0


def test_no_board_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from semifreddo.runtime import Bundle, write_bundle
    from semifreddo.runtime.simulated.hwh import with_simulated_bitstream

    write_bundle(tmp_path / "net.sfb", with_simulated_bitstream(Bundle.load(Path(BUNDLE))))
    assert main(["run", str(tmp_path / "net.sfb"), "--transport", "pynq"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "PYNQ finds no board here (No Devices Found); run on the board, as root" in err


@pytest.mark.slow
@pytest.mark.clock
def test_host_overhead(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 images in at most 20 ms, and at least five times faster than one by one."""
    from semifreddo.studies.host_costs import host_costs

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)  # hls4ml's takes seconds
    costs = {cost.driver: cost for cost in host_costs(repeats=3)}
    assert costs["semifreddo"].seconds < 0.020
    assert costs["loop over single images"].seconds > 5 * costs["semifreddo"].seconds
    assert costs["semifreddo"].registers < 100
    assert main(["study", "host_costs"]) == 0
    assert "loop over single images" in capsys.readouterr().out
