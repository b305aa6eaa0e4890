"""`docs/new-layer-kind.md`, followed: its blocks make a kind, and its lists of files are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from readme_quotes import ROOT
from semifreddo.ir.exact import EXACT_RESULTS
from semifreddo.ir.layers import LAYER_KINDS
from semifreddo.ir.validate import OUTPUT_SHAPES
from semifreddo.sim.reference import EXACT_VALUES

PAGE = (ROOT / "docs" / "new-layer-kind.md").read_text(encoding="utf-8")
_REGISTERS_ADD = re.compile(r"^@?[A-Z_]+\.register\([^)]*\bAdd\b", re.M)
PACKAGE = ROOT / "toolkit" / "semifreddo"


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What the page registers is gone after the test."""
    tables = (OUTPUT_SHAPES, EXACT_RESULTS, EXACT_VALUES)
    kept = [LAYER_KINDS, *(table._functions for table in tables)]
    before = [dict(each) for each in kept]
    yield
    for each, content in zip(kept, before, strict=True):
        each.clear()
        each.update(content)


def test_the_blocks_make_a_kind(forgotten: None, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)  # noqa: S102 -- the page's own code
    (told,) = re.findall(r"# (\[[-\d ]+\])$", blocks[-1], re.M)
    assert re.sub(r" +", " ", capsys.readouterr().out).strip() in (told, told.replace("[", "[ "))
    assert "Negative" in LAYER_KINDS


def test_no_trace_of_it_is_left() -> None:
    assert "Negative" not in LAYER_KINDS and OUTPUT_SHAPES.missing == ()


def test_every_table_is_on_the_page() -> None:
    found = {
        (file.relative_to(PACKAGE).as_posix(), name)
        for file in PACKAGE.rglob("*.py")
        for name in re.findall(r"^([A-Z_]+): KindTable\[", file.read_text(), re.M)
    }
    assert len(found) >= 5
    missing = {(file, name) for file, name in found if file not in PAGE or name not in PAGE}
    assert missing == set()


def test_the_files_of_add_are_those_that_name_it() -> None:
    """Every file that registers it is listed, and none that does not name it."""
    section = PAGE.partition("## The files of a kind that exists")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([^`]+)` \|", section, re.M))
    texts = {
        file.relative_to(PACKAGE).as_posix(): file.read_text() for file in PACKAGE.rglob("*.py")
    }
    registering = {name for name, text in texts.items() if _REGISTERS_ADD.search(text)}
    naming = {name for name, text in texts.items() if re.search(r"\bAdd\b", text)}
    assert len(registering) >= 5
    assert registering <= listed <= naming
