"""What vendor tools need of the packaged Verilog: no error, no forward name, no file beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nets import blended
from rtl.random_nets import random_net
from semifreddo.core.errors import ToolError
from semifreddo.rtl.components.memories import Bank
from semifreddo.rtl.design import make_design
from semifreddo.rtl.synthesis import files_below, packaged_files
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys

pyslang = pytest.importorskip("pyslang", reason="needs pyslang: pip install 'semifreddo[dev]'")

LISTED = {
    "WidthExpand": "",
    "WidthTruncate": "",
    "SignConversion": "",
}


def diagnosed(files: dict[str, str], top: str) -> tuple[list[str], set[str]]:
    """Errors, and the kinds of warnings, of slang for a whole design."""
    compilation = pyslang.ast.Compilation() if hasattr(pyslang, "ast") else pyslang.Compilation()
    tree = pyslang.syntax.SyntaxTree if hasattr(pyslang, "syntax") else pyslang.SyntaxTree
    for name, text in files.items():
        compilation.addSyntaxTree(tree.fromText(text, name, name))
    found = list(compilation.getAllDiagnostics())
    errors = [str(one.code) for one in found if one.isError()]
    return errors, {str(one.code) for one in found if not one.isError()}
