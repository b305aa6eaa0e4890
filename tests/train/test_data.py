import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import DataError
from semifreddo.core.resize import resized
from semifreddo.train.data import Dataset, Split, load_dataset, stratified
from semifreddo.train.sources import read_idx, read_ppm

MINI = (
    Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mini"
)


def split(count, classes=4, seed=0):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    return Split(images, np.arange(count) % classes)


@pytest.fixture
def data():
    return Dataset("toy", split(40), split(12), ("a", "b", "c", "d"), split(16))


def test_digits_are_split_without_overlap():
    pytest.importorskip("sklearn", reason="needs sklearn (extra train)")
    digits = load_dataset("digits")
    assert [len(part) for part in digits.splits.values()] == [1078, 269, 450]
    assert digits.input_shape == (1, 8, 8) and digits.labels == tuple("0123456789")
    assert digits.train.images.max() == 240
    for part in digits.splits.values():
        counts = np.bincount(part.labels)
        assert counts.max() - counts.min() <= 0.15 * len(part) / 10 + 2
    assert load_dataset("digits").digest == digits.digest != load_dataset("digits", seed=1).digest


@given(st.lists(st.integers(0, 3), min_size=8, max_size=80), st.integers(0, 9))
@settings(deadline=None)
def test_stratified_parts_are_a_partition(labels, seed):
    parts = stratified(np.array(labels), (0.5, 0.25), seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for label in set(labels):
        members = labels.count(label)
        assert abs(sum(labels[i] == label for i in parts[0]) - members / 2) <= 1


def test_subset_relabels_in_the_order_given(data):
    part = data.subset([2, 0])
    assert part.labels == ("c", "a") and part.name == "toy[2,0]"
    assert np.array_equal(part.train.images[part.train.labels == 0], data.train.images[2::4])
    assert len(part.test) == 8


def test_relabel_groups(data):
    groups = data.relabel({"even": [0, 2], "odd": [1, 3]})
    assert groups.labels == ("even", "odd")
    assert np.array_equal(groups.test.labels, data.test.labels % 2)
    assert len(data.relabel({"x": [0], "y": [3]}).train) == 20


def test_development_has_no_test_split(data):
    seen = data.development
    assert not hasattr(seen, "test") and list(seen.splits) == ["train", "val"]
    part = seen.subset([1, 3]).limit(train=6)
    assert not hasattr(part, "test") and len(part.train) == 6 and part.labels == ("b", "d")
    assert part.val.labels.tolist() == data.subset([1, 3]).val.labels.tolist()


def test_limit_is_balanced(data):
    few = data.limit(train=9, val=4)
    assert sorted(np.bincount(few.train.labels)) == [2, 2, 2, 3]
    assert np.bincount(few.val.labels).tolist() == [1, 1, 1, 1]
    assert len(few.test) == len(data.test)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.subset([3, 4, 9]), r"^toy: class 4; classes are 0\.\.3$"),
        (lambda d: d.subset([0, -1]), r"^toy: class -1; classes are 0\.\.3$"),
        (lambda d: d.subset([]), r"^toy: class list is empty; classes are 0\.\.3$"),
        (lambda d: d.subset([1, 2, 1]), r"^toy: a class is named twice in \[1, 2, 1\]$"),
        (lambda d: d.relabel({"a": [0, 1], "b": [1]}), "a class is named twice"),
        (lambda d: d.limit(train=0), "a limit of 0 train images leaves nothing"),
        (
            lambda d: Dataset("t", d.train, d.val, ("a",), d.test),
            r"labels 0\.\.3 for 1 class names",
        ),
        (
            lambda d: Dataset(
                "t", Split(d.train.images / 255, d.train.labels), d.val, d.labels, d.test
            ),
            r"t \(train\): images are float64",
        ),
        (
            lambda d: Dataset("t", Split(d.train.images, d.val.labels), d.val, d.labels, d.test),
            "40 images with labels of shape",
        ),
        (
            lambda d: Dataset(
                "t", d.train, d.val, d.labels, Split(d.test.images[:, 1:], d.test.labels)
            ),
            "splits have different image shapes",
        ),
    ],
)
def test_mistakes(data, change, message):
    with pytest.raises(DataError, match=message):
        change(data)


def test_unknown_and_missing(tmp_path):
    with pytest.raises(DataError, match="unknown data set 'mnits'; known: digits, mnist"):
        load_dataset("mnits")
    with pytest.raises(DataError, match="mnist: name the directory"):
        load_dataset("mnist")
    with pytest.raises(DataError, match="no such directory"):
        load_dataset("mnist", tmp_path / "none")
    with pytest.raises(DataError, match=r"neither mnist\*\.npz nor the original mnist files"):
        load_dataset("mnist", tmp_path)


