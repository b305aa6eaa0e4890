"""Other ways to make a frozen network, behind the same streams: plain constants, and da4ml's RTL.

Each takes the place of a design's ``<net>_layers``, so it is simulated and counted like ours. They
are pipelines without a handshake, so they get ours: credits and a FIFO (``sf_issue``, ``sf_fifo``).
da4ml's Verilog is written by da4ml when this is run; none of it is part of this toolkit.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from semifreddo.core.errors import LadderError, ProjectError, ToolError, install_hint
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import Linear
from semifreddo.ir.net import StreamNet
from semifreddo.rtl import library
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.numbers import Number, cast
from semifreddo.rtl.components.streams import Issue
from semifreddo.rtl.components.verilog import CLOCK, literal, module, part, stream_ports, vector
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.synthesis.netlist import quiet
from semifreddo.rtl.units.unit import delay, depth_for, fifo, issue, word_bits
from semifreddo.sim import reference
from semifreddo.studies.hardware.networks import pictures

_LEVELS = 2
"""Levels of adders between da4ml's registers; as in our graphs."""


def plain_constants(design: RtlDesign) -> RtlDesign:
    """The network as products with constants, left to Yosys; a register behind every layer.

    Raises:
        ProjectError: The network has other layers than fully connected ones.
    """
    net = design.net
    lines: list[str] = []
    signal, kind = "in_data", net.input.type
    for layer in _linear_layers(net):
        name, block = layer.name, net.block[layer.weight]
        low, high = product_bounds(kind, block)
        target = layer.output.type
        lines.append(f"wire {vector(word_bits(layer.output))} {name}_cast;")
        for output in range(block.outputs):
            bounds = int(low[output]), int(high[output])
            total = Number(f"{name}_{output}", *bounds, kind.frac + block.frac[output])
            terms = " + ".join(
                f"{Number.of(part(signal, row, kind.width), kind).text} * "
                f"{literal(int(block.matrix[row, output]), block.bits)}"
                for row in range(block.rows)
            )
            lines.append(f"wire signed {vector(total.bits)} {total.text} = {terms};")
            place = part(f"{name}_cast", output, target.width)
            lines.append(cast(f"{name}_cast_{output}", total, target, place))
        lines += [
            f"reg {vector(word_bits(layer.output))} {name};",
            f"always @(posedge clk) {name} <= {name}_cast;",
        ]
        signal, kind = name, target
    return _with_layers(design, lines, signal, len(net.layers), {})


