"""What a layer becomes in the HLS project: data for hls4ml's graph, no hls4ml types yet."""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.ir.layers import Stream

FORK = "Fork"
"""Component of the copies of a stream for several readers."""


@dataclass(frozen=True)
class Port:
    """One FIFO: what a layer writes and exactly one layer reads.

    Attributes:
        name: C++ variable.
        type_name: C++ type of a word.
        stream: Shape and format.
        depth: Words.
    """

    name: str
    type_name: str
    stream: Stream
    depth: int


@dataclass(frozen=True)
class Process:
    """One process of the dataflow region.

    Attributes:
        kind: Layer class in hls4ml's graph.
        name: Node name, a C++ identifier.
        function: C++ function that is called, with its namespace.
        inputs: Ports read.
        outputs: Ports written.
        members: Members of the configuration struct, one declaration each; none means no struct.
        logic: Generated C++ for ``nnet_code_gen.h``.
        task_blocks: Loadable blocks the layer takes before a frame, in this order.
        traced: Name of the StreamNet layer whose stream the (only) output is; "" for a fork.
    """

    kind: str
    name: str
    function: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    members: tuple[str, ...] = ()
    logic: str = ""
    task_blocks: tuple[str, ...] = ()
    traced: str = ""
