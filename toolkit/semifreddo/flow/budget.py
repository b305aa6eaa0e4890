"""What a design may use of its board."""

from __future__ import annotations

from semifreddo.boards.spec import Resources
from semifreddo.flow.config import BuildConfig, HardwareWanted
from semifreddo.rtl.scheduler.family import has_slices, luts_for_one


def budget_of(config: BuildConfig | HardwareWanted) -> Resources:
    """What a network may use of its board; LUTs as the scheduler predicts them, of 7 series."""
    all_of_it, share = config.board.resources, config.rtl.board_share
    slices = share if config.rtl.dsp_share is None else config.rtl.dsp_share
    return Resources(
        lut=max(1, int(all_of_it.lut * share / luts_for_one(config.board.family))),
        ff=max(1, int(all_of_it.ff * share)),
        dsp=int(all_of_it.dsp * slices) if has_slices(config.board.family) else 0,
        bram18=int(all_of_it.bram18 * share),
    )