def test_npz(tmp_path):
    good = {"x_train": np.zeros((20, 5, 5), np.uint8), "y_train": np.arange(20) % 2}
    test = {"x_test": np.zeros((4, 5, 5), np.uint8), "y_test": np.arange(4) % 2}
    np.savez(tmp_path / "mnist.npz", **good, **test)
    loaded = load_dataset("mnist", tmp_path)
    assert loaded.input_shape == (1, 5, 5) and loaded.labels == ("0", "1")
    assert len(loaded.val) == 4 and len(loaded.train) == 16
    assert load_dataset("mnist", tmp_path / "mnist.npz").digest == loaded.digest
    assert len(load_dataset("mnist", tmp_path, validation=0.4).val) == 8
    np.savez(tmp_path / "cifar10.npz", **good)
    with pytest.raises(DataError, match="has no array 'x_test'"):
        load_dataset("cifar10", tmp_path)
    (tmp_path / "cifar10.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DataError, match=r"not an \.npz archive"):
        load_dataset("cifar10", tmp_path)
    flags = np.arange(20) < 6
    np.savez(tmp_path / "gtsrb.npz", **good, **test, is_val_train=flags)
    assert len(load_dataset("gtsrb", tmp_path).val) == 6


def differences(images):
    planes = images.transpose(3, 0, 1, 2).copy()
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    planes[:, :, 1:] = planes[:, :, 1:] - planes[:, :, :-1]
    return planes


def test_the_rest_of_a_data_set_in_differences(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 40), ("test", 9)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = (np.arange(count) % 3).astype(np.uint8)
    np.savez(tmp_path / "whole.npz", **arrays)
    np.savez(tmp_path / "cifar10_first.npz", **{k: v[: len(v) // 2] for k, v in arrays.items()})
    half = load_dataset("cifar10", tmp_path)
    assert (len(half.train) + len(half.val), len(half.test)) == (20, 4)
    rest = {k: v[len(v) // 2 :] for k, v in arrays.items()}
    coded = {k.replace("x_", "xd_"): differences(v) if "x_" in k else v for k, v in rest.items()}
    path = tmp_path / "cifar10_rest_delta.npz"
    np.savez(path, **coded)
    assert (
        load_dataset("cifar10", tmp_path).digest
        == load_dataset("arrays", tmp_path / "whole.npz").digest
    )
    assert load_dataset("cifar10", tmp_path / "cifar10_first.npz").digest == half.digest
    for change, message in [
        ({"xd_test": coded["xd_test"][:, :, 1:]}, r"test images \(5, 5, 5, 3\) .* do not continue"),
        ({"y_train": coded["y_train"][1:]}, r"train images .* with labels \(19,\) do not continue"),
        ({"xd_train": coded["xd_train"][:2]}, r"xd_train is uint8 of shape \(2, 20, 6, 5\)"),
    ]:
        np.savez(path, **{**coded, **change})
        with pytest.raises(DataError, match=message):
            load_dataset("cifar10", tmp_path)
    np.savez(path, y_train=coded["y_train"])
    with pytest.raises(DataError, match="has no array 'xd_train'"):
        load_dataset("cifar10", tmp_path)
    (tmp_path / "cifar10_first.npz").unlink()
    with pytest.raises(DataError, match=r"rest_delta\.npz: is the second part of a data set"):
        load_dataset("cifar10", tmp_path)


def test_an_archive_that_is_no_data_set_is_not_taken_for_one(tmp_path):
    """GTSRB's whole tracks have the shorter name, and no split."""
    np.savez(tmp_path / "gtsrb_x.npz", pixels=np.zeros(5, np.uint8))
    with pytest.raises(DataError, match=r"gtsrb_x\.npz: has no array 'x_train'"):
        load_dataset("gtsrb", tmp_path)
    images = {f"x_{part}": np.zeros((20, 5, 5, 3), np.uint8) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(20) % 2 for part in ("train", "test")}
    np.savez(tmp_path / "gtsrb32_longer.npz", **images, **labels)
    (tmp_path / "gtsrb.npz").write_bytes(b"PK\x03\x04 broken")
    assert load_dataset("gtsrb", tmp_path).input_shape == (3, 5, 5)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


def write_mnist(folder):
    for part, count in (("train", 40), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 6, 6), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return folder


def test_original_mnist_files(tmp_path):
    loaded = load_dataset("fashion_mnist", write_mnist(tmp_path))
    assert loaded.labels[9] == "Ankle boot" and loaded.input_shape == (1, 6, 6)
    assert np.array_equal(loaded.test.labels, np.arange(10))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"but no t10k-labels-idx1-ubyte\(\.gz\)"):
        load_dataset("fashion_mnist", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "not an idx-ubyte file"),
        (b"", "not an idx-ubyte file"),
        *(
            (bytes(start) + b"\0\0\0\1\7", "not an idx-ubyte file")
            for start in ((0, 1, 8, 1), (1, 0, 8, 1), (0, 0, 9, 1), (0, 0, 8, 0), (0, 0, 8, 4))
        ),
        (b"abc", "not an idx-ubyte file"),
        (bytes((0, 0, 8, 2)), "ends in the middle of its header; it is truncated"),
        (
            idx(np.zeros((4, 2), np.uint8))[:11],
            "ends in the middle of its header; it is truncated",
        ),
        (idx(np.zeros((4, 2), np.uint8))[:-1], "7 bytes for shape (4, 2); it is truncated"),
        (idx(np.zeros((4, 2), np.uint8)) + b"x", "9 bytes for shape (4, 2); it is truncated"),
    ],
)
def test_damaged_idx(tmp_path, content, message):
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_idx(file)
    assert str(error.value) == f"{file}: {message}"


def test_idx_files_of_one_to_three_dimensions(tmp_path):
    for shape in ((0,), (5,), (2, 3), (2, 3, 4)):
        array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        (tmp_path / "x").write_bytes(idx(array))
        assert np.array_equal(read_idx(tmp_path / "x"), array)


def test_a_file_that_cannot_be_unpacked(tmp_path):
    packed = gzip.compress(idx(np.zeros((40, 2), np.uint8)))
    for name, content in (("x.gz", packed[:-9]), ("y.gz", b"no gzip"), ("gone", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"^{tmp_path / name}: cannot be read \("):
            read_idx(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": None}, "has no array 'x_train'; needed: x_train y_train x_test y_test"),
        (
            {"y_train": None, "y_test": None},
            "has no array 'y_train'; needed: x_train y_train x_test y_test",
        ),
        ({"y_train": np.zeros(20)}, "y_train holds float64, and labels are whole numbers"),
        ({"y_test": np.zeros(4)}, "y_test holds float64, and labels are whole numbers"),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path, change, message):
    random = np.random.default_rng(0)
    arrays = {
        "x_train": random.integers(0, 256, (20, 4, 4), dtype=np.uint8),
        "y_train": np.arange(20) % 2,
        "x_test": random.integers(0, 256, (4, 4, 4), dtype=np.uint8),
        "y_test": np.arange(4) % 2,
    } | change
    file = tmp_path / "mnist.npz"
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError) as error:
        load_dataset("mnist", tmp_path)
    assert str(error.value) == f"{file}: {message}"


@pytest.mark.parametrize("count", [0, 19, 21])
def test_flags_of_a_validation_split_of_another_length(tmp_path, count):
    """Of twenty images; as many flags choose which of them are for validation."""
    images = np.arange(20 * 16, dtype=np.uint8).reshape(20, 4, 4)
    arrays = {"x_train": images, "y_train": np.arange(20) % 2, "x_test": images[:2]}
    flags = np.arange(20) % 4 == 0
    np.savez(tmp_path / "mnist.npz", **arrays, y_test=np.arange(2), is_val_train=flags)
    found = load_dataset("mnist", tmp_path)
    assert np.array_equal(found.val.images[..., 0], images[flags])
    assert np.array_equal(found.train.images[..., 0], images[~flags])
    wrong = np.zeros(count, bool)
    np.savez(tmp_path / "mnist.npz", **arrays, y_test=np.arange(2), is_val_train=wrong)
    with pytest.raises(DataError, match=rf"^mnist: is_val_train has shape \({count},\)$"):
        load_dataset("mnist", tmp_path)


def test_labels_that_are_not_one_per_image(tmp_path):
    images = np.zeros((20, 4, 4), np.uint8)
    np.savez(
        tmp_path / "mnist.npz",
        x_train=images,
        y_train=np.zeros((20, 2), int),
        x_test=images[:2],
        y_test=np.zeros(2, int),
    )
    with pytest.raises(
        DataError, match=r"^mnist \(train\): 20 images with labels of shape \(20, 2\)$"
    ):
        load_dataset("mnist", tmp_path)


def cifar_records(count, label_bytes, seed):
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (count, label_bytes + 3072), dtype=np.uint8)
    rows[:, :label_bytes] = (np.arange(count) % 10)[:, None]
    return rows


def test_cifar_binary_files(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(1, 6):
        (folder / f"data_batch_{i}.bin").write_bytes(cifar_records(10, 1, i).tobytes())
    rows = cifar_records(10, 1, 9)
    (folder / "test_batch.bin").write_bytes(rows.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"class{i}" for i in range(10)) + "\n\n")
    loaded = load_dataset("cifar10", tmp_path)
    assert loaded.labels[3] == "class3" and loaded.input_shape == (3, 32, 32)
    assert loaded.test.images[2, 0, 5, 1] == rows[2, 1 + 1024 + 5]
    (folder / "test_batch.bin").write_bytes(rows.tobytes()[:-1])
    with pytest.raises(DataError, match="are not whole records of 3073 bytes"):
        load_dataset("cifar10", tmp_path)


def test_cifar_pickles_are_refused(tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "train").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=r"pickle.*fetch the binary version, cifar-100-binary"):
        load_dataset("cifar100", tmp_path)


def ppm(pixels):
    return b"P6\n# made by a test\n%d %d\n255\n" % pixels.shape[1::-1] + pixels.tobytes()


def test_gtsrb_original_folders(tmp_path):
    random = np.random.default_rng(0)
    for label in range(2):
        folder = tmp_path / "GTSRB" / "Final_Training" / "Images" / f"{label:05}"
        folder.mkdir(parents=True)
        rows = ["Filename;Width;ClassId"]
        for track in range(7):
            name = f"{track:05}_{0:05}.ppm"
            (folder / name).write_bytes(ppm(random.integers(0, 256, (40, 36, 3), dtype=np.uint8)))
            rows.append(f"{name};36;{label}")
        (folder / f"GT-{label:05}.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"has no GT-final_test\.csv"):
        load_dataset("gtsrb", tmp_path)
    folder = tmp_path / "GTSRB" / "Final_Test" / "Images"
    folder.mkdir(parents=True)
    (folder / "00000.ppm").write_bytes(ppm(np.full((20, 25, 3), 7, np.uint8)))
    (folder / "GT-final_test.csv").write_text("Filename;Width;ClassId\n00000.ppm;25;1\n")
    loaded = load_dataset("gtsrb", tmp_path)
    assert loaded.input_shape == (3, 32, 32) and len(loaded.val) == 2 and len(loaded.train) == 12
    assert (loaded.test.images == 7).all() and loaded.test.labels.tolist() == [1]
    (folder / "00000.ppm").write_bytes(b"P6\r\n20 20\n255\n")
    with pytest.raises(DataError, match=r"00000\.ppm: 0 bytes for 20x20x3; it is damaged"):
        load_dataset("gtsrb", tmp_path)
    (folder / "GT-final_test.csv").write_text("Filename,ClassId\n00000.ppm,1\n")
    with pytest.raises(DataError, match="not a GTSRB table"):
        load_dataset("gtsrb", tmp_path)


def test_ppm_and_resizing(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    (tmp_path / "a.ppm").write_bytes(ppm(pixels))
    assert np.array_equal(read_ppm(tmp_path / "a.ppm"), pixels)
    assert np.array_equal(resized(pixels[:, :3], 3, 3, "bilinear"), pixels[:, :3])
    (tmp_path / "a.ppm").write_bytes(b"P3\n1 1\n255\n1 2 3")
    with pytest.raises(DataError, match="not a binary PPM"):
        read_ppm(tmp_path / "a.ppm")


@pytest.mark.data
@pytest.mark.skipif(not MINI.is_dir(), reason="benchmark images are not here (SEMIFREDDO_DATA)")
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "gtsrb"])
def test_real_images(name):
    data = load_dataset(name, MINI)
    assert len(data.train) + len(data.val) == 1000 and len(data.test) == 500
    if name == "gtsrb":
        with np.load(MINI / "gtsrb_mini.npz") as archive:
            flags = archive["is_val_train"]
        assert len(data.val) == flags.sum()


def test_arrays_of_a_folder_are_those_of_an_archive(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 40), ("test", 9)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 5, 4), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 3
    np.savez(tmp_path / "mine.npz", **arrays)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(DataError, match=r"neither arrays\*\.npz nor x_train\.npy"):
        load_dataset("arrays", folder)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "other.npy", np.zeros(3))
    loaded = load_dataset("arrays", folder)
    assert loaded.digest == load_dataset("arrays", tmp_path / "mine.npz").digest
    assert loaded.input_shape == (1, 5, 4) and loaded.labels == ("0", "1", "2")
    np.save(folder / "y_test.npy", np.arange(9) / 2)
    with pytest.raises(DataError, match="y_test holds float64, and labels are whole numbers"):
        load_dataset("arrays", folder)
    (folder / "y_test.npy").unlink()
    with pytest.raises(DataError, match="has no array 'y_test'"):
        load_dataset("arrays", folder)
