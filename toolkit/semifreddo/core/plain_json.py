"""JSON from outside: plain data of bounded depth and numbers of bounded size."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_MOST_DIGITS = 20
"""Of a whole number: 64 bits and a sign fit."""


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Args:
        text: UTF-8.

    Raises:
        ValueError: Not JSON, nested too deeply, or with a number that no file of ours holds (more
            than 20 digits, NaN, infinity).
    """
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
