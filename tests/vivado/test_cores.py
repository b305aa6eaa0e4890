"""What surrounds a core."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nets import blended
from semifreddo.boards import load_board
from semifreddo.core import block_design
from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.vivado.cores import HlsCore, RtlCore, wrapper_text
from semifreddo.vivado.driver import Options, run_project
from semifreddo.vivado.plan import plan_bitstream
from vivado.projects import fake_tools, hls_core, plan, rtl_core

_PORT = re.compile(r"(input|output)\s+(?:wire|reg)?\s*(?:\[\s*(\d+):0\])?\s*(\w+)[,\s]")


def ports(text: str) -> set[tuple[str, str, str]]:
    head = text[text.index("(") : text.index(");")]
    return set(_PORT.findall(f"{head}\n"))


def test_the_wrapper_has_the_ports_of_the_design() -> None:
    pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)
    from semifreddo.rtl.design.design import make_design

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


def test_a_new_board_is_only_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up board with another memory port runs through every stage."""
    shutil.copytree(load_board("kv260").folder, tmp_path / "moon")
    file = tmp_path / "moon" / "board.toml"
    text = file.read_text().replace('name = "kv260"', 'name = "moon"')
    file.write_text(text.replace("S_AXI_HP0_FPD", "S_AXI_HP2_FPD"))
    monkeypatch.setattr("semifreddo.boards.spec._FOLDERS", (tmp_path,))
    made = plan_bitstream(rtl_core(), load_board("moon"), name="tiny")
    settings = made.files["tcl/settings.tcl"].decode()
    assert "dict set settings memory_port S_AXI_HP2_FPD\n" in settings
    if shutil.which("tclsh"):
        made.write(tmp_path / "project")
        fake_tools(monkeypatch)
        monkeypatch.setenv("FAKE_XILINX_VERSION", "2024.1")
        monkeypatch.setenv("FAKE_XILINX_RECORD", str(tmp_path / "record"))
        run_project(tmp_path / "project", Options(until="block_design"), lambda _: None)
        record = (tmp_path / "record" / "block_design.tcl").read_text()
        assert "CONFIG.PSU__USE__S_AXI_GP4 1" in record
        assert "/zynq_ultra_ps_e_0/saxihp2_fpd_aclk" in record
        assert "/zynq_ultra_ps_e_0/SAXIGP4/HP2_DDR_LOW" in record
