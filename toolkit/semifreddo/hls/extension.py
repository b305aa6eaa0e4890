"""Our extension of hls4ml: layer classes, their templates, and backends with their writers.

hls4ml's own passes are not run: every type and every FIFO is decided by the StreamNet and its
schedule, so there is nothing to infer and nothing to optimize behind our back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hls4ml.backends import VitisBackend, VivadoBackend, register_backend
from hls4ml.backends.backend import backend_map
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.flow import register_flow
from hls4ml.model.layers import Layer, layer_map, register_layer
from hls4ml.model.types import FixedPrecisionType, Source
from hls4ml.writer import register_writer

from semifreddo.core.fixed import FixedType
from semifreddo.hls.kinds import CODES
from semifreddo.hls.process import FORK, Process
from semifreddo.hls.writer import SemifreddoVitisWriter, SemifreddoVivadoWriter

HEADERS = (
    "semifreddo_types.h",
    "semifreddo_task.h",
    "semifreddo_window.h",
    "semifreddo_weighted.h",
    "semifreddo_pixelwise.h",
    "semifreddo_pool.h",
    "semifreddo_trace.h",
    "semifreddo_axis.h",
)
"""Our C++ headers, copied beside hls4ml's own."""

TEMPLATES = Path(__file__).parent / "templates"

BACKENDS: Mapping[str, str] = {"vivado": "SemifreddoVivado", "vitis": "SemifreddoVitis"}
"""hls4ml backend for each tool."""


def precision(kind: FixedType) -> Any:
    """hls4ml's type for a stream format."""
    return FixedPrecisionType(
        width=kind.width,
        integer=kind.integer_bits,
        signed=kind.signed,
        rounding_mode=kind.rounding.value,
        saturation_mode=kind.overflow.value,
    )


class SemifreddoLayer(Layer):  # type: ignore[misc]
    """Base of our layers; the attribute ``lowered`` says everything about one."""

    def initialize(self) -> None:
        """Declare the output streams and the generated code."""
        lowered: Process = self.get_attr("lowered")
        for port in lowered.outputs:
            self.add_output_variable(
                list(port.stream.shape),
                out_name=port.name,
                var_name=port.name,
                type_name=port.type_name,
                precision=precision(port.stream.type),
            )
        # hls4ml expects every layer to state a result type; it is the first output's.
        self.set_attr("result_t", self.get_output_variable().type)
        if lowered.logic:
            self.set_attr("logic_code", Source(lowered.logic + "\n"))


LAYERS: tuple[type[SemifreddoLayer], ...] = tuple(
    type(f"Semifreddo{component}", (SemifreddoLayer,), {"__doc__": f"A {component}."})
    for component in dict.fromkeys([*(code.component for code in CODES.functions), FORK])
)
"""hls4ml's class of every component; a process says the rest (:class:`Process`)."""


class SemifreddoConfigTemplate(LayerConfigTemplate):  # type: ignore[misc]
    """The configuration struct in ``parameters.h``."""

    def __init__(self) -> None:
        super().__init__(LAYERS)

    def format(self, node: Any) -> str:
        """Text of the struct; empty for layers without parameters."""
        lowered: Process = node.get_attr("lowered")
        if not lowered.members:
            return ""
        lines = "".join(f"    {member}\n" for member in lowered.members)
        return f"struct {lowered.name}_config {{\n{lines}}};\n"


class SemifreddoFunctionTemplate(FunctionCallTemplate):  # type: ignore[misc]
    """The call in the top function."""

    def __init__(self) -> None:
        super().__init__(LAYERS, include_header=[f"nnet_utils/{name}" for name in HEADERS])

    def format(self, node: Any) -> str:
        """The call with its template arguments."""
        lowered: Process = node.get_attr("lowered")
        ports = [*lowered.inputs, *lowered.outputs]
        arguments = [port.name for port in ports]
        if lowered.task_blocks:
            arguments.append(f"{lowered.name}_task")
        arguments.append("frames")
        if not lowered.members:
            return f"{lowered.function}({', '.join(arguments)});"
        types = ", ".join([*(port.type_name for port in ports), f"{lowered.name}_config"])
        return f"{lowered.function}<{types}>({', '.join(arguments)});"


class _Flows:
    """Flows with exactly three steps: types, templates, writing."""

    name: str
    _default_flow: str
    _writer_flow: str

    def _register_flows(self) -> None:
        templates = [
            f"{self.name.lower()}:{template().get_name()}"
            for template in (SemifreddoConfigTemplate, SemifreddoFunctionTemplate)
        ]
        types = register_flow("specific_types", ["vivado:transform_types"], backend=self.name)
        apply = register_flow("apply_templates", templates, requires=[types], backend=self.name)
        self._default_flow = register_flow("ip", None, requires=[types, apply], backend=self.name)
        self._writer_flow = register_flow(
            "write",
            [f"{self.name.lower()}:write_hls"],
            requires=[self._default_flow],
            backend=self.name,
        )


class SemifreddoVivadoBackend(_Flows, VivadoBackend):  # type: ignore[misc]
    """hls4ml's Vivado backend with our flows."""

    def __init__(self) -> None:
        super(VivadoBackend, self).__init__("SemifreddoVivado")
        self._register_flows()


class SemifreddoVitisBackend(_Flows, VitisBackend):  # type: ignore[misc]
    """hls4ml's Vitis backend with our flows."""

    def __init__(self) -> None:
        super(VivadoBackend, self).__init__("SemifreddoVitis")
        self._register_flows()


def register() -> None:
    """Make hls4ml know all of the above; calling it again does nothing."""
    if BACKENDS["vivado"].lower() in backend_map:
        return
    for layer in LAYERS:
        if layer.__name__ not in layer_map:
            register_layer(layer.__name__, layer)
    register_writer(BACKENDS["vivado"], SemifreddoVivadoWriter)
    register_writer(BACKENDS["vitis"], SemifreddoVitisWriter)
    register_backend(BACKENDS["vivado"], SemifreddoVivadoBackend)
    register_backend(BACKENDS["vitis"], SemifreddoVitisBackend)
    for name in BACKENDS.values():
        backend = backend_map[name.lower()]
        backend.register_template(SemifreddoConfigTemplate)
        backend.register_template(SemifreddoFunctionTemplate)
        for header in HEADERS:
            backend.register_source((TEMPLATES / header).resolve())
        backend.register_source((TEMPLATES / "ap_axi_sdata.h").resolve(), "ap_types")
