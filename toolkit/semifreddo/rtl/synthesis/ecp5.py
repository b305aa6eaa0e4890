"""A whole ECP5 design around a network: PLL, reset, serial port; and its bitstream.

The device's buses go over the board's USB serial port (``library/sf_serial.sv`` has the protocol).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from semifreddo.boards.spec import BoardSpec, read_board_file
from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.ir.bus import REGISTER_PORTS
from semifreddo.rtl import library
from semifreddo.rtl.components.buses import Serial
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.verilog import Port, instance, module
from semifreddo.rtl.design.written import Verilog
from semifreddo.rtl.synthesis.parts import (
    Part,
    design_parts,
    files_below,
    summary,
    synthesize_parts,
)
from semifreddo.tools.nextpnr import Routed, pack_bitstream, place_and_route, require_clock
from semifreddo.tools.runner import Progress
from semifreddo.tools.yosys import link_ecp5

CONSTRAINTS_FILE = "constraints.lpf"
TOP_FILE = "top.sv"
"""In a board's folder: the module with the pins, for :class:`string.Template`.

Filled in are ``design``, ``top``, ``title``, ``clock_mhz``, ``oscillator_mhz``, and ``pll``, the
parameters of the PLL. The module ``${design}_serial`` has the ports ``clk``, ``rst``, ``rx``,
``tx`` and ``status``.
"""

DEFAULT_BAUD = 1_000_000

_PART = re.compile(r"LFE5U-(25|45|85)F-([678])(BG|MG)(\d+)C?")
_VCO_MHZ = (400.0, 800.0)  # ECP5 family data sheet, sysCLOCK PLL timing; so does ecppll
_LEAST_COMPARED_MHZ = 10.0
_BUS = ("tvalid", "tready", "tdata", "tlast")


@dataclass(frozen=True)
class PllSettings:
    """Dividers of an EHXPLLL whose output is fed back."""

    reference: int
    feedback: int
    output: int


@dataclass(frozen=True)
class Ecp5Plan:
    """Everything that the tools get.

    Attributes:
        files: Verilog by file name.
        top: The module with the pins.
        parts: What is synthesised on its own: the network's parts, and what is around it.
        constraints: Text of the LPF file.
        size: nextpnr's name of the part's size.
        package: nextpnr's name of the package.
        speed: Speed grade.
        clock_mhz: Clock of the network.
        baud: Bits per second on the serial line.
    """

    files: Mapping[str, str]
    top: str
    parts: tuple[Part, ...]
    constraints: str
    size: str
    package: str
    speed: int
    clock_mhz: float
    baud: int


@dataclass(frozen=True)
class Ecp5Bitstream:
    """A bitstream that meets its clock.

    Attributes:
        bitstream: The file for the board.
        routed: What was placed and routed.
        clock_mhz: Clock that the PLL makes.
    """

    bitstream: Path
    routed: Routed
    clock_mhz: float


def plan_ecp5(
    design: Verilog,
    board: BoardSpec,
    *,
    clock_mhz: float | None = None,
    baud: int = DEFAULT_BAUD,
) -> Ecp5Plan:
    """The ECP5 design around a network; pure, the same text for the same input.

    Args:
        design: The network.
        board: A board with an ECP5, an oscillator and a ``constraints.lpf``.
        clock_mhz: Clock of the network; the board's default if left out.
        baud: Bits per second on the serial line.

    Raises:
        ConfigError: The board has no ECP5 or cannot make the clock, or the rate cannot be made.
    """
    match = _PART.fullmatch(board.part)
    if match is None or board.oscillator_mhz is None:
        raise ConfigError(
            f"board {board.name}: {board.part} is no ECP5 with an oscillator; use board ulx3s"
        )
    clock = clock_mhz if clock_mhz is not None else board.clock_mhz
    board.check_clock(clock)
    pll = pll_settings(board.oscillator_mhz, clock)
    top = f"{design.net.name}_{board.name}"
    texts = {
        f"{design.net.name}_serial": serial_module(design, divisor_of(clock, baud)),
        top: _board_module(design, board, top, pll, clock),
    }
    files = {name: text for name, text in design.files.items() if name != "sf_probe.sv"}
    files |= {f"{name}.sv": text for name, text in texts.items()}
    files |= {
        name: text for name, text in library.needed(texts.values()).items() if name not in files
    }
    around = Part("board", top, files_below(files, top, (design.top,)), (design.top,))
    return Ecp5Plan(
        files=dict(sorted(files.items())),
        top=top,
        parts=(*design_parts(design), around),
        constraints=read_board_file(board, CONSTRAINTS_FILE),
        size=f"{match[1]}k",
        package=f"{'CABGA' if match[3] == 'BG' else 'CSFBGA'}{match[4]}",
        speed=int(match[2]),
        clock_mhz=clock,
        baud=baud,
    )


def divisor_of(clock_mhz: float, baud: int) -> int:
    """Cycles per bit of a serial line.

    Raises:
        ConfigError: The rate is too high for the clock, or more than 2 % off.
    """
    exact = clock_mhz * 1e6 / baud if baud > 0 else 0.0
    divisor = round(exact)
    if divisor < 4 or abs(divisor / exact - 1) > 0.02:
        raise ConfigError(
            f"serial port: {baud} bits per second cannot be made from {clock_mhz:g} MHz; "
            f"use at most {clock_mhz * 1e6 / 4:.0f}"
        )
    return divisor


def pll_settings(oscillator_mhz: float, clock_mhz: float) -> PllSettings:
    """Dividers that make a clock exactly, with the oscillator's phase detector above 10 MHz.

    Raises:
        ConfigError: No dividers make it.
    """
    for reference in range(1, int(oscillator_mhz / _LEAST_COMPARED_MHZ) + 1):
        feedback = round(clock_mhz * reference / oscillator_mhz)
        if not 1 <= feedback <= 80 or feedback * oscillator_mhz != clock_mhz * reference:
            continue
        middle = sum(_VCO_MHZ) / 2
        output = max(1, min(128, round(middle / clock_mhz)))
        if _VCO_MHZ[0] <= output * clock_mhz <= _VCO_MHZ[1]:
            return PllSettings(reference, feedback, output)
    step = oscillator_mhz / max(1, int(oscillator_mhz / _LEAST_COMPARED_MHZ))
    raise ConfigError(
        f"clock_mhz {clock_mhz:g}: the PLL cannot make it from {oscillator_mhz:g} MHz; "
        f"use a multiple of {step:g}"
    )


def serial_module(design: Verilog, divisor: int) -> str:
    """The device with a serial line in place of its buses."""
    lite = {name: name for name in REGISTER_PORTS}
    bits = {width: [n for n, p in REGISTER_PORTS.items() if p.bits == width] for width in (1, 8)}
    lines = [
        "wire sent_tvalid, sent_tready, sent_tlast, results_tvalid, results_tready, results_tlast;",
        "wire [31:0] sent_tdata, results_tdata, wdata, rdata;",
        f"wire {', '.join(bits[1])};",
        f"wire [7:0] {', '.join(bits[8])};",
    ]
    bridge = {"clk": "clk", "rst": "rst", "rx": "rx", "tx": "tx", "status": "status"}
    bridge |= {f"m_axis_{end}": f"sent_{end}" for end in _BUS}
    bridge |= {f"s_axis_{end}": f"results_{end}" for end in _BUS} | lite
    device = {"aclk": "clk", "aresetn": "!rst"}
    device |= {f"s_axis_{end}": f"sent_{end}" for end in _BUS}
    device |= {f"m_axis_{end}": f"results_{end}" for end in _BUS}
    device |= {port.name: name for name, port in REGISTER_PORTS.items()}
    device |= {"s_axi_wstrb": "4'b1111", "s_axi_bresp": "", "s_axi_rresp": ""}
    body = [
        *lines,
        place(Serial(divisor), "bridge", bridge),
        instance(design.top, "device", {}, device),
    ]
    ports = [
        *(Port("input", name) for name in ("clk", "rst", "rx")),
        Port("output", "tx"),
        Port("output", "status", 3),
    ]
    comment = f"{design.net.name} behind a serial line: sf_serial.sv has the protocol."
    return module(f"{design.net.name}_serial", comment, ports, body)


def _board_module(
    design: Verilog, board: BoardSpec, top: str, pll: PllSettings, clock_mhz: float
) -> str:
    """The board's own top module: its pins, lights and buttons are the board's business."""
    names = {
        "design": design.net.name,
        "top": top,
        "title": board.title,
        "clock_mhz": f"{clock_mhz:g}",
        "oscillator_mhz": f"{board.oscillator_mhz:g}",
        "pll": ", ".join(f".{name}({value})" for name, value in _pll(pll).items()),
    }
    try:
        return Template(read_board_file(board, TOP_FILE)).substitute(names)
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"board {board.name}: {TOP_FILE}: cannot be filled in ({error}); known are "
            f"{', '.join(f'${name}' for name in names)}"
        ) from error


def _pll(pll: PllSettings) -> dict[str, str]:
    """Parameters of the EHXPLLL."""
    off = ("PLLRST_ENA", "INTFB_WAKE", "STDBY_ENABLE", "DPHASE_SOURCE")
    return dict.fromkeys(off, '"DISABLED"') | {
        "OUTDIVIDER_MUXA": '"DIVA"',
        "CLKI_DIV": f"{pll.reference}",
        "CLKFB_DIV": f"{pll.feedback}",
        "CLKOP_ENABLE": '"ENABLED"',
        "CLKOP_DIV": f"{pll.output}",
        "CLKOP_CPHASE": f"{(pll.output - 1) // 2}",
        "CLKOP_FPHASE": "0",
        "FEEDBK_PATH": '"CLKOP"',
    }


def build_bitstream(
    plan: Ecp5Plan,
    workdir: Path,
    bitstream: Path,
    *,
    cache: Path,
    timeout_s: float,
    seeds: Sequence[int] = (1,),
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Ecp5Bitstream:
    """Synthesise part by part, link, place, route and pack.

    The first seed that meets the clock counts.

    Args:
        plan: The design.
        workdir: Gets netlist, logs and reports.
        bitstream: File to write; written only if the clock is met.
        cache: Folder of parts from before; the new ones go there too.
        timeout_s: Limit of each step.
        seeds: nextpnr's seeds, in the order in which they are tried.
        jobs: Parts synthesised at once; one per core if left out.
        progress: Gets a line per step.

    Raises:
        LimitError: No seed meets the clock; says how far the best got.
        ToolError: A tool is missing or fails.
        ToolTimeoutError: A step takes too long.
    """
    say = progress or (lambda _: None)
    if not seeds:
        raise ProjectError("ecp5: no seed to try; name at least one")
    parts = synthesize_parts(
        plan.parts,
        family="ecp5",
        cache=cache,
        timeout_s=timeout_s,
        netlists=True,
        jobs=jobs,
        progress=progress,
    )
    netlists = {
        part.top: gzip.decompress(made.netlist.read_bytes())
        for part, made in zip(plan.parts, parts, strict=True)
        if made.netlist is not None
    }
    made = link_ecp5(netlists, plan.top, workdir=workdir, timeout_s=timeout_s)
    say(f"linked: {summary(made.cells)} ({made.seconds:.0f} s)")
    best: Routed | None = None
    for seed in seeds:
        routed = place_and_route(
            made.netlist,
            plan.constraints,
            size=plan.size,
            package=plan.package,
            speed=plan.speed,
            clock_mhz=plan.clock_mhz,
            workdir=workdir,
            timeout_s=timeout_s,
            seed=seed,
        )
        say(f"routed with seed {seed}: {routed.slowest_mhz:.1f} MHz ({routed.seconds:.0f} s)")
        if best is None or routed.slowest_mhz > best.slowest_mhz:
            best = routed
        if routed.slowest_mhz >= plan.clock_mhz:
            break
    assert best is not None
    require_clock(best, plan.clock_mhz)
    pack_bitstream(best, bitstream, timeout_s=timeout_s)
    return Ecp5Bitstream(bitstream, best, plan.clock_mhz)
