"""``semifreddo study``: measure a claim that the documentation makes, from data to its page."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import describe, progress

_EPILOG = """\
examples:
  semifreddo study vertical_freezing --data DIR                   validate, cell by cell
  semifreddo study vertical_freezing --data DIR --workers processes:2
  semifreddo study vertical_freezing --seal                       fix settings, choices and margin
  semifreddo study vertical_freezing --data DIR --test            the test split, once

Without --seal and --test the study measures what is still missing on development data, which has
no test split, and shows the page so far. Ctrl-C loses only the cells that are being measured.
--seal fixes what will be tested; --test measures the test split once and writes the record
(NAME.json) and its page (NAME.md) into --out.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "study", "measure a claim of the documentation again", _EPILOG)
    parser.add_argument("name", metavar="NAME", help="of the study, as in docs/studies")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where its data set is")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument(
        "--workers",
        default="serial",
        metavar="KIND",
        help="serial, processes:N, or dask:ADDRESS of a running scheduler",
    )
    parser.add_argument(
        "--work", type=Path, default=Path("build/studies"), help="folder of results so far"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/studies"), help="where --test writes the page"
    )
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--seal", action="store_true", help="fix settings, choices and margin")
    step.add_argument("--test", action="store_true", help="measure the test split, once")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take one step of a study."""
    from semifreddo.core.errors import ConfigError
    from semifreddo.studies.catalog import find_study
    from semifreddo.studies.pool import make_pool
    from semifreddo.studies.runner import Runner, render

    study, pool = find_study(arguments.name), make_pool(arguments.workers)
    if len(set(arguments.seeds)) != len(arguments.seeds):
        raise ConfigError(f"--seeds: one of {arguments.seeds} is named twice")
    runner = Runner(study, tuple(arguments.seeds), arguments.work, arguments.data)
    if arguments.seal:
        runner.seal()
        progress(f"sealed: {runner.folder}; next: semifreddo study {study.name} ... --test")
        return 0
    if study.data and arguments.data is None:
        raise ConfigError(f"study {study.name}: name the folder of {study.data} with --data DIR")
    if arguments.test:
        runner.test(pool, progress)
        progress(f"page: {runner.publish(arguments.out)}")
        return 0
    runner.validate(pool, progress)
    print(render(study, runner.record()))
    return 0
