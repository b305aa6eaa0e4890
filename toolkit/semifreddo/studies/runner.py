"""Runs a study: validation cell by cell, the seal, the test once, the record and its page.

Everything of one choice of settings is in ``WORK/NAME/DIGEST/``: a folder per cell, written whole,
so that an interrupted run continues and several machines can fill one folder. Other settings have
another digest, and leave these results alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from semifreddo.core.digest import digest_json
from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.studies.pool import Pool
from semifreddo.studies.study import JSON, Cell, Figures, Material, Measured, Study

DEFAULT_SEEDS = (0, 1, 2)
"""Of a study that is told none."""

_VALIDATION = "validation.json"
_TEST = "test.json"
_SEAL = "seal.json"
_ORDINALS = {2: "second", 3: "third"}

Progress = Callable[[str], None]


@lru_cache(maxsize=1)
def _material(study: Study[Any, Any], directory: Path | None) -> Material[Any, Any]:
    """A worker loads the data once."""
    return study.load(directory)


@dataclass(frozen=True)
class _Work:
    """One cell for one worker."""

    study: Study[Any, Any]
    cell: Cell
    folder: Path
    data: Path | None

    def validate(self) -> Cell:
        started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        development = _material(self.study, self.data).development
        figures = self.study.validate(self.cell, development, self.folder)
        seconds = round(time.monotonic() - started, 1)
        _write(
            self.folder / _VALIDATION,
            {"cell": asdict(self.cell), "figures": figures, "seconds": seconds},
        )
        return self.cell

    def test(self) -> Cell:
        split = _material(self.study, self.data).test
        _write(self.folder / _TEST, self.study.test(self.cell, self.folder, split))
        return self.cell


def _validate(work: _Work) -> Cell:
    return work.validate()


def _test(work: _Work) -> Cell:
    return work.test()


@dataclass(frozen=True)
class Runner:
    """A study, its settings fixed, on data.

    Attributes:
        study: What is measured.
        seeds: Of the cells.
        work: Folder of all studies' results.
        data: Folder of the data set; ``None`` if the study needs none.
    """

    study: Study[Any, Any]
    seeds: tuple[int, ...]
    work: Path
    data: Path | None = None

    @cached_property
    def folder(self) -> Path:
        """Where the results of these settings are."""
        return self.work / self.study.name / digest_json(self.study.settings())[:12]

    def _cell(self, cell: Cell) -> Path:
        return self.folder / cell.key

    def cells(self) -> tuple[Cell, ...]:
        """All cells that the study asks for, seeing what is measured."""
        known: tuple[Cell, ...] = ()
        while True:
            done = [self._read(cell) for cell in known if self._has(cell)]
            found = tuple(self.study.cells(self.seeds, done))
            if found == known:
                return found
            known = found

    def _has(self, cell: Cell) -> bool:
        return (self._cell(cell) / _VALIDATION).is_file()

    def _read(self, cell: Cell) -> Measured:
        found = _load(self._cell(cell) / _VALIDATION)
        test = self._cell(cell) / _TEST
        figures = _load(test) if test.is_file() else None
        return Measured(cell, found["figures"], figures, found["seconds"])

    def results(self) -> tuple[Measured, ...]:
        """What is measured so far, in the study's order."""
        return tuple(self._read(cell) for cell in self.cells() if self._has(cell))

    def validate(self, pool: Pool, progress: Progress) -> None:
        """Measure every cell that is not measured yet, searches until they end."""
        while missing := [cell for cell in self.cells() if not self._has(cell)]:
            total = len(self.cells())
            works = [_Work(self.study, cell, self._cell(cell), self.data) for cell in missing]
            for count, cell in enumerate(pool.map(_validate, works), total - len(missing) + 1):
                seconds = self._read(cell).seconds
                what = f"{count}/{total} {cell.way}, seed {cell.seed}"
                progress(f"{self.study.name}: {what}: {seconds:.0f} s")

    def seal(self) -> JSON:
        """Fix settings, choices and margin; nothing can be measured anew behind it.

        Raises:
            ConfigError: Cells are missing.
        """
        if missing := [cell for cell in self.cells() if not self._has(cell)]:
            raise ConfigError(
                f"study {self.study.name}: {len(missing)} of {len(self.cells())} cells are not "
                f"validated, for instance {missing[0].key}; run `semifreddo study "
                f"{self.study.name}` to its end before --seal"
            )
        place = self.folder / _SEAL
        if not place.is_file():
            _write(place, self._sealed())
        self._check_seal()
        return _load(place)

    def _sealed(self) -> JSON:
        return {
            "settings": self.study.settings(),
            "claim": self.study.claim,
            "margin": self.study.margin,
            "seeds": list(self.seeds),
            "validation": {item.cell.key: digest_json(item.validation) for item in self.results()},
        }

    def _check_seal(self) -> None:
        """The seal fits what would be tested.

        Raises:
            ConfigError: There is none, or something changed behind it.
        """
        place = self.folder / _SEAL
        if not place.is_file():
            raise ConfigError(
                f"study {self.study.name}: not sealed; the test split is looked at once, after "
                f"everything is chosen; `semifreddo study {self.study.name} --seal` fixes "
                "settings, choices and margin"
            )
        sealed, now = _load(place), json.loads(json.dumps(self._sealed()))
        for what in now:
            if sealed[what] != now[what]:
                raise ConfigError(
                    f"study {self.study.name}: {what} changed after the seal; a new margin or new "
                    "choices need new settings, which have a folder and a seal of their own"
                )

    def test(self, pool: Pool, progress: Progress) -> None:
        """Measure the test split, once; an interrupted test goes on with what is left.

        Raises:
            ConfigError: There is no seal, something changed behind it, or all was tested.
        """
        self._check_seal()
        left = [item.cell for item in self.results() if item.test is None]
        if not left:
            raise ConfigError(
                f"study {self.study.name}: these settings were tested already; the test split is "
                "looked at once"
            )
        works = [_Work(self.study, cell, self._cell(cell), self.data) for cell in left]
        for count, cell in enumerate(pool.map(_test, works), 1):
            progress(f"{self.study.name}: test {count}/{len(left)} {cell.way}, seed {cell.seed}")

    def record(self) -> JSON:
        """Everything that the page is made of, as it is committed."""
        results = self.results()
        missing = len(self.cells()) - len(results)
        return {
            "study": self.study.name,
            "settings": self.study.settings(),
            "seeds": list(self.seeds),
            "sealed": (self.folder / _SEAL).is_file(),
            **({"missing": missing} if missing else {}),
            "results": [asdict(item) for item in results],
        }

    def publish(self, out: Path) -> Path:
        """Write record and page; gives the page's path."""
        record = json.loads(json.dumps(self.record()))
        _write(out / f"{self.study.name}.json", record)
        if picture := draw(self.study, record):
            write_atomic(out / f"{self.study.name}.svg", picture)
        page = out / f"{self.study.name}.md"
        write_atomic(page, render(self.study, record))
        return page


