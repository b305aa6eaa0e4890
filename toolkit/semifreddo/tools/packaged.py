"""Open tools that PyPI has as WebAssembly (YoWASP): where they are, and their first run.

The first run of such a program on a machine, or with an empty home folder, compiles it, which takes
from a second (ecppack) to minutes (Yosys), and prints about that before anything else.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from semifreddo.tools.runner import Progress, tool_version

_FIRST_RUN_S = 1200.0

_printed: dict[tuple[Path, str], str] = {}
"""What programs have said in this process; a tool is asked once."""


def find_program(packaged: str, plain: str) -> Path | None:
    """Path of a PyPI package's program, or else of a plain one on PATH; None if there is neither.

    Args:
        packaged: The package's name for it; also found beside this Python when PATH lacks it.
        plain: What the tool calls it.
    """
    beside = Path(sys.executable).with_name(packaged)
    found = shutil.which(packaged) or (str(beside) if beside.is_file() else shutil.which(plain))
    return Path(found) if found else None


def first_version(program: Path, option: str, pattern: str, progress: Progress | None) -> str:
    """What a program prints about its version; afterwards it is compiled, so later runs are short.

    Args:
        program: The executable.
        option: Asks for the version.
        pattern: Regular expression of the line that has it.
        progress: Gets a line while the first run compiles the program.

    Raises:
        ToolError: It cannot be started, fails, or prints nothing.
        ToolTimeoutError: It does not answer within 20 minutes.
    """
    if (program, option) not in _printed:
        _printed[program, option] = tool_version(
            program, (option,), pattern=pattern, timeout_s=_FIRST_RUN_S, progress=progress
        )
    return _printed[program, option]
