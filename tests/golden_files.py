"""Golden files: compared, or written anew on request."""

from __future__ import annotations

import os

import pytest

VARIABLE = "SEMIFREDDO_UPDATE_GOLDEN"


def updating() -> bool:
    """Whether golden files are written anew; never in continuous integration.

    A file that is written and then compared with itself proves nothing.
    """
    if not os.environ.get(VARIABLE):
        return False
    if os.environ.get("CI"):
        pytest.fail(f"{VARIABLE} is set together with CI: golden files would pass unread")
    return True
