"""What a first run with the vendor's tools collects: facts, with the files they were read from."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from flow.stages.test_vivado import _with_rtl, configure, folder, hls  # noqa: F401
from semifreddo.cli.main import main
from semifreddo.core.errors import DataError
from semifreddo.core.first_light import QUESTIONS, Fact, complete, read_archive, write_archive
from semifreddo.flow.build import build
from vivado.projects import fake_tools

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")
BUILT = [
    "reports/utilization_hierarchical.rpt",
    "reports/timing_summary.rpt",
    "reports/block_design.hwh",
    "logs/impl.log",
    "project.json",
    "tcl/settings.tcl",
    "report.json",
    "facts.md",
]


def run(design: Path, output: Path, *more: str) -> tuple[int, dict[str, Fact]]:
    """The verb's exit code, and the facts of its archive by name."""
    code = main(["first-light", str(design), "--board", "pynq_z2", "-o", str(output), *more])
    data = read_archive(output)
    assert [fact["name"] for fact in data["facts"]] == [question.name for question in QUESTIONS]
    return code, {fact["name"]: Fact(**fact) for fact in data["facts"]}


def test_a_whole_run(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_tools(monkeypatch)
    output = tmp_path / "first.tar.gz"
    code, facts = run(folder, output)
    with tarfile.open(output) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(BUILT) <= names
    assert facts["tools"] == Fact(
        "tools",
        "as expected",
        "done: package, block_design, synth, impl, bitstream",
        "all stages end well",
    )
    # The fake tools' figures are not this design's: every difference is seen, and told.
    assert facts["size"].state == "different" and facts["size"].found == "9000 LUT, 11000 FF"
    assert facts["memories"].found == "17 bram18, 600 LUT as memory"
    assert facts["slices"].found == "12 dsp"
    assert {facts[name].state for name in ("memories", "slices")} == {"different"}
    assert facts["around"].found == "3034 lut, 4211 ff, 4 bram18 outside the core"
    assert facts["timing"].state == "as expected" and facts["timing"].found.startswith("setup 0.73")
    assert facts["handoff"].state == "as expected"
    assert {facts[name].state for name in ("loops", "answers", "speed")} == {"not seen"}
    assert code == 1
    size = f"{output} ({output.stat().st_size >> 10} KiB); look into it, then send it"
    assert f"archive: {size}" in capsys.readouterr().err
    assert main(["first-light", str(folder), "--board", "pynq_z2", "-o", str(output)]) == 1


@pytest.mark.parametrize(
    ("mood", "done", "error"),
    [
        ({"synth": "exit1"}, "package, block_design", "stage synth"),
        ({"impl": "timing"}, "package, block_design, synth", "timing not met"),
    ],
)
def test_a_run_that_fails(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mood: dict[str, str],
    done: str,
    error: str,
) -> None:
    """Facts are collected as far as the tools came, with the logs."""
    fake_tools(monkeypatch, **mood)
    code, facts = run(folder, tmp_path / "first.tar.gz")
    assert (code, facts["tools"].state) == (1, "different")
    assert facts["tools"].found.startswith(f"done: {done}; ") and error in facts["tools"].found
    assert facts["handoff"].state == "as expected"
    expected = "different" if "impl" in mood else "not seen"
    assert facts["timing"].state == expected
    with tarfile.open(tmp_path / "first.tar.gz") as archive:
        stage = next(iter(mood))
        assert f"first/logs/{stage}.log" in archive.getnames()


def test_without_tools(folder: Path, tmp_path: Path) -> None:  # noqa: F811
    code, facts = run(folder, tmp_path / "first.tar.gz")
    assert code == 0 and {fact.state for fact in facts.values()} == {"not seen"}
    assert "vivado not on PATH" in facts["tools"].found


def test_a_project_that_was_run_elsewhere(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        fake_tools(patch)
        build(configure(folder, 'design.board="pynq_z2"'), until="bitstream")
    products = tmp_path / "products"
    shutil.move(folder / "build" / "vivado" / "build" / "rtl", products)
    for name in ("tiny.bit", "tiny.hwh", "reports"):
        made = folder / "build" / "vivado" / name
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    code, facts = run(folder, tmp_path / "f.tar.gz", "--set", f'vivado.products="{products}"')
    assert code == 1 and facts["tools"].state == "as expected"
    assert facts["size"].found == "9000 LUT, 11000 FF"


def test_the_hls_core(
    hls: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_tools(monkeypatch)
    _, facts = run(hls, tmp_path / "first.tar.gz")
    assert facts["tools"].found == "done: hls, block_design, synth, impl, bitstream"
    assert facts["size"].expected.startswith("9002 LUT")
    assert "registers CTRL 0x0, frames 0x10, load_task 0x18" in facts["handoff"].expected
    assert facts["loops"].state == "different"
    assert facts["loops"].found == "an image every 800 cycles"


def test_another_file_is_not_overwritten(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = tmp_path / "mine.tar.gz"
    mine.write_bytes(b"not an archive")
    assert main(["first-light", str(folder), "-o", str(mine)]) == 2
    assert "exists and is not an archive of a first light" in capsys.readouterr().err
    assert mine.read_bytes() == b"not an archive"
    assert main(["first-light", str(folder), "-o", str(tmp_path / "a.zip")]) == 2
    assert "has to end with .tar.gz" in capsys.readouterr().err


def test_facts_are_answers_to_questions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nobody asks 'colour'"):
        Fact("colour", "measured", "red")
    facts = complete([Fact("speed", "measured", "7 | 8")], "no board")
    assert len(facts) == 10 and facts[-1].found == "7 | 8" and facts[0].found == "no board"
    write_archive(tmp_path / "a.tar.gz", "title", facts, {}, {"logs/a.log": b"x"})
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        text = archive.extractfile("a/facts.md")
        assert text is not None and rb"| 7 \| 8 |" in text.read()


def test_the_facts_are_found_behind_other_members(tmp_path: Path) -> None:
    """Whoever packs an archive again may put them anywhere; a folder of that name holds none."""
    path = tmp_path / "again.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("other/facts.json")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, text in (("again/notes.txt", b"by hand"), ("again/facts.json", b'{"a": 1}')):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    assert read_archive(path) == {"a": 1}


def test_only_archives_of_a_sane_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    facts = complete([], "no board")
    write_archive(path, "x" * 1000, facts, {}, {})
    assert read_archive(path)["title"] == "x" * 1000
    write_archive(path, "x" * (1 << 20), facts, {}, {})
    with pytest.raises(DataError, match="not an archive of a first light"):
        read_archive(path)


def test_the_page_lists_the_questions() -> None:
    page = (ROOT / "docs" / "first-light.md").read_text()
    rows = [f"| {n} | {q.asks} | {q.from_where} |" for n, q in enumerate(QUESTIONS, 1)]
    assert [line for line in page.splitlines() if line in rows] == rows
