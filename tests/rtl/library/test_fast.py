"""The text that simulations made for speed use (SF_FAST) proven equal to what synthesis sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtl import equivalence
from rtl.equivalence import library_side
from semifreddo.core.errors import ToolError
from semifreddo.rtl.components.multiply import Mac

DEEPEST = 3
"""More cycles than any multiplier here takes; behind them every state came from the inputs."""


def prove(folder: Path, module: str, parameters: dict[str, int]) -> str:
    """Let Yosys prove that both texts give the same outputs for all inputs; gives its log."""
    gold, gate = library_side(module), library_side(module, "SF_FAST")
    return equivalence.prove(folder, gold, gate, parameters, DEEPEST)


@pytest.mark.parametrize("terms", [2, 3, 4])
def test_one_bit_adders(terms: int, tmp_path: Path) -> None:
    assert "SUCCESS" in prove(tmp_path, "sf_count", {"TERMS": terms})


@pytest.mark.parametrize(
    ("x_bits", "x_signed", "w_bits", "w_signed"),
    [(1, 0, 1, 1), (3, 0, 2, 0), (4, 0, 4, 1), (3, 1, 5, 0), (8, 0, 4, 1), (4, 1, 6, 1)],
)
def test_multipliers(
    x_bits: int, x_signed: int, w_bits: int, w_signed: int, tmp_path: Path
) -> None:
    parameters = {"X_BITS": x_bits, "X_SIGNED": x_signed, "W_BITS": w_bits, "W_SIGNED": w_signed}
    mac = Mac(1, 1, 1, 1, True, x_bits, bool(x_signed), w_bits, bool(w_signed), 16, False, 1)
    parameters |= {"ROWS": mac.booth_rows, "PRODUCT": mac.product_bits}
    assert "SUCCESS" in prove(tmp_path, "sf_multiply", parameters)


def test_a_difference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.DEEPEST", 0)  # what was in the registers is not the same
    with pytest.raises(ToolError, match="failed with exit code 1"):
        prove(tmp_path, "sf_multiply", {"X_BITS": 4, "W_BITS": 4, "ROWS": 2, "PRODUCT": 8})
