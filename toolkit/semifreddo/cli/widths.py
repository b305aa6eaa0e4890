"""``semifreddo widths``: networks of equal size, one for each weight bitwidth."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import add_output, add_overrides, describe, progress, say, table
from semifreddo.cli.terminal import TERMINAL

_EPILOG = """\
examples:
  semifreddo widths hls_projects/digits
  semifreddo widths hls_projects/digits --bits 1 2 --size 60000
  semifreddo widths hls_projects/digits --set rtl.target_fps=20000 --json

Weights of fewer bits leave room for more channels. For each bitwidth the widths of the design's
network are multiplied by one number, so that all parameters (weights, biases, blend factors) take
at most --size bits, or as many as the design's own network; the first row is the design's own bits.
LUTs and images per second are predicted for the design's board and its [rtl] target_fps, or for the
fastest hardware that fits; a dash: it does not fit. To train one: write its widths and weight_bits
into design.toml.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "widths", "match networks of several weight bitwidths", _EPILOG)
    parser.add_argument("design", type=Path, help="folder of a design with a built-in network")
    parser.add_argument(
        "--bits", nargs="+", type=int, default=[1, 2, 4, 8], metavar="BITS", help="1 to 8"
    )
    parser.add_argument(
        "--size", type=int, metavar="BITS", help="of all parameters (those of the design)"
    )
    add_overrides(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Match, predict, print."""
    from semifreddo.flow.config import load_config
    from semifreddo.flow.widths import matched_widths, network_of
    from semifreddo.nn.skeleton import model_bits
    from semifreddo.reports.documents import WidthsDocument

    config = load_config(arguments.design, arguments.set)
    network = network_of(config)
    size = model_bits(network) if arguments.size is None else arguments.size
    progress(f"at most {size:,} bits of parameters, on {config.board.name}")
    found = matched_widths(config, [None, *arguments.bits], size)
    if arguments.json:
        TERMINAL.document(WidthsDocument(size, tuple(found)).to_json())
        return 0
    rows = [
        (
            "as it is" if row.weight_bits is None else row.weight_bits,
            ", ".join(map(str, row.widths)),
            f"{row.size:,}",
            f"{row.multiplications:,}",
            "-" if row.luts is None else f"{row.luts:,}",
            "-" if row.frames_per_second is None else f"{row.frames_per_second:,.0f}",
        )
        for row in found
    ]
    header = ("weight bits", "widths", "bits", "multiplications", "LUTs", "images/s")
    say(table(rows, header))
    return 0
