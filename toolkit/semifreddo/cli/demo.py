"""``semifreddo demo``: the whole story on images that ship with scikit-learn."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import describe, progress, say

_EPILOG = """\
examples:
  semifreddo demo
  semifreddo demo --out /tmp/demo --seed 3

Trains a core on the digits 0 to 4 and freezes it; trains task A, all ten digits, around it;
exports, writes the HLS project and the Verilog, compiles simulations of both; checks every rung
on the whole test split; streams that through the runtime; then trains task B, odd or even, for the
same built hardware and loads it into both running simulations. Takes a few minutes on two cores.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "demo", "train, freeze, build, check, run and retarget", _EPILOG)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="where to work")
    parser.add_argument("--seed", type=int, default=0, help="of all random choices")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell the story."""
    from semifreddo.cli.show import demo_table
    from semifreddo.flow.demo_design import prepare

    config = prepare(arguments.out)
    from semifreddo.flow.demo import run_demo

    result = run_demo(config, seed=arguments.seed, progress=progress, command=arguments.command)
    say(demo_table(result))
    progress(f"report: {result.folder / 'build' / 'report.html'}")
    return 0
