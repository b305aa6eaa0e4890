"""Every layer kind has C++, and a forgotten one is named."""

from __future__ import annotations

import pytest

from ir.test_kinds import layer
from semifreddo.core.errors import ProjectError
from semifreddo.hls.kinds import CODES


def test_no_kind_is_forgotten() -> None:
    assert CODES.missing == ()


def test_a_forgotten_kind_is_named_with_the_place() -> None:
    message = (
        "new: layer kind Forgotten has no HLS implementation; register one in a module that "
        "semifreddo.hls.kinds imports"
    )
    with pytest.raises(ProjectError, match=message):
        CODES(layer(), None, None, "new")
