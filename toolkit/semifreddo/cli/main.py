"""The command ``semifreddo``.

Every verb is a module with ``add_parser`` and ``run``; heavy packages are imported inside ``run``
only. A problem is one line on stderr and an exit code: a traceback means a bug in the toolkit.
"""

from __future__ import annotations

import argparse
import errno
import io
import logging
import shlex
import sys
from collections.abc import Sequence

from semifreddo import __version__
from semifreddo.cli import (
    audit,
    bench,
    build,
    check,
    completion,
    demo,
    doctor,
    first_light,
    labels,
    model,
    new,
    report,
    retarget,
    run,
    study,
    widths,
)
from semifreddo.cli.console import Parser
from semifreddo.cli.terminal import TERMINAL
from semifreddo.core.errors import SemifreddoError

INTERRUPTED = 130

_VERBS = (
    new,
    model,
    build,
    check,
    run,
    bench,
    retarget,
    labels,
    widths,
    audit,
    report,
    doctor,
    first_light,
    demo,
    study,
    completion,
)
"""In the order in which help lists them."""

_EPILOG = """\
the way of a design:
  semifreddo new     signs --dataset gtsrb --data ~/images     images -> design.toml
  semifreddo train   hls_projects/digits    images  -> model.safetensors
  semifreddo export  hls_projects/digits    checkpoint -> model.onnx and golden vectors
  semifreddo build   hls_projects/digits    QONNX -> HLS project, Verilog -> simulations -> bundle
  semifreddo run     hls_projects/digits/build/digits.sfb --vectors
  semifreddo retarget hls_projects/digits --groups even=0,2,4,6,8 odd=1,3,5,7,9 -o odd_even.json

the whole story in one command, on images that ship with scikit-learn:
  semifreddo demo

`semifreddo VERB --help` explains a verb with examples. Exit codes: 0 fine, 1 an error, 2 a wrong
option or design, 130 interrupted.
"""


def make_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(
        prog="semifreddo",
        description="Partly frozen convolutional networks, from training to FPGA.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"semifreddo {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what libraries say")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module in _VERBS:
        module.add_parser(verbs)
    return parser


def _explain(error: OSError) -> str:
    """One line about a file or disk problem."""
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what += "; make room and run the same command again"
    return f"{where}{what}"


def _print_any_label() -> None:
    """A label that the locale cannot write is printed as an escape, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code."""
    _print_any_label()
    words = sys.argv[1:] if argv is None else argv
    arguments = make_parser().parse_args(words)
    arguments.command = shlex.join(["semifreddo", *words])
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING)
    quiet, as_json = (getattr(arguments, name, False) for name in ("quiet", "json"))
    TERMINAL.begin(quiet=quiet, json=as_json)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return _failed("interrupted; run the same command again to resume", INTERRUPTED)
    except SemifreddoError as error:
        return _failed(f"error: {' '.join(str(error).split())}", error.exit_code)
    except BrokenPipeError:  # `semifreddo ... | head`
        return 1
    except OSError as error:
        return _failed(f"error: {_explain(error)}", 1)
    finally:
        TERMINAL.end()
    return code


def _failed(line: str, code: int) -> int:
    """Say what went wrong; with ``--json`` also as a document, if there is none yet."""
    TERMINAL.warn(line)
    if TERMINAL.json and not TERMINAL.told:
        from semifreddo.reports.documents import ErrorDocument

        TERMINAL.document(ErrorDocument(line.removeprefix("error: "), code).to_json())
    return code
