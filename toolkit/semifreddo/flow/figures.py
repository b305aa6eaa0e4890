"""Figures that follow from a network or a task alone."""

from __future__ import annotations

from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.nn.cost import net_cost
from semifreddo.reports.figures import NetFigures, TaskFigures


def task_figures(task: Task) -> TaskFigures:
    """Size and accuracy of a task."""
    return TaskFigures(
        name=task.name,
        labels=task.labels,
        payload_bytes=task.payload_bytes,
        test_accuracy=task.metrics.get("test_accuracy"),
        metrics=task.metrics,
    )


def net_figures(net: StreamNet) -> NetFigures:
    """Sizes of a network, split by residency."""
    cost = net_cost(net)
    return NetFigures(
        device_digest=net.device_digest,
        layers=len(net.layers),
        frozen_values=cost.frozen_parameters,
        configurable_values=cost.parameters - cost.frozen_parameters,
        frozen_bits=cost.frozen_weight_bits,
        configurable_bits=cost.weight_bits - cost.frozen_weight_bits,
        multiplications=cost.macs,
        frozen_multiplications=cost.frozen_macs,
    )
