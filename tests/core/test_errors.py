"""Texts of errors are short enough to be read."""

from __future__ import annotations

import re

import pytest

from semifreddo.core.errors import MOST_CHARACTERS, SemifreddoError


@pytest.mark.parametrize("length", [0, 1, MOST_CHARACTERS - 1, MOST_CHARACTERS])
def test_a_text_that_is_short_stays(length: int) -> None:
    assert str(SemifreddoError("x" * length)) == "x" * length


@pytest.mark.parametrize("more", [1, 2, 1_000, 1_000_000])
def test_what_is_more_is_cut_out_of_the_middle_and_counted(more: int) -> None:
    text = "".join(str(number % 10) for number in range(MOST_CHARACTERS + more))
    shown = str(SemifreddoError(text))
    assert len(shown) <= MOST_CHARACTERS
    match = re.fullmatch(r"(\d+) \[\.\.\. (\d+) more \.\.\.\] (\d+)", shown)
    assert match is not None
    begin, missing, end = match[1], int(match[2]), match[3]
    assert text.startswith(begin) and text.endswith(end) and min(len(begin), len(end)) > 100
    assert len(begin) + missing + len(end) == len(text)
