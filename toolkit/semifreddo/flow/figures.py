"""Figures that follow from a network or a task alone."""

from __future__ import annotations

from semifreddo.ir.layers import Weighted
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
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
    frozen = configurable = frozen_bits = configurable_bits = 0
    for block in net.blocks:
        loadable = block.rows * len(block.configurable_channels)
        fixed = block.rows * len(block.frozen_channels)
        frozen, configurable = frozen + fixed, configurable + loadable
        frozen_bits += fixed * block.bits
        configurable_bits += loadable * block.bits
    total = by_frozen = 0
    for layer in net.layers:
        if isinstance(layer, Weighted):
            weight = net.block[layer.weight]
            total += layer.output.pixels * weight.rows * weight.outputs
            by_frozen += layer.output.pixels * weight.rows * len(weight.frozen_channels)
    return NetFigures(
        device_digest=net.device_digest,
        layers=len(net.layers),
        frozen_values=frozen,
        configurable_values=configurable,
        frozen_bits=frozen_bits,
        configurable_bits=configurable_bits,
        multiplications=total,
        frozen_multiplications=by_frozen,
    )
