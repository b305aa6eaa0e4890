"""The text of adder graphs."""

from __future__ import annotations

import re

import numpy as np

from semifreddo import adders
from semifreddo.core.fixed import FixedType
from semifreddo.rtl.adders.pipelined import PipelinedAdders, graph_module

_DECLARED = re.compile(r"(?:wire|reg)(?: signed)?(?: \[(\d+):0\])? (\w+)")
_SUM = re.compile(r"wire signed \[(\d+):0\] v\d+ = (.*);")
_OPERAND = re.compile(r"\$signed\(\{1'b0, (\w+)\}\)|\$signed\((\w+)(?:\[(\d+):0\])?\)|(\w+)")


def test_no_operand_is_wider_than_its_sum() -> None:
    """Signs times bits: a bit that is added can make a number shorter."""
    signs = np.where(np.random.default_rng(0).random((72, 12)) < 0.5, -1, 1)
    graph = adders.solve(signs, FixedType.exact(1, 0, signed=False))
    text = graph_module("graph", "", PipelinedAdders(graph, 1, False))
    widths = {name: int(top or 0) + 1 for top, name in _DECLARED.findall(text)}
    cut = 0
    for top, expression in _SUM.findall(text):
        for found in re.split(r" [-+] ", expression):
            if "<<<" in found:
                continue
            match = _OPERAND.fullmatch(found)
            assert match is not None, found
            padded, kept, last, plain = match.groups()
            cut += kept is not None
            width = (
                widths[padded] + 1 if padded else int(last) + 1 if last else widths[kept or plain]
            )
            assert width <= int(top) + 1, expression
    assert cut
