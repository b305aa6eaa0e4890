"""Adder graphs a few bits at a time: area falls with the digit width, cycles rise.

A number goes through the graph as digits of ``digit`` bits, least significant first, one per cycle.
Each adder is as wide as a digit and keeps its carry for the next one; a shift to the left is a
delay. All numbers of a word have the same count of digits, enough for the widest sum; what
overflows inside the graph is harmless, because sums are right modulo that width.

Time is counted from the cycle of the word's first phase: a value of time ``t`` has its digit ``j``
``t + j`` cycles later. ``start_t`` marks the cycle of digit 0 at time ``t``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from semifreddo.adders import Adder, AdderGraph
from semifreddo.rtl.verilog import Port, module, part, vector


@dataclass(frozen=True)
class SerialGraph:
    """A graph and when its values are there.

    Attributes:
        graph: The linear map.
        input_bits: Width of every input; inputs are raw values of one stream.
        input_signed: Whether they are two's complement.
        sum_bits: Width of each output, two's complement.
        digit: Bits per cycle.
    """

    graph: AdderGraph
    input_bits: int
    input_signed: bool
    sum_bits: tuple[int, ...]
    digit: int

    @cached_property
    def digits_of(self) -> tuple[int, ...]:
        """Digits that must be collected for each sum; zeros below it are wiring."""
        return tuple(
            -(-(bits - tap.shift) // self.digit) if tap.value >= 0 else 0
            for bits, tap in zip(self.sum_bits, self.graph.outputs, strict=True)
        )

    @cached_property
    def cycles(self) -> int:
        """Digits of a word, which is cycles per word."""
        return max([1, *self.digits_of])

    @cached_property
    def times(self) -> tuple[int, ...]:
        """When each value is there, inputs included."""
        times = [1] * len(self.graph.inputs)
        for adder in self.graph.adders:
            times.append(1 + max(times[adder.left], times[adder.right]))
        return tuple(times)

    def finish(self, index: int) -> int:
        """When an output could be complete, if it were not delayed to the latest."""
        tap = self.graph.outputs[index]
        return self.times[tap.value] + int(tap.negate) + self.digits_of[index]

    @cached_property
    def end(self) -> int:
        """When all sums are there."""
        outputs = enumerate(self.graph.outputs)
        return max([2, *(self.finish(index) for index, tap in outputs if tap.value >= 0)])

    @property
    def latency(self) -> int:
        """Cycles from the word's last phase to its sums."""
        return self.end - (self.cycles - 1)

    def used(self) -> list[int]:
        """Values that reach an output, in order."""
        count = len(self.graph.inputs)
        found = {tap.value for tap in self.graph.outputs if tap.value >= 0}
        for index in range(len(self.graph.adders) - 1, -1, -1):
            if index + count in found:
                adder = self.graph.adders[index]
                found |= {adder.left, adder.right}
        return sorted(found)


class _Writer:
    """Collects the text; remembers which delays and masks it needs."""

    def __init__(self, plan: SerialGraph) -> None:
        self.plan = plan
        self.delays: dict[str, int] = {}
        self.masks: set[tuple[int, int]] = set()
        self.starts = 1

    def name(self, value: int) -> str:
        count = len(self.plan.graph.inputs)
        return f"x{value}" if value < count else f"v{value - count}"

    def delayed(self, name: str, cycles: int) -> str:
        """A digit, ``cycles`` later."""
        self.delays[name] = max(self.delays.get(name, 0), cycles)
        return f"{name}_d{cycles}" if cycles else name

    def start(self, time: int) -> str:
        self.starts = max(self.starts, time)
        return f"start[{time}]"

    def past(self, time: int, digits: int) -> str:
        """High from digit ``digits`` of a word on, at a time; digit 0 needs no mask."""
        self.masks.add((time, digits))
        self.starts = max(self.starts, time + digits - 2)
        return f"past_{time}_{digits}"

    def operand(self, value: int, shift: int, time: int) -> str:
        """A value's digit, shifted left, for an adder that works at ``time``."""
        digit, name = self.plan.digit, self.name(value)
        whole, rest = divmod(shift, digit)
        delay = time - self.plan.times[value] + whole
        current = self.delayed(name, delay)
        if not rest:
            return f"{current} & {{{digit}{{{self.past(time, whole)}}}}}" if whole else current
        low = f"{self.delayed(name, delay + 1)}[{digit - 1}:{digit - rest}]"
        high = f"{current}[{digit - 1 - rest}:0]"
        if whole:
            high = f"{high} & {{{digit - rest}{{{self.past(time, whole)}}}}}"
        low = f"{low} & {{{rest}{{{self.past(time, whole + 1)}}}}}"
        return f"{{{high}, {low}}}"

    def adder(self, name: str, time: int, left: str, right: str, *, subtract: bool) -> list[str]:
        """A digit adder that works at ``time``; its result is there one cycle later."""
        digit = self.plan.digit
        wire = vector(digit)
        inverted = "~" if subtract else ""
        lines = [
            f"wire {wire} {name}_a = {left};",
            f"wire {wire} {name}_b = {inverted}({right});",
            f"reg {wire} {name};",
            f"reg {name}_carry;",
            f"wire {name}_c = {self.start(time)} ? 1'b{int(subtract)} : {name}_carry;",
        ]
        if digit == 1:  # plain gates: a carry chain for one bit costs more
            return [
                *lines,
                "always @(posedge clk) begin",
                f"    {name} <= {name}_a ^ {name}_b ^ {name}_c;",
                f"    {name}_carry <= ({name}_a & {name}_b) | ({name}_c & ({name}_a | {name}_b));",
                "end",
            ]
        return [
            *lines,
            f"always @(posedge clk) {{{name}_carry, {name}}} <= "
            f"{{1'b0, {name}_a}} + {{1'b0, {name}_b}} + {{{digit}'b0, {name}_c}};",
        ]


