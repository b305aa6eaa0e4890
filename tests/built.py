"""Build a small design with both simulations, for tests that drive devices.

The PYNQ environments cannot build it: they have NumPy 1, and da4ml wants NumPy 2.

Usage: ``python tests/built.py FOLDER`` in an environment with the extras ``hls`` and
``rtl`` (``tox -e built``). The folder gets a bundle, and beside it the compiled C simulation and
the verilated RTL that it names.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fakes import bundle_of
from nets import blended
from semifreddo.hls.csim import build_csim
from semifreddo.hls.plan import plan_project
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.verilator import build
from semifreddo.runtime import write_bundle
from semifreddo.runtime.bundle import TransportFile

BUNDLE = "blended.sfb"


def make(folder: Path) -> Path:
    """Compile both simulations and write the bundle that names them."""
    net = blended()
    scheduled = ScheduledNet(net, default_schedule(net))
    plan_project(scheduled, part="xc7z020clg400-1", clock_ns=10.0).write(folder / "hls")
    programs = {
        "csim": build_csim(folder / "hls"),
        "rtl": build(make_design(net), folder / "rtl", optimize=False),
    }
    made = dataclasses.replace(
        bundle_of(net),
        transports={name: TransportFile.of(path, folder) for name, path in programs.items()},
    )
    write_bundle(folder / BUNDLE, made)
    return folder / BUNDLE


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
