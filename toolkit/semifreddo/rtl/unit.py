"""What every layer becomes: a module with streams in and out, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semifreddo.core.fixed import FixedType, bits_for
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.verilog import CLOCK, LOAD, Port, instance, literal, stream_ports, vector


@dataclass(frozen=True)
class Context:
    """What the units of one design share.

    Attributes:
        net: The network.
        map: Where its loadable values live.
        names: Verilog name of every layer's module.
    """

    net: StreamNet
    map: AddressMap
    names: Mapping[str, str]


@dataclass(frozen=True)
class Unit:
    """One layer in Verilog.

    Attributes:
        layer: Name of the layer.
        module: Name of its module.
        files: Module name and text of each module made for it.
        cycles: Cycles per image when images follow each other without a pause and nothing waits.
        latency: Cycles from the last operand of a word to the word on the output stream.
        loadable: Whether the module has the ports for loading weights.
    """

    layer: str
    module: str
    files: tuple[tuple[str, str], ...]
    cycles: int
    latency: int
    loadable: bool


def word_bits(stream: Stream) -> int:
    """Bits of a stream word: all channels of a pixel."""
    return stream.channels * stream.type.width


def ports(layer: Layer, net: StreamNet, loadable: bool) -> list[Port]:
    """The ports of a layer's module."""
    found = list(CLOCK)
    inputs = net.input_streams(layer)
    for index, stream in enumerate(inputs):
        name = "in" if len(inputs) == 1 else f"in{index}"
        found += stream_ports(name, word_bits(stream), source=False)
    found += stream_ports("out", word_bits(layer.output), source=True)
    return found + (list(LOAD) if loadable else [])


def signed_bits(low: int, high: int) -> int:
    """Width of a two's complement number that holds ``low..high``."""
    width, signed = bits_for(low, high)
    return width if signed else width + 1


@dataclass(frozen=True)
class Number:
    """A signed signal of the text.

    Attributes:
        text: The expression.
        bits: Its width.
        frac: Its fraction bits.
    """

    text: str
    bits: int
    frac: int

    @classmethod
    def of(cls, signal: str, kind: FixedType) -> Number:
        """A raw value of a format."""
        if kind.signed:
            return cls(f"$signed({signal})", kind.width, kind.frac)
        return cls(f"$signed({{1'b0, {signal}}})", kind.width + 1, kind.frac)

    def shifted(self, bits: int) -> Number:
        """The same value with more fraction bits; an expression for a wider context."""
        text = f"({self.text} <<< {bits})" if bits else self.text
        return Number(text, self.bits + bits, self.frac + bits)


def cast(name: str, value: Number, target: FixedType, result: str, offset: int = 0) -> str:
    """An ``sf_cast`` of a number, plus ``offset`` of its last bits, into ``target``."""
    offset_bits = signed_bits(min(offset, 0), max(offset, 0))
    parameters: dict[str, int | str] = {
        "IN_BITS": value.bits,
        "DROP": value.frac - target.frac,
        "OUT_BITS": target.width,
        "OUT_SIGNED": int(target.signed),
        "ROUNDING": target.rounding.name,
        "OVERFLOW": target.overflow.name,
    }
    if offset:
        parameters |= {"OFFSET_BITS": offset_bits, "OFFSET": literal(offset, offset_bits)}
    return instance("sf_cast", name, parameters, {"value": value.text, "result": result})


def bank(name: str, context: Context, block: WeightBlock, per_line: int, line: str) -> list[str]:
    """The double-buffered memory of a block's loadable values; ``<name>`` holds the line read."""
    region = context.map.region[block.name]
    bits = per_line * region.row_bits
    return [
        f"// {region.rows} x {region.channels} values of {region.bits} bits: {block.name}",
        f"wire {vector(bits)} {name};",
        instance(
            "sf_bank",
            f"{name}_bank",
            {
                "ROWS": region.rows,
                "ROW_BITS": region.row_bits,
                "PER_LINE": per_line,
                "OFFSET": region.offset_words,
            },
            {
                "clk": "clk",
                **{port.name: port.name for port in LOAD[:5]},
                "read_bank": f"{name}_select",
                "read_line": line,
                "read_data": name,
            },
        ),
    ]


def swap(operands: int, taken: str) -> list[str]:
    """The layer's bank selector, as the signal ``bank``."""
    return [
        "wire bank;",
        instance(
            "sf_swap",
            "swap",
            {"OPERANDS": operands},
            {
                "clk": "clk",
                "rst": "rst",
                "taken": taken,
                "flip_image": "flip_image",
                "flip_bank": "flip_bank",
                "bank": "bank",
            },
        ),
    ]


def delay(name: str, cycles: int, signal: str) -> list[str]:
    """``name`` is ``signal``, ``cycles`` later."""
    ports_ = {"clk": "clk", "rst": "rst", "in": signal, "out": name}
    return [f"wire {name};", instance("sf_delay", f"{name}_delay", {"CYCLES": cycles}, ports_)]


def fifo(name: str, bits: int, depth: int, valid: str, pop: str) -> list[str]:
    """A FIFO behind a pipeline: ``<name>_word`` in, ``<name>_ready_word`` out with its valid."""
    return [
        f"wire {name}_there;",
        f"wire {vector(bits)} {name}_out;",
        instance(
            "sf_fifo",
            f"{name}_fifo",
            {"BITS": bits, "DEPTH": depth},
            {
                "clk": "clk",
                "rst": "rst",
                "in_valid": valid,
                "in_ready": "",
                "in_data": f"{name}_word",
                "out_valid": f"{name}_there",
                "out_ready": pop,
                "out_data": f"{name}_out",
            },
        ),
    ]


def issue(cycles: int, depth: int, valid: str, ready: str, *, yields: str = "1'b1") -> list[str]:
    """The issuer of a pipeline: signals ``active``, ``phase`` and ``pop``."""
    bits = phase_bits(cycles)
    return [
        "wire pop = out_valid && out_ready;",
        "wire active;",
        f"wire {vector(bits)} phase;",
        instance(
            "sf_issue",
            "issue",
            {"CYCLES": cycles, "DEPTH": depth},
            {
                "clk": "clk",
                "rst": "rst",
                "in_valid": valid,
                "in_ready": ready,
                "yields": yields,
                "pop": "pop",
                "active": "active",
                "phase": "phase",
            },
        ),
    ]


def phase_bits(cycles: int) -> int:
    """Width of ``phase``."""
    return max(1, (cycles - 1).bit_length())


def depth_for(cycles: int, latency: int) -> int:
    """FIFO words that keep a pipeline busy: results on their way, credits on theirs, and slack."""
    return -(-(cycles + latency + 2) // cycles) + 2
