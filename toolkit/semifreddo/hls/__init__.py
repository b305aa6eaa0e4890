"""StreamNet to a Vivado or Vitis HLS project, and its C simulation."""

from semifreddo.hls.plan import plan_project

__all__ = ["plan_project"]
