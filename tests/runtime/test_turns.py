"""Whoever came first is served first, also when somebody gives up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from semifreddo.runtime.turns import Turns


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


@contextmanager
def queue(turns: Turns, names: str, order: list[str]) -> Iterator[None]:
    """Threads that wait one behind the other while the block runs."""

    def work(name: str) -> None:
        with turns:
            order.append(name)

    threads = []
    with turns:
        for count, name in enumerate(names, 1):
            threads.append(threading.Thread(target=work, args=(name,)))
            threads[-1].start()
            while waiting(turns) < count:
                pass
        yield
    for thread in threads:
        thread.join()


@pytest.mark.timeout(30)
def test_turns_come_in_the_order_of_arrival() -> None:
    turns, order = Turns(), []
    with queue(turns, "abcdefgh", order):
        assert order == []
    assert order == list("abcdefgh")
    with turns:  # free again
        pass


@pytest.mark.timeout(30)
def test_a_thread_that_asks_again_at_once_goes_behind_those_who_wait() -> None:
    turns, order = Turns(), []
    asked = threading.Event()

    def greedy() -> None:
        with turns:
            asked.set()
            while waiting(turns) < 1:
                pass
            order.append("first")
        with turns:
            order.append("again")

    def patient() -> None:
        asked.wait()
        with turns:
            order.append("patient")

    threads = [threading.Thread(target=work) for work in (greedy, patient)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["first", "patient", "again"]


class _Interrupted:
    """A turn whose waiting is interrupted, before or after it came."""

    def __init__(self, turns: Turns, came: bool) -> None:
        self._turns, self._came, self._calls = turns, came, 0

    def acquire(self) -> None:
        self._calls += 1
        if self._calls == 2:
            if self._came:
                self._turns.__exit__(None, None, None)  # the holder hands it on
            raise KeyboardInterrupt

    def release(self) -> None:
        pass


@pytest.mark.parametrize("came", [False, True])
def test_one_who_gives_up_blocks_nobody(came: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    turns.__enter__()
    lock = threading.Lock
    monkeypatch.setattr(
        "semifreddo.runtime.turns.threading.Lock", lambda: _Interrupted(turns, came)
    )
    with pytest.raises(KeyboardInterrupt), turns:
        pass
    monkeypatch.setattr("semifreddo.runtime.turns.threading.Lock", lock)
    assert waiting(turns) == 0
    if not came:
        turns.__exit__(None, None, None)
    assert not turns._taken


def test_an_error_inside_hands_it_on() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="inside"), turns:
        raise ValueError("inside")
    with turns:
        pass