def da4ml_rtl(design: RtlDesign, folder: Path) -> RtlDesign:
    """The network traced and pipelined by da4ml and written by its RTL writer.

    Without registers, Yosys' technology mapping did not finish within a quarter of an hour.

    Raises:
        ToolError: da4ml is not installed.
        ProjectError: The network has other layers than fully connected ones.
        LadderError: da4ml's own model of it computes other integers.
    """
    try:
        from da4ml.codegen import RTLModel
        from da4ml.trace import FixedVariableArray, HWConfig, comb_trace
        from da4ml.trace.pipeline import to_pipeline
    except ImportError as error:
        raise ToolError(f"table 3 needs da4ml ({error}); {install_hint('rtl')}") from None
    net = design.net
    count = net.input.channels
    zeros = np.zeros(count, np.int8)
    _, whole, frac = _kif(net.input.type)
    source = FixedVariableArray.from_kif(
        zeros, zeros + whole, zeros + frac, HWConfig(1, -1, -1), 0.0, {}
    )
    found = source
    layers = _linear_layers(net)
    for layer in layers:
        block = net.block[layer.weight]
        found = found @ (block.matrix / 2.0 ** np.array(block.frac))
        if layer is not layers[-1]:
            keep, whole, frac = _kif(layer.output.type)
            found = found.quantize(keep, whole, frac, "SAT", "TRN")
    comb = comb_trace(source, found)
    images = pictures(net, 50)
    scale = 2.0**net.output.type.frac
    expected = reference.run(net, images)
    own = comb.predict(images.reshape(len(images), -1) / 2.0**net.input.type.frac) * scale
    if not np.array_equal(own, expected):
        raise LadderError(f"{net.name}: da4ml's model computes other integers; nothing counted")
    pipeline = to_pipeline(comb, _LEVELS, verbose=False)
    RTLModel(pipeline, "da4ml_net", folder).write()
    texts = {
        f"{path.stem}.sv": quiet(path.read_text())
        for path in sorted((folder / "src").rglob("*.v"))
        if "wrapper" not in path.stem
    }
    lines, offset = [f"wire {vector(word_bits(net.output))} result;"], 0
    joined = sum(sum(_minimal(interval)) for interval in comb.out_qint)
    lines += [
        f"wire {vector(joined)} joined;",
        "da4ml_net graph (.clk(clk), .model_inp(in_data), .model_out(joined));",
    ]
    width = net.output.type.width
    for index, interval in enumerate(comb.out_qint):
        signed, whole, frac = _minimal(interval)
        bits = signed + whole + frac
        value = f"joined[{offset + bits - 1}:{offset}]"
        number = f"$signed({value})" if signed else f"$signed({{1'b0, {value}}})"
        lines.append(f"wire signed {vector(width)} out_{index} = {number};")
        up = net.output.type.frac - frac
        lines.append(f"assign {part('result', index, width)} = out_{index} <<< {up};")
        offset += bits
    registers = len(pipeline.solutions) + 1
    return _with_layers(design, lines, "result", registers, texts)


def _minimal(interval: object) -> tuple[int, int, int]:
    from da4ml.types import minimal_kif

    signed, whole, frac = minimal_kif(interval)
    return int(signed), int(whole), int(frac)


def _kif(kind: FixedType) -> tuple[int, int, int]:
    """da4ml's format: sign bits, whole bits, fraction bits."""
    return int(kind.signed), kind.width - kind.frac - int(kind.signed), kind.frac


def _linear_layers(net: StreamNet) -> list[Linear]:
    layers = [layer for layer in net.layers if isinstance(layer, Linear)]
    chain = [net.input.name, *(layer.name for layer in layers)]
    plain = all(
        layer.inputs == (source,) and layer.bias is None
        for layer, (source, _) in zip(layers, pairwise(chain), strict=True)
    )
    kinds = {(layer.output.type.rounding, layer.output.type.overflow) for layer in layers[:-1]}
    if not plain or len(layers) != len(net.layers) or kinds - {(Rounding.FLOOR, Overflow.SATURATE)}:
        raise ProjectError(f"{net.name}: is no chain of linear layers that floor and saturate")
    return layers


def _with_layers(
    design: RtlDesign, lines: list[str], result: str, latency: int, more: dict[str, str]
) -> RtlDesign:
    """The design with other layers: a pipeline of a word per cycle, and our handshake around it."""
    net, name = design.net, design.layers.module
    bits, depth = word_bits(net.output), depth_for(1, latency)
    body = [
        *issue(Issue(1, depth), "in_valid", "in_ready"),
        *lines,
        *delay("done", latency, "active"),
        f"wire {vector(bits)} result_word = {result};",
        *fifo("result", Fifo(bits, depth, credited=True), "done", "pop"),
        "assign out_valid = result_there;",
        "assign out_data = result_out;",
    ]
    ports = [
        *CLOCK,
        *stream_ports("in", word_bits(net.input), source=False),
        *stream_ports("out", bits, source=True),
    ]
    text = module(name, f"{net.name} in another way.", ports, body)
    files = {
        file: found
        for file, found in design.files.items()
        if file.startswith("sf_") or file == f"{design.top}.sv"
    }
    files |= {f"{name}.sv": text} | more
    files |= {file: found for file, found in library.needed([text]).items() if file not in files}
    return replace(design, files=dict(sorted(files.items())))
