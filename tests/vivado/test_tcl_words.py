"""Tcl words, read back by tclsh itself."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.tools.runner import run
from semifreddo.vivado.tcl_words import quote, set_dict, words

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=12)
NASTY = st.text(st.sampled_from('\\"$[]{}; \n\t#-*a/é€'), max_size=12)


def tclsh(script: str) -> list[int]:
    """Code points of what the script leaves in ``x``."""
    script += '\nforeach c [split $x ""] {puts [scan $c %c]}\n'
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "x.tcl", Path(folder) / "log"
        file.write_text(script, encoding="ascii")
        run(["tclsh", file], cwd=Path(folder), timeout_s=30, log=log)
        return list(map(int, log.read_text().split()))


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS | NASTY, min_size=1, max_size=20))
def test_a_word_is_its_text(texts: list[str]) -> None:
    joined = "\ufffd".join(texts)
    commands = "\n".join(f"lappend l {quote(text)}" for text in texts)
    assert tclsh(f"{commands}\nset x [join $l \\ufffd]") == [ord(char) for char in joined]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS | NASTY, max_size=8))
def test_a_list_is_its_texts(texts: list[str]) -> None:
    script = f"set l {words(texts)}\nset x [llength $l]:[join $l \\ufffd]"
    expected = f"{len(texts)}:" + "\ufffd".join(texts)
    assert tclsh(script) == [ord(char) for char in expected]


def test_readable_words_stay_readable() -> None:
    assert quote("xc7z020clg400-1") == "xc7z020clg400-1"
    assert quote("12.5%") == "12.5%"
    assert quote("two words") == '"two words"'
    assert quote("") == '""'
    assert set_dict("s", {"a": 1, "b": ("x", "y z")}) == (
        'set s {}\ndict set s a 1\ndict set s b [list x "y z"]\n'
    )


def test_what_tcl_cannot_hold() -> None:
    with pytest.raises(ValueError, match="cannot be written in Tcl"):
        quote("\U0001f366")
