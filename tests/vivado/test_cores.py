"""What surrounds a core."""

from __future__ import annotations

import re

import pytest

from nets import blended
from semifreddo.boards import load_board
from semifreddo.core import block_design
from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.vivado.cores import HlsCore, RtlCore, wrapper_text
from semifreddo.vivado.plan import plan_bitstream
from vivado.projects import hls_core, plan, rtl_core

_PORT = re.compile(r"(input|output)\s+(?:wire|reg)?\s*(?:\[\s*(\d+):0\])?\s*(\w+)[,\s]")


def ports(text: str) -> set[tuple[str, str, str]]:
    head = text[text.index("(") : text.index(");")]
    return set(_PORT.findall(f"{head}\n"))


def test_the_wrapper_has_the_ports_of_the_design() -> None:
    pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)
    from semifreddo.rtl.design import make_design

    design = make_design(blended())
    core = RtlCore(design.top, design.files)
    text = wrapper_text(core)
    assert core.wrapper == f"{design.top}_ip"
    assert ports(text) == ports(design.files[f"{design.top}.sv"])
    assert len(ports(text)) == 27
    assert all(text.count(f".{name}({name})") == 1 for _, _, name in ports(text))


def test_the_wrapper_gets_a_name_of_its_own() -> None:
    core = RtlCore("a_top", {"a_top.sv": "", "a_top_ip.sv": ""})
    assert core.wrapper == "a_top_ip_"


def test_address_ranges() -> None:
    assert rtl_core().control_bytes == 256
    assert hls_core().control_bytes == 4096  # 300 words: 1200 bytes, aligned to 2048
    segments = {s.instance: s for s in block_design.address_map("zynq_ultra_ps_e", 3 << 20)}
    assert segments["semifreddo_0"].size == 4 << 20
    for kind in block_design.PS_INSTANCE:
        spans = sorted((s.base, s.size) for s in block_design.address_map(kind, 4 << 20))
        assert all(base % size == 0 for base, size in spans)
        ends = [base + size for base, size in spans]
        assert all(end <= start for end, (start, _) in zip(ends, spans[1:], strict=False))
    big = HlsCore("t", "vivado", hls_core().files, 1 << 20)
    with pytest.raises(ProjectError, match=r"^tiny: 8388608 bytes of control registers, at most"):
        plan_bitstream(big, load_board("pynq_z2"), name="tiny")


def test_what_is_refused() -> None:
    board = load_board("pynq_z2")
    with pytest.raises(ProjectError, match=r"^design name 'my net' is no identifier"):
        plan_bitstream(rtl_core(), board, name="my net")
    with pytest.raises(ConfigError, match="clock_mhz 400: board pynq_z2 has 1 to 250 MHz"):
        plan(clock_mhz=400)
    with pytest.raises(ProjectError, match=r"project\.tcl does not set clock_uncertainty"):
        plan_bitstream(HlsCore("t", "vivado", {}, 1), board, name="tiny")
    with pytest.raises(ProjectError, match="board kv260 has no version of vivado_hls; set design"):
        plan("vivado", "kv260")
    with pytest.raises(ProjectError, match="board ulx3s has no processing system"):
        plan_bitstream(rtl_core(), load_board("ulx3s"), name="tiny")
