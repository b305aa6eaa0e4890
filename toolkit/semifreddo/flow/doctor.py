"""What this machine can do: packages and tools found, versions tested, verbs that work."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from importlib import metadata

import semifreddo
from semifreddo.core.errors import ToolError
from semifreddo.tools.runner import tool_version

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
    """An external program; ``path`` is None if it is not on PATH."""

    name: str
    path: str | None
    version: str | None
    serves: str


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
    "verilator": "RTL simulation",
    "yosys": "open synthesis",
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
    "rung csim": ("g++",),
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


def diagnose() -> Diagnosis:
    """Look at this machine. Starts ``<tool> --version`` for tools that are found."""
    tested = tested_versions()
    packages = tuple(
        PackageStatus(name, installed_version(name), tested.get(name), serves)
        for name, serves in _PACKAGES.items()
    )
    tools = tuple(_tool(name, serves) for name, serves in _TOOLS.items())
    present = {item.name for item in packages if item.version is not None}
    present |= {item.name for item in tools if item.path is not None}
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
