"""Pools give the same results, in any order."""

from __future__ import annotations

import operator

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.studies.pool import Dask, Processes, Serial, make_pool


def test_processes_give_what_one_process_gives():
    items = range(5)
    serial = list(make_pool("serial").map(operator.neg, items))
    assert sorted(make_pool("processes:2").map(operator.neg, items)) == sorted(serial)


def test_an_error_in_a_process_comes_through():
    with pytest.raises(TypeError):
        list(Processes(1).map(operator.index, ["no integer"]))


def test_dask_gives_what_one_process_gives():
    distributed = pytest.importorskip("distributed", reason="pip install '.[distributed]'")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        found = list(Dask(cluster.scheduler_address).map(operator.neg, range(5)))
    assert sorted(found) == [-4, -3, -2, -1, 0]


def test_kinds():
    assert isinstance(make_pool("serial"), Serial) and make_pool("serial").jobs == 1
    assert make_pool("processes:3").jobs == 3
    assert make_pool("dask:tcp://localhost:8786").address == "tcp://localhost:8786"


@pytest.mark.parametrize(
    "text", ["", "threads", "processes", "processes:0", "processes:x", "dask:"]
)
def test_unknown_kinds(text):
    with pytest.raises(ConfigError, match=f"--workers {text}: expected serial"):
        make_pool(text)
