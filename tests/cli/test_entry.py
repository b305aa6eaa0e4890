"""The console script: Ctrl-C at any time, labels under any locale."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 -- a fresh interpreter is what is tested
import sys

import pytest

from semifreddo.cli import entry, main


def test_an_interrupt_while_modules_are_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupts:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "semifreddo.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "semifreddo.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupts(), *sys.meta_path])
    assert entry.entry() == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_script_gives_the_code_of_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "main", lambda: 7)
    assert entry.entry() == 7


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [(["doctor"], ""), (["doctor"], "1"), (["doctor", "--json"], ""), (["--help"], "")],
)
def test_a_reader_that_has_gone(arguments: list[str], unbuffered: str) -> None:
    """``semifreddo ... | true``: code 1 and not a word, whether or not something is buffered."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "semifreddo.cli.entry", *arguments],
            stdout=write,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_any_label_is_printed_under_any_locale() -> None:
    code = (
        "from semifreddo.cli import main as m; m._print_any_label(); print('\\u96ea'); "
        "import sys; print('\\u96ea', file=sys.stderr)"
    )
    variables = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONIOENCODING"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | variables,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"\\u96ea" in done.stdout and done.stderr == b"\\u96ea\n"
