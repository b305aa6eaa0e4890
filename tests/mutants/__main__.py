"""Draws a seeded sample of one-token changes, runs the tests on each, and prints what survives.

``python -m mutants --seed 1 --count 40`` with ``tests`` on the path, or ``tox -e mutants -- ...``.
The tree itself is never changed: tests run in a copy. Results are kept in a JSON file after each
mutant, and the same command goes on where it was interrupted.

``--record`` first runs the default tests once and notes which of them execute which line. A later
run on the same files then asks only those, up to ``--seconds`` of them, and is many times quicker.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import subprocess  # noqa: TID251 -- pytest and git, not tools of the toolkit
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mutants.covering import Covering, in_function
from mutants.drawing import (
    LANGUAGES,
    PROOFS,
    RENDERED,
    SIMULATING,
    Drawn,
    mirrors,
    sample,
    selections,
)
from mutants.running import KILLED, PYNQ_TESTS, SURVIVED, run_tests

ROOT = Path(__file__).resolve().parents[2]

_PATIENCE = 3
"""Times as many seconds of tests are worth spending on what would survive."""


def copy_tree(root: Path, place: Path) -> None:
    """What git knows or would add, so neither builds nor environments."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (root / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, place / name)


def record(root: Path, place: Path, file: Path) -> int:
    """Run the default tests once in a copy, and note which lines each of them executes."""
    left_out = ("mutants", "readme", "site", "examples", "notebooks", "pynq_board")
    ignored = [f"--ignore=tests/{name}" for name in left_out]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow and not clock", *ignored]
    command += ["-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    command += ["-p", "mutants.recording", "--record", str(file)]
    paths = f"{place / 'toolkit'}{os.pathsep}{place / 'tests'}"
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    code = subprocess.run(command, cwd=place, env=environment, check=False).returncode
    return 0 if file.is_file() and code in (0, 1) else 2


def known_to_pass(first: list[str], more: list[str]) -> Iterator[tuple[list[str], bool]]:
    """What few seconds allow, and for what survives that the others that more seconds allow."""
    for tests in (first, [each for each in more if each not in first]):
        if tests:
            yield tests, True


def asked(
    root: Path, drawn: Drawn, covering: Covering | None, seconds: float
) -> Iterator[tuple[list[str], bool]]:
    """Selections of tests, and whether it is known that they pass without the mutant."""
    python = drawn.path.suffix == ".py"
    if covering is not None and python:
        before = (root / drawn.path).read_text(encoding="utf-8")
        mirror = mirrors(root, drawn)
        line = drawn.mutant.line
        if drawn.package == "cli" or not in_function(before, line):
            yield list(RENDERED), False
        found = covering.selection(root, drawn.path, before, line, mirror, seconds)
        # Of a process that a test starts nothing is recorded: then tests are taken by their place.
        if found:
            more = covering.selection(root, drawn.path, before, line, mirror, _PATIENCE * seconds)
            yield from known_to_pass(found, more or [])
            if drawn.package == "runtime" and "SEMIFREDDO_PYNQ_PYTHON" in os.environ:
                yield [PYNQ_TESTS], False
            return
    if covering is not None and not python:
        found = covering.tools_get(drawn.path, SIMULATING[drawn.package], seconds)
        if found:
            yield found, True
            for tests in PROOFS[drawn.package]:
                yield [tests], False
            more = covering.tools_get(drawn.path, SIMULATING[drawn.package], _PATIENCE * seconds)
            yield from known_to_pass([], [each for each in more if each not in found])
            return
    for tests in selections(root, drawn):
        yield tests, False


def judge(
    root: Path,
    place: Path,
    drawn: Drawn,
    timeout_s: float,
    sound: dict[str, bool],
    covering: Covering | None = None,
    seconds: float = 60.0,
) -> tuple[str, str]:
    """What becomes of a mutant in a copy of the tree, and in which tests.

    Tests that fail count only if they pass without the mutant; ``sound`` keeps what is known.

    Raises:
        RuntimeError: They fail without it, too, so nothing could be told.
    """
    file = place / drawn.path
    before = file.read_text(encoding="utf-8")
    for tests, known in asked(root, drawn, covering, seconds):
        file.write_text(drawn.mutant.text, encoding="utf-8")
        try:
            result = run_tests(place, tests, timeout_s)
        finally:
            file.write_text(before, encoding="utf-8")
        if result == SURVIVED:
            continue
        name = " ".join(tests)
        if known and result == KILLED:
            return result, name
        if name not in sound:
            sound[name] = run_tests(place, tests, timeout_s) == SURVIVED
        if not sound[name]:
            raise RuntimeError(f"fails or hangs without any mutant: pytest {name}")
        return result, name
    return SURVIVED, ""


def difference(root: Path, drawn: Drawn) -> str:
    before = (root / drawn.path).read_text(encoding="utf-8").splitlines()
    after = drawn.mutant.text.splitlines()
    lines = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    return "\n".join([f"{drawn.path}:{drawn.mutant.line} ({drawn.mutant.operator})", *lines])


def summary(results: list[dict[str, Any]]) -> str:
    """Survivors with their differences, and the rate of each package."""
    lines = [f"survived: {each['difference']}\n" for each in results if each["result"] == SURVIVED]
    count, dead = Counter[str](), Counter[str]()
    for each in results:
        count[each["package"]] += 1
        dead[each["package"]] += each["result"] != SURVIVED
    for name in sorted(count):
        lines.append(f"{name:10} {dead[name]:3} of {count[name]:3} killed")
    total = sum(count.values())
    if total:
        share = 100 * sum(dead.values()) / total
        lines.append(f"{'together':10} {sum(dead.values()):3} of {total:3} killed, {share:.0f} %")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--package", help="of the toolkit; verilog, cpp")
    parser.add_argument("--language", choices=LANGUAGES, help="only this one")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per selection")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the tests of a line")
    parser.add_argument("--record", action="store_true", help="note which test executes which line")
    parser.add_argument("--lines", type=Path, default=ROOT / "build" / "mutants-lines.json")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "mutants.json")
    parser.add_argument("--show", action="store_true", help="draw, but run nothing")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Draw, run, print; the exit code tells whether any mutant survived."""
    options = parse(arguments)
    languages = (options.language,) if options.language else LANGUAGES
    kept = json.loads(options.results.read_text()) if options.results.is_file() else {}
    covering = Covering.read(options.lines) if options.lines.is_file() else None
    chosen: list[dict[str, Any]] = []
    sound: dict[str, bool] = {}
    with tempfile.TemporaryDirectory(prefix="semifreddo-mutants-") as folder:
        place = Path(folder)
        if not options.show:
            copy_tree(root, place)
        if options.record:
            return record(root, place, options.lines.resolve())
        drawn_ones = sample(root, options.seed, options.count, languages, options.package)
        for index, drawn in enumerate(drawn_ones):
            text = difference(root, drawn)
            if options.show:
                print(text)  # noqa: T201 -- a program of its own
                continue
            if text not in kept:
                begin = time.monotonic()
                try:
                    result, where = judge(
                        root, place, drawn, options.timeout, sound, covering, options.seconds
                    )
                except RuntimeError as error:
                    print(f"mutants: {error}", file=sys.stderr)  # noqa: T201
                    return 2
                kept[text] = {
                    "package": drawn.package,
                    "result": result,
                    "tests": where,
                    "seconds": round(time.monotonic() - begin, 1),
                    "difference": text,
                }
                options.results.parent.mkdir(parents=True, exist_ok=True)
                options.results.write_text(json.dumps(kept, indent=1) + "\n")
            chosen.append(kept[text])
            done = kept[text]
            line = f"{index + 1} of {options.count}: {done['result']}, {done['seconds']} s: "
            print(line + text.partition("\n")[0], flush=True)  # noqa: T201
    if not options.show:
        print(summary(chosen))  # noqa: T201
        if not chosen:
            return 2
    return int(any(each["result"] == SURVIVED for each in chosen))


if __name__ == "__main__":
    sys.exit(main())
