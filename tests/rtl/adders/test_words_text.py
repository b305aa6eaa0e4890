"""Sums of whole words beside adders of a few bits per cycle: the same numbers at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from rtl.adders.test_digits import frozen_net
from rtl.conftest import Build
from semifreddo import adders
from semifreddo.core.errors import ToolError
from semifreddo.core.fixed import FixedType, bits_for
from semifreddo.rtl import library
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.adders.digits_text import digits_module
from semifreddo.rtl.adders.words_text import FIRST_WORDS, words_module
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.components.verilog import instance, vector
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.design.written import WrittenDesign, WrittenLayers
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.simulation.verilator import build, find_verilator
from semifreddo.sim import reference
from semifreddo.tools.runner import run

BITS = 256
"""Random bits that come with each cycle."""

HARNESS = """
#include <cstdint>
#include <cstdio>
#include "Vdut.h"
#include "verilated.h"
int main() {
    Vdut dut;
    uint64_t state = 88172645463325252ull;
    for (int cycle = 0; cycle < 40000; ++cycle) {
        for (int word = 0; word < BITS / 32; ++word) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            dut.drawn[word] = uint32_t(state >> 16);
        }
        dut.clk = 0;
        dut.eval();
        dut.clk = 1;
        dut.eval();
    }
    for (int k = 0; k < CASES; ++k) std::printf("%u %u\\n", dut.compared[k], dut.wrong[k]);
}
"""


def random_adders(rng: np.random.Generator) -> DigitAdders:
    """Any number of inputs, bits, outputs and constants; zero columns, too."""
    signed, bits, digit = bool(rng.integers(2)), int(rng.integers(1, 9)), int(rng.integers(1, 13))
    kind = FixedType.exact(bits + signed, 0, signed=signed)
    shape = int(rng.integers(1, 13)), int(rng.integers(1, 5))
    matrix = rng.integers(-8, 8, shape) * (rng.random(shape) < 0.7)
    ones = np.bitwise_or.reduce(matrix, axis=0)
    matrix //= np.maximum(ones & -ones, 1)  # outputs are not shifted
    constants = rng.integers(-200, 200, shape[1]) * (rng.random(shape[1]) < 0.5)
    ends = matrix[..., None] * np.array([kind.min_raw, kind.max_raw])
    low, high = ends.min(axis=2).sum(axis=0) + constants, ends.max(axis=2).sum(axis=0) + constants
    sums = tuple(bits_for(min(int(a), -1), int(b))[0] for a, b in zip(low, high, strict=True))
    graph = adders.solve_digits(matrix, kind)
    return DigitAdders(graph, kind.width, signed, 4, sums, tuple(int(c) for c in constants), digit)


def compare(name: str, plan: DigitAdders, other: DigitAdders, cycles: int) -> dict[str, str]:
    """Files of a module that gives adders and words the same inputs, with rests between some.

    Args:
        name: Of the module; it counts the words that were compared, and those that were wrong.
        plan: The adders.
        other: What the words are made of.
        cycles: Of a word.
    """
    taps, phase = len(plan.graph.inputs) * plan.input_bits, max(1, (cycles - 1).bit_length())
    total, late = sum(plan.sum_bits), plan.latency
    ends = list(accumulate(plan.sum_bits))
    inputs = {"clk": "clk", "first": "phase == 0", "phase": "phase", "taps": "taps"}
    right, found = (
        {
            f"sum_{k}": f"{signal}[{end - bits}+:{bits}]"
            for k, (end, bits) in enumerate(zip(ends, plan.sum_bits, strict=True))
        }
        for signal in ("right", "found")
    )
    text = f"""
