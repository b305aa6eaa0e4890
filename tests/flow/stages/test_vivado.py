"""Archive and bitstream of a design, with Vivado here, elsewhere, and nowhere."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from flow.conftest import convert
from semifreddo.cli.main import main
from semifreddo.core.errors import LadderError, LimitError, ProjectError, ToolError
from semifreddo.flow.backend import Backend
from semifreddo.flow.build import BACKENDS, build, stages
from semifreddo.flow.check import check_design
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.stages.project import PROJECT
from semifreddo.flow.stages.rtl import RTL_STAGE
from semifreddo.flow.stages.vendor import VENDOR
from semifreddo.flow.stages.vivado import VIVADO, _arguments, _waits
from semifreddo.reports.report import BuildReport
from semifreddo.runtime import Bundle
from semifreddo.runtime.device_files import DeviceFiles
from semifreddo.vivado.driver import Options, _Work, run_project
from semifreddo.vivado.stages import VivadoStage
from vivado.projects import FAKES, fake_tools

pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)
pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

REMOTE = FAKES.parent / "remote"
ARCHIVE = "vivado/tiny-pynq_z2.tar.gz"


def configure(folder: Path, *overrides: str) -> BuildConfig:
    return load_config(folder, overrides)


@pytest.fixture(scope="session")
def _with_rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design with its Verilog and its archive."""
    folder = tmp_path_factory.mktemp("with_rtl")
    (folder / "design.toml").write_text('[design]\nname = "tiny"\n[vectors]\nrandom_count = 4\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semifreddo.flow.stages.lower._convert", convert)
        patch.setattr("semifreddo.flow.build.BACKENDS", _backends())
        build(load_config(folder))
    return folder


@pytest.fixture
def hls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _no_torch: None) -> Path:
    """A design whose HLS project is written."""
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    backends = (Backend(stages=lambda _: (PROJECT,)), VENDOR, VIVADO)
    monkeypatch.setattr("semifreddo.flow.build.BACKENDS", backends)
    (tmp_path / "design.toml").write_text(
        '[design]\nname = "tiny"\n[vectors]\nrandom_count = 9\n[vivado]\ncore = "hls"\n'
    )
    return tmp_path


