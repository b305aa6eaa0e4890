"""Every pragma that we write is one that both tools know, where they look for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls.builders import Builder
from hls.test_csim import PART, ZOO_CHOICES, scheduled, zoo
from semifreddo.hls import plan_project
from semifreddo.hls.pragmas import Tool, complaints

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

TEMPLATES = sorted((Path(__file__).parents[2] / "toolkit/semifreddo/hls/templates").glob("*.h"))
OURS = ("firmware/zoo.cpp", "firmware/nnet_utils/nnet_code_gen.h")
TOOLS: tuple[Tool, ...] = ("vivado", "vitis")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_templates(tool: Tool) -> None:
    assert len(TEMPLATES) >= 8
    assert {path.name: complaints(path.read_text(), tool) for path in TEMPLATES} == {
        path.name: [] for path in TEMPLATES
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_a_project_with_every_layer_kind(tool: Tool) -> None:
    files = plan_project(scheduled(zoo(), **ZOO_CHOICES), tool=tool, **PART).files
    assert {name: complaints(files[name].decode(), tool) for name in OURS} == {
        name: [] for name in OURS
    }


def test_adders_are_cut_into_functions_of_their_own() -> None:
    b = Builder((4, 4, 2))
    b.conv("conv", "image", 70, frozen=1.0)
    code = plan_project(scheduled(b.net()), **PART).files["firmware/nnet_utils/nnet_code_gen.h"]
    assert code.count(b"#pragma HLS INLINE off") == 3
    assert b"result_t" not in code


@pytest.mark.parametrize(
    ("text", "tool", "expected"),
    [
        (
            "void f() { for (;;) { if (N == 1) {\n#pragma HLS PIPELINE II=1\n} } }",
            "vitis",
            ["2: pragma PIPELINE in a block of kind if"],
        ),
        (
            "void f() {\n#pragma HLS PIPELIN\n}",
            "vivado",
            ["2: pragma PIPELIN is unknown to vivado"],
        ),
        (
            "void f() {\n#pragma HLS DATA_PACK variable=x\n}",
            "vitis",
            ["2: pragma DATA_PACK is unknown to vitis"],
        ),
        (
            "void f() {\n#pragma HLS INLINE offf\n}",
            "vivado",
            ["2: pragma INLINE has no option offf"],
        ),
        (
            "void f() {\n#pragma HLS PIPELINE style=flp\n}",
            "vivado",
            ["2: pragma PIPELINE has no option style=flp in vivado"],
        ),
        ("void f() {\n#pragma HLS PIPELINE style=flp\n}", "vitis", []),
        (
            "void f() {\n#pragma HLS UNROLL\n}",
            "vivado",
            ["2: pragma UNROLL in a block of kind function"],
        ),
        (
            "struct s {\n#pragma HLS DATAFLOW\n};",
            "vivado",
            ["2: pragma DATAFLOW in a block of kind type"],
        ),
        (
            "namespace n {\n#pragma HLS DATAFLOW\n}",
            "vitis",
            ["2: pragma DATAFLOW in a block of kind type"],
        ),
        (
            "void f() { int x[] = {\n#pragma HLS DATAFLOW\n1}; }",
            "vitis",
            ["2: pragma DATAFLOW in a block of kind initializer"],
        ),
        ("#pragma HLS DATAFLOW\n", "vitis", ["1: pragma DATAFLOW in a block of kind file"]),
        (
            "void f() { X:\nfor (int i = 0; i < 2; i++) {\n#pragma HLS UNROLL factor = 2\n} }",
            "vitis",
            [],
        ),
    ],
)
def test_what_is_found(text: str, tool: Tool, expected: list[str]) -> None:
    assert complaints(text, tool) == expected
