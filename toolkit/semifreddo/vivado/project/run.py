"""Builds the bitstream of this project: ``python3 run.py --help``."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(_ROOT / "lib"))

from semifreddo.vivado.driver import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(_ROOT, sys.argv[1:]))
