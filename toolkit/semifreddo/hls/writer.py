"""Writers for hls4ml: its project, with our top function, test bench and generated logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hls4ml.writer import VitisWriter, VivadoWriter

from semifreddo.hls import texts, top

_GENERATED_AFTER = '#include "nnet_mult.h"\n'


class _SemifreddoFiles:
    """The files that differ from hls4ml's.

    The graph's configuration holds a :class:`~semifreddo.hls.top.Design` under ``Semifreddo``.
    """

    @staticmethod
    def _design(model: Any) -> top.Design:
        design = model.config.get_config_value("Semifreddo")
        assert isinstance(design, top.Design)
        return design

    @staticmethod
    def _output(model: Any) -> Path:
        return Path(model.config.get_output_dir())

    def write_project_cpp(self, model: Any) -> None:
        """The top function: task loader and one process per layer."""
        design = self._design(model)
        calls = {node.name: node.get_attr("function_cpp") for node in model.get_layers()}
        text = top.source(design, calls)
        (self._output(model) / "firmware" / f"{design.name}.cpp").write_text(text)

    def write_project_header(self, model: Any) -> None:
        """Its declaration."""
        design = self._design(model)
        (self._output(model) / "firmware" / f"{design.name}.h").write_text(top.header(design))

    def write_test_bench(self, model: Any) -> None:
        """A self-checking test bench."""
        design = self._design(model)
        path = self._output(model) / f"{design.name}_test.cpp"
        path.write_text(texts.fill("test_bench.cpp", design))

    def write_bridge(self, model: Any) -> None:
        """None: the C simulation is a program of its own (``csim/``)."""

    def write_yml(self, model: Any) -> None:
        """None: it would hold the path of a temporary directory; see ``semifreddo.json``."""

    def write_generated_code(self, model: Any) -> None:
        """hls4ml's, which needs our headers above it."""
        super().write_generated_code(model)  # type: ignore[misc]
        path = self._output(model) / "firmware" / "nnet_utils" / "nnet_code_gen.h"
        text = path.read_text()
        assert text.count(_GENERATED_AFTER) == 1, "hls4ml's nnet_code_gen.h has changed"
        includes = [f'#include "{name}"\n' for name in top.LOGIC_HEADERS]
        path.write_text(text.replace(_GENERATED_AFTER, _GENERATED_AFTER + "".join(includes)))


class SemifreddoVivadoWriter(_SemifreddoFiles, VivadoWriter):  # type: ignore[misc]
    """For vivado_hls."""


class SemifreddoVitisWriter(_SemifreddoFiles, VitisWriter):  # type: ignore[misc]
    """For Vitis HLS."""
