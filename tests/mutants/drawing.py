"""Which file is changed, how, and which tests have to notice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mutants.operators import Mutant, mutate_python, mutate_tokens

TOOLKIT = Path("toolkit/semifreddo")
LIBRARY = TOOLKIT / "rtl" / "library"
TEMPLATES = TOOLKIT / "hls" / "templates"
LANGUAGES = ("python", "verilog", "cpp")
_ATTEMPTS = 20

SELECTIONS = {
    "adders": ("adders", "rtl/units/test_weighted.py", "hls/test_csim.py"),
    "convert": ("convert",),
    "core": ("core", "passes", "sim", "runtime", "vivado", "flow/test_config.py"),
    "flow": ("flow", "cli"),
    "ir": ("ir", "sim", "runtime", "passes", "hls/test_schedule.py"),
    "nn": ("nn", "convert", "train/test_checkpoint.py"),
    "passes": ("passes", "convert"),
    "reports": ("reports", "flow"),
    "rtl": ("rtl", "matrix"),
    "hls": ("hls", "matrix"),
    "runtime": (
        "runtime",
        "rtl/simulation/test_transport.py",
        "hls/test_transport.py",
        "cli",
        "pynq_board",
    ),
    "sim": ("sim", "matrix", "flow/test_build.py"),
    "tools": ("tools", "rtl/synthesis/test_parts.py", "rtl/simulation/test_verilator.py"),
    "train": ("train",),
    "vivado": ("vivado", "flow/stages"),
    "studies": ("studies",),
    "boards": ("boards", "vivado"),
    "cli": ("cli", "flow/test_pipeline.py"),
}
"""Tests that are run last, by package: after those that mirror the module, or import it."""

RENDERED = ("tests/cli/test_reference.py",)
"""Tests of what is declared at import and rendered: keys, defaults, limits, options."""

SIMULATING = {
    "verilog": ("tests/matrix/", "tests/rtl/"),
    "cpp": ("tests/matrix/", "tests/hls/"),
}
"""Folders of tests that look at what a changed file computes, not at its text."""

PROOFS: dict[str, tuple[str, ...]] = {"verilog": ("tests/rtl/library",), "cpp": ()}
"""Tests that give a file to a tool where it lies, so no record knows."""


@dataclass(frozen=True)
class Drawn:
    """A mutant and what it was drawn from.

    Attributes:
        package: Of the toolkit; ``verilog`` and ``cpp`` for the library and the templates.
        path: The file, from the root.
        mutant: The change.
    """

    package: str
    path: Path
    mutant: Mutant


def files(root: Path, languages: tuple[str, ...], package: str | None) -> dict[str, list[Path]]:
    """What can be changed, by package."""
    found: dict[str, list[Path]] = {}
    if "python" in languages:
        for path in sorted((root / TOOLKIT).rglob("*.py")):
            name = path.relative_to(root / TOOLKIT).parts[0]
            if name.endswith(".py"):
                name = name.removesuffix(".py")
            if path.name != "__init__.py" and not name.startswith("__"):
                found.setdefault(name, []).append(path.relative_to(root))
    if "verilog" in languages:
        found["verilog"] = [
            path.relative_to(root)
            for path in sorted((root / LIBRARY).glob("*.sv"))
            if path.name != "sf_probe.sv"
        ]
    if "cpp" in languages:
        found["cpp"] = [
            path.relative_to(root)
            for path in sorted((root / TEMPLATES).iterdir())
            if path.suffix in (".h", ".cpp")
        ]
    return {name: paths for name, paths in found.items() if package in (None, name)}


def draw(
    root: Path,
    seed: int,
    index: int,
    languages: tuple[str, ...] = LANGUAGES,
    package: str | None = None,
    attempt: int = 0,
) -> Drawn | None:
    """The mutant of a number and an attempt: the same for the same tree. Packages take turns.

    A file counts by its size.
    """
    groups = files(root, languages, package)
    if not groups:
        return None
    random_ = random.Random(f"{seed}/{index}/{attempt}")  # noqa: S311 -- a sample, no secret
    turn = random.Random(f"{seed}/{index // len(groups)}")  # noqa: S311
    order = turn.sample(sorted(groups), len(groups))
    name = order[index % len(groups)]
    paths = groups[name]
    for _ in range(_ATTEMPTS):
        path = random_.choices(paths, [(root / each).stat().st_size for each in paths])[0]
        text = (root / path).read_text(encoding="utf-8")
        if path.suffix == ".py":
            mutant = mutate_python(text, random_)
        else:
            mutant = mutate_tokens(text, "verilog" if path.suffix == ".sv" else "cpp", random_)
        if mutant is not None:
            return Drawn(name, path, mutant)
    return None


def sample(
    root: Path,
    seed: int,
    count: int,
    languages: tuple[str, ...] = LANGUAGES,
    package: str | None = None,
) -> Iterator[Drawn]:
    """Mutants one by one, none of them twice; a longer sample begins with a shorter one's."""
    seen: set[tuple[Path, str]] = set()
    for index in range(count):
        for attempt in range(_ATTEMPTS):
            drawn = draw(root, seed, index, languages, package, attempt)
            if drawn is not None and (drawn.path, drawn.mutant.text) not in seen:
                seen.add((drawn.path, drawn.mutant.text))
                yield drawn
                break


@lru_cache(maxsize=1)
def _texts(root: Path) -> tuple[tuple[str, str], ...]:
    """All test files."""
    return tuple(
        (path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((root / "tests").rglob("test_*.py"))
    )


def mirrors(root: Path, drawn: Drawn) -> list[str]:
    """Files of tests that mirror a Python module."""
    folder = (root / "tests").joinpath(*drawn.path.relative_to(TOOLKIT).parts[:-1])
    found = sorted(folder.glob(f"test_{drawn.path.stem}*.py"))
    return [path.relative_to(root).as_posix() for path in found]


def selections(root: Path, drawn: Drawn) -> Iterator[list[str]]:
    """Tests to run, narrow ones first: a mutant that survives one selection meets the next."""
    if drawn.package == "verilog":
        yield ["tests/matrix/test_matrix.py", "-k", "rtl"]
        yield [
            "tests/rtl/simulation/test_transport.py",
            "tests/rtl/synthesis/test_ecp5.py",
            "tests/rtl/timing/test_folding.py",
        ]
        yield ["tests/rtl"]
        return
    if drawn.package == "cpp":
        yield ["tests/matrix/test_matrix.py", "-k", "cpp"]
        yield ["tests/hls"]
        return
    parts = drawn.path.relative_to(TOOLKIT).parts
    package, stem = parts[0].removesuffix(".py"), drawn.path.stem
    mirror = mirrors(root, drawn)
    if mirror:
        yield mirror
    module = ".".join(("semifreddo", *parts[:-1], stem))
    users = [path for path, text in _texts(root) if re.search(rf"\b{re.escape(module)}\b", text)]
    if users and users != mirror:
        yield users
    wide = [f"tests/{name}" for name in SELECTIONS.get(package, (package,))]
    yield [path for path in wide if (root / path).exists()]
