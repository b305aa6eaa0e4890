"""StreamNet to the processes of a dataflow region, with one FIFO between any two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from semifreddo.core.errors import ProjectError
from semifreddo.hls import cpp, lower_weighted
from semifreddo.hls.lowered import Lowered, Port
from semifreddo.hls.names import identifiers
from semifreddo.ir.exact import Exact, exact_result
from semifreddo.ir.layers import (
    ALPHA_FRAC,
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Layer,
    Linear,
    MaxPool,
    Route,
    Stream,
)
from semifreddo.ir.net import StreamNet
from semifreddo.ir.schedule import ScheduledNet


@dataclass(frozen=True)
class Dataflow:
    """The whole region.

    Attributes:
        image: The input port.
        processes: In topological order, forks included.
        result: The output port.
    """

    image: Port
    processes: tuple[Lowered, ...]
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
) -> Iterator[Lowered]:
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
    yield Lowered(
        kind="SemifreddoFork",
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
) -> Lowered:
    net = scheduled.net
    loadable = {block.name for block in net.configurable_blocks}

    def made(
        kind: str, function: str, members: list[str] | None = None, logic: str = ""
    ) -> Lowered:
        return Lowered(
            kind=f"Semifreddo{kind}",
            name=name,
            function=function,
            inputs=inputs,
            outputs=(result,),
            members=tuple(members or ()),
            logic=logic,
            task_blocks=tuple(block for block in layer.block_names if block in loadable),
            traced=layer.name,
        )

    if isinstance(layer, Conv | Linear):
        this = lower_weighted.Weighted(net, layer, scheduled[layer.name], name)
        kind = "Conv2D" if isinstance(layer, Conv) else "Dense"
        function = f"semifreddo::{kind.lower()}"
        return made(kind, function, lower_weighted.members(this), lower_weighted.logic(this))
    exact = exact_result(layer, net.input_streams(layer), net.block.__getitem__)
    pixels = [f"static const unsigned n_pixels = {layer.output.pixels};"]
    if isinstance(layer, MaxPool | AvgPool):
        return made("Pool", pool_function(layer), _pool_members(net, layer, exact))
    if isinstance(layer, Blend):
        logic = _blend_code(net, layer, name, exact)
        return made("Blend", "semifreddo::blend", _blend_members(net, layer, name, exact), logic)
    if isinstance(layer, Add):
        return made("Add", "semifreddo::add", [*pixels, *_exact_members(exact)])
    if isinstance(layer, Cast):
        return made("Cast", "semifreddo::cast", pixels)
    if isinstance(layer, Route):
        return made("Route", f"nnet::{name}_route", logic=_route_code(net, layer, name))
    raise ProjectError(f"{layer.name}: layer kind {layer.kind} has no HLS implementation")


def _exact_members(exact: Exact) -> list[str]:
    return [
        f"static const int exact_width = {cpp.signed_width(exact.low, exact.high)};",
        f"static const int exact_frac = {exact.frac};",
    ]


def pool_function(layer: MaxPool | AvgPool) -> str:
    """C++ function of a pool: with a running result for windows side by side, or a line buffer."""
    padded = isinstance(layer, MaxPool) and any(layer.padding)
    side_by_side = layer.kernel == layer.stride or layer.output.pixels == 1
    return f"semifreddo::pool2d_{'tiles' if side_by_side and not padded else 'windows'}"


def _pool_members(net: StreamNet, layer: MaxPool | AvgPool, exact: Exact) -> list[str]:
    source = net.streams[layer.inputs[0]]
    padding = layer.padding if isinstance(layer, MaxPool) else (0, 0, 0, 0)
    sizes = {
        "n_chan": source.channels,
        "out_height": layer.output.shape[0],
        "out_width": layer.output.shape[1],
    } | lower_weighted.window_sizes(source, layer.kernel, layer.stride, padding)
    return [
        f"typedef {cpp.raw_type(source.type)} data_t;",
        *(f"static const unsigned {name} = {value};" for name, value in sizes.items()),
        f"static const bool maximum = {str(isinstance(layer, MaxPool)).lower()};",
        *_exact_members(exact),
    ]


def _blend_members(net: StreamNet, layer: Blend, name: str, exact: Exact) -> list[str]:
    return [
        f"typedef nnet::{name}_logic logic;",
        f"typedef {lower_weighted.row_type(net.block[layer.alpha])} alpha_row_t;",
        f"static const unsigned n_pixels = {layer.output.pixels};",
        *_exact_members(exact),
    ]


def _blend_code(net: StreamNet, layer: Blend, name: str, exact: Exact) -> str:
    alpha = net.block[layer.alpha]
    kind = cpp.integer(cpp.signed_width(exact.low, exact.high), True)
    place = {int(channel): i for i, channel in enumerate(alpha.configurable_channels)}
    bits = f"{cpp.signed_width(exact.low, exact.high)}, {exact.frac - ALPHA_FRAC}"
    lines = ["#pragma HLS INLINE"]
    for channel in range(layer.output.channels):
        factor = (
            f"{lower_weighted.row_type(alpha)}::get(alpha, {place[channel]})"
            if channel in place
            else f"{cpp.integer(4, False)}({int(alpha.raw[channel])})"
        )
        left, right = (
            f"semifreddo::aligned<{bits}>({side}[{channel}])" for side in ("left", "right")
        )
        lines.append(
            f"exact[{channel}] = semifreddo::blend_channel<{kind} >({left}, {right}, {factor});"
        )
    head = (
        "template <class left_T, class right_T>\n"
        "static void combine(const left_T &left, const right_T &right,\n"
        f"                    const {lower_weighted.row_type(alpha)}::part *alpha, {kind} *exact)"
    )
    return cpp.block(f"struct {name}_logic", [cpp.block(head, lines)]) + ";\n"


def _route_code(net: StreamNet, layer: Route, name: str) -> str:
    streams = net.input_streams(layer)
    sources = [
        f"word{number}[{channel}]"
        for number, stream in enumerate(streams)
        for channel in range(stream.channels)
    ]
    count = range(len(streams))
    types = ", ".join([*(f"class data{i}_T" for i in count), "class res_T"])
    ports = ", ".join(f"hls::stream<data{i}_T> &data{i}" for i in count)
    loop = [
        "#pragma HLS PIPELINE II=1",
        *(f"const data{i}_T word{i} = data{i}.read();" for i in count),
        "res_T pixel;",
        "PRAGMA_DATA_PACK(pixel)",
        *(
            f"pixel[{i}] = semifreddo::convert<typename res_T::value_type>({sources[index]});"
            for i, index in enumerate(layer.indices)
        ),
        "res.write(pixel);",
    ]
    head = (
        f"template <{types}>\nvoid {name}_route({ports}, hls::stream<res_T> &res, unsigned frames)"
    )
    body = cpp.block(f"for (unsigned i = 0; i < {layer.output.pixels}; i++)", loop)
    return cpp.block(head, cpp.frames(["Pixels:", body])) + "\n"
