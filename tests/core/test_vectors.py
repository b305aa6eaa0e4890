from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from semifreddo.core.errors import DataError
from semifreddo.core.vectors import VectorSet


@given(
    hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 3)] * 4)),
    st.integers(-(2**40), 2**40),
)
def test_bytes_round_trip(images: np.ndarray, value: int) -> None:
    vectors = VectorSet(images, np.full((len(images), 2), value))
    again = VectorSet.from_bytes(vectors.to_bytes())
    assert again.digest == vectors.digest
    assert again.to_bytes() == vectors.to_bytes()


def test_empty_set_round_trip(tmp_path: Path) -> None:
    vectors = VectorSet(np.zeros((0, 2, 2, 1), np.uint8), np.zeros((0, 3), np.int64))
    vectors.save(tmp_path / "v.npz")
    assert len(VectorSet.load(tmp_path / "v.npz")) == 0


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.npz: no such vector file"):
        VectorSet.load(tmp_path / "no.npz")


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, images=np.array([{}], dtype=object), expected=np.zeros((1, 1)))
    with pytest.raises(DataError, match="not a vector file"):
        VectorSet.load(path)


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    data = VectorSet(np.ones((4, 3, 3, 1), np.uint8), np.ones((4, 2), np.int64)).to_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match="not a vector file"):
            VectorSet.load(path)


@pytest.mark.parametrize(
    ("images", "expected", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 1), int), "images must be integers with 4 dimensions"),
        (np.zeros((2, 1, 1, 1), int), np.zeros((3, 1), int), "2 images but 3 expected"),
    ],
)
def test_malformed(images: np.ndarray, expected: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        VectorSet(images, expected)


def test_random_images_are_called_so_wherever_they_go(tmp_path):
    images, expected = np.zeros((3, 2, 2, 1), np.uint8), np.zeros((3, 4), np.int64)
    vectors = VectorSet(images, expected, random=True)
    vectors.head(2).save(tmp_path / "v.npz")
    loaded = VectorSet.load(tmp_path / "v.npz")
    assert loaded.random
    assert str(loaded) == "2 random images, answered by the integer reference"
    plain = VectorSet.from_bytes(VectorSet(images, expected).to_bytes())
    assert not plain.random and str(plain) == "3 golden vectors"


def test_the_truth_travels_and_must_be_a_class_of_each_image(tmp_path: Path) -> None:
    images, expected = np.zeros((3, 2, 2, 1), np.uint8), np.zeros((3, 4), np.int64)
    vectors = VectorSet(images, expected, truth=np.array([3, 0, 2]))
    vectors.head(2).save(tmp_path / "v.npz")
    again = VectorSet.load(tmp_path / "v.npz").truth
    assert again is not None and again.tolist() == [3, 0]
    assert VectorSet.from_bytes(VectorSet(images, expected).to_bytes()).truth is None
    assert vectors.digest == VectorSet(images, expected).digest  # what every rung computes
    for wrong, message in (
        ([0, 1], "one integer per image"),
        ([0.0, 1.0, 2.0], "one integer per image"),
        ([0, 1, 4], r"truth 0\.\.4, but the classes of 4 outputs are 0\.\.3"),
        ([0, -1, 2], r"truth -1\.\.2"),
    ):
        with pytest.raises(DataError, match=message):
            VectorSet(images, expected, truth=np.array(wrong))


@pytest.mark.parametrize("gone", ["images", "expected"])
def test_a_file_without_an_array(gone: str) -> None:
    arrays = {"images": np.zeros((2, 1, 1, 1), np.uint8), "expected": np.zeros((2, 3), np.int8)}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if name != gone})
    with pytest.raises(DataError, match=rf"^x: not a vector file \(has no array '{gone}'\)$"):
        VectorSet.from_bytes(buffer.getvalue(), "x")


@pytest.mark.parametrize(
    ("images", "expected", "truth", "message"),
    [
        (
            (2, 1, 1),
            (2, 3),
            None,
            "images must be integers with 4 dimensions, got int64 with shape (2, 1, 1)",
        ),
        (
            (2, 1, 1, 1),
            (2,),
            None,
            "expected must be integers with 2 dimensions, got int64 with shape (2,)",
        ),
        ((2, 1, 1, 1), (3, 3), None, "2 images but 3 expected outputs"),
        (
            (2, 1, 1, 1),
            (2, 3),
            [0],
            "truth must be one integer per image, got int64 with shape (1,) for 2 images",
        ),
        (
            (2, 1, 1, 1),
            (2, 3),
            [0.0, 1.0],
            "truth must be one integer per image, got float64 with shape (2,) for 2 images",
        ),
        ((2, 1, 1, 1), (2, 3), [0, 3], "truth 0..3, but the classes of 3 outputs are 0..2"),
        ((2, 1, 1, 1), (2, 3), [-1, 2], "truth -1..2, but the classes of 3 outputs are 0..2"),
    ],
)
def test_what_are_no_vectors(
    images: tuple[int, ...], expected: tuple[int, ...], truth: list[float] | None, message: str
) -> None:
    arrays = {"images": np.zeros(images, int), "expected": np.zeros(expected, int)}
    if truth is not None:
        arrays["truth"] = np.array(truth)
    with pytest.raises(DataError) as error:
        VectorSet(**arrays)
    assert str(error.value) == f"vectors: {message}"
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with pytest.raises(DataError) as error:
        VectorSet.from_bytes(buffer.getvalue(), "x")
    assert str(error.value) == f"x: vectors: {message}"
