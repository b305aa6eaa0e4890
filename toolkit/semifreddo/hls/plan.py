"""A scheduled network to an HLS project, in memory."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core import scratch
from semifreddo.core.errors import ProjectError, ToolError, install_hint
from semifreddo.core.project import ProjectPlan
from semifreddo.core.vectors import VectorSet
from semifreddo.hls import texts
from semifreddo.hls.limits import check_limits
from semifreddo.hls.lower import lower
from semifreddo.hls.names import check_top_name
from semifreddo.hls.schedule import ScheduledNet
from semifreddo.hls.top import Design
from semifreddo.ir.address_map import AddressMap

Tool: TypeAlias = Literal["vivado", "vitis"]

_UNCERTAINTY = {"vivado": "12.5%", "vitis": "27%"}

_WEIGHTS_NOTE = """This directory is empty on purpose: frozen weights are logic in
firmware/nnet_utils/nnet_code_gen.h, loadable ones come through the task memory.
"""


def plan_project(
    scheduled: ScheduledNet,
    *,
    tool: Tool = "vivado",
    part: str,
    clock_ns: float,
    vectors: VectorSet | None = None,
    task_words: npt.NDArray[np.uint32] | None = None,
) -> ProjectPlan:
    """Make the files of an HLS project.

    Everything outside ``tb_data`` is the same for all tasks of a device.

    Args:
        scheduled: Network and schedule.
        tool: ``vivado`` (vivado_hls) or ``vitis`` (Vitis HLS).
        part: FPGA part, e.g. ``xc7z020clg400-1``.
        clock_ns: Clock period.
        vectors: Images and expected raw results for the test bench.
        task_words: Task the vectors were computed with; the network's own values by default.

    Raises:
        ProjectError: The network or an argument cannot be built.
        ToolError: hls4ml is not installed.
    """
    net = scheduled.net
    if tool not in _UNCERTAINTY:
        raise ProjectError(f"{net.name}: tool {tool!r} is unknown; use 'vivado' or 'vitis'")
    if clock_ns <= 0:
        raise ProjectError(f"{net.name}: clock_ns {clock_ns} is not a positive period")
    check_top_name(net.name)
    check_limits(scheduled)
    design = Design(net.name, lower(scheduled), AddressMap.of(net), net.device_digest)
    files = _hls4ml_files(design, tool, part, clock_ns)
    files["firmware/weights/README.txt"] = _WEIGHTS_NOTE.encode()
    files["csim/main.cpp"] = texts.fill("csim_main.cpp", design).encode()
    files["README.md"] = texts.readme(scheduled, design, tool).encode()
    files["ADDRESS_MAP.md"] = texts.address_map(design).encode()
    versions = {name: importlib.metadata.version(name) for name in ("semifreddo", "hls4ml")}
    target = {"tool": tool, "part": part, "clock_ns": clock_ns}
    description = texts.description(scheduled, design, target, versions)
    files["semifreddo.json"] = description.encode()
    words = AddressMap.of(net).pack(net) if task_words is None else task_words
    files |= _test_data(design, vectors, words)
    return ProjectPlan(files)


def _test_data(
    design: Design, vectors: VectorSet | None, words: npt.NDArray[np.uint32]
) -> dict[str, bytes]:
    if words.shape != (design.addresses.words,):
        raise ProjectError(
            f"{design.name}: task has {words.size} words, the device needs {design.addresses.words}"
        )
    files = {"tb_data/task_words.dat": _numbers(words.reshape(-1, 1))}
    if vectors is not None:
        files["tb_data/images.dat"] = _numbers(vectors.images.reshape(len(vectors), -1))
        files["tb_data/expected.dat"] = _numbers(vectors.expected)
    return files


def _numbers(rows: npt.NDArray[np.integer]) -> bytes:
    return "".join(" ".join(map(str, row)) + "\n" for row in rows.tolist()).encode()


def _hls4ml_files(design: Design, tool: Tool, part: str, clock_ns: float) -> dict[str, bytes]:
    """Let hls4ml write its project into a temporary directory and read it back."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from hls4ml.model.graph import ModelGraph

            from semifreddo.hls.extension import BACKENDS, register

            register()
    except ImportError as error:
        raise ToolError(f"hls4ml cannot be imported ({error}); {install_hint('hls')}") from error
    with scratch.folder("hls4ml") as directory:
        config = {
            "Backend": BACKENDS[tool],
            "ProjectName": design.name,
            "OutputDir": directory,
            "Part": part,
            "ClockPeriod": clock_ns,
            "ClockUncertainty": _UNCERTAINTY[tool],
            "IOType": "io_stream",
            "Stamp": design.device_digest[:8],
            "HLSConfig": {"LayerName": {design.dataflow.image.name: _image_config(design)}},
            "WriterConfig": {
                "Namespace": None,
                "WriteWeightsTxt": False,
                "WriteTar": False,
                "TBOutputStream": "both",
            },
            "Semifreddo": design,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            graph = ModelGraph.from_layer_list(config, _layer_list(design))
            _check(graph, design)
            graph.write()
        return dict(_read_tree(Path(directory)))


def _image_config(design: Design) -> dict[str, Any]:
    from semifreddo.hls.extension import precision

    return {"Precision": {"result": precision(design.dataflow.image.stream.type)}}


def _layer_list(design: Design) -> list[dict[str, Any]]:
    image = design.dataflow.image
    first = {"class_name": "InputLayer", "name": image.name, "input_shape": [*image.stream.shape]}
    return [
        first,
        *(
            {
                "class_name": process.kind,
                "name": process.name,
                "inputs": [port.name for port in process.inputs],
                "outputs": [port.name for port in process.outputs],
                "lowered": process,
            }
            for process in design.dataflow.processes
        ),
    ]


def _check(graph: Any, design: Design) -> None:
    """Nothing but our layers may be in the graph, with exactly our types."""
    image = design.dataflow.image
    expected = [(image.name, "Input"), *((p.name, p.kind) for p in design.dataflow.processes)]
    found = [(node.name, node.class_name) for node in graph.get_layers()]
    assert found == expected, f"hls4ml changed the graph: {found}"
    ports = [image, *(p for q in design.dataflow.processes for p in q.outputs)]
    variables = [variable for node in graph.get_layers() for variable in node.get_variables()]
    for port, variable in zip(ports, variables, strict=True):
        exact = port.stream.type.ap_name.replace(",AP_TRN,AP_WRAP>", ">")
        cpp = variable.type.precision.definition_cpp()
        assert cpp in (exact, exact[:-1] + ",0>"), f"{port.name}: hls4ml has {cpp}, not {exact}"
        assert (variable.name, variable.type.name) == (port.name, port.type_name)


_SCRIPTS = ("build_lib.sh", "build_prj.tcl", "build_opt.tcl", "vivado_synth.tcl")
"""hls4ml's own ways to run the tools; ours are in the Vivado project (``vivado/tcl``)."""


def _read_tree(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in _SCRIPTS:
            yield name, path.read_bytes()
