"""Read many damaged files: each is read, or refused in one line, quickly, in little memory.

One command reads ten thousand: ``python tests/hostile/campaign.py --count 10000 --seed 0``.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile.corpus import Format, corpus
from hostile.mutations import MUTATIONS, bytes_of
from semifreddo.core.errors import SemifreddoError

SECONDS = 5.0
"""Of the processor: the machine may be busy with something else."""

MOST_SECONDS = 60.0
"""By the clock, for one that waits for something."""

MEGABYTES = 500
MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class Fault:
    """A file that was not handled.

    Attributes:
        name: Which format, and the number of the file.
        what: What happened.
        data: The file.
    """

    name: str
    what: str
    data: bytes


class TooSlow(BaseException):
    """No handler of ours may catch it."""


def _ring(*_: object) -> None:
    raise TooSlow


def damaged(formats: Sequence[Format], number: int, seed: int) -> tuple[Format, bytes]:
    """File ``number`` of a campaign; the same for the same seed."""
    draw = random.Random(f"{seed}-{number}")  # noqa: S311 -- not for secrets
    chosen = formats[number % len(formats)]
    data = chosen.data
    for _ in range(draw.choice([1, 1, 1, 2])):
        mutate = MUTATIONS[chosen.mutation] if draw.random() < 0.8 else bytes_of
        with contextlib.suppress(ValueError, IndexError, KeyError, TypeError, RecursionError):
            data = mutate(data, draw)  # what is too broken to be broken further stays
    return chosen, data


def complaint(chosen: Format, path: Path) -> str | None:
    """What is wrong about how a file is handled; None if nothing is."""
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, _ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        chosen.read(path)
    except SemifreddoError as error:
        text = str(error)
        if "\n" in text.strip() or len(text) > MOST_CHARACTERS:
            return f"message of {len(text)} characters, {text.count(chr(10)) + 1} lines"
        return None
    except TooSlow:
        return f"takes more than {SECONDS:g} s\n{traceback.format_exc(limit=-3)}"
    except MemoryError:
        return f"takes more than {MEGABYTES} MB\n{traceback.format_exc(limit=-3)}"
    except BaseException:  # noqa: BLE001 -- whatever it is, it is what is looked for
        return traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _used_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _read_some(numbers: Sequence[int], seed: int, sender: Connection) -> None:
    """In a process of its own, whose memory is limited; tells each number before it is read."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        formats = corpus(folder)
        for chosen in formats:  # what libraries load late is not the file's fault
            (folder / chosen.name).write_bytes(chosen.data)
            chosen.read(folder / chosen.name)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (_used_bytes() + (MEGABYTES << 20), hard))
        for number in numbers:
            sender.send((number, None))
            chosen, data = damaged(formats, number, seed)
            path = folder / chosen.name
            path.write_bytes(data)
            what = complaint(chosen, path)
            if what is not None:
                sender.send((number, Fault(f"{chosen.name} {number}", what, data)))
    sender.send((-1, None))


def campaign(count: int, seed: int, first: int = 0) -> Iterator[Fault]:
    """Read ``count`` files; a reader that crashes is a fault, and the rest is read by another."""
    rest = list(range(first, first + count))
    context = multiprocessing.get_context("fork")
    while rest:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_read_some, args=(rest, seed, sender), daemon=True)
        process.start()
        sender.close()
        number = None
        with contextlib.suppress(EOFError):
            while number != -1:
                number, fault = receiver.recv()
                if fault is not None:
                    yield fault
        process.join()
        if number == -1:
            return
        if number is None:
            raise RuntimeError("the reading process does not start")
        yield Fault(f"file {number}", f"the process ended with {process.exitcode}", b"")
        rest = [other for other in rest if other > number]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--keep", type=Path, help="folder for the files that were not handled")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    for fault in campaign(options.count, options.seed, options.first):
        kinds[fault.name.split()[0]] += 1
        sys.stdout.write(f"{fault.name}: {fault.what}\n")
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / fault.name.replace(" ", "-")).write_bytes(fault.data)
    told = ", ".join(f"{name} {number}" for name, number in kinds.most_common())
    sys.stdout.write(f"{options.count} files, {kinds.total()} faults ({told or 'none'})\n")
    return int(bool(kinds))


if __name__ == "__main__":
    sys.exit(main())
