"""The hardware of an architecture that is not trained: what the scheduler makes of its skeleton."""

from __future__ import annotations

from collections.abc import Sequence

from semifreddo.boards.spec import Resources
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.skeleton import skeleton
from semifreddo.rtl.scheduler.estimate import Estimate
from semifreddo.rtl.scheduler.search import choose


def predict(
    network: NetworkConfig,
    budget: Resources,
    clock_mhz: float,
    target_fps: float | None = None,
    *,
    frozen: Sequence[str] | None = None,
) -> Estimate:
    """Predicted resources and cycles of a network that nobody has trained.

    Frozen weights are random ones of the same width, whose adders differ from those of trained
    weights by some per cent; what is loadable, and all cycles, do not depend on values.

    Args:
        network: The architecture.
        budget: What it may use, in LUTs of 7 series; of a design:
            :func:`semifreddo.flow.budget.budget_of`.
        clock_mhz: Clock of the logic.
        target_fps: Images per second, with as few LUTs as possible; as many as fit if left out.
        frozen: Patterns of what is frozen, see :func:`~semifreddo.nn.skeleton.skeleton`.

    Raises:
        ConfigError: It does not fit, or not at this rate; or a pattern matches nothing.
    """
    return choose(skeleton(network, frozen=frozen), budget, clock_mhz, target_fps).estimate
