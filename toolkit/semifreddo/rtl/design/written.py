"""A design as files: what simulation, synthesis and packaging need of it, and no more.

The stage that generates a design saves it; the stages behind it load it, so that nothing is
generated twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from semifreddo.core.errors import ProjectError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import RtlDesign

VERILOG = "verilog"
"""Folder with every file of a saved design."""

_ABOUT = "design.json"


class PlacedUnit(Protocol):
    """A layer and its module."""

    @property
    def layer(self) -> str:
        """Name of the layer."""
        ...

    @property
    def module(self) -> str:
        """Name of the module."""
        ...


class PlacedLayers(Protocol):
    """The layers together."""

    @property
    def module(self) -> str:
        """Name of the module that connects the layers."""
        ...

    @property
    def text(self) -> str:
        """Text of that module."""
        ...

    @property
    def units(self) -> Sequence[PlacedUnit]:
        """The layers that are built."""
        ...


class Verilog(Protocol):
    """A design, just generated (:class:`RtlDesign`) or loaded (:class:`WrittenDesign`)."""

    @property
    def net(self) -> StreamNet:
        """The network it computes."""
        ...

    @property
    def layers(self) -> PlacedLayers:
        """Its layers."""
        ...

    @property
    def top(self) -> str:
        """Name of the top module."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Text by file name."""
        ...

    @property
    def latency_cycles(self) -> int:
        """From the first word of an image to its last result word, as predicted."""
        ...

    def write(self, directory: Path) -> list[Path]:
        """Write all files."""
        ...


@dataclass(frozen=True)
class WrittenUnit:
    """A layer and its module."""

    layer: str
    module: str


@dataclass(frozen=True)
class WrittenLayers:
    """The layers together: the module that connects them, its text, and what it connects."""

    module: str
    text: str
    units: tuple[WrittenUnit, ...]


@dataclass(frozen=True)
class WrittenDesign:
    """A design that was generated before.

    Attributes:
        net: The network it computes.
        layers: Its layers.
        top: Name of the top module.
        files: Text by file name.
        cycles_per_image: As :class:`RtlDesign` predicted it.
        latency_cycles: As :class:`RtlDesign` predicted it.
    """

    net: StreamNet
    layers: WrittenLayers
    top: str
    files: Mapping[str, str]
    cycles_per_image: int
    latency_cycles: int

    def write(self, directory: Path) -> list[Path]:
        """Write all files; each appears whole or not at all."""
        for name, text in self.files.items():
            write_atomic(directory / name, text)
        return [directory / name for name in self.files]


def save_design(design: RtlDesign, folder: Path) -> None:
    """Write a design so that :func:`load_design` gives it back without generating it."""
    design.write(folder / VERILOG)
    about = {
        "device_digest": design.net.device_digest,
        "top": design.top,
        "layers": design.layers.module,
        "units": [[unit.layer, unit.module] for unit in design.layers.units],
        "cycles_per_image": design.cycles_per_image,
        "latency_cycles": design.latency_cycles,
    }
    write_atomic(folder / _ABOUT, json.dumps(about, indent=1) + "\n")


def load_design(folder: Path, net: StreamNet) -> WrittenDesign:
    """Read a saved design.

    Args:
        folder: Where it was saved.
        net: The network it was made of, or another one of the same device.

    Raises:
        ProjectError: It is missing, damaged, or of another device.
    """
    try:
        about: Any = parse_json((folder / _ABOUT).read_text(encoding="utf-8"))
        files = {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted((folder / VERILOG).glob("*.sv"))
        }
        if about["device_digest"] != net.device_digest:
            raise ProjectError(f"{folder}: is the Verilog of another device than {net.name}")
        module = str(about["layers"])
        units = tuple(WrittenUnit(str(layer), str(name)) for layer, name in about["units"])
        layers = WrittenLayers(module, files[f"{module}.sv"], units)
        period, latency = int(about["cycles_per_image"]), int(about["latency_cycles"])
        return WrittenDesign(net, layers, str(about["top"]), files, period, latency)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ProjectError(f"{folder}: not a saved design ({error}); build again") from error
