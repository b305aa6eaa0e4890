"""Every name that would break the generated C++ is refused before anything is generated.

One translation unit tries many names: each is declared as the top function is, on a line of its
own, and the lines with errors tell which names are taken.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
import subprocess  # noqa: TID251 -- the compiler's judgement is what is compared
from pathlib import Path

import pytest

from nets import blended
from semifreddo.core.reserved import why_reserved
from semifreddo.hls import plan_project
from semifreddo.hls.csim import compiler
from semifreddo.hls.schedule import ScheduledNet, default_schedule

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

NAME = "zzz_net"
STREAM = "hls::stream<semifreddo::axis_word> &"
DECLARED = f"void %s({STREAM}, {STREAM}, unsigned, bool, const unsigned[9]);"
HEADERS = """\
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <unistd.h>
#include <fstream>
#include <iostream>
#include <vector>
#include "firmware/defines.h"
#include "firmware/parameters.h"
#include "firmware/nnet_utils/semifreddo_axis.h"
#include "firmware/nnet_utils/semifreddo_trace.h"
"""
CALLERS = (f"{NAME}_test.cpp", "csim/main.cpp")
_IDENTIFIER = re.compile(r"\b[A-Za-z][A-Za-z0-9_]*\b")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = dataclasses.replace(blended(), name=NAME)
    folder = tmp_path_factory.mktemp("names") / "project"
    scheduled = ScheduledNet(net, default_schedule(net))
    plan_project(scheduled, part="xc7z020clg400-1", clock_ns=10.0).write(folder)
    return folder


def compiled(project: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project / "probe.cpp").write_text(text)
    command = [str(compiler()), "-std=c++14", "-w", "-isystem", "firmware/ap_types", *options]
    return subprocess.run(
        [*command, "probe.cpp"], cwd=project, capture_output=True, text=True, check=False
    )


def broken(project: Path, prolog: str, pieces: list[str]) -> set[int]:
    """Which pieces of a translation unit the compiler refuses, by their number."""
    starts, line = [], prolog.count("\n") + 1
    for piece in pieces:
        starts.append(line)
        line += piece.count("\n")
    text = prolog + "".join(pieces)
    found = compiled(project, text, "-fsyntax-only", "-fmax-errors=0").stderr
    lines = [int(number) for number in re.findall(r"^probe\.cpp:(\d+):\d+: error", found, re.M)]
    assert all(number >= starts[0] for number in lines), found[:2000]
    return {bisect.bisect_right(starts, number) - 1 for number in lines}


def test_names_of_the_generated_text_are_refused(project: Path) -> None:
    """Test bench and C simulation, once for each of their identifiers as the design's name."""
    tried, pieces = [], []
    for file in CALLERS:
        text = re.sub(r"^#include.*$", "", (project / file).read_text(), flags=re.M)
        code = re.sub(r"//.*", "", text)
        for name in sorted({NAME, *_IDENTIFIER.findall(code)}):
            body = re.sub(rf"\b{NAME}\b", name, text)
            pieces.append(f"namespace n{len(tried)} {{ {DECLARED % name}\n{body}\n}}\n")
            tried.append(name)
    taken = {tried[number] for number in broken(project, HEADERS, pieces)}
    assert NAME not in taken and {"images", "answers", "task_words"} <= taken
    assert {name for name in taken if why_reserved(name) is None} == set()


def test_files_beside_the_top_are_refused(project: Path) -> None:
    beside = {path.stem for path in (project / "firmware").glob("*.h")} - {NAME}
    assert {"defines", "parameters"} <= beside
    assert {name for name in beside if why_reserved(name) is None} == set()


def test_names_of_all_headers_are_refused(project: Path) -> None:
    """Every identifier and macro of all headers, declared and called as the top function is."""
    text = compiled(project, HEADERS, "-E", "-P").stdout
    macros = re.findall(r"#define (\w+)", compiled(project, HEADERS, "-E", "-dM").stdout)
    tried = sorted({NAME, *_IDENTIFIER.findall(text), *filter(_IDENTIFIER.fullmatch, macros)})
    assert len(tried) > 4000
    call = f"inline void probe_%d({STREAM}a, {STREAM}b) {{ ::%s(a, b, 1, true, nullptr); }}\n"
    pieces = [f"{DECLARED % name} {call % (number, name)}" for number, name in enumerate(tried)]
    taken = {tried[number] for number in broken(project, HEADERS, pieces)}
    assert NAME not in taken and {"size_t", "EOF", "stdin", "class"} <= taken
    assert {name for name in taken if why_reserved(name) is None} == set()
