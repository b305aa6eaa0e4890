"""Sums of whole words beside adders of a few bits per cycle, for simulation at full speed.

The adders compute the first words, so what synthesis sees answers the first images, whatever stalls
they meet. Then the clock of the adders rests. From there on the sums of a word are computed at once
in the cycle of its last digit. They wait for the cycle in which the adders would have them, which
is the only one in which they are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from semifreddo.adders import Tap
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.adders.digits_text import digits_ports
from semifreddo.rtl.components.verilog import Port, instance, module, part, vector

FIRST_WORDS = 1024
"""Words that the adders compute, a power of two."""

MACHINE_WORD = 32
"""Bits of the numbers that are added; fewer would have to be masked after each addition."""


def words_module(
    name: str, comment: str, plan: DigitAdders, phase_bits: int, adders_name: str
) -> str:
    """The text of the module, which stands in the place of the one with the adders.

    Its ports are the same, and ``last``: high in the cycle of a word's last digit.
    """
    ports = digits_ports(plan, phase_bits)
    connected = {port.name: port.name for port in ports} | {"clk": "clk && !rests"}
    connected |= {f"sum_{k}": f"added_{k}" for k in range(len(plan.sum_bits))}
    top = FIRST_WORDS.bit_length() - 1
    final = _stages(plan) - 1
    body = [
        f"reg [{top}:0] added;  // words that the adders have computed",
        f"wire rests = added[{top}];",
        "initial added = '0;",
        "always @(posedge clk) if (last && !rests) added <= added + 1'b1;",
        *(f"wire {vector(bits)} added_{k};" for k, bits in enumerate(plan.sum_bits)),
        instance(adders_name, "adders", {}, connected),
        "",
        *_at_once(plan),
        *_waiting(plan),
        *(
            f"assign sum_{k} = rests ? word_{k}_{final}[{bits - 1}:0] : added_{k};"
            for k, bits in enumerate(plan.sum_bits)
        ),
    ]
    comment += "\nFor simulation: the first words as the adders give them, the others at once."
    return module(name, comment, [*ports, Port("input", "last")], body)


def _width(plan: DigitAdders) -> int:
    """Bits of all numbers. Sums are right modulo that width, which none exceeds."""
    return max([MACHINE_WORD, *plan.sum_bits])


def _stages(plan: DigitAdders) -> int:
    """Registers in which a word waits, each until the next word can follow."""
    return 1 + (plan.latency - 1) // plan.cycles


def _at_once(plan: DigitAdders) -> Iterator[str]:
    graph, wide = plan.graph, vector(_width(plan))
    count = len(graph.inputs)
    read = {operand for adder in graph.adders for operand in (adder.left, adder.right)}
    read |= {tap.value for tap in graph.outputs}
    used = [value for value in range(count + len(graph.adders)) if value in read]
    yield "/* verilator lint_off BLKSEQ */"
    yield from (f"reg {wide} word_{k}_0;" for k in range(len(graph.outputs)))
    yield "always @(posedge clk)"
    yield "    if (last) begin : at_once"
    yield from (f"        reg {wide} {_name(plan, value)};" for value in used)
    for value in used:
        text = _input(plan, value) if value < count else _sum(plan, value)
        yield f"        {_name(plan, value)} = {text};"
    for k, (tap, constant) in enumerate(zip(graph.outputs, plan.constants, strict=True)):
        yield f"        word_{k}_0 <= {_output(plan, tap, constant)};"
    yield "    end"


def _waiting(plan: DigitAdders) -> Iterator[str]:
    """The stages behind the first."""
    wide, outputs = vector(_width(plan)), range(len(plan.sum_bits))
    cycles = (_stages(plan) - 1) * plan.cycles
    if cycles:
        yield f"reg [{cycles}:1] passed;"
        yield f"wire [{cycles}:0] passes = {{passed, last}};"
        yield f"always @(posedge clk) passed <= passes[{cycles - 1}:0];"
    for stage in range(1, _stages(plan)):
        yield from (f"reg {wide} word_{k}_{stage};" for k in outputs)
        yield "always @(posedge clk)"
        yield f"    if (passes[{stage * plan.cycles}]) begin"
        yield from (f"        word_{k}_{stage} <= word_{k}_{stage - 1};" for k in outputs)
        yield "    end"


def _name(plan: DigitAdders, value: int) -> str:
    count = len(plan.graph.inputs)
    return f"x{value}" if value < count else f"v{value - count}"


def _input(plan: DigitAdders, value: int) -> str:
    bits, width = plan.input_bits, _width(plan)
    if bits >= width:
        return f"taps[{value * bits}+:{width}]"
    sign = f"taps[{(value + 1) * bits - 1}]" if plan.input_signed else "1'b0"
    return f"{{{{{width - bits}{{{sign}}}}}, {part('taps', value, bits)}}}"


def _sum(plan: DigitAdders, value: int) -> str:
    adder = plan.graph.adders[value - len(plan.graph.inputs)]
    left, right = (
        f"({_name(plan, operand)} << {shift})" if shift else _name(plan, operand)
        for operand, shift in ((adder.left, adder.left_shift), (adder.right, adder.right_shift))
    )
    return f"{left} {'-' if adder.subtract else '+'} {right}"


def _output(plan: DigitAdders, tap: Tap, constant: int) -> str:
    width = _width(plan)
    added = f"{width}'h{constant % (1 << width):x}"
    if tap.value < 0:
        return added
    return f"{added} {'-' if tap.negate else '+'} {_name(plan, tap.value)}"
