"""The estimated clock of a small design, from its real netlists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nets import block
from semifreddo.core.errors import ToolError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Linear, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.synthesis.clock import part_paths
from semifreddo.rtl.synthesis.parts import synthesize_design
from semifreddo.tools.yosys import find_yosys


def linear() -> StreamNet:
    weight = block(np.random.default_rng(0), "w", (4, 2), 2)
    image = Stream("image", (1, 1, 4), FixedType.exact(4, 0, signed=False))
    output = Stream("y", (1, 1, 2), FixedType.exact(12, 3, signed=True))
    layer = Linear(inputs=("image",), output=output, weight="w", bias=None)
    return StreamNet("small", image, (layer,), (weight,))


def test_parts_and_where_their_slowest_paths_go(tmp_path: Path) -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")
    design = make_design(linear())
    found = synthesize_design(design, family="xc7", cache=tmp_path, timeout_s=200, jobs=2)
    paths = part_paths(design, found)
    assert set(found.netlists) == {"y", "streams", "bus"}
    assert set(paths) == {"y", "bus"}, "between the only layer and the bus are but wires"
    delays = [path.ns for path in paths.values()]
    assert delays == sorted(delays, reverse=True) and 1 < delays[-1] < delays[0] < 15
    modules = {path.part for path in paths.values()}
    assert modules == {design.top, design.layers.units[0].module}
    known = "".join(design.files.values())
    for path in paths.values():
        for place in (path.start, path.end):
            line = re.search(r"\w+\.sv(?=:\d+$)", place)
            name = re.split(r"[\[_]", place.rpartition(".")[2])[0]
            found_by = line[0] in design.files if line else name in known
            assert found_by or place.endswith("a cell without a name"), place
        assert path.cells, "every part has logic between its registers"
