"""Pools give the same results, in any order."""

from __future__ import annotations

import contextlib
import operator
import os
import sys
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.studies.pool import Dask, Processes, Serial, make_pool


def test_processes_give_what_one_process_gives():
    items = range(5)
    serial = list(make_pool("serial").map(operator.neg, items))
    assert sorted(make_pool("processes:2").map(operator.neg, items)) == sorted(serial)


def test_an_error_in_a_process_comes_through():
    with pytest.raises(TypeError):
        list(Processes(1).map(operator.index, ["no integer", *range(50)]))


def test_what_nobody_waits_for_is_not_begun(tmp_path):
    """Who stops taking results waits for what runs already, and for the one that is next."""
    first, *pipes = (tmp_path / str(index) for index in range(8))
    first.write_text("done")
    for pipe in pipes:
        os.mkfifo(pipe)
    ended, begun = Event(), []

    def write() -> None:
        """Let every reader end that there is; a pipe without one cannot be opened."""
        while not ended.wait(0.005):
            for pipe in pipes:
                with contextlib.suppress(OSError):
                    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                    begun.append(pipe)

    results = Processes(1).map(Path.read_text, [first, *pipes])
    assert next(results) == "done"
    writer = Thread(target=write)
    writer.start()
    try:
        results.close()
    finally:
        ended.set()
        writer.join()
    assert not set(pipes[3:]) & set(begun)


def test_dask_gives_what_one_process_gives():
    distributed = pytest.importorskip("distributed", reason="pip install '.[distributed]'")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        found = list(Dask(cluster.scheduler_address).map(operator.neg, range(5)))
    assert sorted(found) == [-4, -3, -2, -1, 0]


def test_dask_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError) as error:
        list(Dask("tcp://localhost:1").map(operator.neg, [1]))
    assert str(error.value) == (
        "--workers dask: distributed is not installed; pip install '.[distributed]'"
    )


@pytest.mark.parametrize("failure", [OSError("timed out"), ValueError("no such protocol")])
def test_a_scheduler_that_does_not_answer(monkeypatch, failure):
    def client(address, timeout):
        assert (address, timeout) == ("tcp://localhost:1", 10)
        raise failure

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=client))
    with pytest.raises(ConfigError) as error:
        list(Dask("tcp://localhost:1").map(operator.neg, [1]))
    assert str(error.value) == (
        f"--workers dask:tcp://localhost:1: no scheduler answers there ({failure})"
    )


def test_what_dask_is_asked(monkeypatch):
    """Each item once, as a function whose result is not kept, in the order of their ends."""
    asked = []

    class Client(contextlib.AbstractContextManager):
        def __init__(self, address, timeout):
            pass

        def __exit__(self, *_):
            asked.append("closed")

        def submit(self, function, item, pure):
            asked.append((item, pure))
            return SimpleNamespace(result=lambda: function(item))

    module = SimpleNamespace(Client=Client, as_completed=lambda futures: futures[::-1])
    monkeypatch.setitem(sys.modules, "distributed", module)
    assert list(Dask("x").map(operator.neg, [1, 2])) == [-2, -1]
    assert asked == [(1, False), (2, False), "closed"]


def test_kinds():
    assert isinstance(make_pool("serial"), Serial) and make_pool("serial").jobs == 1
    assert make_pool("processes:3").jobs == 3
    assert make_pool("dask:tcp://localhost:8786").address == "tcp://localhost:8786"


@pytest.mark.parametrize(
    "text", ["", "threads", "serial:2", "processes", "processes:0", "processes:x", "dask:"]
)
def test_unknown_kinds(text):
    with pytest.raises(ConfigError) as error:
        make_pool(text)
    assert str(error.value) == (
        f"--workers {text}: expected serial, processes:N (N at least 1) or dask:ADDRESS"
    )
