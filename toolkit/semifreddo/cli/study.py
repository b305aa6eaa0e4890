"""``semifreddo study``: measure what the documentation says, from data to its page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semifreddo.cli.console import describe, progress

if TYPE_CHECKING:
    from semifreddo.studies.measurement import Measurement
    from semifreddo.studies.study import Study

_EPILOG = """\
examples:
  semifreddo study vertical_freezing --data DIR                   validate, cell by cell
  semifreddo study vertical_freezing --data DIR --workers processes:2
  semifreddo study vertical_freezing --seal                       fix settings, choices and margin
  semifreddo study vertical_freezing --data DIR --test            the test split, once
  semifreddo study calibration --set layers=24 --set family=ecp5  a measurement and its settings

Without --seal and --test the study measures what is still missing on development data, which has
no test split, and shows the page so far. Ctrl-C loses only the cells that are being measured.
--seal fixes what will be tested; --test measures the test split once and writes the record
(NAME.json) and its page (NAME.md) into --out. --publish writes both as far as the study has come; a
page without a test says that there is no verdict.

A measurement chooses nothing, so it has no seeds, seal or test; it prints its tables.
Measurements are calibration, clocks, components, adder_graphs, residency, digit_width,
standard_cells, rivals, float_scales, published_networks, host_costs
and training_speed; docs/performance.md, docs/rtl-measurements.md and docs/any-network.md show what
they printed.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "study", "measure a claim of the documentation again", _EPILOG)
    parser.add_argument("name", metavar="NAME", help="of the study, as in docs/studies")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where its data set is")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="of a study (0 1 2)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of a measurement; may be repeated",
    )
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
        "--out",
        type=Path,
        default=Path("docs/studies"),
        help="where --test and --publish write the page",
    )
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--seal", action="store_true", help="fix settings, choices and margin")
    step.add_argument("--test", action="store_true", help="measure the test split, once")
    step.add_argument("--publish", action="store_true", help="write the page as it is now")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, or take one step of a study."""
    from semifreddo.studies.catalog import find_study
    from semifreddo.studies.measurement import Measurement

    found = find_study(arguments.name)
    if isinstance(found, Measurement):
        return _measure(found, arguments)
    return _step(found, arguments)


def _measure(measurement: Measurement, arguments: argparse.Namespace) -> int:
    from semifreddo.core.errors import ConfigError
    from semifreddo.studies.measurement import with_settings
    from semifreddo.studies.pool import Dask, make_pool

    for name in ("data", "seeds", "seal", "test", "publish"):
        if getattr(arguments, name):
            raise ConfigError(f"study {measurement.name}: --{name} is for studies that choose")
    pool = make_pool(arguments.workers)
    if isinstance(pool, Dask):
        raise ConfigError(
            f"study {measurement.name}: runs on this machine; give --workers processes:N"
        )
    measurement = with_settings(measurement, arguments.set)
    print(measurement.run(arguments.work / measurement.name, pool.jobs, progress), end="")
    return 0


def _step(study: Study[Any, Any], arguments: argparse.Namespace) -> int:
    from semifreddo.core.errors import ConfigError
    from semifreddo.studies.pool import make_pool
    from semifreddo.studies.runner import DEFAULT_SEEDS, Runner, render

    pool, seeds = make_pool(arguments.workers), arguments.seeds or DEFAULT_SEEDS
    if arguments.set:
        raise ConfigError(f"study {study.name}: --set is for measurements; edit its module")
    if len(set(seeds)) != len(seeds):
        raise ConfigError(f"--seeds: one of {seeds} is named twice")
    runner = Runner(study, tuple(seeds), arguments.work, arguments.data)
    if arguments.seal:
        runner.seal()
        progress(f"sealed: {runner.folder}; next: semifreddo study {study.name} ... --test")
        return 0
    if arguments.publish:
        progress(f"page: {runner.publish(arguments.out)}")
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
