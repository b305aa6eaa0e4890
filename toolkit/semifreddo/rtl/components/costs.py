"""What the parts of a layer cost in a Xilinx 7-series part.

A layer is a number of parts of each kind: bits of adders, bits of a multiplexer, words of a memory.
:mod:`semifreddo.rtl.components` count them; here is what one of each costs. Memories follow from
the device (UG474, UG473); the other numbers were fitted to Yosys 0.70 by
``semifreddo study calibration --set fit=true``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

RAM_DEPTHS = ((32, 6), (64, 3))
"""Distributed memory: words and bits of the memory that four LUTs make (RAM32M, RAM64M)."""

BLOCK_DEPTHS = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Block memory of 18 Kbit: words by bits, one port for reading and one for writing."""


@dataclass(frozen=True)
class Area:
    """Resources, predicted or allowed.

    Attributes:
        lut: LUTs of every use: logic, shift registers, memory.
        ff: Flip-flops.
        dsp: DSP slices.
        bram18: Block memories of 18 Kbit.
        lut_pairs: LUTs if two that fit into one LUT6_2 are one; only predicted.
    """

    lut: float = 0.0
    ff: float = 0.0
    dsp: float = 0.0
    bram18: float = 0.0
    lut_pairs: float = 0.0

    def __add__(self, other: Area) -> Area:
        return Area(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            self.lut_pairs + other.lut_pairs,
        )

    def __mul__(self, times: float) -> Area:
        return Area(*(getattr(self, item.name) * times for item in fields(self)))

    def rounded(self) -> Area:
        """Whole numbers."""
        return Area(*(float(round(getattr(self, item.name))) for item in fields(self)))


COSTS: Mapping[str, Area] = {
    # A layer's counters and handshakes: issuer, pipeline marks, credits.
    "control": Area(lut=9, ff=7),
    # Position counters of a window former or of a pool.
    "position": Area(lut=59, ff=19),
    # The counter of images that flips the weight bank, the loading of one bank, and
    # which of its words it is.
    "swap": Area(lut=22, ff=18),
    "load": Area(lut=12, ff=8),
    "load_word": Area(lut=1),
    # A bit of the register window, and one more that is masked at the image's edge.
    "window_bit": Area(ff=1),
    "masked_bit": Area(ff=1),
    # A FIFO: whether it is empty, and where it does not count credits, whether it is full; a bit of
    # the places that are written and read; a word register of a bit that is behind or in it.
    "fifo": Area(lut=1, ff=1),
    "fifo_room": Area(lut=3.5, ff=1),
    "fifo_place_bit": Area(lut=5, ff=2),
    "word_bit": Area(ff=1),
    # A reader of a forked stream.
    "fork_reader": Area(lut=3, ff=1),
    # Frozen, all bits at once: a bit of an adder, its share of the pipeline's registers, and those
    # of an input's bit.
    "adder_bit": Area(lut=0.88),
    "pipeline_bit": Area(ff=0.63),
    "waiting_bit": Area(ff=0.1),
    # Frozen, in digits: an adder of single bits with its carry and delays; an adder of wider digits
    # and each of its bits; a bit of a constant; a mark of the first digits, at a time, that are
    # zero; a bit of an input that is picked; a bit of a sum that is collected.
    "bit_adder": Area(lut=1.5, ff=2.5),
    "digit_adder": Area(lut=0.63, ff=1.59),
    "digit_bit": Area(lut=0.6, ff=1.28),
    "constant_bit": Area(lut=0.79),
    "mark": Area(lut=0.73, ff=0.7),
    "picked_bit": Area(lut=1.9),
    "collected_bit": Area(ff=1),
    # Loadable: counters and marks; a LUT of a selector; a bit of the factors'
    # registers; of a row of a multiplier of LUTs, and of its registers; of the tree of sums; of the
    # accumulator.
    "multiply": Area(lut=14, ff=9),
    "selector_lut": Area(lut=1),
    "factor_bit": Area(ff=1),
    "product_bit": Area(lut=1),
    "product_register": Area(ff=1),
    "tree_bit": Area(lut=0.92, ff=0.45),
    "total_bit": Area(lut=1.3, ff=0.94),
    # The same with DSP slices, which take registers and accumulators in; a bit times a bit of a
    # product that is too narrow for them.
    "dsp_factor_bit": Area(ff=0.21),
    "dsp_total_bit": Area(lut=0.18, ff=0.11),
    # Signs: a bit of the half of three bits with their signs, or of one value with its sign; a bit
    # of the tree that sums up halves.
    "sign_leaf_bit": Area(lut=1),
    "sign_value_bit": Area(lut=1),
    "sign_sum_bit": Area(lut=1.1),
    # Powers of two: a bit of an operand that is shifted, or of the sum that the term is added to; a
    # bit of a code that is made of an integer.
    "shift_bit": Area(lut=1.05),
    "code_bit": Area(lut=1.1),
    # Several products in a slice: a bit of a weight's register, and for each cycle that a bit waits
    # for the slice before.
    "packed_factor_bit": Area(ff=1),
    "packed_wait_bit": Area(ff=0.5),
    # A bit that passes three registers or more with nothing between them, which are then a LUT; one
    # that is inverted in front of a slice, which Yosys gives a LUT of its own.
    "shifted_bit": Area(lut=1),
    "inverted_bit": Area(lut=1),
    "plain_product_bit": Area(lut=1.17),
    # A cast; in it a bit to which a constant is added (bias, rounding), one that is looked at for
    # a tie, one that is clipped, and one above it that is looked at for that.
    "cast": Area(lut=0.32),
    "rounded_bit": Area(lut=0.16),
    "tie_bit": Area(lut=0.13),
    "clipped_bit": Area(lut=0.9),
    "checked_bit": Area(lut=0.2),
    # A bit of a plain adder; of a blend whose factor is loaded, or constant; of a comparison.
    "added_bit": Area(lut=0.84),
    "blend_bit": Area(lut=2.6),
    "fixed_blend_bit": Area(lut=1.46),
    "compared_bit": Area(lut=1.73),
    # A table of 64 constants of a bit.
    "lookup_lut": Area(lut=1.1),
    # The control of channels that share such parts, one after the other.
    "turns": Area(lut=10, ff=4),
    # A bit of a running maximum, or sum, of windows that do not overlap.
    "kept_maximum_bit": Area(lut=1.5),
    "kept_sum_bit": Area(lut=1.1),
    # A bit of a loaded bias to which a constant is added before the first product.
    "start_bit": Area(lut=0.32),
    # The front end, synthesised alone: registers, the input stream, a byte of its pixels, the
    # output stream, and loading of tasks.
    "bus_registers": Area(lut=265, ff=238),
    "bus_input": Area(lut=240, ff=190),
    "bus_input_byte": Area(lut=34, ff=10),
    "bus_output": Area(lut=60, ff=50),
    "bus_task": Area(lut=286, ff=177),
    # Memories: the way past a block.
    "bypass_bit": Area(lut=1, ff=1),
    "ram_lut": Area(lut=1),
    "rom_lut": Area(lut=1.0),
    "bram18": Area(bram18=1),
    "dsp": Area(dsp=1),
}


