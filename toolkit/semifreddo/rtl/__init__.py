"""Open RTL backend: a StreamNet to Verilog, its simulation and synthesis.

The names below are what other code needs; they are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semifreddo.rtl.choices import Choice, Override, RtlSchedule
    from semifreddo.rtl.design.design import RtlDesign, make_design
    from semifreddo.rtl.scheduler.estimate import Estimate, estimate
    from semifreddo.rtl.scheduler.search import Scheduled, choose

__all__ = [
    "Choice",
    "Estimate",
    "Override",
    "RtlDesign",
    "RtlSchedule",
    "Scheduled",
    "choose",
    "estimate",
    "make_design",
]

_PLACES = {
    "choices": ("Choice", "Override", "RtlSchedule"),
    "design.design": ("RtlDesign", "make_design"),
    "scheduler.estimate": ("Estimate", "estimate"),
    "scheduler.search": ("Scheduled", "choose"),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
