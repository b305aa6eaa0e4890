"""The command line: help that teaches, one line per problem, exit codes."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess  # noqa: TID251 -- a fresh interpreter is what is tested
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

import semifreddo
from semifreddo.cli.main import main, make_parser
from semifreddo.cli.reference import verbs
from semifreddo.flow.config import BuildConfig
from semifreddo.reports.figures import RungFigures, TargetFigures
from semifreddo.reports.report import BuildReport
from semifreddo.studies.catalog import MEASUREMENTS

VERBS = tuple(verbs(make_parser()))


Capture: TypeAlias = pytest.CaptureFixture[str]


def fails(capsys: Capture, arguments: list[str], code: int, message: str) -> None:
    """One line on stderr, nothing on stdout, this exit code."""
    try:
        found = main(arguments)
    except SystemExit as stop:
        assert isinstance(stop.code, int)
        found = stop.code
    out, err = capsys.readouterr()
    assert found == code
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    assert err.endswith(f"{lines[0]}\n")
    assert re.search(message, lines[0]), lines[0]


def test_help(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for verb in VERBS:
        assert re.search(rf"^    {verb} ", text, re.M), verb
    assert "semifreddo demo" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_examples(capsys: Capture, verb: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"  semifreddo {verb}" in text
    assert max(map(len, text.splitlines())) <= 100


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"semifreddo {semifreddo.__version__}\n"


def test_command_line_is_light() -> None:
    code = (
        "import sys, semifreddo.cli.main as m; m.make_parser(); "
        "heavy = {'numpy', 'torch', 'onnx', 'hls4ml', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "required: VERB"),
        (["biuld"], 2, "invalid choice: 'biuld'; did you mean 'build'"),
        (["xyzzy"], 2, "invalid choice: 'xyzzy'; known: audit, bench"),
        (["build"], 2, "required: design; see `semifreddo build --help`"),
        (["build", "{tmp}"], 2, r"design\.toml: no such file; a design is a folder with"),
        (["build", "{tmp}/none"], 2, "no such file"),
        (["check", "{tmp}/none.sfb"], 1, r"none\.sfb: no such bundle"),
        (["check", "{tmp}"], 2, "no such file"),
        (["run", "{tmp}/none.sfb"], 1, "no such bundle"),
        (["run", "{tmp}/text.sfb"], 1, "not a bundle, or damaged"),
        (["run", "{tmp}/text.sfb", "--images", "x", "--vectors"], 2, "not allowed with"),
        (["report", "{tmp}"], 1, "no such report; `semifreddo build` writes it"),
        (["report", "{tmp}/text.sfb"], 1, "not a semifreddo-report/1 file"),
        (["train", "{tmp}"], 2, "no such file"),
        (["freeze", "{tmp}/none", "-o", "x"], 2, "say what, with --layers or --channels"),
        (["freeze", "{tmp}/none", "--channels", "a", "-o", "x"], 2, "'a' is not NAME=NUMBERS"),
        (["freeze", "{tmp}/none", "--channels", "a=x", "-o", "x"], 2, "not a list of numbers"),
        (["freeze", "{tmp}/none", "--channels", "a=3-1", "-o", "x"], 2, "not a range"),
        (["freeze", "{tmp}/none", "--channels", "a=1", "a=2", "-o", "x"], 2, "named twice"),
        (["export", "{tmp}/none.safetensors"], 2, "name the file to write with -o"),
        (["export", "{tmp}", "-o", "x"], 2, "a design names its own files"),
        (["retarget", "{tmp}", "-o", "x", "--classes", "1,b"], 2, "--classes: '1,b' is not a list"),
        (["retarget", "{tmp}", "-o", "x", "--classes", "1", "--groups", "a=1"], 2, "not allowed"),
        (["demo", "--out", "{tmp}"], 2, "is not empty and no demo"),
        (["demo", "--seed", "x"], 2, "invalid int value: 'x'"),
    ],
)
def test_bad_input(
    capsys: Capture,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "text.sfb").write_text("{}")
    fails(capsys, [item.format(tmp=tmp_path) for item in arguments], code, message)
    assert [file.name for file in tmp_path.iterdir()] == ["text.sfb"]


def test_design_errors(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\ntol = "vivado"\n')
    fails(capsys, ["build", str(tmp_path)], 2, "unknown key 'tol'; did you mean 'tool'?")
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\n')
    fails(capsys, ["build", str(tmp_path), "--until", "csmi"], 2, "did you mean 'csim'")
    fails(capsys, ["build", str(tmp_path), "--set", "x"], 2, "expected section.key=value")


def test_model_missing_or_corrupt(capsys: Capture, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\n')
    fails(capsys, ["build", str(tmp_path)], 1, r"model\.onnx: no such file")
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    fails(capsys, ["build", str(tmp_path)], 1, r"model\.onnx: not an ONNX model")
    fails(capsys, ["check", str(tmp_path)], 1, r"model\.onnx: not an ONNX model")
    assert not (tmp_path / "build" / "net.json").exists()


def test_converter_not_installed(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\n')
    for name in [name for name in sys.modules if name.startswith("semifreddo.convert")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    fails(
        capsys,
        ["build", str(tmp_path)],
        1,
        r"converting needs onnx; in the clone: pip install '\.\[",
    )


def test_interrupt(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("semifreddo.flow.doctor.diagnose", stop)
    assert main(["doctor"]) == 130
    message = "interrupted; run the same command again to resume\n"
    assert capsys.readouterr().err == message


def test_full_disk(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\n')

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr("semifreddo.flow.stages.lower._convert", _tiny)
    fails(capsys, ["build", str(tmp_path)], 1, "No space left on device; make room and run the")
    assert not list((tmp_path / "build").rglob("*.json"))


def _tiny(config: BuildConfig, *_: object) -> tuple[object, ...]:
    import dataclasses

    from nets import blended

    return dataclasses.replace(blended(), name=config.name), (), {}, ()


def test_doctor(capsys: Capture) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for name in ("numpy", "torch", "hls4ml", "g++", "vivado_hls", "verilator", "run bundles"):
        assert name in text
    assert main(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    versions = [tool["version"] for tool in data["tools"] if tool["version"]]
    assert versions and all(f" {version} " in text for version in versions)
    assert data["semifreddo"] == semifreddo.__version__
    numpy = next(item for item in data["packages"] if item["name"] == "numpy")
    assert numpy["version"] == np.__version__
    ability = {item["name"]: item for item in data["abilities"]}
    assert ability["run bundles"] == {"name": "run bundles", "missing": [], "possible": True}
    power = ability["build: synth with standard cells"]
    assert ("sta" in power["missing"]) == (shutil.which("sta") is None)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    target = TargetFigures("pynq_z2", "xc7z020clg400-1", 100.0, 53200, 106400, 220, 280)
    ladder = (
        RungFigures("streamnet", "equal", 10, 0, 0.1, ""),
        RungFigures("csim", "different", 10, 2, 0.1, "image 3, output 1: expected 5, found 6"),
        RungFigures("board", "unavailable", 0, None, None, "not installed: pynq"),
    )
    made = BuildReport("x", "2026-01-01T00:00:00+00:00", {}, target, ladder=ladder)
    made.save(tmp_path / "build" / "report.json")
    return tmp_path


def test_report(capsys: Capture, report: Path) -> None:
    assert main(["report", str(report)]) == 1  # a rung differs
    text = capsys.readouterr().out
    assert "DIFFERENT on 2" in text
    assert "image 3, output 1: expected 5, found 6" in text
    assert re.search("board +not here .*not installed: pynq", text)
    figures = ["--figure", "target.lut", "--figure", "synthesis.lut"]
    main(["report", str(report / "build" / "report.json"), *figures])
    assert capsys.readouterr().out == "target.lut 53200\nsynthesis.lut none\n"
    main(["report", str(report), "--json"])
    assert json.loads(capsys.readouterr().out)["design"] == "x"
    fails(capsys, ["report", str(report), "--figure", "lut"], 2, "there is no figure 'lut'")


def test_a_label_that_the_locale_cannot_write_is_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(written, encoding="ascii"))
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    sys.stdout.write("Größe\n")
    sys.stdout.flush()
    assert written.getvalue().endswith(b"Gr\\xf6\\xdfe\n")
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # nothing to set: left alone
    with pytest.raises(SystemExit):
        main(["--version"])


def test_the_help_of_study_names_every_measurement(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    told = capsys.readouterr().out
    listed = told[told.index("Measurements are ") : told.index("; docs/performance.md")]
    words = re.findall(r"\w+", listed)
    assert words == ["Measurements", "are", *list(MEASUREMENTS)[:-1], "and", list(MEASUREMENTS)[-1]]
