"""Shell completion: the script names all verbs and options, and a shell runs it."""

from __future__ import annotations

import re
import shutil
import subprocess  # noqa: TID251 -- a shell is what is tested
import sys
from pathlib import Path

import pytest

from semifreddo.cli.completion import SHELLS, script
from semifreddo.cli.main import main, make_parser
from semifreddo.cli.reference import verbs

pytest.importorskip("shtab", reason="needs shtab (extra completion)")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_verb_and_option_is_in_the_script(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for name, parser in verbs(make_parser()).items():
        assert re.search(rf"\b{name}\b", text), name
        for action in parser._actions:
            for option in action.option_strings:
                assert option in text, f"{name} {option}"


def completed(text: str, *words: str, folder: Path) -> list[str]:
    """What bash offers for the last of some words."""
    line = " ".join(words)
    typed = f"""{text}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
COMP_CWORD={len(words) - 1} COMP_LINE='{line}' COMP_POINT={len(line)}
"$(complete -p semifreddo | sed 's/.*-F \\([^ ]*\\).*/\\1/')" semifreddo '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", typed], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    text = script(make_parser(), "bash")
    assert completed(text, "semifreddo", "ret", folder=tmp_path) == ["retarget"]
    assert "--dataset" in completed(text, "semifreddo", "new", "--da", folder=tmp_path)
    assert completed(text, "semifreddo", "completion", "z", folder=tmp_path) == ["zsh"]
    (tmp_path / "my_design").mkdir()
    found = completed(text, "semifreddo", "build", "my", folder=tmp_path)
    assert [name.rstrip("/") for name in found] == ["my_design"]


def test_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: completion: needs shtab")
    assert err.endswith("in the clone: pip install '.[completion]'\n")
