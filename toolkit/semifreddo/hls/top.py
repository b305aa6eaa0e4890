"""The top function: streams in and out, the task memory, and the dataflow region between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from semifreddo.hls import cpp
from semifreddo.hls.lower import Dataflow
from semifreddo.hls.process import Port, Process
from semifreddo.ir.address_map import AddressMap

LOGIC_HEADERS = (
    "semifreddo_weighted.h",
    "semifreddo_pixelwise.h",
    "semifreddo_pool.h",
    "semifreddo_trace.h",
)

_PORTS = ("image", "result")

TASK_FIFO_DEPTH = 2
"""The loader may wait for a layer; see :func:`semifreddo.hls.schedule._least_depth` on deadlock."""

_TASK_COMMENT = """\
// load_task = 1: every layer takes its new values out of task_memory (see ADDRESS_MAP.md) before
// the first image of this call; task_memory may be written while load_task is 0.
"""


@dataclass(frozen=True)
class Design:
    """What the top function, the test bench and the C simulation are made from."""

    name: str
    dataflow: Dataflow
    addresses: AddressMap
    device_digest: str

    @property
    def loadable(self) -> tuple[Process, ...]:
        """Processes that take task words, in order."""
        return tuple(process for process in self.dataflow.processes if process.task_blocks)

    @property
    def fifos(self) -> Iterator[Port]:
        """FIFOs between processes."""
        yield self.dataflow.image
        for process in self.dataflow.processes:
            yield from process.outputs


def parameters(design: Design) -> list[str]:
    """Declarations of the top function's parameters."""
    found = [f"hls::stream<semifreddo::axis_word> &{name}" for name in _PORTS]
    # HLS gives addresses in this order, and keeps the names of plain types only.
    found.append("unsigned frames")
    if design.loadable:
        found.append("bool load_task")
        found.append(f"const unsigned task_memory[{design.addresses.words}]")
    return found


def _signature(design: Design) -> str:
    joined = ",\n    ".join(parameters(design))
    return f"void {design.name}(\n    {joined}\n)"


def header(design: Design) -> str:
    """``firmware/<name>.h``."""
    guard = f"{design.name.upper()}_H_"
    task = _TASK_COMMENT if design.loadable else ""
    return f"""#ifndef {guard}
#define {guard}

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

#include "defines.h"
#include "nnet_utils/semifreddo_axis.h"

// One call is so many images as frames says; TLAST ends the result of the last one.
{task}{_signature(design)};

#endif
"""


def _loader(design: Design) -> str:
    tasks = [f"{process.name}_task" for process in design.loadable]
    ports = ",\n    ".join(f"hls::stream<ap_uint<32> > &{task}" for task in tasks)
    lines: list[str] = []
    for process, task in zip(design.loadable, tasks, strict=True):
        loops = []
        for number, name in enumerate(process.task_blocks):
            region = design.addresses.region[name]
            loops.append(f"// {name}")
            loops.append(f"Words{len(lines) + number}:")
            loops.append(
                cpp.block(
                    f"for (unsigned i = 0; i < {region.words}; i++)",
                    [
                        "#pragma HLS PIPELINE II=1",
                        f"{task}.write(task_memory[{region.offset_words} + i]);",
                    ],
                )
            )
        lines += [f"{task}.write(load_task);", cpp.block("if (load_task)", loops)]
    head = (
        "// One header word per layer and call says whether values follow.\n"
        "static void distribute_task(\n"
        f"    bool load_task, const unsigned task_memory[{design.addresses.words}],\n"
        f"    {ports}\n)"
    )
    return cpp.block(head, lines) + "\n\n"


def _interface(design: Design) -> list[str]:
    lines = [f"#pragma HLS INTERFACE axis port={name}" for name in _PORTS]
    tasks = ["load_task", "task_memory"] if design.loadable else []
    names = ["frames", *tasks, "return"]
    lines += [f"#pragma HLS INTERFACE s_axilite port={name} bundle=control" for name in names]
    return [*lines, "#pragma HLS DATAFLOW"]


def _fifo(type_name: str, name: str, depth: int) -> list[str]:
    return [
        f'hls::stream<{type_name}> {name}("{name}");',
        f"#pragma HLS STREAM variable={name} depth={depth}",
    ]


def source(design: Design, calls: Mapping[str, str]) -> str:
    """``firmware/<name>.cpp``.

    Args:
        design: The design.
        calls: C++ call of each process, by node name.
    """
    lines = [*_interface(design), ""]
    for process in design.loadable:
        lines += _fifo("ap_uint<32> ", f"{process.name}_task", TASK_FIFO_DEPTH)
    for port in design.fifos:
        lines += _fifo(port.type_name, port.name, port.depth)
    lines.append("")
    if design.loadable:
        tasks = ", ".join(f"{process.name}_task" for process in design.loadable)
        lines.append(f"distribute_task(load_task, task_memory, {tasks});")
    image, result = design.dataflow.image, design.dataflow.result
    words = f"{image.type_name}, {image.stream.pixels}"
    lines.append(f"semifreddo::receive<{words}>(image, {image.name}, frames);")
    for process in design.dataflow.processes:
        lines.append(f"{calls[process.name]} // {process.kind}")
        if process.traced:
            port = process.outputs[0]
            lines.append(f"SEMIFREDDO_TRACE_STREAM({port.name}, {port.stream.pixels} * frames)")
    words = f"{result.type_name}, {result.stream.pixels}"
    lines.append(f"semifreddo::send<{words}>({result.name}, result, frames);")
    loader = _loader(design) if design.loadable else ""
    top = cpp.block(_signature(design), lines)
    return f'#include "{design.name}.h"\n#include "parameters.h"\n\n{loader}{top}\n'
