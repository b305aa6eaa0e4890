"""Small pieces of Verilog text: identifiers, literals, instances, modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_KEYWORDS = frozenset({"always_comb", "always_ff", "always_latch", "wait_order"})
"""Reserved words that a prefix and a name can form together."""


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """A Verilog identifier that resembles ``name`` and is not in ``taken``.

    Layer names carry the dots of the trained model; ``net_core.0.conv`` becomes
    ``net_core_0_conv``. A prefix before an underscore keeps plain reserved words away.
    """
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    used = {*taken, *_KEYWORDS}
    found, number = plain, 2
    while found in used:
        found, number = f"{plain}_{number}", number + 1
    return found


def literal(value: int, bits: int) -> str:
    """A signed sized literal: ``-6'sd3``. ``bits`` must hold the value."""
    return f"{'-' if value < 0 else ''}{bits}'sd{abs(value)}"


def quoted(text: str) -> str:
    """A string literal; what could end it or fill it in is replaced."""
    return '"' + re.sub(r'[^ -~]|["\\\\%]', "_", text) + '"'


def vector(bits: int) -> str:
    """A packed range: ``[7:0]``."""
    return f"[{bits - 1}:0]"


def part(name: str, index: int, bits: int) -> str:
    """The ``index``-th of equally wide parts of a vector: ``x[31:24]``."""
    return f"{name}[{(index + 1) * bits - 1}:{index * bits}]"


def concatenation(parts: list[str]) -> str:
    """Parts joined with the first in the lowest bits, four to a line."""
    backwards = parts[::-1]
    lines = [", ".join(backwards[start : start + 4]) for start in range(0, len(backwards), 4)]
    return "{" + ",\n     ".join(lines) + "}"


def instance(
    module: str,
    name: str,
    parameters: Mapping[str, int | str],
    ports: Mapping[str, str],
) -> str:
    """An instance with named parameters and ports, one per line."""
    head = module
    if parameters:
        values = ", ".join(
            f'.{key}("{value}")'
            if isinstance(value, str) and value.isidentifier()
            else f".{key}({value})"
            for key, value in parameters.items()
        )
        head += f" #({values})"
    lines = ",\n".join(f"    .{port}({signal})" for port, signal in ports.items())
    return f"{head} {name} (\n{lines}\n);"


@dataclass(frozen=True)
class Port:
    """A port: direction, name and width in bits (1 is a scalar)."""

    direction: str
    name: str
    bits: int = 1

    def __str__(self) -> str:
        width = f" {vector(self.bits)}" if self.bits > 1 else ""
        return f"{self.direction} wire{width} {self.name}"


def stream_ports(name: str, bits: int, *, source: bool) -> tuple[Port, Port, Port]:
    """The three ports of a stream; ``source`` if the module produces it."""
    forward, back = ("output", "input") if source else ("input", "output")
    # A vector of one bit stays a vector: its bits are selected by number.
    return (
        Port(forward, f"{name}_valid"),
        Port(back, f"{name}_ready"),
        Port(forward, f"{name}_data", bits),
    )


CLOCK = (Port("input", "clk"), Port("input", "rst"))

LOAD = (
    Port("input", "load_start"),
    Port("input", "load_valid"),
    Port("input", "load_bank"),
    Port("input", "load_address", 32),
    Port("input", "load_data", 32),
    Port("input", "flip_image", 16),
    Port("input", "flip_bank"),
)
"""Weight loading and bank flips, the same wires to every layer with loadable values."""


def connect(ports: Iterable[Port]) -> dict[str, str]:
    """Connect ports to signals of the same name."""
    return {port.name: port.name for port in ports}


def fast_or_not(fast: Iterable[str], plain: Iterable[str]) -> list[str]:
    """Statements that only simulations made for speed see, and what all others see instead."""
    return ["`ifdef SF_FAST", *fast, "`else", *plain, "`endif"]


def synthesised(text: str) -> str:
    """A text without what only simulations see."""
    text = re.sub(r"(?ms)^[ \t]*`ifdef SF_PROBE\n.*?`endif\n", "", text)
    fast = r"(?ms)^[ \t]*`ifdef SF_FAST\n.*?(?:^[ \t]*`else\n(.*?))?^[ \t]*`endif\n"
    return re.sub(fast, r"\1", text)


def module(
    name: str,
    comment: str,
    ports: Iterable[Port],
    body: Iterable[str],
    parameters: Mapping[str, int] | None = None,
) -> str:
    """The text of a module file.

    Args:
        name: Module name.
        comment: What it is; one or more lines, without slashes.
        ports: In order.
        body: Statements, each of one or more lines, not yet indented.
        parameters: Integer parameters with the value of an instance that sets none.
    """
    header = "".join(f"// {line}".rstrip() + "\n" for line in comment.splitlines())
    declared = ",\n".join(f"    {port}" for port in ports)
    numbers = ",\n".join(f"    parameter integer {n} = {v}" for n, v in (parameters or {}).items())
    numbers = f" #(\n{numbers}\n)" if numbers else ""
    text = "\n".join(body)
    indented = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return (
        f"{header}`default_nettype none\n\nmodule {name}{numbers} (\n{declared}\n);\n"
        f"{indented}\nendmodule\n\n`default_nettype wire\n"
    )