def recorded(record: JSON) -> tuple[Measured, ...]:
    """The results in a record."""
    return tuple(
        Measured(Cell(**item["cell"]), item["validation"], item["test"], item["seconds"])
        for item in record["results"]
    )


def _tested(results: tuple[Measured, ...]) -> bool:
    return bool(results) and all(item.test is not None for item in results)


def draw(study: Study[Any, Any], record: JSON) -> str:
    """The picture of a record as SVG text; "" if it has none, or is not tested."""
    results = recorded(record)
    return study.picture(results) if _tested(results) else ""


def render(study: Study[Any, Any], record: JSON) -> str:
    """The page of a record: the same text for the same record."""
    results = recorded(record)
    tested = _tested(results)
    verdict = study.verdict(results) if tested else None
    seeds = ", ".join(map(str, record["seeds"]))
    minutes = sum(item.seconds for item in results) / 60
    if not tested:
        split = "not measured yet"
    elif study.attempt == 1:
        split = "measured once, after the seal"
    else:
        split = (
            f"measured once in this attempt, the {_ORDINALS[study.attempt]}, after its seal; each "
            "attempt looked at its test split"
        )
    end = (
        f"**Verdict: the claim {verdict.outcome}.** {verdict.why}"
        if verdict and verdict.outcome != "undecided"
        else f"**Verdict: undecided.** {verdict.why}"
        if verdict
        else "**No verdict yet**: the test split has not been looked at" + _missing(record) + "."
    )
    data = " --data DIR" if study.data else ""
    if tuple(record["seeds"]) != DEFAULT_SEEDS:
        data += " --seeds " + " ".join(map(str, record["seeds"]))
    return "\n".join(
        [
            f"# {study.title}\n",
            f"**Claim.** {study.claim} ({study.origin})\n",
            f"**Margin**, written before the test: {study.margin}\n",
            f"{end}\n",
            *([f"![{study.title}]({study.name}.svg)\n"] if draw(study, record) else []),
            study.body(results).rstrip() + "\n",
            f"Seeds {seeds}; {minutes:.1f} minutes of validation in all. Everything was chosen on "
            f"validation data; the test split was {split}.\n",
            f"Made by `semifreddo study {study.name}{data}`, then `--seal`, then `--test`; the "
            f"numbers are in `{study.name}.json`.\n",
        ]
    )


def _missing(record: JSON) -> str:
    """What is not measured, for the line of a page without a verdict."""
    missing = record.get("missing", 0)
    known = missing + len(record["results"])
    return f", and {missing} of the {known} cells known so far are not measured" if missing else ""


def _write(path: Path, value: Figures) -> None:
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def _load(path: Path) -> Any:
    try:
        return parse_json(path.read_text())
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path}: not readable ({error}); remove it, and its cell is measured again"
        ) from None
