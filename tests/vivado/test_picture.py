"""The pictures in the board folders are what the code draws."""

from __future__ import annotations

import re

import pytest

from golden_files import updating
from semifreddo.boards import board_names, load_board
from semifreddo.core import block_design as names
from semifreddo.vivado.picture import block_design_svg

BOARDS = [name for name in board_names() if load_board(name).ps is not None]


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_picture(name: str) -> None:
    """``SEMIFREDDO_UPDATE_GOLDEN=1`` draws them anew."""
    board = load_board(name)
    assert board.ps is not None
    picture = block_design_svg(board, board.ps)
    path = board.folder / "block_design.svg"
    if updating():
        path.write_text(picture)
    assert path.is_file() and path.read_text() == picture
    texts = re.findall(r">([^<\n]+)</text>", picture)
    for cell in (names.DMA, names.CORE, names.INTERRUPT_CONTROLLER, board.ps.memory_port):
        assert any(cell in text for text in texts)


@pytest.mark.parametrize("name", BOARDS)
def test_the_readme_shows_it_and_says_what_has_run(name: str) -> None:
    board = load_board(name)
    text = (board.folder / "README.md").read_text()
    assert "](block_design.svg)" in text and f"docs/boards/{name}.md" in text
    page = (board.folder.parents[1] / "docs" / "boards" / f"{name}.md").read_text()
    assert "Nothing has run on this board yet" in page
    for version in board.tools["vivado"]:
        assert version in page
    known = set(re.findall(r"--board (\w+)", page))
    assert known == {name}