PAIRED: Mapping[str, float] = {
    "adder_bit": 0.62,
    "bit_adder": 0.71,
    "digit_adder": 0.72,
    "digit_bit": 0.72,
    "product_bit": 0.8,
    "tree_bit": 0.75,
    "sign_value_bit": 0.6,
    "sign_sum_bit": 0.75,
    "shift_bit": 0.8,
    "added_bit": 0.65,
    "total_bit": 0.7,
    "bus_registers": 0.8,
    "bus_input": 0.8,
    "bus_output": 0.8,
    "bus_task": 0.8,
}
"""LUTs that remain of one when two that share inputs, and have at most five, are one LUT6_2; 1 of
all other parts. Fitted to what :mod:`semifreddo.tools.lut_pairs` counts in Yosys' netlists."""


class Parts:
    """Numbers of parts, by kind."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    @classmethod
    def of(cls, kind: str, count: float = 1) -> Parts:
        """Parts of one kind."""
        parts = cls()
        parts.add(kind, count)
        return parts

    def add(self, kind: str, count: float = 1) -> None:
        """Count some more parts of a kind."""
        assert kind in COSTS, kind
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count

    def add_all(self, other: Parts, share: float = 1.0) -> None:
        """Count all parts of something else, or a share of them."""
        for kind, count in other.counts.items():
            self.add(kind, count * share)

    def area(self, costs: Mapping[str, Area] = COSTS) -> Area:
        """What all parts cost."""
        lut = ff = dsp = bram18 = pairs = 0.0
        for kind, count in self.counts.items():
            cost = costs[kind]
            lut += cost.lut * count
            pairs += cost.lut * count * PAIRED.get(kind, 1.0)
            ff += cost.ff * count
            dsp += cost.dsp * count
            bram18 += cost.bram18 * count
        return Area(lut, ff, dsp, bram18, pairs)


def ram_luts(words: int, bits: int) -> int:
    """LUTs of a distributed memory that is written and read every cycle, without its output."""
    for depth, width in RAM_DEPTHS:
        if words <= depth:
            return 4 * -(-bits // width)
    return -(-words // 64) * 4 * -(-bits // 3)


def block_memories(words: int, bits: int) -> int:
    """18 Kbit memories of a simple dual-port memory."""
    return min(-(-words // depth) * -(-bits // width) for depth, width in BLOCK_DEPTHS)


def in_blocks(words: int, bits: int) -> bool:
    """Whether Yosys makes block memories of a memory that is read through a register.

    It takes what is cheaper by its own measure (``memory_libmap``, the library of 7 series): a
    group of four LUTs, each bit of it that is used, multiplexers and demultiplexers behind 64
    words; or 129 for 18 Kbit.
    """
    if words <= 64:
        return False
    columns = -(-words // 64)
    groups, muxes = columns * -(-bits // 3), (columns - 1) * bits + columns
    return groups + 7 / 3 * columns * bits + muxes / 2 > 129 * block_memories(words, bits)


ROM_LUTS_FOR_BLOCK = 64
"""LUTs of a memory of constants for which one of 18 Kbit is taken."""


def rom_parts(words: int, bits: int) -> Parts:
    """A memory of constants of LUTs: one of 64 words for each bit, and multiplexers behind them.

    Four of these are joined by the multiplexers beside them (MUXF7, MUXF8). Of few words there are
    not so many different columns of bits.
    """
    leaves, columns = -(-words // 64), min(bits, (1 << words) - 2) if words < 8 else bits
    parts = Parts.of("rom_lut", columns * leaves)
    parts.add("selector_lut", columns * 2.2 * (-(-leaves // 4) - 1))
    return parts


def rom_in_blocks(words: int, bits: int) -> bool:
    """Whether a memory of constants is made of block memories."""
    return rom_parts(words, bits).area().lut > ROM_LUTS_FOR_BLOCK * block_memories(words, bits)
