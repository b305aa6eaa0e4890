from __future__ import annotations

import io
import os
import pty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.core.columns import markdown_table, text_table, width_of

HEAD = ("layer", "cycles", "why")
ROWS = (
    ("a_layer_with_a_long_name", "1,234", "three channels at a time would save 23 LUT"),
    ("b", "-", None),
)


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert text_table(HEAD, ROWS) == (
        "layer                     cycles  why\n"
        "------------------------  ------  ------------------------------------------\n"
        "a_layer_with_a_long_name   1,234  three channels at a time would save 23 LUT\n"
        "b                              -"
    )
    assert text_table(("n", "%"), [(5, "98.67%"), (12, "5%")]) == (
        " n       %\n--  ------\n 5  98.67%\n12      5%"
    )


def test_columns_of_words_give_way_and_lose_nothing() -> None:
    assert text_table(HEAD, ROWS, 40) == (
        "layer            cycles  why\n"
        "---------------  ------  ---------------\n"
        "a_layer_with_a_   1,234  three channels\n"
        "long_name                at a time would\n"
        "                         save 23 LUT\n"
        "b                     -"
    )


def test_a_terminal_without_room_gets_lines_cut() -> None:
    lines = text_table(HEAD, ROWS, 9).splitlines()
    assert max(map(len, lines)) == 9 and "…" in lines[0]


def test_a_table_without_rows() -> None:
    assert text_table(("a", "b"), []) == "a  b\n-  -"


words = st.text("ab c", max_size=30)
cells = st.one_of(words, st.integers(0, 10**6), st.none())


@given(st.lists(st.tuples(words, cells, words), max_size=5), st.integers(1, 90))
def test_no_line_is_wider_than_the_terminal_and_all_columns_stand(
    rows: list[tuple[object, ...]], width: int
) -> None:
    head = ("one", "two", "three")
    lines = text_table(head, rows, width).splitlines()
    assert all(len(line) <= width for line in lines)
    if any("…" in line for line in lines):
        return  # no room for the columns
    place = next(index for index, line in enumerate(lines) if set(line) <= {"-", " "})
    gaps = [index for index, letter in enumerate(lines[place]) if letter == " "]
    for line in lines:
        assert all(line[gap] == " " for gap in gaps if gap < len(line))
    told = "".join(str(cell) for row in rows for cell in row if cell is not None)
    shown = "".join(lines[place + 1 :])
    assert sorted(shown.replace(" ", "")) == sorted(told.replace(" ", ""))


def test_markdown() -> None:
    assert markdown_table(("a", "b"), [("x|y", None), (1, "z")]) == (
        "| a | b |\n|---|---|\n| x\\|y | |\n| 1 | z |\n"
    )


def test_the_width_is_that_of_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(io.StringIO()) is None and width_of(None) is None
    with (tmp_path / "file").open("w") as file:
        assert width_of(file) is None
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
        assert width_of(terminal) == 61
        assert width_of(terminal, margin=6) == 55
        monkeypatch.setenv("COLUMNS", "33")
        assert width_of(terminal) == 33
        monkeypatch.delenv("COLUMNS")
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        assert width_of(terminal) is None  # some terminals do not know
    os.close(master)
