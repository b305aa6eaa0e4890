"""``semifreddo check``: every rung of this machine against the golden vectors."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import add_output, add_overrides, describe, progress, say
from semifreddo.cli.terminal import TERMINAL
from semifreddo.core.errors import DataError, SemifreddoError

if TYPE_CHECKING:
    from semifreddo.flow.baseline import BaselineDiff
    from semifreddo.flow.config import BuildConfig
    from semifreddo.sim.ladder import LadderReport

_EPILOG = """\
examples:
  semifreddo check hls_projects/digits              model, vectors, and the build if there is one
  semifreddo check hls_projects/digits/build/digits.sfb              every device in the bundle
  semifreddo check hls_projects/digits/build/digits.sfb --transport rtl

With a baseline.json in the design's folder, the figures of its last build are compared with it:
cycles exactly, resources within the band the file states. --write-baseline writes it anew.

All rungs are compared with the golden vectors as integers; there is no tolerance. Where scales are
no powers of two, torch and the file in single precision (qonnx32) are compared layer by layer, each
layer fed with their own previous integers: an integer may differ only where the exact number is
nearer to a rounding boundary than single precision is exact, and such integers are counted. Exit
code 1 if a rung differs: the first image, output and layer where it does are named. A rung that
this machine does not have is listed with the reason and is no failure, unless nothing but the
integer reference is left: then nothing was proven of the model or of a device, and the exit
code is 1, too.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "check", "compare every rung with the golden vectors", _EPILOG)
    parser.add_argument("target", type=Path, help="folder with a design.toml, or a bundle (.sfb)")
    parser.add_argument("--transport", help="for a bundle: the device that must answer, e.g. csim")
    parser.add_argument(
        "--write-baseline", action="store_true", help="take the last build's figures as baseline"
    )
    add_overrides(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Climb, print, fail on a difference."""
    from semifreddo.cli.show import ladder_table
    from semifreddo.flow.baseline import FILE_NAME as BASELINE
    from semifreddo.flow.check import check_bundle, check_design
    from semifreddo.flow.config import load_config
    from semifreddo.flow.ladder import figures_of
    from semifreddo.sim.ladder import RungResult

    def tell(result: RungResult) -> None:
        if result.status != "unavailable":
            progress(f"rung {result.name}: {result.status}")

    target = arguments.target
    if target.suffix == ".sfb":
        reports = check_bundle(target, transport=arguments.transport, progress=tell)
        config = None
    else:
        config = load_config(target, arguments.set)
        reports = {config.task_name: check_design(config, tell)}
    for name, report in reports.items():
        say(f"task {name}: {report.compared}")
        say(ladder_table(figures_of(report)))
    diff = None
    try:
        for report in reports.values():
            report.check()
        _refuse_nothing(target, reports)
        if config is not None:
            diff = _baseline_diff(config, write=arguments.write_baseline)
        if config is not None and diff is not None:
            diff.check(str(config.root / BASELINE))
    except SemifreddoError as error:
        _tell_program(arguments, reports, diff, str(error))
        raise
    _tell_program(arguments, reports, diff, "")
    return 0


def _tell_program(
    arguments: argparse.Namespace,
    reports: Mapping[str, LadderReport],
    diff: BaselineDiff | None,
    problem: str,
) -> None:
    """The document of ``--json``."""
    from semifreddo.flow.ladder import figures_of
    from semifreddo.reports.documents import BaselineFigure, CheckDocument, CheckedTask

    if not arguments.json:
        return
    document = CheckDocument(
        target=str(arguments.target),
        tasks=tuple(
            CheckedTask(name, report.compared, figures_of(report))
            for name, report in reports.items()
        ),
        baseline=tuple(
            BaselineFigure(change.name, change.then, change.now, change.status)
            for change in (() if diff is None else diff.changes)
        ),
        ok=not problem,
        problem=" ".join(problem.split()),
    )
    TERMINAL.document(document.to_json())


def _refuse_nothing(target: Path, reports: Mapping[str, LadderReport]) -> None:
    """A check that compared nothing is no success.

    Args:
        target: What was checked.
        reports: Climbs by task.

    Raises:
        DataError: A task was compared by no rung, or by the integer reference only: by no model and
            no device.
    """
    for name, report in reports.items():
        equal = [each.name for each in report.results if each.status in ("equal", "explained")]
        if not equal:
            raise DataError(f"{target}: task {name!r}: no rung was compared; nothing is proven")
        if equal != ["streamnet"]:
            continue
        if report.own_answers:
            raise DataError(
                f"{target}: the integer reference was compared with its own answers only; name "
                "golden vectors with [vectors] file, or build a device"
            )
        if target.suffix == ".sfb":
            raise DataError(
                f"{target}: task {name!r}: no device was compared, only the integer reference; "
                "copy the folders beside the bundle (csim/, cosim/) too, or check on the board"
            )
        raise DataError(
            f"{target}: only the integer reference was compared, neither the model nor a device; "
            f"run `semifreddo build {target}`"
        )


def _baseline_diff(config: BuildConfig, *, write: bool) -> BaselineDiff | None:
    """Compare the last build's figures with the committed ones, if there are both; say what moved.

    Raises:
        DataError: The baseline or the report is damaged.
    """
    from semifreddo.flow.baseline import FILE_NAME, Baseline, compare
    from semifreddo.reports.report import BuildReport

    path, built = config.root / FILE_NAME, config.build_dir / "report.json"
    if not write and not path.is_file():
        return None
    if not write and not built.is_file():
        progress(f"baseline: not compared, there is no build; run `semifreddo build {config.root}`")
        return None
    report = BuildReport.load(built)
    if write:
        new = Baseline.load(path).updated(report) if path.is_file() else Baseline.of(report)
        new.save(path)
        progress(f"baseline: {path} written from {built}")
        return None
    diff = compare(Baseline.load(path), report)
    say("\n".join(["baseline", *(f"  {line}" for line in diff.lines())]))
    return diff
