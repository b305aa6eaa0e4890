"""Where cells are measured: here, in processes of this machine, or in a Dask cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, Protocol, TypeVar

from semifreddo.core.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """Runs a function on items and gives results in the order in which they are ready."""

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]: ...


class Serial:
    """One after the other, in this process."""

    jobs = 1

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(function, items)


class Processes:
    """Processes on this machine; spawned, because threads of torch do not survive a fork."""

    def __init__(self, count: int) -> None:
        self.jobs = count

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.jobs, mp_context=context) as executor:
            waiting: set[Future[Result]] = {executor.submit(function, item) for item in items}
            try:
                while waiting:
                    ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in ready:
                        yield future.result()
            finally:
                for future in waiting:
                    future.cancel()


class Dask:
    """A running Dask scheduler; its workers need this package and the data folder."""

    def __init__(self, address: str) -> None:
        self.address = address

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        try:
            import distributed
        except ImportError:
            raise ConfigError(
                "--workers dask: distributed is not installed; pip install '.[distributed]'"
            ) from None
        try:
            client: Any = distributed.Client(self.address, timeout=10)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--workers dask:{self.address}: no scheduler answers there ({error})"
            ) from None
        with client:
            futures = [client.submit(function, item, pure=False) for item in items]
            for future in distributed.as_completed(futures):
                yield future.result()


def make_pool(text: str) -> Serial | Processes | Dask:
    """A pool as the command line names it: ``serial``, ``processes:N`` or ``dask:ADDRESS``.

    Raises:
        ConfigError: It is none of these.
    """
    kind, _, rest = text.partition(":")
    if kind == "serial" and not rest:
        return Serial()
    if kind == "processes" and rest.isdecimal() and int(rest):
        return Processes(int(rest))
    if kind == "dask" and rest:
        return Dask(rest)
    raise ConfigError(
        f"--workers {text}: expected serial, processes:N (N at least 1) or dask:ADDRESS"
    )
