"""A core and a board to a Vivado project: a pure function, the same bytes for the same input.

The project carries everything it needs: sources, Tcl scripts, the driver that runs and checks the
stages (a copy of the modules of this toolkit that it is made of), and a README.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from string import Template

from semifreddo.boards import BLOCK_DESIGN_FILE, CONSTRAINTS_FILE, BoardSpec, read_board_file
from semifreddo.boards.spec import ProcessingSystem
from semifreddo.core import block_design as names
from semifreddo.core.columns import markdown_table
from semifreddo.core.errors import ProjectError
from semifreddo.core.project import ProjectPlan
from semifreddo.vivado.cores import Core, HlsCore, RtlCore, wrapper_text
from semifreddo.vivado.stages import VivadoStage, stages
from semifreddo.vivado.tcl_words import set_dict

FORMAT = "semifreddo-vivado/1"
HLS_CFLAGS = "-std=c++0x"

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent
_DRIVER = (
    "__init__.py",
    "core/__init__.py",
    "core/errors.py",
    "core/scratch.py",
    "core/files.py",
    "core/hls_registers.py",
    "tools/__init__.py",
    "tools/runner.py",
    "vivado/__init__.py",
    "vivado/checks.py",
    "vivado/driver.py",
    "vivado/handoff.py",
    "vivado/ipxact.py",
    "vivado/records.py",
    "vivado/reports.py",
    "vivado/stages.py",
)
"""Modules that run on the machine with Vivado, where semifreddo is not installed."""

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

TclValue = str | int | float | tuple[str, ...]


def plan_bitstream(
    core: Core, board: BoardSpec, *, name: str, clock_mhz: float | None = None
) -> ProjectPlan:
    """Make the files of a Vivado project.

    Args:
        core: The network's hardware.
        board: A board with a processing system.
        name: The design: name of IP, bitstream and hardware description.
        clock_mhz: Clock of the logic; the board's default if left out.

    Raises:
        ProjectError: The board has no processing system, the name is no identifier, or the core's
            task memory is larger than its address range.
        ConfigError: The clock is outside the board's limits, or the board's folder is incomplete.
    """
    if board.ps is None:
        raise ProjectError(
            f"{name}: board {board.name} has no processing system, so no bitstream for PYNQ"
        )
    if not _IDENTIFIER.fullmatch(name):
        raise ProjectError(f"design name {name!r} is no identifier (letters, digits, _)")
    clock = board.clock_mhz if clock_mhz is None else clock_mhz
    board.check_clock(clock)
    settings = {
        "name": name,
        "part": board.part,
        "board": board.name,
        "description": f"semifreddo {name} for {board.title}",
        "clock_mhz": f"{clock:g}",
        **_platform_settings(name, board.ps),
        **_core_settings(core, name, board, clock),
    }
    plan = stages(name, _backend(core))
    files = _core_files(core)
    files |= _scripts(plan, board)
    files["tcl/settings.tcl"] = set_dict("settings", settings).encode()
    files["constraints/board.xdc"] = read_board_file(board, CONSTRAINTS_FILE).encode()
    files["project.json"] = _description(core, board, name, clock).encode()
    files["README.md"] = _readme(board, name, plan).encode()
    files |= {f"lib/semifreddo/{path}": (_PACKAGE / path).read_bytes() for path in _DRIVER}
    files |= {file: (_HERE / "project" / file).read_bytes() for file in ("run.py", "run.sh")}
    return ProjectPlan(files)


def _platform_settings(name: str, ps: ProcessingSystem) -> dict[str, TclValue]:
    return {
        "ps": names.PS_INSTANCE[ps.kind],
        "control_port": ps.control_port,
        "memory_port": ps.memory_port,
        "memory_port_bits": ps.memory_port_bits,
        "reference_mhz": f"{ps.reference_mhz:g}",
        "ddr_bytes": f"0x{ps.ddr_bytes:08x}",
        "design": names.BLOCK_DESIGN,
        "core": names.CORE,
        "core_vlnv": names.vlnv(name),
        "dma": names.DMA,
        "dma_length_bits": names.DMA_LENGTH_BITS,
        "dma_address_bits": names.DMA_ADDRESS_BITS,
        "dma_stream_bits": names.DMA_STREAM_BITS,
        "interrupt_controller": names.INTERRUPT_CONTROLLER,
        "interrupt_concat": names.INTERRUPT_CONCAT,
        "control_interconnect": names.CONTROL_INTERCONNECT,
        "memory_interconnect": names.MEMORY_INTERCONNECT,
        "reset": names.RESET,
    }


def _core_settings(core: Core, name: str, board: BoardSpec, clock: float) -> dict[str, TclValue]:
    assert board.ps is not None
    try:
        segments = names.address_map(board.ps.kind, core.control_bytes)
    except ValueError as error:
        raise ProjectError(f"{name}: {error}") from error
    flat = [[s.instance, f"0x{s.base:08x}", f"0x{s.size:08x}"] for s in segments]
    shared: dict[str, TclValue] = {"segments": tuple(word for row in flat for word in row)}
    if isinstance(core, HlsCore):
        return shared | {
            "interrupts": names.INTERRUPTS,
            "core_in": "image",
            "core_out": "result",
            "core_control": "s_axi_control",
            "core_clock": "ap_clk",
            "core_reset": "ap_rst_n",
            "hls_top": core.top,
            "hls_cflags": HLS_CFLAGS,
            "hls_uncertainty": core.setting("clock_uncertainty"),
            "hls_partition": core.setting("maximum_size"),
            "clock_ns": f"{1000.0 / clock:.6g}",
        }
    return shared | {
        "interrupts": names.INTERRUPTS[:2],
        "core_in": "s_axis",
        "core_out": "m_axis",
        "core_control": "s_axi",
        "core_clock": "aclk",
        "core_reset": "aresetn",
        "core_range": max(s.size for s in segments if s.instance == names.CORE),
        "rtl_top": core.wrapper,
        "rtl_files": (*sorted(core.files), f"{core.wrapper}.v"),
    }


def _core_files(core: Core) -> dict[str, bytes]:
    if isinstance(core, RtlCore):
        texts = dict(core.files) | {f"{core.wrapper}.v": wrapper_text(core)}
        return {f"rtl/{file}": text.encode() for file, text in texts.items()}
    return {f"hls/{file}": data for file, data in core.files.items()}


def _scripts(plan: tuple[VivadoStage, ...], board: BoardSpec) -> dict[str, bytes]:
    scripts = [stage.script for stage in plan] + ["tcl/common.tcl", "tcl/ps.tcl"]
    files = {script: (_HERE / script).read_bytes() for script in scripts}
    return files | {"tcl/board.tcl": read_board_file(board, BLOCK_DESIGN_FILE).encode()}


def _backend(core: Core) -> str:
    return "hls" if isinstance(core, HlsCore) else "rtl"


def _description(core: Core, board: BoardSpec, name: str, clock: float) -> str:
    assert board.ps is not None
    hls_tool = {"vivado": "vivado_hls", "vitis": "vitis_hls"}
    tools = {"vivado": list(board.tools.get("vivado", ()))}
    if isinstance(core, HlsCore):
        tool = hls_tool[core.tool]
        tools[tool] = list(board.tools.get(tool, ()))
        if not tools[tool]:
            raise ProjectError(
                f"{name}: board {board.name} has no version of {tool}; set design.tool to another"
            )
    data = {
        "format": FORMAT,
        "name": name,
        "backend": _backend(core),
        "board": board.name,
        "part": board.part,
        "clock_mhz": clock,
        "ddr_bytes": board.ps.ddr_bytes,
        "tools": tools,
        "traps": {key: text for key, text in board.traps.items() if key.split()[0] in tools},
        "budget": dataclasses.asdict(board.resources),
    }
    if isinstance(core, HlsCore):
        (segment,) = (
            segment
            for segment in names.address_map(board.ps.kind, core.control_bytes)
            if segment.instance == names.CORE
        )
        data["control"] = {"bytes": segment.size, "registers": core.register_bytes}
    return json.dumps(data, indent=1) + "\n"


def _readme(board: BoardSpec, name: str, plan: tuple[VivadoStage, ...]) -> str:
    rows = [(stage.name, stage.tool, stage.summary, ", ".join(stage.writes)) for stage in plan]
    text = (_HERE / "project" / "README.md").read_text(encoding="utf-8")
    return Template(text).substitute(
        name=name,
        board=board.title,
        part=board.part,
        stages=markdown_table(("stage", "tool", "what", "makes"), rows).rstrip(),
        versions=", ".join(board.tools.get("vivado", ())),
    )
