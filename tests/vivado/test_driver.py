"""The stages under every mood of the tools, through the archive as a user gets it."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import re
import shutil
import signal
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from semifreddo.core.errors import (
    ConfigError,
    LimitError,
    ProjectError,
    SemifreddoError,
    ToolError,
    ToolTimeoutError,
)
from semifreddo.tools.runner import ToolRun, run
from semifreddo.vivado import driver
from semifreddo.vivado.checks import check_utilization
from semifreddo.vivado.driver import (
    Options,
    is_finished,
    main,
    run_project,
)
from semifreddo.vivado.stages import stages
from vivado.projects import fake_tools, plan

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    plan().write(tmp_path / "project")
    return tmp_path / "project"


def run_all(project: Path, **options: object) -> list[str]:
    lines: list[str] = []
    run_project(project, Options(**options), lines.append)  # type: ignore[arg-type]
    return lines


def ran(lines: list[str]) -> list[str]:
    """Stages that did something."""
    lines = [line for line in lines if "note:" not in line]
    names = [line.split()[1].rstrip(":") for line in lines if line.startswith("[")]
    done = [line.strip() for line in lines if not line.startswith("[")]
    return [name for name, how in zip(names, done, strict=True) if how.startswith("done")]


def test_hours_that_a_stage_may_take() -> None:
    """Far beyond what it takes: a licence server or a disk that hangs ends in an error."""
    found = {
        stage.name: stage.timeout_s / 3600
        for backend in ("hls", "rtl")
        for stage in stages("net", backend)
    }
    assert found == {
        "hls": 4,
        "cosim": 8,
        "package": 0.5,
        "block_design": 1,
        "synth": 4,
        "impl": 8,
        "bitstream": 1,
    }


def test_a_good_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    assert ran(run_all(project)) == ["package", "block_design", "synth", "impl", "bitstream"]
    assert sorted(file.name for file in (project / "out").iterdir()) == ["tiny.bit", "tiny.hwh"]
    assert is_finished(project)
    assert ran(run_all(project)) == []


@pytest.mark.parametrize("backend", ["vivado", "vitis"])
def test_hls_projects(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    plan(backend, "zcu104").write(tmp_path)
    if backend == "vitis":
        monkeypatch.setenv("FAKE_XILINX_VERSION", "2024.1")
    done = ran(run_all(tmp_path))
    assert done == ["hls", "block_design", "synth", "impl", "bitstream"]
    assert (tmp_path / "reports" / "csynth.xml").is_file()
    assert ran(run_all(tmp_path, cosim=True)) == ["cosim"]
    assert (tmp_path / "reports" / "cosim.rpt").is_file()


def test_the_new_program_of_vitis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, unified=True)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2024.1")
    plan("vitis").write(tmp_path)
    run_all(tmp_path, until="hls")
    assert "fake vitis-run" in (tmp_path / "logs" / "hls.log").read_text()


@pytest.mark.parametrize(
    ("stage", "mood", "error", "message"),
    [
        ("package", "exit1", ToolError, r"went wrong in package; vivado failed with exit code 1"),
        (
            "package",
            "nothing",
            ToolError,
            "ended well but did not write .*component.xml; see .*log",
        ),
        ("synth", "nothing", ToolError, "did not write .*utilization_synth.rpt; see .*synth.log"),
        ("impl", "no_space", ToolError, "the disk is full; make room and run again; ERROR: cannot"),
        ("synth", "run_failed", ToolError, "synth_1 ended with 'synth_design ERROR'; see work/"),
        ("synth", "budget", LimitError, "over budget: needs 999999 of 53200 lut; see .*_synth.rpt"),
        ("impl", "budget", LimitError, "over budget: needs 999999 of 53200 lut; see .*tion.rpt"),
        (
            "impl",
            "timing",
            LimitError,
            r"setup slack -1.25 ns.*100 MHz; see .*clock_mhz = 88 would",
        ),
        ("synth", "silent", ToolError, "does not tell lut, ff, dsp, bram18, so nothing is proven"),
        ("bitstream", "exit1", ToolError, "went wrong in bitstream; vivado failed"),
    ],
)
def test_failures_say_where_to_look(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    mood: str,
    error: type[SemifreddoError],
    message: str,
) -> None:
    fake_tools(monkeypatch, **{stage: mood})
    with pytest.raises(error, match=f"^stage {stage}: (?s:.)*{message}"):
        run_all(project)
    assert not (project / "out" / "tiny.bit").exists()
    fake_tools(monkeypatch)
    every = [one.name for one in stages("tiny", "rtl")]
    assert ran(run_all(project)) == every[every.index(stage) :]  # it goes on where it failed


def test_an_old_hls_cannot_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, hls="old_hls")
    plan("vivado").write(tmp_path)
    with pytest.raises(ToolError, match=r"install AMD's y2k22 patch \(answer record 76960\)"):
        run_all(tmp_path)


def test_cosim_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, cosim="mismatch")
    plan("vivado").write(tmp_path)
    with pytest.raises(ToolError, match=r"stage cosim: .*cosim\.rpt: the co-simulation did not"):
        run_all(tmp_path, until="cosim")


def test_old_output_is_not_taken_for_new(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    run_all(project)
    fake_tools(monkeypatch, synth="nothing")
    with pytest.raises(ToolError, match=r"ended well but left an old .*utilization_synth\.rpt in"):
        run_all(project, first="synth")
    assert not is_finished(project)


def test_what_changed_runs_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    run_all(project)
    (project / "constraints" / "board.xdc").write_text("# other\n")
    assert ran(run_all(project)) == ["block_design", "synth", "impl", "bitstream"]
    (project / "out" / "tiny.bit").write_text("damaged")
    assert ran(run_all(project)) == ["bitstream"]
    shutil.rmtree(project / "work")
    assert ran(run_all(project)) == ["block_design", "synth", "impl", "bitstream"]
    (project / ".done" / "impl.json").write_text("{")
    assert ran(run_all(project, until="impl")) == ["impl"]


def test_a_hanging_tool(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, impl="hang")
    run_all(project, until="synth")
    with pytest.raises(ToolTimeoutError, match=r"stage impl: vivado did not finish within 3 s"):
        run_all(project, timeout_s=3)


def test_versions(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2018.3")
    with pytest.raises(
        ToolError, match=r"^vivado is version 2018\.3, this project is for 2019\.2, .*settings64"
    ):
        run_all(project)
    assert ran(run_all(project, any_version=True))[0] == "package"
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2019.2")
    lines = run_all(project, first="package", until="package")
    assert any(line.startswith("      note: vivado 2019.2: needs libtinfo") for line in lines)


def test_no_tools(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"^vivado not found; source settings64\.sh of the Xilinx"):
        run_all(project)


def test_wrong_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="no stage 'route'; stages are package, block_design"):
        run_all(project, until="route")
    assert main(project, ["--until", "route"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no stage 'route'")
    assert main(project, ["--jobs", "0"]) == 2
    assert capsys.readouterr().err == "error: --jobs 0: Vivado needs one process at least\n"
    (project / "project.json").write_text("{}")
    with pytest.raises(ProjectError, match=r"project\.json: no description of a project"):
        run_all(project)


def test_two_runs_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, package="hang")
    caught: list[BaseException] = []

    def hanging() -> None:
        try:
            run_all(project, timeout_s=3)
        except ToolError as error:
            caught.append(error)

    thread = threading.Thread(target=hanging)
    thread.start()
    while not (project / "logs" / "package.log").exists():
        time.sleep(0.02)
    with pytest.raises(ProjectError, match="another run is at work here"):
        run_all(project)
    thread.join()
    assert isinstance(caught[0], ToolTimeoutError)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(plan().tarball("tiny"))) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "tiny"


def test_the_archive_runs_alone(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command, no semifreddo and no package installed (-S leaves site-packages out)."""
    fake_tools(monkeypatch)
    log = unpacked.parent / "log"
    run([sys.executable, "-S", "-I", unpacked / "run.py"], cwd=Path("/"), timeout_s=60, log=log)
    assert log.read_text().splitlines()[-1] == "done: out/"
    assert (unpacked / "out" / "tiny.bit").is_file()
    again = run(["sh", "run.sh", "--until", "synth"], cwd=unpacked, timeout_s=60, log=log)
    assert again.log.read_text().count("up to date") == 3
    fake_tools(monkeypatch, synth="timing", impl="timing")
    with pytest.raises(ToolError, match=r"run\.sh failed with exit code 1"):
        run([unpacked / "run.sh", "--from", "synth"], cwd=unpacked, timeout_s=60, log=log)
    assert "error: stage impl: timing not met" in log.read_text()


