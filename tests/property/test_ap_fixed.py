"""FixedType against the ``ap_fixed`` headers that hls4ml ships, compiled with g++."""

from __future__ import annotations

import itertools
import shutil
import subprocess  # noqa: TID251 - compiles a probe, not a tool of the toolkit
from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.fixed import FixedType, Overflow, Rounding

hls4ml = pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

SOURCE = FixedType.exact(14, 6, signed=True)
TARGETS = [
    FixedType(width, frac, signed, rounding, overflow)
    for (width, frac), signed, rounding, overflow in itertools.product(
        [(8, 4), (5, 2), (6, -1), (9, 8)], [True, False], Rounding, Overflow
    )
    if signed or overflow is not Overflow.SATURATE_SYMMETRIC
]


def program() -> str:
    casts = "\n".join(
        f"  {{ {target.ap_name} y = x; print(y.range({target.width - 1}, 0).to_int64()); }}"
        for target in TARGETS
    )
    return f"""
#include "ap_fixed.h"
#include <cstdio>
static void print(long long v) {{ std::printf("%lld ", v); }}
int main() {{
  for (int r = {SOURCE.min_raw}; r <= {SOURCE.max_raw}; r += 7) {{
    {SOURCE.ap_name} x;
    x.range({SOURCE.width - 1}, 0) = r;
{casts}
    std::puts("");
  }}
}}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cast_equals_ap_fixed(tmp_path: Path) -> None:
    headers = Path(hls4ml.__file__).parent / "templates" / "vivado" / "ap_types"
    (tmp_path / "probe.cpp").write_text(program())
    subprocess.run(
        ["g++", "-O0", "-w", f"-I{headers}", "-o", "probe", "probe.cpp"], cwd=tmp_path, check=True
    )
    text = subprocess.run([tmp_path / "probe"], check=True, capture_output=True, text=True).stdout
    found = np.array([line.split() for line in text.splitlines()], dtype=np.int64)
    raws = np.arange(SOURCE.min_raw, SOURCE.max_raw + 1, 7)
    for target, column in zip(TARGETS, found.T, strict=True):
        bits = target.cast(raws, SOURCE.frac) & ((1 << target.width) - 1)
        assert np.array_equal(bits, column), target
