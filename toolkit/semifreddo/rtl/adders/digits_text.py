"""The Verilog of adder graphs of a few bits at a time: see :mod:`semifreddo.rtl.adders.digits`."""

from __future__ import annotations

from itertools import pairwise

from semifreddo.rtl.adders.clusters import Cluster
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.verilog import Port, module, part, vector

LONGEST_IN_FLIP_FLOPS = 4


class _Writer:
    """Collects the text; remembers which delays and marks it needs."""

    def __init__(self, plan: DigitAdders, phase_bits: int) -> None:
        self.plan = plan
        self.phase_bits = phase_bits
        self.delays: dict[str, int] = {}
        self.shifted: dict[str, list[str]] = {}
        self.declared: list[str] = []
        self.starts = 1
        self.phases = 0

    def name(self, value: int) -> str:
        count = len(self.plan.graph.inputs)
        return f"x{value}" if value < count else f"v{value - count}"

    def declare(self, name: str, attribute: str = "") -> None:
        """A register that holds a digit; all are declared ahead of what reads them."""
        self.declared.append(f"{attribute}reg {vector(self.plan.digit)} {name};")

    def delayed(self, name: str, cycles: int) -> str:
        """A digit, ``cycles`` later."""
        self.delays[name] = max(self.delays.get(name, 0), cycles)
        return f"{name}_d{cycles}" if cycles else name

    def start(self, time: int) -> str:
        """High in the cycle of digit 0 of the values of a time."""
        self.starts = max(self.starts, time)
        return f"start[{time}]"

    def later(self, value: int, digits: int, time: int) -> str:
        """A value, ``digits`` digits to the left, for an adder that works at ``time``.

        The first digits, where the previous word still passes, are zero: the last register of the
        delay is held in reset.
        """
        name = self.name(value)
        delay = time - self.plan.times[value] + digits
        if not digits:
            return self.delayed(name, delay)
        found = f"{name}_t{time}_l{digits}"
        if found not in self.shifted:
            marks = [self.start(t) for t in range(time - 1, time - 1 + digits)]
            self.declare(found)
            self.shifted[found] = [
                "always @(posedge clk)",
                f"    if ({' || '.join(marks)}) {found} <= '0;",
                f"    else {found} <= {self.delayed(name, delay - 1)};",
            ]
        return found

    def operand(self, value: int, shift: int, time: int) -> str:
        """A value's digit, shifted left, for an adder that works at ``time``."""
        digit = self.plan.digit
        whole, rest = divmod(shift, digit)
        current = self.later(value, whole, time)
        if not rest:
            return current
        low = self.later(value, whole + 1, time)
        return f"{{{current}[{digit - 1 - rest}:0], {low}[{digit - 1}:{digit - rest}]}}"

    def phase(self, time: int) -> str:
        """The number of the digit that adders of a time work on."""
        self.phases = max(self.phases, time)
        return f"phase_{time}"


def digits_module(name: str, comment: str, plan: DigitAdders, phase_bits: int) -> str:
    """The text of the module: digits are picked from ``taps`` by ``phase``; ``first`` is its 0."""
    writer = _Writer(plan, phase_bits)
    count = len(plan.graph.inputs)
    body = ["\n// Adders."]
    for value, cluster in plan.cover.values.items():
        body += _adder(writer, writer.name(value), cluster, plan.times[value] - 1)
    body.append("\n// Sums, collected from their digits.")
    for index in range(len(plan.graph.outputs)):
        body += _output(plan, writer, index)
    read = {
        operand.value
        for cluster in (*plan.cover.values.values(), *plan.cover.outputs)
        if isinstance(cluster, Cluster)
        for operand in cluster.operands
    } | {root for root in plan.cover.outputs if isinstance(root, int)}
    inputs = _inputs(plan, writer, sorted(value for value in read if value < count))
    text = [*_control(writer), *_declarations(writer), *inputs, *_delays(writer), *body]
    return module(name, comment, digits_ports(plan, phase_bits), text)