module {name}(
    input clk, input {vector(BITS)} drawn, output reg [31:0] compared, output reg [31:0] wrong
);
    reg busy; reg {vector(phase)} phase; reg {vector(taps)} taps; reg {vector(late)} late;
    wire {vector(total)} right, found;
    wire last = busy && phase == {plan.cycles - 1};
    wire ends = !busy || phase == {cycles - 1};
    initial begin compared = '0; wrong = '0; end
    {instance(f"{name}_graph", "plain", {}, inputs | right)}
    {instance(f"{name}_words", "fast", {}, inputs | {"last": "last"} | found)}
    always @(posedge clk) begin
        late <= {late}'({{late, last}});
        phase <= ends ? '0 : phase + 1'b1;
        if (ends) begin busy <= drawn[{BITS - 1}]; taps <= drawn[{taps - 1}:0]; end
        if (late[{late - 1}]) compared <= compared + 1;
        if (late[{late - 1}] && found != right) wrong <= wrong + 1;
    end
endmodule
"""
    return {
        f"{name}.sv": text,
        f"{name}_graph.sv": digits_module(f"{name}_graph", "", plan, phase),
        f"{name}_words.sv": words_module(f"{name}_words", "", other, phase, f"{name}_graph"),
    }


Case: TypeAlias = tuple[DigitAdders, DigitAdders, int]


def counted(cases: Sequence[Case], folder: Path) -> list[tuple[int, int]]:
    """How many words of each case were compared, and how many of them were wrong."""
    files, body = {}, []
    for k, case in enumerate(cases):
        files |= compare(f"case{k}", *case)
        counts = {name: f"{name}[{32 * k}+:32]" for name in ("compared", "wrong")}
        body.append(instance(f"case{k}", f"at{k}", {}, {"clk": "clk", "drawn": "drawn"} | counts))
    wide = vector(32 * len(cases))
    ports = f"input clk, input {vector(BITS)} drawn, output {wide} compared, output {wide} wrong"
    files["bench.sv"] = "\n".join([f"module bench({ports});", *body, "endmodule", ""])
    files |= library.needed(files.values())
    net = frozen_net(signed=True)
    design = WrittenDesign(net, WrittenLayers("", "", ()), "bench", files, 0, 0)
    harness = f"constexpr int BITS = {BITS}, CASES = {len(cases)};\n{HARNESS}"
    program = build(design, folder, optimize=False, harness=harness)
    log = folder / "bench.log"
    run([program], cwd=folder, timeout_s=120, log=log)
    return [(int(a), int(b)) for a, b in map(str.split, log.read_text().splitlines())]


@pytest.fixture(scope="module", autouse=True)
def _verilator() -> None:
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")


def test_words_are_what_the_adders_compute(tmp_path: Path) -> None:
    """Random adders. In the last case the words are others: they answer from their turn on."""
    rng = np.random.default_rng(0)
    plans = [random_adders(rng) for _ in range(20)]
    assert min(plan.digit for plan in plans) == 1
    assert min(plan.cycles for plan in plans) == 1 < max(plan.cycles for plan in plans)
    cases: list[Case] = [(plan, plan, plan.cycles + int(rng.integers(3))) for plan in plans]
    other = replace(plans[0], constants=tuple(constant + 1 for constant in plans[0].constants))
    *found, (compared, wrong) = counted([*cases, (plans[0], other, plans[0].cycles)], tmp_path)
    assert all(words > 2 * FIRST_WORDS and not errors for words, errors in found), found
    assert compared - wrong == FIRST_WORDS - 1  # one is on its way when the clock comes to rest


def test_a_layer_under_stalls(simulate: Build) -> None:
    """From the words of the adders into those that are computed at once."""
    net = frozen_net(signed=True)
    design = make_design(net, RtlSchedule({"conv": Choice(digit_bits=2)}))
    files = {
        name: text.replace("`ifdef SF_FAST", "`ifndef SF_FAST")
        for name, text in design.files.items()
    }
    images = 2 * FIRST_WORDS // net.layers[0].output.pixels
    pictures = np.random.default_rng(1).integers(-8, 8, (images, *net.input.shape))
    expected = reference.run(net.with_values({"b": np.zeros((1, 1), int)}), pictures)
    with Simulation(simulate(replace(design, files=files)), design.bus) as simulation:
        simulation.configure(Stalls(300, 300, 5, watchdog_cycles=20_000))
        task = design.bus.task_packet(np.zeros(1, np.uint32))
        found = simulation.exchange([task, design.bus.image_packet(pictures)], images, 60)
    assert np.array_equal(found.results, expected)
