"""Boards as data: one ``board.toml`` each, with the source of every number."""

from semifreddo.boards.spec import (
    BLOCK_DESIGN_FILE,
    CONSTRAINTS_FILE,
    BoardSpec,
    ClockLimits,
    Image,
    ProcessingSystem,
    Resources,
    board_names,
    find_board,
    load_board,
    read_board_file,
)

__all__ = [
    "BLOCK_DESIGN_FILE",
    "CONSTRAINTS_FILE",
    "BoardSpec",
    "ClockLimits",
    "Image",
    "ProcessingSystem",
    "Resources",
    "board_names",
    "find_board",
    "load_board",
    "read_board_file",
]
