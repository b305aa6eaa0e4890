"""``semifreddo build``: from a QONNX model to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import add_output, add_overrides, describe, progress, say
from semifreddo.cli.parse import board_override
from semifreddo.cli.terminal import TERMINAL

_EPILOG = """\
examples:
  semifreddo build hls_projects/digits
  semifreddo build hls_projects/digits --until project        write the HLS project only
  semifreddo build hls_projects/digits --until synth          measure the Verilog with Yosys
  semifreddo build hls_projects/digits --set rtl.target_fps=1000 --set cosim.waves=true
  semifreddo build resnet --set 'freeze.weights="cheapest"'    a QONNX file without a freeze plan
  semifreddo build hls_projects/digits --board kv260 --until archive
  semifreddo build hls_projects/digits --from csim            compile and check again
  semifreddo build hls_projects/digits --set design.clock_mhz=50 --set csim.workers=4

Stages:
  lower      QONNX model to integer network
  project    HLS project
  csim       its C simulation, and every rung of the ladder above it
  rtl        Verilog of the open backend, with the hardware choices the board allows
  cosim      its simulation in Verilator: the rung rtl, cycles, stalls ([cosim] waves=true: VCD)
  synth      Yosys: measured LUT, FF, DSP, BRAM per layer; minutes, so only with --until synth or
             [synth] run=true
  vendor     Vivado HLS or Vitis HLS: its C simulation and co-simulation as rungs; hours, so only
             with --until vendor or [vivado] cosim=true
  archive    the complete Vivado project of a Zynq board in one file, to carry to Vivado
  bitstream  Zynq boards: Vivado, here or elsewhere ([vivado] host, products);
             ECP5 boards: nextpnr and ecppack
  bundle     everything the runtime needs, in one file

Stages that are up to date are skipped, so after Ctrl-C or an error the same command goes on where
it stopped. A stage whose tool is missing waits and says how to get it; asked for with --until or
--from, it fails. Everything made is in <design>/build, which may be deleted at any time;
report.json and report.html there say what came out.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(
        verbs, "build", "lower, write HLS project and Verilog, simulate, bundle", _EPILOG
    )
    parser.add_argument("design", type=Path, help="folder with a design.toml")
    parser.add_argument("--from", dest="first", metavar="STAGE", help="run again from here on")
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--board", help="build for this board instead of the design's")
    add_overrides(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build and print what came out."""
    from semifreddo.cli.show import build_summary
    from semifreddo.flow.build import build
    from semifreddo.flow.config import load_config

    board = board_override(arguments.board)
    config = load_config(arguments.design, [*arguments.set, *board])
    report = build(
        config,
        first=arguments.first,
        until=arguments.until,
        progress=progress,
        command=arguments.command,
    )
    if arguments.json:
        TERMINAL.document(report.to_json())
    else:
        say(build_summary(report))
    if report.bundle is not None:
        progress(f"bundle: {config.bundle_path}")
    page = config.build_dir / "report.html"
    progress(f"report: {page if page.is_file() else page.with_suffix('.json')}")
    return 0