def test_ctrl_c_and_resume(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, synth="hang")
    log = unpacked.parent / "log"

    def interrupt() -> None:
        while not (unpacked / "logs" / "synth.log").exists():
            time.sleep(0.05)
        os.kill(int((unpacked / "pid").read_text()), signal.SIGINT)

    code = (
        "import os, runpy, signal, sys, pathlib;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "pathlib.Path('pid').write_text(str(os.getpid()));"
        "sys.argv = ['run.py'];"
        "runpy.run_path('run.py', run_name='__main__')"
    )
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(ToolError, match="exit code 130"):
        run([sys.executable, "-c", code], cwd=unpacked, timeout_s=60, log=log)
    thread.join()
    assert "interrupted; run the same command again to resume" in log.read_text()
    fake_tools(monkeypatch)
    assert ran(run_all(unpacked)) == ["synth", "impl", "bitstream"]


def test_the_copied_modules_are_for_old_pythons_too() -> None:
    for name, data in plan().files.items():
        if name.endswith(".py"):
            tree = ast.parse(data, feature_version=(3, 8))
            imports = {
                (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
            ours = {module for module in imports if module.startswith("semifreddo")}
            for module in ours:
                path = f"lib/{module.replace('.', '/')}"
                assert {f"{path}.py", f"{path}/__init__.py"} & set(plan().files), (name, module)
            outside = {module.partition(".")[0] for module in imports - ours}
            assert outside <= sys.stdlib_module_names, name


def test_a_plan_is_the_same_every_time_and_names_no_place() -> None:
    assert plan().digest == plan().digest != plan(clock_mhz=50).digest
    package = str(Path(__file__).parents[2]).encode()
    for name, data in plan("vivado").files.items():
        assert b"/tmp/" not in data and package not in data, name
        assert not re.search(rb"(?<![\w.$}\"'])/(home|opt|usr/local|root)/", data), name


def test_the_settings(project: Path) -> None:
    settings = (project / "tcl" / "settings.tcl").read_text()
    assert "dict set settings core_vlnv semifreddo:semifreddo:tiny:1.0\n" in settings
    assert "[list axi_dma_0 0x40400000 0x00010000 axi_intc_0 0x41800000" in settings
    assert json.loads((project / "project.json").read_text())["budget"]["lut"] == 53200


def test_a_report_of_black_boxes_proves_nothing(tmp_path: Path) -> None:
    """Vivado counts nothing of a design whose blocks are not linked yet."""
    report = tmp_path / "utilization.rpt"
    names = ("Slice LUTs*", "Slice Registers", "Block RAM Tile", "DSPs")
    rows = "".join(f"| {name} | 0 | 0 |\n" for name in names)
    report.write_text(f"| Site Type | Used | Fixed |\n{rows}")
    with pytest.raises(ToolError, match="counts no LUT at all, so the blocks were empty"):
        check_utilization(report, {"lut": 1, "ff": 1, "dsp": 1, "bram18": 1})


@pytest.fixture
def commands(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the command line asks for, run by nobody."""
    found: list[Options] = []

    def run(root: Path, options: Options, report: object) -> None:
        assert root == project
        found.append(options)

    monkeypatch.setattr(driver, "run_project", run)
    return found


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        ("", Options(), "done: out/"),
        ("--until synth", Options(until="synth"), "done until synth"),
        ("--until bitstream", Options(until="bitstream"), "done: out/"),
        ("--from synth", Options(first="synth"), "done: out/"),
        (
            "--jobs 5 --timeout 9.5 --any-version --cosim",
            Options(jobs=5, timeout_s=9.5, any_version=True, cosim=True),
            "done: out/",
        ),
    ],
)
def test_the_command_line(
    project: Path,
    commands: list[Options],
    capsys: pytest.CaptureFixture[str],
    words: str,
    options: Options,
    said: str,
) -> None:
    assert main(project, words.split()) == 0
    assert commands == [options]
    assert capsys.readouterr().out == f"{said}\n"


def test_what_is_not_asked_for() -> None:
    assert Options() == Options(None, None, 2, None, any_version=False, cosim=False)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to resume"),
        (ToolError("stage synth: no"), 1, "error: stage synth: no"),
        (ConfigError("no"), 2, "error: no"),
        (
            OSError(28, "No space left on device"),
            1,
            "error: [Errno 28] No space left on device; make room if the disk is full, and run "
            "again",
        ),
    ],
)
def test_how_a_run_ends(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def run(root: Path, options: Options, report: Callable[[str], None]) -> None:
        report("[1/5] package: Verilog to an IP")
        raise error

    monkeypatch.setattr(driver, "run_project", run)
    assert main(project, []) == code
    assert capsys.readouterr() == ("[1/5] package: Verilog to an IP\n", f"{said}\n")


def test_the_programs_and_their_words() -> None:
    (package, *_), (hls, *_) = stages("tiny", "rtl"), stages("tiny", "hls")
    assert " ".join(driver._command("vivado", package, Options(jobs=3))) == (
        "vivado -mode batch -nojournal -nolog -notrace -source ../tcl/package.tcl -tclargs jobs=3"
    )
    script = "../tcl/hls.tcl"
    assert driver._command("vitis-run", hls, Options()) == [
        *("vitis-run", "--mode", "hls", "--tcl", script)
    ]
    for program in ("vivado_hls", "vitis_hls"):
        assert driver._command(program, hls, Options()) == [program, "-f", script]


def test_what_a_run_says(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setattr(driver, "run", lambda *a, **k: dataclasses.replace(run(*a, **k), seconds=7))
    assert run_all(project, until="block_design")[-4:] == [
        "[1/5] package: Verilog to an IP",
        "      done in 7 s, log in logs/package.log",
        "[2/5] block_design: processor, DMA, interrupts and the IP in one design",
        "      done in 7 s, log in logs/block_design.log",
    ]
    assert run_all(project, until="package") == [
        "[1/5] package: Verilog to an IP",
        "      up to date",
    ]
    shutil.rmtree(project / "work")
    with pytest.raises(ToolError) as error:
        monkeypatch.setattr(driver, "run", lambda *a, **k: _without_keeps(project, run(*a, **k)))
        run_all(project, until="block_design")
    assert str(error.value) == (
        "stage block_design: vivado did not make work/vivado/semifreddo.xpr; see "
        f"{project}/logs/block_design.log"
    )
    assert not (project / ".done" / "block_design.json").exists()


def _without_keeps(project: Path, done: ToolRun) -> ToolRun:
    (project / "work/vivado/semifreddo.xpr").unlink(missing_ok=True)
    return done


@pytest.mark.parametrize("absent", ["name", "backend", "tools"])
def test_a_description_that_lacks_something(project: Path, absent: str) -> None:
    path = project / "project.json"
    data = json.loads(path.read_text())
    assert driver.read_description(project) == data
    del data[absent]
    for text in (json.dumps(data), "[]", "{"):
        path.write_text(text)
        with pytest.raises(ProjectError, match=r"project\.json: no description of a project \("):
            driver.read_description(project)
