"""``semifreddo report``: what the last build gave."""

from __future__ import annotations

import argparse
from pathlib import Path

from semifreddo.cli.console import describe, progress, say
from semifreddo.cli.terminal import TERMINAL

_EPILOG = """\
examples:
  semifreddo report hls_projects/digits
  semifreddo report hls_projects/digits --json
  semifreddo report hls_projects/digits --figure task.payload_bytes --figure csim.frames_per_second

A figure that was not measured is printed as "none". Exit code 1 if a rung of the ladder differed.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "report", "print the report of the last build", _EPILOG)
    parser.add_argument("design", type=Path, help="folder with a design.toml, or a report.json")
    parser.add_argument("--json", action="store_true", help="the whole report, for other programs")
    parser.add_argument("--figure", action="append", default=[], metavar="NAME", help="one number")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from semifreddo.cli.show import build_summary
    from semifreddo.core.errors import ConfigError
    from semifreddo.core.tables import nearest
    from semifreddo.reports.report import BuildReport, figure_names

    path = arguments.design
    report = BuildReport.load(path / "build" / "report.json" if path.is_dir() else path)
    for name in arguments.figure:
        if name not in figure_names():
            raise ConfigError(f"there is no figure {name!r}{nearest(name, figure_names())}")
    if arguments.json:
        TERMINAL.document(report.to_json())
    elif arguments.figure:
        for name in arguments.figure:
            value = report.figure(name)
            print(f"{name} {'none' if value is None else f'{value:g}'}")
    else:
        progress(f"finished {report.finished}")
        say(build_summary(report))
    return int(any(rung.status == "different" for rung in report.ladder))
