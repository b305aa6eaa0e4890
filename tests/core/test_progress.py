"""What computations tell reaches who listens, and nobody else."""

from __future__ import annotations

import pytest

from semifreddo.core.progress import heard_by, tell


def test_only_what_is_told_inside_is_heard() -> None:
    outer: list[str] = []
    inner: list[str] = []
    tell("before")
    with heard_by(outer.append):
        tell("one")
        with heard_by(inner.append):
            tell("two")
        tell("three")
    tell("behind")
    assert (outer, inner) == (["one", "three"], ["two"])


def test_an_error_ends_the_listening() -> None:
    heard: list[str] = []
    with pytest.raises(RuntimeError), heard_by(heard.append):
        raise RuntimeError
    tell("behind")
    assert heard == []
