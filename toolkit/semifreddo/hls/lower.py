"""StreamNet to the processes of a dataflow region, with one FIFO between any two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from semifreddo.hls import cpp
from semifreddo.hls.kinds import CODES
from semifreddo.hls.names import identifiers
from semifreddo.hls.process import FORK, Port, Process
from semifreddo.hls.schedule import ScheduledNet
from semifreddo.ir.layers import Layer, Stream
from semifreddo.ir.net import StreamNet


@dataclass(frozen=True)
class Dataflow:
    """The whole region.

    Attributes:
        image: The input port.
        processes: In topological order, forks included.
        result: The output port.
    """

    image: Port
    processes: tuple[Process, ...]
    result: Port


def lower(scheduled: ScheduledNet) -> Dataflow:
    """Give every layer a process and every stream with several readers a fork."""
    net = scheduled.net
    names = identifiers([net.input.name, *(layer.name for layer in net.layers)])
    waiting: dict[str, list[Port]] = {}
    depth = scheduled.schedule.input_fifo_depth
    image = Port("image_pixels", "input_t", net.input, _before_fork(net, net.input, depth))
    processes = list(_fork(net, image, names, waiting, depth))
    result = image
    for layer in net.layers:
        inputs = tuple(waiting[name].pop(0) for name in layer.inputs)
        name = names[layer.name]
        last = layer.name == net.output.name
        depth = scheduled[layer.name].fifo_depth
        result = Port(
            "result_pixels" if last else f"{name}_out",
            "result_t" if last else f"{name}_t",
            layer.output,
            _before_fork(net, layer.output, depth),
        )
        processes.append(_lower_layer(scheduled, layer, name, inputs, result))
        if not last:
            processes += _fork(net, result, names, waiting, depth)
    return Dataflow(image, tuple(processes), result)


def _before_fork(net: StreamNet, stream: Stream, depth: int) -> int:
    """Depth of the FIFO behind a layer: a fork has the deep FIFOs behind itself."""
    return 2 if len(net.consumers[stream.name]) > 1 else depth


def _fork(
    net: StreamNet,
    port: Port,
    names: Mapping[str, str],
    waiting: dict[str, list[Port]],
    depth: int,
) -> Iterator[Process]:
    """Register the ports that a stream's readers will take; add a fork if there are several."""
    stream = port.stream
    readers = len(net.consumers[stream.name])
    if readers == 1:
        waiting[stream.name] = [port]
        return
    name = f"{names[stream.name]}_fork"
    copies = tuple(
        Port(f"{names[stream.name]}_copy{i}", port.type_name, stream, depth) for i in range(readers)
    )
    waiting[stream.name] = list(copies)
    yield Process(
        kind=f"Semifreddo{FORK}",
        name=name,
        function=f"nnet::{name}",
        inputs=(port,),
        outputs=copies,
        logic=_fork_code(name, stream, readers),
    )


def _fork_code(name: str, stream: Stream, readers: int) -> str:
    outputs = ", ".join(f"hls::stream<data_T> &copy{i}" for i in range(readers))
    loop = [
        "#pragma HLS PIPELINE II=1",
        "const data_T word = data.read();",
        *(f"copy{i}.write(word);" for i in range(readers)),
    ]
    head = (
        f"template <class data_T> void {name}(hls::stream<data_T> &data, {outputs}, "
        "unsigned frames)"
    )
    body = cpp.block(f"for (unsigned i = 0; i < {stream.pixels}; i++)", loop)
    return cpp.block(head, cpp.frames(["Pixels:", body])) + "\n"


def _lower_layer(
    scheduled: ScheduledNet, layer: Layer, name: str, inputs: tuple[Port, ...], result: Port
) -> Process:
    net = scheduled.net
    code = CODES(layer, net, scheduled[layer.name], name)
    loadable = {block.name for block in net.configurable_blocks}
    return Process(
        kind=f"Semifreddo{code.component}",
        name=name,
        function=code.function,
        inputs=inputs,
        outputs=(result,),
        members=tuple(code.members),
        logic=code.logic,
        task_blocks=tuple(block for block in layer.block_names if block in loadable),
        traced=layer.name,
    )
