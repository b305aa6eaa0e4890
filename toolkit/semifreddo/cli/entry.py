"""The console script: nothing is imported before Ctrl-C has a meaning."""

from __future__ import annotations

import os
import sys


def entry() -> int:
    """Run ``semifreddo``; interrupted while modules are imported, it ends like later.

    What is still buffered is written here: an interpreter that ends with it would complain about a
    reader that has gone (``semifreddo ... | head``).
    """
    try:
        from semifreddo.cli.main import main

        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(entry())
