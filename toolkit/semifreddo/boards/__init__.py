"""Boards as data: one ``board.toml`` each, with the source of every number."""

from semifreddo.boards.spec import BoardSpec, Resources, board_names, load_board

__all__ = ["BoardSpec", "Resources", "board_names", "load_board"]
