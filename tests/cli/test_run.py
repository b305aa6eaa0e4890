from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeDevice, bundle_of, other_task, vectors_of
from nets import blended
from semifreddo.cli.camera import frames
from semifreddo.cli.check import _refuse_nothing
from semifreddo.cli.main import main
from semifreddo.cli.run import _until_interrupted
from semifreddo.cli.thumbnail import thumbnail
from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.resize import resized
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.layers import Stream
from semifreddo.runtime import write_bundle
from semifreddo.sim.ladder import LadderReport, RungResult

NET = blended()
VECTORS = vectors_of(NET, 8)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(
        "semifreddo.runtime.accelerator.open_transport", lambda bundle, name: FakeDevice(NET)
    )
    write_bundle(tmp_path / "net.sfb", bundle_of(NET))
    return str(tmp_path / "net.sfb")


def test_vectors(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", bundle]) == 0
    out, err = capsys.readouterr()
    assert err == "blended on fake, task shapes\n"
    assert out.splitlines()[0].split()[:4] == ["frames", "frames/s", "ms/batch", "p50"]
    assert out.splitlines()[2].split()[0] == "8"
    assert out.splitlines()[2].endswith("8 of 8")


def test_pictures_and_answers_of_vectors(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle_of(NET)
    expected = VECTORS.expected.copy()
    expected[1] += 1
    vectors = {"shapes": VectorSet(VECTORS.images, expected)}
    write_bundle(tmp_path / "net.sfb", type(made)(NET, made.tasks, vectors))
    assert main(["run", bundle, "--show", "2"]) == 1
    out = capsys.readouterr().out
    blocks = out.split("\n\n")
    label = f"class {VECTORS.expected[0].argmax()}"
    raw = [" ".join(map(str, row)) for row in VECTORS.expected[:2]]
    assert blocks[0].endswith(f"image 0: {label}; {raw[0]} (equal to the software's)")
    wrong = " ".join(map(str, expected[1]))
    assert blocks[1].endswith(f"{raw[1]} (expected {wrong})")
    drawn = thumbnail(VECTORS.images[0], 0, 255)
    assert blocks[0].splitlines()[: len(drawn)] == [f"  {line}".rstrip() for line in drawn]
    assert "image 2" not in out
    assert main(["run", bundle]) == 1
    assert "image 0:" not in capsys.readouterr().out


def test_wrong_vectors_fail(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle_of(NET)
    expected = VECTORS.expected.copy()
    expected[5, 2] += 1
    vectors = {"shapes": VectorSet(VECTORS.images, expected)}
    write_bundle(tmp_path / "net.sfb", type(made)(NET, made.tasks, vectors))
    assert main(["run", bundle]) == 1
    assert "first difference: image 5, output 2: expected" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["npz", "npy", "grey.npz", "png"])
def test_images(tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str], form: str) -> None:
    images = VECTORS.images.astype(np.uint8)
    path = tmp_path / f"images.{form}"
    if form == "npz":
        np.savez(path, images=images, labels=np.zeros(8))
    elif form == "npy":
        np.save(path, images)
    elif form == "grey.npz":
        np.savez(path, images[..., 0])
    else:
        pillow = pytest.importorskip("PIL.Image")
        path.mkdir()
        for index, image in enumerate(images):
            pillow.fromarray(image[..., 0]).save(path / f"{index:02}.png")
    assert main(["run", bundle, "--images", str(path), "--show", "2"]) == 0
    out = capsys.readouterr().out
    for index in range(2):
        raw = " ".join(map(str, VECTORS.expected[index]))
        assert f"class {VECTORS.expected[index].argmax()}  {raw}" in out
    assert "8 images in" in out


def test_channels_first_on_request(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nchw.npy"
    np.save(path, VECTORS.images.astype(np.uint8).transpose(0, 3, 1, 2))
    assert main(["run", bundle, "--images", str(path)]) == 1
    assert "--layout nchw" in capsys.readouterr().err
    assert main(["run", bundle, "--images", str(path), "--layout", "nchw", "--verify"]) == 0
    assert " ".join(map(str, VECTORS.expected[0])) in capsys.readouterr().out


def test_task(tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    other_task(NET).save(tmp_path / "two.json")
    np.save(tmp_path / "x.npy", VECTORS.images)
    arguments = ["run", bundle, "--task", str(tmp_path / "two.json")]
    assert main([*arguments, "--images", str(tmp_path / "x.npy")]) == 0
    out, err = capsys.readouterr()
    assert "task two" in err
    assert "class" not in out
    assert main(arguments) == 1
    assert "no vectors for task 'two'" in capsys.readouterr().err


def bad_images(folder: Path) -> list[tuple[str, str]]:
    (folder / "text.npz").write_text("hello")
    np.savez(folder / "two.npz", a=np.zeros(1), b=np.zeros(1))
    np.savez(folder / "none.npz")
    np.savez(folder / "pickle.npz", images=np.array([{}], object))
    np.save(folder / "nan.npy", np.full((1, 4, 4, 1), np.nan))
    np.save(folder / "shape.npy", np.zeros((1, 5, 4, 1), np.uint8))
    np.save(folder / "range.npy", np.full((1, 4, 4, 1), 999))
    (folder / "empty").mkdir()
    return [
        ("missing.npz", "no such file or folder"),
        ("text.npz", "not an .npy or .npz file of images"),
        ("two.npz", "has arrays ['a', 'b'], none is named 'images'"),
        ("none.npz", "not an .npy or .npz file of images"),
        ("pickle.npz", "not an .npy or .npz file of images"),
        ("nan.npy", "NaN or infinite"),
        ("shape.npy", "shape (1, 5, 4, 1), expected (n, 4, 4, 1)"),
        ("range.npy", "values 999..999 are outside 0..255"),
        ("empty", "there are no pictures; their names end in .png, .jpg"),
    ]


def test_bad_images(tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in bad_images(tmp_path):
        assert main(["run", bundle, "--images", str(tmp_path / name)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[-1].startswith("error: ")
        assert message in err


def test_no_images(tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "none.npy"
    np.save(file, VECTORS.images[:0].astype(np.uint8))
    assert main(["run", bundle, "--images", str(file)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {file}: holds no images"


def test_files_that_are_no_pictures_are_told(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pillow = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    pillow.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "a.png")
    for name in ("b.txt", "c.csv"):
        (folder / name).write_text("")
    assert main(["run", bundle, "--images", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "no pictures, skipped: b.txt, c.csv\n" in err and "1 images in" in out


def test_bad_pictures(tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pillow.fromarray(np.zeros((9, 4), np.uint8)).save(tmp_path / "a.png")
    assert main(["run", bundle, "--images", str(tmp_path)]) == 1
    message = "a.png: is 4x9 pixels (width x height), the device takes 4x4; resize it"
    assert message in capsys.readouterr().err
    (tmp_path / "a.png").write_text("no picture")
    assert main(["run", bundle, "--images", str(tmp_path)]) == 1
    assert "a.png: not a picture" in capsys.readouterr().err


def test_task_of_another_device(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other_task(blended(seed=3)).save(tmp_path / "foreign.json")
    assert main(["run", bundle, "--task", str(tmp_path / "foreign.json")]) == 1
    assert "was made for device blended" in capsys.readouterr().err
    assert main(["run", bundle, "--task", "nobody"]) == 1
    assert "no task is named 'nobody'; known: shapes" in capsys.readouterr().err


def test_verify_compares_with_the_software(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.tile(VECTORS.images, (20, 1, 1, 1)))
    arguments = ["run", bundle, "--images", str(tmp_path / "x.npy"), "--verify"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "160 of 160" in out
    assert "ms/batch p99" in out and "(a batch: 64 images, there and back)" in out


def test_a_device_that_differs_from_the_software_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = FakeDevice(NET)
    device.spoil = VECTORS.expected + 1
    monkeypatch.setattr("semifreddo.runtime.accelerator.open_transport", lambda *_: device)
    write_bundle(tmp_path / "net.sfb", bundle_of(NET))
    np.save(tmp_path / "x.npy", VECTORS.images)
    arguments = ["run", str(tmp_path / "net.sfb"), "--images", str(tmp_path / "x.npy"), "--verify"]
    assert main(arguments) == 1
    assert "0 of 8" in capsys.readouterr().out


class FakeCamera:
    """What ``cv2`` offers, with a camera 0 of three pictures."""

    COLOR_BGR2GRAY, COLOR_BGR2RGB = 0, 1

    def __init__(self, index: int = 0) -> None:
        self.index, self.left = index, 3

    @staticmethod
    def VideoCapture(index: int) -> FakeCamera:
        return FakeCamera(index)

    def isOpened(self) -> bool:
        return self.index == 0

    def read(self) -> tuple[bool, np.ndarray]:
        self.left -= 1
        return self.left >= 0, np.full((8, 6, 3), 7, np.uint8)

    def release(self) -> None:
        pass

    @staticmethod
    def cvtColor(picture: np.ndarray, code: int) -> np.ndarray:
        return picture[..., 0] if code == 0 else picture


def test_pictures_of_a_camera_become_what_the_model_was_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    monkeypatch.setattr(FakeCamera, "read", lambda _: (True, picture))
    monkeypatch.setitem(sys.modules, "cv2", FakeCamera)
    grey = Stream("image", (4, 4, 1), FixedType.exact(8, 5, signed=True))
    made = Preprocessing(resize="bilinear", mean=(0.5,), deviation=(0.25,))
    small = resized(picture[..., :1], 4, 4, "bilinear")
    (found,) = frames(0, grey, 1, made)
    assert np.array_equal(found, made.raw(small, 8, 2.0**-5, signed=True))
    (plain,) = frames(0, grey, 1)
    assert np.array_equal(plain, resized(picture[..., :1], 4, 4, "box").astype(int) - 128)


def test_camera(
    bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert main(["run", bundle, "--camera", "0"]) == 1
    assert "camera 0: needs OpenCV" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "cv2", FakeCamera)
    assert main(["run", bundle, "--camera", "0", "--verify"]) == 0
    assert "3 of 3" in capsys.readouterr().out
    assert main(["run", bundle, "--camera", "0", "--frames", "2"]) == 0
    assert "2 images in" in capsys.readouterr().out
    assert main(["run", bundle, "--camera", "1"]) == 1
    assert "camera 1: does not open" in capsys.readouterr().err


def test_what_a_camera_cannot_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", FakeCamera)
    two = Stream("image", (4, 4, 2), FixedType.exact(8, 8, signed=False))
    with pytest.raises(DataError, match=r"^camera 0: the device takes 2 channels, not pictures$"):
        next(frames(0, two, 1))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match=r"^camera 3: needs OpenCV \(.*\); pip install opencv-"):
        next(frames(3, two, 1))


@pytest.mark.parametrize(("most", "taken"), [(None, 3), (0, 0), (1, 1), (3, 3), (9, 3)])
def test_how_many_pictures_are_taken(
    most: int | None, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours, where the device takes them; the camera is given back at the end."""
    released: list[bool] = []
    monkeypatch.setattr(FakeCamera, "release", lambda _: released.append(True))
    monkeypatch.setitem(sys.modules, "cv2", FakeCamera)
    colour = Stream("image", (4, 3, 3), FixedType.exact(8, 8, signed=False))
    found = list(frames(0, colour, most))
    assert [picture.shape for picture in found] == [(4, 3, 3)] * taken
    assert all((picture == 7).all() for picture in found)
    assert released == [True]


def test_an_interrupt_ends_the_pictures_and_not_the_command() -> None:
    def pictures() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    assert list(_until_interrupted(pictures())) == [1]


def test_bench(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", bundle, "--batch", "1", "8", "--frames", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["batch", "frames", "frames/s"]
    assert [line.split()[:2] for line in lines[2:]] == [["1", "16"], ["8", "16"]]
    assert main(["bench", bundle, "--batch", "0"]) == 2


@pytest.mark.parametrize("wrong", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_one_wrong_output_makes_an_answer_different(
    bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    wrong: list[int],
) -> None:
    """Also where the others are right, with vectors, against the software and in ``check``."""
    device = FakeDevice(NET)
    device.spoil = VECTORS.expected.copy()
    device.spoil[np.ix_([2, 5], wrong)] += 1
    monkeypatch.setattr("semifreddo.runtime.accelerator.open_transport", lambda *_: device)
    assert main(["run", bundle]) == 1
    out = capsys.readouterr().out
    assert "6 of 8" in out and f"first difference: image 2, output {wrong[0]}: expected" in out
    np.save(tmp_path / "x.npy", VECTORS.images)
    assert main(["run", bundle, "--images", str(tmp_path / "x.npy"), "--verify"]) == 1
    assert "6 of 8" in capsys.readouterr().out
    assert main(["check", bundle, "--transport", "fake"]) == 1
    out, err = capsys.readouterr()
    assert "DIFFERENT on 2" in out
    message = f"error: rung fake differs on 2 of 8 images; first: image 2, output {wrong[0]}: "
    assert err.splitlines()[-1].startswith(message)


def test_check_of_a_bundle_whose_device_is_right(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", bundle, "--transport", "fake"]) == 0
    assert "DIFFERENT" not in capsys.readouterr().out


def test_empty_vectors_prove_nothing(
    tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle_of(NET)
    nothing = {"shapes": VectorSet(VECTORS.images[:0], VECTORS.expected[:0])}
    path = tmp_path / "net.sfb"
    write_bundle(path, type(made)(NET, made.tasks, nothing))
    assert main(["run", bundle]) == 1
    assert "has empty golden vectors: nothing was compared" in capsys.readouterr().err


def test_check_of_a_bundle_without_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, path = bundle_of(NET), tmp_path / "net.sfb"
    write_bundle(path, type(made)(NET, made.tasks, {}))
    assert main(["check", str(path)]) == 1
    assert capsys.readouterr().err == f"error: {path}: holds no vectors to check with\n"


def test_check_of_a_bundle_without_its_devices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle_of(NET)
    path = tmp_path / "net.sfb"
    vectors = {"shapes": VectorSet(VECTORS.images, VECTORS.expected)}
    write_bundle(path, type(made)(NET, made.tasks, vectors))
    assert main(["check", str(path)]) == 1
    assert "no device was compared, only the integer reference; copy" in capsys.readouterr().err


def test_a_reference_that_answered_itself_proves_nothing() -> None:
    alone = LadderReport((RungResult("streamnet", "equal", 64, 0, 0.1, ""),), "", False)
    nothing = LadderReport((RungResult("board", "unavailable", 0, None, None, "no"),), "", False)
    with pytest.raises(
        DataError, match=r"^design: task 'b': no rung was compared; nothing is proven$"
    ):
        _refuse_nothing(Path("design"), {"b": nothing})
    rounded = LadderReport((RungResult("torch", "explained", 64, 0, 0.1, ""),), "", False)
    _refuse_nothing(Path("design"), {"task": rounded})
    with pytest.raises(DataError, match=r"only the integer reference was compared, neither .* run"):
        _refuse_nothing(Path("design"), {"task": alone})
    with pytest.raises(DataError, match="compared with its own answers only; name golden vectors"):
        _refuse_nothing(Path("design"), {"task": dataclasses.replace(alone, own_answers=True)})
    both = LadderReport((*alone.results, RungResult("csim", "equal", 64, 0, 0.1, "")), "", True)
    _refuse_nothing(Path("design"), {"task": both})
    with pytest.raises(DataError, match="only the integer reference was compared, neither"):
        _refuse_nothing(Path("design"), {"first": both, "second": alone})
