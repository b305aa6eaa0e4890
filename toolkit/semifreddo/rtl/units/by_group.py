"""Text of what differs between groups of channels that are computed one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from semifreddo.rtl.components.verilog import concatenation, vector


def by_group(name: str, bits: int, texts: Sequence[str], index: str) -> list[str]:
    """``name`` is the text of a group; the same for all groups, or selected by ``index``."""
    if len(set(texts)) == 1:
        return [f"wire {vector(bits)} {name} = {texts[0]};"]
    return [
        f"wire {vector(bits * len(texts))} {name}_all =\n    {concatenation(list(texts))};",
        f"wire {vector(bits)} {name} = {name}_all[{index}*{bits}+:{bits}];",
    ]


def registered(name: str, bits: int, texts: Sequence[str], index: str) -> list[str]:
    """As :func:`by_group`, a cycle later; a constant for all groups is a wire."""
    if len(set(texts)) == 1 and "'" in texts[0]:
        return by_group(name, bits, texts, index)
    return [
        *by_group(f"{name}_now", bits, texts, index),
        f"reg {vector(bits)} {name};",
        f"always @(posedge clk) {name} <= {name}_now;",
    ]
