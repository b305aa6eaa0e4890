"""Digests: equal for the same content, different for whatever makes it another thing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.digest import _CHUNK_BYTES, digest_bytes, digest_file, digest_ints, digest_json


@pytest.mark.parametrize("size", [0, 1, _CHUNK_BYTES, 2 * _CHUNK_BYTES + 3])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "a").write_bytes(data[:size])
    assert digest_file(tmp_path / "a") == digest_bytes(data[:size])
    assert digest_bytes(data[:size]) == hashlib.sha256(data[:size]).hexdigest()


def test_integers_with_their_shape_and_context() -> None:
    values = np.arange(-3, 3).reshape(2, 3)
    same = digest_ints(values, 4, "s")
    assert same == digest_ints(values.astype(np.int8), 4, "s")
    assert same == digest_ints(values.T.copy().T, 4, "s"), "the order in memory is no content"
    assert digest_ints(values.astype(">i4"), 4, "s") == same
    others = [
        digest_ints(values.reshape(3, 2), 4, "s"),
        digest_ints(values.reshape(6), 4, "s"),
        digest_ints(values[::-1], 4, "s"),
        digest_ints(-values, 4, "s"),
        digest_ints(values + (1 << 40), 4, "s"),
        digest_ints(values, 5, "s"),
        digest_ints(values, 4, "t"),
        digest_ints(values, 4),
        digest_ints(values, "s", 4),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_json_without_its_order_but_with_its_names() -> None:
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    different = [{"a": 1}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": None}, [1, 2], [2, 1]]
    assert len({digest_json(value) for value in different}) == len(different)
