"""The committed reference pages are what the code renders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from semifreddo.cli.main import make_parser
from semifreddo.cli.reference import main, pages

_FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_committed_page_is_what_the_code_renders(name: str) -> None:
    if sys.version_info >= (3, 13) and name == "cli.md":
        pytest.skip("argparse of Python 3.13 words options differently")
    assert (_FOLDER / name).read_text(encoding="utf-8") == pages()[name], (
        "run `python -m semifreddo.cli.reference docs/reference` and read the diff"
    )


def test_no_committed_page_is_left_over() -> None:
    assert {path.name for path in _FOLDER.iterdir() if path.is_file()} == set(pages())


def test_pages_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = pages()
    monkeypatch.setenv("COLUMNS", "200")
    assert pages() == narrow


def test_every_verb_is_in_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["--help"])
    told = [
        line.split()[0]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("    ") and not line.startswith("     ")
    ]
    page = pages()["cli.md"]
    verbs = [verb for verb in told if verb.isalpha() and verb.islower()]
    assert len(verbs) >= 10
    for verb in verbs:
        assert f"\n## semifreddo {verb}\n\n```text\nusage: semifreddo {verb} " in page


def test_main_writes_every_page(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()} == pages()
