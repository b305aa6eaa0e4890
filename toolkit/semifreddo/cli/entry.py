"""The console script: nothing is imported before Ctrl-C has a meaning."""

from __future__ import annotations

import sys


def entry() -> int:
    """Run ``semifreddo``; interrupted while modules are imported, it ends like later."""
    try:
        from semifreddo.cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(entry())