def digits_ports(plan: DigitAdders, phase_bits: int) -> list[Port]:
    """The ports of that module."""
    return [
        Port("input", "clk"),
        Port("input", "first"),
        Port("input", "phase", phase_bits),
        Port("input", "taps", len(plan.graph.inputs) * plan.input_bits),
        *(Port("output", f"sum_{k}", bits) for k, bits in enumerate(plan.sum_bits)),
    ]


def _inputs(plan: DigitAdders, writer: _Writer, values: list[int]) -> list[str]:
    """A register per input with its digit; behind its last digit come those of its sign."""
    digit, bits = plan.digit, plan.input_bits
    own = -(-bits // digit)
    # The last digit can be all sign already; then it is repeated.
    picked = own + int(plan.input_signed and (own - 1) * digit < bits - 1)
    size = (picked - 1).bit_length()
    lines = ["\n// Digits of the inputs."]
    index = f"step[{size - 1}:0]"
    ends = plan.cycles > own
    if ends and plan.input_signed and size:
        index = "pick"
        lines.append(
            f"wire {vector(size)} pick = "
            f"step >= {picked} ? {size}'d{picked - 1} : step[{size - 1}:0];"
        )
    elif ends:
        lines.append(f"wire beyond = step >= {own};")
    for value in values:
        writer.declare(f"x{value}")
        tap = part("taps", value, bits)
        sign = f"taps[{(value + 1) * bits - 1}]" if plan.input_signed else "1'b0"
        more = picked * digit - bits
        word = f"{{{{{more}{{{sign}}}}}, {tap}}}" if more else tap
        lines += [
            f"wire {vector(picked * digit)} x{value}_word = {word};",
        ]
        digits = f"x{value}_word[{index}*{digit}+:{digit}]" if size else f"x{value}_word"
        if ends and not plan.input_signed:
            moves = [f"    if (beyond) x{value} <= '0;", f"    else x{value} <= {digits};"]
        else:
            moves = [f"    x{value} <= {digits};"]
        lines += ["always @(posedge clk)", *moves]
    return lines


def _adder(writer: _Writer, name: str, cluster: Cluster, time: int) -> list[str]:
    """A serial adder that works at ``time``; its result is there one cycle later."""
    digit, size = writer.plan.digit, cluster.carry_bits
    wire = vector(digit)
    lines: list[str] = []
    terms: list[str] = []
    writer.declare(name)
    for operand in cluster.operands:
        text = writer.operand(operand.value, operand.shift, time)
        terms.append(f"~{text}" if operand.negative else text)
    if cluster.constant:
        count = digit << writer.phase_bits
        lines += [
            f"wire {vector(count)} {name}_k = {count}'h{cluster.constant % (1 << count):x};",
            f"wire {wire} {name}_constant = {name}_k[{writer.phase(time)}*{digit}+:{digit}];",
        ]
        terms.append(f"{name}_constant")
    terms += [f"{digit}'b0"] * (2 - len(terms))
    terms.sort(key=lambda term: term.startswith("~"))  # of two terms, the second is inverted
    letters = "abcd"[: len(terms)]
    lines += [
        f"wire {wire} {name}_{letter} = {term};"
        for letter, term in zip(letters, terms, strict=True)
    ]
    carry, first = f"{name}_carry", cluster.negatives
    lines += [
        f"reg {vector(size)} {carry};",
        f"wire {wire} {name}_sum;",
        f"wire {vector(size)} {name}_next;",
        *_logic(writer.plan, name, letters, cluster),
        f"always @(posedge clk) {name} <= {name}_sum;",
        "always @(posedge clk)",
        f"    if ({writer.start(time - 1)}) {carry} <= {size}'d{first};",
        f"    else {carry} <= {name}_next;",
    ]
    return lines


def _logic(plan: DigitAdders, name: str, letters: str, cluster: Cluster) -> list[str]:
    """Sum and next carry."""
    digit, carry_bits, function = plan.digit, cluster.carry_bits, plan.function(cluster)
    total, following, carry = f"{name}_sum", f"{name}_next", f"{name}_carry"
    a, b = (f"{name}_{letter}" for letter in letters[:2])
    if digit > 1 and carry_bits > 1:  # -a - b begins with a carry of 2, which no chain takes in
        return [
            f"assign {{{following}, {total}}} = "
            f"{{2'b0, {a}}} + {{2'b0, {b}}} + {{{digit}'b0, {carry}}};"
        ]
    if digit > 1:
        # Adding the carry to itself below the lowest bit makes it the chain's carry in. Of a
        # difference, tools invert the second operand within the adder.
        text = f"{{1'b0, {a}, {carry}}} + {{1'b0, {b}, {carry}}}"
        if cluster.negatives:
            text = f"{{1'b0, {a}, {carry}}} - {{1'b1, ~{b}, ~{carry}}}"
        return [
            f"wire {name}_none;",
            f"assign {{{following}, {total}, {name}_none}} = {text};",
        ]
    if function is None:
        return [
            f"assign {total} = {carry} ^ {a} ^ {b};",
            f"assign {following} = ({carry} & {a}) | ({b} & ({carry} | {a}));",
        ]
    ports = {letter: f"{name}_{letter}" if letter in letters else "1'b0" for letter in "abcd"}
    ports |= {"carry": carry, "sum": total, "next": following}
    return [place(function, f"{name}_count", ports)]


def _output(plan: DigitAdders, writer: _Writer, index: int) -> list[str]:
    root, bits, digits = plan.cover.outputs[index], plan.sum_bits[index], plan.digits_of[index]
    if root is None:
        return [f"assign sum_{index} = {bits}'h{plan.constants[index] % (1 << bits):x};"]
    lines, name = [], f"s{index}"
    if isinstance(root, int):
        name = writer.name(root)
    else:
        lines = _adder(writer, name, root, plan.output_times[index] - 1)
    size = digits * plan.digit
    last = writer.delayed(name, plan.end - plan.finish(index))
    word = f"word_{index}"
    moved = f"{{{last}, {word}[{size - 1}:{plan.digit}]}}" if digits > 1 else last
    return [
        *lines,
        f"reg {vector(size)} {word};",
        f"always @(posedge clk) {word} <= {moved};",
        f"assign sum_{index} = {word}[{bits - 1}:0];",
    ]


def _control(writer: _Writer) -> list[str]:
    """Where words start, at every time, and which digit it is."""
    lines = [
        f"wire {vector(writer.phase_bits)} step = phase;",
        "// start[t]: the cycle of digit 0 of the values of time t, and cycles without a word.",
        f"wire [{writer.starts}:0] start;",
        f"reg [{writer.starts}:1] started;",
        "assign start = {started, first};",
        f"always @(posedge clk) started <= start[{writer.starts - 1}:0];",
    ]
    names = ["step", *(f"phase_{time}" for time in range(1, writer.phases + 1))]
    for earlier, later in pairwise(names):
        lines += [
            f"reg {vector(writer.phase_bits)} {later};",
            f"always @(posedge clk) {later} <= {earlier};",
        ]
    return lines


def _declarations(writer: _Writer) -> list[str]:
    for name, cycles in writer.delays.items():
        # Short delays are flip-flops, of which there are two per LUT, instead of LUTs that shift.
        keep = "(* keep *) " if cycles <= LONGEST_IN_FLIP_FLOPS else ""
        for cycle in range(1, cycles + 1):
            writer.declare(f"{name}_d{cycle}", keep)
    return ["\n// Digits.", *writer.declared]


def _delays(writer: _Writer) -> list[str]:
    lines = [line for text in writer.shifted.values() for line in text]
    chains = []
    for name, cycles in writer.delays.items():
        if not cycles:
            continue
        names = [name, *(f"{name}_d{k}" for k in range(1, cycles + 1))]
        moves = "".join(f"    {later} <= {earlier};\n" for earlier, later in pairwise(names))
        chains.append(f"always @(posedge clk) begin\n{moves}end")
    return ["\n// Delays, and shifts to the left.", *chains, *lines]
