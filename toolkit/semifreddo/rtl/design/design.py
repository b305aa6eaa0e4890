"""StreamNet to a set of Verilog files: a pure function, the same bytes for the same input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from semifreddo.core.digest import digest_json
from semifreddo.core.files import write_atomic
from semifreddo.ir.address_map import WORD_BITS, AddressMap
from semifreddo.ir.bus import BusFormat
from semifreddo.ir.net import StreamNet
from semifreddo.rtl import library
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.verilog import identifier
from semifreddo.rtl.design.buses import BusParts, top_module
from semifreddo.rtl.design.layers import Layers, make_layers
from semifreddo.rtl.timing.latency import latency_of
from semifreddo.rtl.units.frozen import graph_name, words_name
from semifreddo.rtl.units.rom import rom_name
from semifreddo.rtl.units.unit import Context

BUS_BITS = WORD_BITS


@dataclass(frozen=True)
class RtlDesign:
    """A network as Verilog.

    Attributes:
        net: The network it computes.
        layers: Its layers.
        buses: The components of its bus front end.
        top: Name of the top module, with AXI4-Stream and AXI4-Lite ports.
        files: Text by file name.
    """

    net: StreamNet
    layers: Layers
    buses: BusParts
    top: str
    files: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """Digest of all files."""
        return digest_json(dict(self.files))

    @cached_property
    def bus(self) -> BusFormat:
        """How images, tasks and results look on the buses."""
        return BusFormat.of(self.net)

    @property
    def cycles_per_image(self) -> int:
        """Cycles between two results when images follow each other without a pause."""
        return self.layers.sized.pace.period

    @cached_property
    def latency_cycles(self) -> int:
        """Cycles from an image packet's first word in to its first image's last result word out.

        Other images follow without a pause, and no stream stalls.
        """
        return latency_of(self.layers.sized)

    @property
    def bottleneck(self) -> str:
        """What sets :attr:`cycles_per_image`: a layer, a folded repeat, ``input`` or ``output``."""
        return self.layers.sized.pace.bottleneck

    def components(self) -> Iterator[Component]:
        """Every instance of a library module in the files."""
        yield from self.layers.components()
        yield from self.buses.components()

    def write(self, directory: Path) -> list[Path]:
        """Write all files; each appears whole or not at all."""
        paths = []
        for name, text in self.files.items():
            paths.append(directory / name)
            write_atomic(paths[-1], text)
        return paths


def make_design(net: StreamNet, schedule: RtlSchedule | None = None) -> RtlDesign:
    """Make the Verilog of a network.

    Args:
        net: The network. Its loadable values do not appear in the files.
        schedule: Hardware choices; the least hardware if left out.

    Raises:
        ConfigError: The schedule does not fit the network.
        ProjectError: A layer has no hardware.
    """
    schedule = schedule or RtlSchedule()
    schedule.check(net)
    names = module_names(net.name, [layer.name for layer in net.layers])
    context = Context(net, AddressMap.of(net), names)
    layers = make_layers(context, schedule)
    modules = dict(text for unit in layers.units for text in unit.files)
    modules[layers.module] = layers.text
    top = f"{net.name}_top"
    buses = BusParts.of(net)
    modules[top] = top_module(net, buses, top, layers.module, loadable=layers.loadable)
    files = {f"{name}.sv": text for name, text in modules.items()}
    files |= library.needed(files.values())
    return RtlDesign(net, layers, buses, top, dict(sorted(files.items())))


def module_names(net: str, layers: Sequence[str]) -> dict[str, str]:
    """The module of every layer, by its name; no module beside it has the name of another one."""
    names: dict[str, str] = {}
    taken = {f"{net}_layers", f"{net}_top"}
    for layer in layers:
        refused = set(taken)
        while taken & (made := _modules(name := identifier(f"{net}_{layer}", refused))):
            refused.add(name)
        names[layer] = name
        taken |= made
    return names


def _modules(name: str) -> set[str]:
    """Modules that a layer can have."""
    graph = graph_name(name)
    return {name, graph, words_name(graph), rom_name(name)}
