"""What every layer becomes: a module with streams in and out, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from semifreddo.ir.address_map import WORD_BITS, AddressMap, Region
from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.memories import Bank, Delay, Fifo
from semifreddo.rtl.components.shifts import Codes
from semifreddo.rtl.components.streams import Issue, Swap
from semifreddo.rtl.components.verilog import CLOCK, LOAD, Port, stream_ports, vector
from semifreddo.rtl.timing.figures import Figures


@dataclass(frozen=True)
class Context:
    """What the units of one design share.

    Attributes:
        net: The network.
        map: Where its loadable values live.
        names: Verilog name of every layer's module.
        passes: Times per image that these units run (a folded repeat), otherwise 1.
        pass_blocks: For the blocks of a folded repeat that have other loadable values in every
            pass, the names of the blocks that take their place, pass by pass.
    """

    net: StreamNet
    map: AddressMap
    names: Mapping[str, str] = field(default_factory=dict)
    passes: int = 1
    pass_blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, net: StreamNet) -> Context:
        """A context for figures, without names."""
        return cls(net, AddressMap.of(net))

    def regions(self, block: str) -> tuple[Region, ...]:
        """Where a block's loadable values live: one region, or one for every pass."""
        return tuple(self.map.region[name] for name in self.pass_blocks.get(block, (block,)))

    def bank(
        self,
        block: str,
        per_line: int,
        words: int = 0,
        used: int = 0,
        *,
        registered: bool = False,
        signs: bool = False,
        codes: Codes | None = None,
    ) -> Bank:
        """The memory of a block's loadable values; see :class:`Bank` for what it is given.

        Args:
            block: Name of the block.
            per_line: Rows that are read at once.
            words: Words of a row that are read at once; 0 is all of them.
            used: Bits of a row that anyone reads; 0 is all of them.
            registered: Whether what is read comes out of a register.
            signs: Whether only the sign of each value is kept.
            codes: As which each value is kept, if not as it is.
        """
        regions = self.regions(block)
        first, offsets = regions[0], tuple(region.offset_words for region in regions)
        size = words or first.row_words
        bits = 1 if signs else codes.bits if codes else first.bits
        kept = WORD_BITS // first.bits * bits if signs or codes else WORD_BITS
        row_bits = first.channels * bits
        return Bank(first.rows, row_bits, per_line, size, offsets, used, registered, kept, codes)

    @property
    def select_bits(self) -> int:
        """Width of ``bank``: the bank in the lowest bit, the number of the pass above it."""
        return 1 + (self.passes - 1).bit_length()


@dataclass(frozen=True)
class Unit:
    """One layer in Verilog.

    Attributes:
        layer: Name of the layer.
        module: Name of its module.
        files: Module name and text of each module made for it.
        figures: What its times follow from.
        cycles: Cycles per image, all passes together.
        loadable: Whether the module has the ports for loading weights.
    """

    layer: str
    module: str
    files: tuple[tuple[str, str], ...]
    figures: Figures
    cycles: int
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


def bank(
    name: str,
    context: Context,
    block: WeightBlock,
    part: Bank,
    line: str,
    *,
    unit: str = "1'b0",
) -> list[str]:
    """The double-buffered memory of a block's loadable values; ``<name>`` holds what is read.

    Args:
        name: Of the signal.
        context: The design.
        block: The values.
        part: The memory.
        line: Signal with the number of the rows that are read.
        unit: Signal with the part of the rows that is read.
    """
    regions = context.regions(block.name)
    region = regions[0]
    select = f"{name}_select" if len(regions) > 1 else f"{name}_select[0]"
    return [
        f"// {region.rows} x {region.channels} values of {region.bits} bits: "
        f"{', '.join(found.block for found in regions)}",
        f"wire {vector(part.per_line * part.read_bits)} {name};",
        place(
            part,
            f"{name}_bank",
            {
                "clk": "clk",
                **{port.name: port.name for port in LOAD[:5]},
                "read_select": select,
                "read_line": line,
                "read_unit": unit,
                "read_data": name,
            },
        ),
    ]


def swap(context: Context, part: Swap, taken: str) -> list[str]:
    """The layer's bank selector, as the signal ``bank``."""
    return [
        f"wire {vector(context.select_bits)} bank;",
        place(
            part,
            "swap",
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


def bank_select(name: str, context: Context, cycles: int) -> list[str]:
    """``<name>_select`` for :func:`bank`: what ``bank`` was ``cycles`` before."""
    return delay(f"{name}_select", cycles, "bank", context.select_bits)


def delay(name: str, cycles: int, signal: str, bits: int = 0) -> list[str]:
    """``name`` is ``signal``, ``cycles`` later; a vector if it has ``bits``."""
    ports_ = {"clk": "clk", "rst": "rst", "in": signal, "out": name}
    declared = f"wire {vector(bits)} {name};" if bits else f"wire {name};"
    return [declared, place(Delay(cycles, bits), f"{name}_delay", ports_)]


def fifo(name: str, part: Fifo, valid: str, pop: str) -> list[str]:
    """A FIFO behind a pipeline: ``<name>_word`` in, ``<name>_ready_word`` out with its valid."""
    return [
        f"wire {name}_there;",
        f"wire {vector(part.bits)} {name}_out;",
        place(
            part,
            f"{name}_fifo",
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


def issue(part: Issue, valid: str, ready: str, *, yields: str = "1'b1") -> list[str]:
    """The issuer of a pipeline: signals ``active``, ``phase`` and ``pop``."""
    return [
        "wire pop = out_valid && out_ready;",
        "wire active, first;",
        f"wire {vector(phase_bits(part.cycles))} phase;",
        place(
            part,
            "issue",
            {
                "clk": "clk",
                "rst": "rst",
                "in_valid": valid,
                "in_ready": ready,
                "yields": yields,
                "pop": "pop",
                "active": "active",
                "first": "first",
                "phase": "phase",
            },
        ),
    ]


def phase_bits(cycles: int) -> int:
    """Width of ``phase``."""
    return max(1, (cycles - 1).bit_length())


def depth_for(cycles: int, latency: int) -> int:
    """FIFO words that keep a pipeline busy: results in it, credits on their way back, and slack."""
    return -(-(cycles + latency + 2) // cycles) + 2
