"""A folder of pictures as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.resize import resized
from semifreddo.train.data import load_dataset

Image = pytest.importorskip("PIL.Image", reason="needs pillow")


def filled(folder: Path, counts: dict[str, int], *, mode: str = "L", first: int = 0) -> Path:
    """Pictures of 6x4 pixels: the number of a picture in a class is its first pixel."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(first, first + count):
            picture = Image.new("L", (6, 4), len(name))
            picture.putpixel((0, 0), number)
            picture.convert(mode).save(folder / name / f"{number}.png")
    return folder


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    data = load_dataset("pictures", filled(tmp_path, {"10 b": 20, "2 abc": 20}))
    assert data.labels == ("2 abc", "10 b") and data.input_shape == (1, 4, 6)
    assert [len(split) for split in data.splits.values()] == [28, 4, 8]
    seen = set()
    for split in data.splits.values():
        for image, label in zip(split.images, split.labels, strict=True):
            assert image[1, 1, 0] == len(data.labels[label])
            seen.add((int(label), int(image[0, 0, 0])))
    assert len(seen) == 40 and data.preprocessing.identity
    assert np.bincount(data.test.labels).tolist() == [4, 4]


def test_the_seed_chooses_the_validation_split_and_never_the_test(tmp_path: Path) -> None:
    folder = filled(tmp_path, {"a": 20, "b": 20})
    one, two = (load_dataset("pictures", folder, seed=seed) for seed in (0, 1))
    assert np.array_equal(one.test.images, two.test.images)
    assert not np.array_equal(one.val.images, two.val.images)


def test_a_test_folder_is_the_test(tmp_path: Path) -> None:
    filled(tmp_path / "train", {"a": 10, "b": 10})
    filled(tmp_path / "test", {"a": 2, "b": 1}, first=50)
    data = load_dataset("pictures", tmp_path)
    assert data.test.images[:, 0, 0, 0].tolist() == [50, 51, 50]
    assert max(data.train.images.max(), data.val.images.max()) < 50
    filled(tmp_path / "test", {"c": 1})
    with pytest.raises(DataError, match="class 'c' is in only one of train and test"):
        load_dataset("pictures", tmp_path)


def test_one_coloured_picture_makes_all_coloured(tmp_path: Path) -> None:
    folder = filled(tmp_path, {"a": 10, "b": 10})
    Image.new("RGB", (6, 4), (1, 2, 3)).save(folder / "a" / "0.png")
    assert load_dataset("pictures", folder).input_shape == (3, 4, 6)
    assert load_dataset("pictures", folder, shape=(1, 4, 6)).input_shape == (1, 4, 6)


def test_other_sizes_are_scaled_on_request_only(tmp_path: Path) -> None:
    folder = filled(tmp_path, {"a": 10, "b": 10})
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "b" / "3.png")
    with pytest.raises(DataError, match=r"3\.png: is 7x9 pixels .*0\.png is 6x4; .* --size"):
        load_dataset("pictures", folder)
    data = load_dataset("pictures", folder, shape=(None, 4, 6))
    assert data.input_shape == (1, 4, 6) and data.preprocessing.resize == "bilinear"
    everything = np.concatenate([split.images for split in data.splits.values()])
    assert (everything == resized(pixels[..., None], 4, 6, "bilinear")).all(axis=(1, 2, 3)).any()


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path / "few", {"a": 10, "b": 9})
    with pytest.raises(DataError, match="class 'b' has 9 pictures; it needs at least 10"):
        load_dataset("pictures", folder)
    with pytest.raises(DataError, match="1 folders; put the pictures of each class into one"):
        load_dataset("pictures", filled(tmp_path / "one", {"a": 10}))
    (folder / "c").mkdir()
    with pytest.raises(DataError, match=r"few/c: class 'c' has no pictures"):
        load_dataset("pictures", folder)
    (folder / ".c").mkdir()  # hidden: passed over
    (folder / "c").rmdir()
    (folder / "a" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"a/notes\.txt: is no picture; move it away"):
        load_dataset("pictures", folder)
    (folder / "readme").touch()
    message = rf"^{folder}/readme: stands between the folders of the classes; move it away$"
    (folder / "a").rename(folder / "z")
    with pytest.raises(DataError, match=message):
        load_dataset("pictures", folder)
    with pytest.raises(DataError, match=r"readme: is a file; pictures come as a folder"):
        load_dataset("pictures", folder / "readme")
    with pytest.raises(DataError, match="have 1 or 3 channels, not 2"):
        load_dataset("pictures", filled(tmp_path / "two", {"a": 10, "b": 10}), shape=(2, 4, 6))
    with pytest.raises(DataError, match="pictures: name the directory"):
        load_dataset("pictures")


def test_classes_of_train_and_test_differ(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    filled(folder / "train", {"a": 10, "b": 10})
    filled(folder / "test", {"a": 2, "c": 2})
    with pytest.raises(DataError) as error:
        load_dataset("pictures", folder)
    assert str(error.value) == f"{folder}: class 'b' is in only one of train and test"


def test_more_pixels_than_memory_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path / "all", {"a": 10, "b": 10})
    pixels = 20 * int(np.prod(load_dataset("pictures", folder).input_shape))
    monkeypatch.setattr("semifreddo.train.pictures.LIMIT_BYTES", pixels)
    assert load_dataset("pictures", folder).labels == ("a", "b")
    monkeypatch.setattr("semifreddo.train.pictures.LIMIT_BYTES", pixels - 1)
    with pytest.raises(DataError) as error:
        load_dataset("pictures", folder)
    assert str(error.value) == f"{folder}: {pixels} bytes of pixels are more than {pixels - 1}"


def test_a_picture_of_another_size_is_told_with_the_first(tmp_path: Path) -> None:
    """Which is the odd one nobody knows: the first that differs from the first is named."""
    folder = filled(tmp_path / "all", {"a": 10, "b": 10})
    first, second = folder / "a" / "0.png", folder / "a" / "1.png"
    Image.new("L", (9, 5)).save(first)
    with pytest.raises(DataError) as error:
        load_dataset("pictures", folder)
    assert str(error.value) == (
        f"{second}: is 6x4 pixels (width x height), {first} is 9x5; `semifreddo new` scales "
        "pictures to one size with --size"
    )
