"""Small projects and fake tools for the tests of the Vivado flow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semifreddo.boards import load_board
from semifreddo.core.project import ProjectPlan
from semifreddo.vivado.cores import Core, HlsCore, RtlCore
from semifreddo.vivado.plan import plan_bitstream

FAKES = Path(__file__).parents[1] / "fake_tools" / "xilinx"

_PROJECT_TCL = b'set clock_uncertainty 12.5%\nset maximum_size 4096\nset part "xc7z020clg400-1"\n'

_TOP = b"""\
void tiny(
    hls::stream<semifreddo::axis_word> &image,
    hls::stream<semifreddo::axis_word> &result,
    unsigned frames,
    bool load_task,
    const unsigned task_memory[300]
) {
    #pragma HLS INTERFACE s_axilite port=frames bundle=control
    #pragma HLS INTERFACE s_axilite port=load_task bundle=control
    #pragma HLS INTERFACE s_axilite port=task_memory bundle=control
    #pragma HLS INTERFACE s_axilite port=return bundle=control
}
"""


def hls_core(tool: str = "vivado") -> HlsCore:
    files = {
        "project.tcl": _PROJECT_TCL,
        "firmware/tiny.cpp": _TOP,
        "tiny_test.cpp": b"int main() { return 0; }\n",
        "tb_data/images.dat": b"1 2\n",
        "tb_data/expected.dat": b"3 4\n",
        "firmware/weights/README.txt": b"empty\n",
    }
    return HlsCore("tiny", tool, files, task_words=300)  # type: ignore[arg-type]


def rtl_core() -> RtlCore:
    return RtlCore("tiny_top", {"tiny_top.sv": "module tiny_top;\n", "sf_fifo.sv": "// fifo\n"})


def core(backend: str) -> Core:
    return rtl_core() if backend == "rtl" else hls_core(backend)


def plan(backend: str = "rtl", board: str = "pynq_z2", **options: float) -> ProjectPlan:
    return plan_bitstream(core(backend), load_board(board), name="tiny", **options)


def fake_tools(monkeypatch: pytest.MonkeyPatch, *, unified: bool = False, **mood: str) -> None:
    """Put the fake tools on PATH, in a mood by stage."""
    folders = [FAKES, FAKES / "unified"] if unified else [FAKES]
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    monkeypatch.setenv("FAKE_XILINX", " ".join(f"{stage}={how}" for stage, how in mood.items()))
