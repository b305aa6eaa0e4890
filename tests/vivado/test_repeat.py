"""Every stage again: after its success, after its product is gone, and after it was killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semifreddo.core.errors import LimitError, ToolError
from semifreddo.vivado.checks import tool_release
from semifreddo.vivado.driver import Options, is_finished, run_project
from semifreddo.vivado.stages import stages
from vivado.projects import fake_tools, plan

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

STAGES = [stage.name for stage in stages("tiny", "rtl")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "project"
    plan().write(root)
    with pytest.MonkeyPatch.context() as monkeypatch:
        fake_tools(monkeypatch)
        run_project(root, Options(), lambda _: None)
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(finished, tmp_path / "project")
    fake_tools(monkeypatch)
    return tmp_path / "project"


@pytest.mark.parametrize("stage", STAGES)
def test_after_success(stage: str, project: Path) -> None:
    run_project(project, Options(first=stage), lambda _: None)
    assert is_finished(project)


@pytest.mark.parametrize("stage", stages("tiny", "rtl"), ids=STAGES)
def test_after_its_products_are_gone(stage: object, project: Path) -> None:
    for name in stage.writes:  # type: ignore[attr-defined]
        (project / name).unlink()
    run_project(project, Options(), lambda _: None)
    assert is_finished(project)


@pytest.mark.parametrize("stage", STAGES)
def test_after_it_was_killed(stage: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool has done all its work and dies before it ends: the worst moment for a repetition."""
    fake_tools(monkeypatch, **{stage: "killed"})
    with pytest.raises(ToolError, match=f"stage {stage}: "):
        run_project(project, Options(first=stage), lambda _: None)
    assert not is_finished(project)
    fake_tools(monkeypatch)
    run_project(project, Options(), lambda _: None)
    assert is_finished(project)


def test_a_second_strategy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, impl="second_try")
    run_project(project, Options(first="impl"), lambda _: None)
    assert "not met with the strategy Vivado Impl" in (project / "logs" / "impl.log").read_text()


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        ("other_clock", r".* make 90 MHz of 100 MHz; set design\.clock_mhz = 90; see .*\.hwh"),
        ("little_memory", r"the DMA reaches 0x10000000 of 0x20000000 bytes of memory; see .*\.hwh"),
    ],
)
def test_a_block_design_that_does_not_fit_the_board(
    mood: str, message: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch, block_design=mood)
    with pytest.raises(LimitError, match=f"^stage block_design: {message}$"):
        run_project(project, Options(first="block_design"), lambda _: None)


def test_a_handoff_that_does_not_tell(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.hwh").write_text("<EDKSYSTEM/>")
    monkeypatch.setenv("FAKE_XILINX_HWH", str(tmp_path / "empty.hwh"))
    lines: list[str] = []
    run_project(project, Options(first="block_design", until="block_design"), lines.append)
    notes = [line for line in lines if "note:" in line]
    assert ["does not tell the clock" in notes[0], "what memory the DMA" in notes[1]] == [True] * 2


def test_a_banner_without_a_version(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the installer's folder tells it."""
    assert tool_release("no number", Path("/opt/Xilinx/Vivado/2024.1/bin/vivado")) == "2024.1"
    assert tool_release("no number", Path("/opt/2025.1.1/Vitis/bin/vitis-run")) == "2025.1"
    assert tool_release("Vivado v2020.1", Path("/opt/Xilinx/2024.1/bin/vivado")) == "2020.1"
    assert tool_release("no number", Path("/opt/2024/bin/vivado")) is None
    monkeypatch.setenv("FAKE_XILINX_BANNER", "vivado, a tool")
    with pytest.raises(ToolError, match="vivado is version unknown, this project is for"):
        run_project(project, Options(first="bitstream"), lambda _: None)
