"""A lock whose waiters get it in the order of their arrival."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turns:
    """Takes the place of ``threading.Lock`` in a ``with`` statement.

    ``threading.Lock`` favours threads that take the lock again at once, so that a thread that needs
    it seldom waits for long.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()  # until the one before hands it on
        except BaseException:
            self._give_up(turn)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._guard:
            self._hand_on()

    def _give_up(self, turn: threading.Lock) -> None:
        """Leave the queue; if the turn has just come, the next one has it."""
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._taken = False
