"""What a long computation says while it runs, to whoever listens.

A stage of a build listens, and passes the lines on as its own; a call from a program or a notebook
hears nothing. So whatever takes long can say so without being handed a function through all calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def tell(line: str) -> None:
    """Say one line about what is being computed."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(line)


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Pass on what is told inside, in this thread.

    Args:
        listener: Takes one line at a time.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
