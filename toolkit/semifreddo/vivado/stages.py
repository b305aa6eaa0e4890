"""The stages of a bitstream, as data: what each runs, needs, makes and may use of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VivadoStage:
    """One start of one tool.

    Attributes:
        name: Verb, also of the Tcl script ``tcl/<name>.tcl``.
        tool: ``vivado`` or ``hls``.
        summary: One line for people.
        reads: Files and folders of the project that decide its result; its scripts are added.
        writes: Products: files that must be new afterwards.
        keeps: Files of the tool's own that the next stage needs.
        timeout_s: Wall time after which it counts as hanging.
    """

    name: str
    tool: str
    summary: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    keeps: tuple[str, ...]
    timeout_s: float

    @property
    def script(self) -> str:
        """Its Tcl script."""
        return f"tcl/{self.name}.tcl"


_HOUR = 3600.0
_XPR = "work/vivado/semifreddo.xpr"
_RUNS = "work/vivado/semifreddo.runs"

HLS = VivadoStage(
    "hls",
    "hls",
    "C++ to an IP",
    ("hls",),
    ("ip/core/component.xml", "reports/csynth.xml", "reports/csynth.rpt"),
    (),
    4 * _HOUR,
)
COSIM = VivadoStage(
    "cosim",
    "hls",
    "C simulation and RTL co-simulation against the golden vectors",
    ("hls",),
    ("reports/cosim.rpt",),
    (),
    8 * _HOUR,
)
PACKAGE = VivadoStage(
    "package", "vivado", "Verilog to an IP", ("rtl",), ("ip/core/component.xml",), (), 0.5 * _HOUR
)
BLOCK_DESIGN = VivadoStage(
    "block_design",
    "vivado",
    "processor, DMA, interrupts and the IP in one design",
    ("ip", "constraints", "tcl/ps.tcl", "tcl/board.tcl"),
    ("reports/block_design.hwh",),
    (_XPR,),
    _HOUR,
)
SYNTH = VivadoStage(
    "synth",
    "vivado",
    "synthesis",
    ("reports/block_design.hwh",),
    ("reports/utilization_synth.rpt",),
    (_XPR, f"{_RUNS}/synth_1"),
    4 * _HOUR,
)
IMPL = VivadoStage(
    "impl",
    "vivado",
    "placement, routing, timing",
    ("reports/utilization_synth.rpt",),
    ("reports/utilization.rpt", "reports/timing_summary.rpt"),
    (_XPR, f"{_RUNS}/impl_1"),
    8 * _HOUR,
)


def bitstream(name: str) -> VivadoStage:
    """The last stage, whose files have the design's name."""
    return VivadoStage(
        "bitstream",
        "vivado",
        "bitstream and hardware description",
        ("reports/timing_summary.rpt", "reports/block_design.hwh"),
        (f"out/{name}.bit", f"out/{name}.hwh"),
        (),
        _HOUR,
    )


def stages(name: str, backend: str) -> tuple[VivadoStage, ...]:
    """All stages of a design in order; ``cosim`` runs only when it is asked for.

    Args:
        name: The design.
        backend: ``hls`` or ``rtl``.
    """
    first = (HLS, COSIM) if backend == "hls" else (PACKAGE,)
    return (*first, BLOCK_DESIGN, SYNTH, IMPL, bitstream(name))