def serial_module(name: str, comment: str, plan: SerialGraph, phase_bits: int) -> str:
    """The text of the module: digits are picked from ``taps`` by ``phase``."""
    writer = _Writer(plan)
    count = len(plan.graph.inputs)
    used = plan.used()
    body = ["\n// Digits of the inputs."]
    body += _inputs(plan, [value for value in used if value < count])
    body.append("\n// Adders.")
    for value in used:
        if value >= count:
            body += _adder(plan, writer, value)
    body.append("\n// Sums, collected from their digits.")
    for index in range(len(plan.graph.outputs)):
        body += _output(plan, writer, index)
    head = _control(writer)
    ports = [
        Port("input", "clk"),
        Port("input", "working"),
        Port("input", "phase", phase_bits),
        Port("input", "taps", count * plan.input_bits),
        *(Port("output", f"sum_{k}", bits) for k, bits in enumerate(plan.sum_bits)),
    ]
    return module(name, comment, ports, [*head, *body, *_delays(writer, plan.digit)])


def _inputs(plan: SerialGraph, values: list[int]) -> list[str]:
    digit, bits = plan.digit, plan.input_bits
    own = -(-bits // digit)
    lines = []
    if plan.cycles > own:
        lines.append(f"wire beyond = phase >= {own};  // digits of the sign")
    for value in values:
        tap = part("taps", value, bits)
        sign = f"taps[{(value + 1) * bits - 1}]" if plan.input_signed else "1'b0"
        padded = tap
        if own * digit > bits:
            padded = f"{{{{{own * digit - bits}{{{sign}}}}}, {tap}}}"
        picked = f"x{value}_word[phase*{digit}+:{digit}]"
        if plan.cycles > own:
            picked = f"beyond ? {{{digit}{{{sign}}}}} : {picked}"
        lines += [
            f"wire {vector(own * digit)} x{value}_word = {padded};",
            f"reg {vector(digit)} x{value};",
            f"always @(posedge clk) x{value} <= {picked};",
        ]
    return lines


def _adder(plan: SerialGraph, writer: _Writer, value: int) -> list[str]:
    adder: Adder = plan.graph.adders[value - len(plan.graph.inputs)]
    time = plan.times[value] - 1
    left = writer.operand(adder.left, adder.left_shift, time)
    right = writer.operand(adder.right, adder.right_shift, time)
    return writer.adder(writer.name(value), time, left, right, subtract=adder.subtract)


def _output(plan: SerialGraph, writer: _Writer, index: int) -> list[str]:
    tap, bits, digits = plan.graph.outputs[index], plan.sum_bits[index], plan.digits_of[index]
    if tap.value < 0:
        return [f"assign sum_{index} = '0;"]
    lines, name = [], writer.name(tap.value)
    if tap.negate:
        zero, time = f"{plan.digit}'b0", plan.times[tap.value]
        lines += writer.adder(f"minus_{index}", time, zero, name, subtract=True)
        name = f"minus_{index}"
    size = digits * plan.digit
    last = writer.delayed(name, plan.end - plan.finish(index))
    word = f"word_{index}"
    moved = f"{{{last}, {word}[{size - 1}:{plan.digit}]}}" if digits > 1 else last
    kept = f"{word}[{bits - tap.shift - 1}:0]"
    value = f"{{{kept}, {tap.shift}'b0}}" if tap.shift else kept
    return [
        *lines,
        f"reg {vector(size)} {word};",
        f"always @(posedge clk) {word} <= {moved};",
        f"assign sum_{index} = {value};",
    ]


def _control(writer: _Writer) -> list[str]:
    """Where words start, at every time, and which digits are beyond a shift."""
    lines = [
        "// start[t]: the cycle of digit 0 of the values of time t.",
        f"wire [{writer.starts}:0] start;",
        f"reg [{writer.starts}:1] started;",
        "assign start = {started, working && phase == 0};",
        f"always @(posedge clk) started <= start[{writer.starts - 1}:0];",
    ]
    if writer.masks:
        lines.append("// past_t_n: digit n or later, at time t.")
    for time, digits in sorted(writer.masks):
        name = f"past_{time}_{digits}"
        recent = f"start[{time + digits - 2}:{time - 1}]"
        lines += [f"reg {name};", f"always @(posedge clk) {name} <= ~|{recent};"]
    return lines


def _delays(writer: _Writer, digit: int) -> list[str]:
    lines = []
    for name, cycles in writer.delays.items():
        if not cycles:
            continue
        names = [name, *(f"{name}_d{k}" for k in range(1, cycles + 1))]
        lines.append(f"reg {vector(digit)} {', '.join(names[1:])};")
        moves = "".join(f"    {later} <= {earlier};\n" for earlier, later in pairwise(names))
        lines.append(f"always @(posedge clk) begin\n{moves}end")
    return ["\n// Delays.", *lines] if lines else []