def test_the_hls_core(hls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = build(configure(hls))
    reasons = {stage.name: stage.waits for stage in report.stages}
    assert reasons["vendor"] == "needs vivado_hls, which is not on PATH"
    assert reasons["bitstream"].startswith("vivado_hls and vivado not on PATH; run the archive")
    with tarfile.open(hls / "build" / ARCHIVE) as archive:
        names = set(archive.getnames())
    assert {"tiny/hls/firmware/tiny.cpp", "tiny/tcl/hls.tcl", "tiny/tcl/cosim.tcl"} <= names
    assert not any("csim/build" in name for name in names)
    fake_tools(monkeypatch)
    report = build(configure(hls))
    assert report.archive is not None and report.archive.core == "hls"
    assert report.bitstream is not None
    assert (hls / "build" / "vivado" / "tiny.hwh").is_file()
    assert "pynq" in Bundle.load(hls / "build" / "tiny.sfb").transports


def test_the_vendors_rungs(hls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    report = build(configure(hls), until="vendor")
    climbed = {rung.name: (rung.status, rung.images) for rung in report.ladder}
    assert climbed["vendor-csim"] == climbed["vendor-cosim"] == ("equal", 8)
    assert report.hls is not None
    assert (report.hls.tool, report.hls.interval_cycles, report.hls.lut) == (
        "HLS 2020.1",
        800,
        9002,
    )
    assert (report.hls.simulated_latency_cycles, report.hls.simulated_interval_cycles) == (411, 288)
    checked = {result.name: result.status for result in check_design(configure(hls)).results}
    assert checked["vendor-csim"] == checked["vendor-cosim"] == "equal"  # as the build found
    shutil.rmtree(hls / "build" / "vivado")
    fake_tools(monkeypatch, cosim="wrong_results")
    with pytest.raises(
        LadderError, match="rung vendor-csim differs on 1 of 8 images; first: image"
    ):
        build(configure(hls), first="vendor", until="vendor")
    shutil.rmtree(hls / "build" / "vivado")
    fake_tools(monkeypatch, cosim="mismatch")
    with pytest.raises(ToolError, match=r"stage cosim: .*the co-simulation did not pass"):
        build(configure(hls), first="vendor", until="vendor")


def _backends() -> tuple[object, ...]:
    """Without the simulations, which other tests run."""
    return (Backend(stages=lambda _: (RTL_STAGE,)), VIVADO)


@pytest.fixture
def folder(
    _with_rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _no_torch: None
) -> Path:
    monkeypatch.setattr("semifreddo.flow.build.BACKENDS", _backends())
    return Path(shutil.copytree(_with_rtl, tmp_path / "design"))


def test_without_vivado(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The archive is complete, says how to go on, and the build is fine."""
    assert main(["build", str(folder), "--board", "pynq_z2", "--from", "archive"]) == 0
    said = capsys.readouterr().err
    assert "tar xzf tiny-pynq_z2.tar.gz && cd tiny && ./run.sh" in said
    assert "waits: vivado not on PATH; run the archive where Vivado is" in said
    with tarfile.open(folder / "build" / ARCHIVE) as archive:
        names = archive.getnames()
    assert {"tiny/run.sh", "tiny/rtl/tiny_top.sv", "tiny/tcl/block_design.tcl"} <= set(names)
    assert main(["build", str(folder), "--until", "bitstream"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: stage bitstream: vivado not on PATH; run the archive")
    assert "pynq" not in Bundle.load(folder / "build" / "tiny.sfb").transports


def test_the_archive_is_the_same_every_time(folder: Path) -> None:
    first = (folder / "build" / ARCHIVE).read_bytes()
    build(configure(folder), first="archive", until="archive")
    assert (folder / "build" / ARCHIVE).read_bytes() == first


def test_vivado_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    report = build(configure(folder))
    assert report.archive is not None and report.archive.core == "rtl"
    assert report.bitstream is not None
    assert report.bitstream.tool == "Vivado 2020.1"
    assert (report.bitstream.lut, report.bitstream.bram18) == (12034, 21)
    assert report.bitstream.fmax_mhz == 107.9
    files = Bundle.load(folder / "build" / "tiny.sfb").transports["pynq"]
    assert isinstance(files, DeviceFiles)
    assert list(files.content) == ["tiny.bit", "tiny.hwh"]
    assert files.content["tiny.bit"].startswith(b"fake bitstream")
    again = build(configure(folder))
    assert all(stage.skipped for stage in again.stages)


def test_other_boards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2024.1")
    report = build(configure(folder, 'design.board="kv260"'))
    assert report.target.part.startswith("xck26")
    assert (folder / "build" / "vivado" / "tiny-kv260.tar.gz").is_file()
    assert report.bitstream is not None


def test_both_stages_are_in_the_flow() -> None:
    assert VIVADO in BACKENDS and VENDOR in BACKENDS


def test_a_board_without_processor_has_no_such_stages(folder: Path) -> None:
    board = folder / "board.toml"
    board.write_text(
        'name = "bare"\ntitle = "B"\npart = "xc7a35t"\nclock_mhz = 100\n[resources]\nlut = 99999\n'
        'ff = 99999\ndsp = 99\nbram18 = 99\n[tools]\n[sources]\npart = "x"\nclock_mhz = "x"\n'
        'resources = "x"\n'
    )
    names = [stage.name for stage in stages(configure(folder, 'design.board="board.toml"'))]
    assert "archive" not in names and "bitstream" not in names


def test_a_failure_leaves_no_bitstream_and_resumes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch, impl="timing")
    with pytest.raises(LimitError, match=r"stage impl: timing not met: setup slack -1\.25 ns"):
        build(configure(folder))
    assert not (folder / "build" / "vivado" / "tiny.bit").exists()
    assert BuildReport.load(folder / "build" / "report.json").bitstream is None
    fake_tools(monkeypatch)
    said: list[str] = []
    build(configure(folder), progress=said.append)
    assert sum("up to date" in line and line.startswith("            ") for line in said) == 3


def remote(monkeypatch: pytest.MonkeyPatch, home: Path, **mood: str) -> None:
    """Vivado is on the other machine only."""
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", f"{REMOTE}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_HOME", str(home))
    profile = f'export PATH="{FAKES}:$PATH"\nexport FAKE_XILINX="'
    profile += " ".join(f"{stage}={how}" for stage, how in mood.items()) + '"\n'
    (home / ".bash_profile").write_text(profile)
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((), "--jobs 2"),
        (("vivado.jobs=5", "vivado.timeout_s=90.5"), "--jobs 5 --timeout 90.5"),
        (("vivado.any_version=true",), "--jobs 2 --any-version"),
        (("vivado.cosim=true",), "--jobs 2 --cosim"),
    ],
)
def test_words_for_the_other_machine(
    fresh: BuildConfig, settings: tuple[str, ...], words: str
) -> None:
    assert " ".join(_arguments(load_config(fresh.root, settings))) == words


def test_what_is_missing_here_and_what_to_do(
    fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    root = fresh.root

    def waits(*settings: str) -> str:
        return _waits(load_config(root, settings), False, lambda _: None)

    archive = root / "build" / "vivado" / "tiny-pynq_z2.tar.gz"
    told = (
        f"not on PATH; run the archive where Vivado is (tar xzf {archive}, cd tiny, ./run.sh) and "
        "come back with --set vivado.products=<that folder>, or give --set vivado.host=<machine>"
    )
    assert waits() == f"vivado {told}"
    assert waits('vivado.core="hls"') == f"vivado_hls and vivado {told}"
    vitis = ('vivado.core="hls"', 'design.tool="vitis"')
    assert waits(*vitis) == f"vitis_hls and vivado {told}"
    assert waits('vivado.host="big"') == waits('vivado.products="x"') == ""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "vivado_hls" else "/bin/x")
    assert waits() == "" and waits('vivado.core="hls"') == f"vivado_hls {told}"


def test_products_that_are_no_project(folder: Path, tmp_path: Path) -> None:
    config = configure(folder, f'vivado.products="{tmp_path / "gone"}"')
    with pytest.raises(ProjectError) as error:
        build(config, first="bitstream")
    assert str(error.value) == f"vivado.products: {tmp_path / 'gone'} is no folder"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_vivado_on_another_machine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote(monkeypatch, tmp_path / "home", synth="exit1")
    config = configure(folder, 'vivado.host="me@big"')
    with pytest.raises(ToolError, match=r"on me@big in semifreddo/tiny-.*(?s:.)*wrong in synth"):
        build(config)
    remote(monkeypatch, tmp_path / "home")
    said: list[str] = []
    report = build(config, progress=said.append)
    assert report.bitstream is not None and report.bitstream.lut == 12034
    log = (folder / "build/vivado/build/rtl/logs/ssh-run.log").read_text()
    assert log.count("up to date") == 2  # it went on where it had failed
    shutil.rmtree(folder / "build" / "vivado" / "build")
    with pytest.raises(ToolError, match="No route to host"):
        build(configure(folder, 'vivado.host="down"'), first="bitstream")


def test_vivado_run_by_a_person(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(folder / "build" / ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    config = configure(folder, f'vivado.products="{tmp_path / "tiny"}"')
    with pytest.raises(ProjectError, match=r"tiny is not finished; run \./run\.sh there again"):
        build(config)
    with pytest.MonkeyPatch.context() as patch:
        fake_tools(patch)
        run_project(tmp_path / "tiny", Options(), lambda _: None)
    report = build(config)
    assert report.bitstream is not None
    again = build(configure(folder))  # without saying where it came from
    assert again.bitstream == report.bitstream
    assert "pynq" in Bundle.load(folder / "build" / "tiny.sfb").transports
    (tmp_path / "tiny" / "rtl" / "tiny_top.sv").write_text("module other;\n")
    with pytest.raises(ProjectError, match=re.escape("(rtl/tiny_top.sv is missing or another)")):
        build(config, first="bitstream")


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        ({"package": "exit1"}, "stage package: ERROR: [Fake 1-1] something went wrong in package"),
        ({"synth": "nothing"}, "ended well but did not write"),
        ({"block_design": "no_space"}, "stage block_design: the disk is full; make room and run"),
        ({"synth": "budget"}, "over budget: needs 999999 of 53200 lut; see "),
        ({"impl": "timing"}, "timing not met: setup slack -1.25 ns"),
        ({"impl": "silent"}, "does not tell lut, ff, dsp, bram18, so nothing is proven"),
        ({"bitstream": "hang"}, "stage bitstream: vivado did not finish within 4 s"),
    ],
)
def test_the_verb_fails_in_one_line_and_goes_on(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mood: dict[str, str],
    message: str,
) -> None:
    fake_tools(monkeypatch, **mood)
    command = ["build", str(folder), "--set", "vivado.timeout_s=4"]
    assert main(command) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and message in last
    assert not (folder / "build" / "vivado" / "tiny.bit").exists()
    fake_tools(monkeypatch)
    assert main(command) == 0
    assert "pynq" in Bundle.load(folder / "build" / "tiny.sfb").transports


def test_the_verb_and_old_output_or_versions(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2017.4")
    assert main(["build", str(folder)]) == 1
    assert "vivado is version 2017.4, this project is for 2019.2" in capsys.readouterr().err
    monkeypatch.delenv("FAKE_XILINX_VERSION")
    assert main(["build", str(folder)]) == 0
    (folder / "build/vivado/build/rtl/.done/synth.json").unlink()
    fake_tools(monkeypatch, synth="nothing")
    assert main(["build", str(folder), "--from", "bitstream"]) == 1
    assert "ended well but left an old" in capsys.readouterr().err


def test_the_verb_and_ctrl_c(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_tools(monkeypatch)

    def interrupted(self: object, stage: VivadoStage) -> None:
        if stage.name == "synth":
            raise KeyboardInterrupt
        run_stage(self, stage)

    run_stage = _Work.run_stage
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Work, "run_stage", interrupted)
        assert main(["build", str(folder)]) == 130
    assert capsys.readouterr().err.endswith("interrupted; run the same command again to resume\n")
    assert main(["build", str(folder)]) == 0
    said = capsys.readouterr().err
    assert said.count("            up to date") == 2
    assert said.count("            done in") == 3
