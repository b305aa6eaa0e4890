"""What a picture is by its header; `tests/cli/test_images.py` has the conversions."""

from __future__ import annotations

import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.pictures import need_pillow, picture_shape, pictures_of, read_picture

Image = pytest.importorskip("PIL.Image", reason="needs pillow")


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)],
)
def test_the_header_tells_size_and_channels(tmp_path: Path, mode: str, channels: int) -> None:
    picture = Image.new("L", (6, 4))
    wide = Image.fromarray(np.zeros((4, 6), np.uint16))
    (wide if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.png")
    assert picture_shape(tmp_path / "a.png") == (4, 6, channels)


def test_a_turned_picture_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert picture_shape(tmp_path / "a.jpg") == (6, 4, 3)


def test_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(DataError, match=r"a\.png: not a picture, or damaged"):
        picture_shape(tmp_path / "a.png")


def test_the_natural_order_of_names(tmp_path: Path) -> None:
    for name in ("10.png", "2.PNG", "a.txt", ".hidden"):
        (tmp_path / name).touch()
    pictures, others = pictures_of(tmp_path)
    assert [file.name for file in pictures] == ["2.PNG", "10.png"]
    assert sorted(file.name for file in others) == [".hidden", "a.txt"]


@pytest.mark.parametrize("size", [(65_536, 1_024), (1, 50_000_001), (8_192, 8_192)])
def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path, size: tuple[int, int]) -> None:
    """Whatever the sides are: it is their product that takes memory."""
    header = b"\x00\x00\x00\rIHDR" + b"".join(side.to_bytes(4, "big") for side in size)
    header += b"\x01\x00\x00\x00\x00"
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + crc32(header[4:]).to_bytes(4, "big") + b"\0\0\0\0IDAT"
    )
    with pytest.raises(DataError, match=rf"is {size[0]}x{size[1]} pixels, of which"):
        read_picture(tmp_path / "a.png", (8, 8, 1), "area")


def refusal(file: Path, shape: tuple[int, int, int] | None = None, how: str = "") -> str:
    """What is said of a picture, behind its name."""
    with pytest.raises(DataError) as error:
        picture_shape(file) if shape is None else read_picture(file, shape, how)
    name, _, text = str(error.value).partition(": ")
    assert name == str(file)
    return text


def test_a_picture_of_another_size(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (6, 4)).save(file)
    assert read_picture(file, (4, 6, 1)).shape == (4, 6, 1)
    advice = "resize it, or let --resize do it"
    assert refusal(file, (4, 7, 1)) == (
        f"is 6x4 pixels (width x height), the device takes 7x4; {advice}"
    )
    assert refusal(file, (6, 4, 1)) == (  # as many pixels, but on its side
        f"is 6x4 pixels (width x height), the device takes 4x6; {advice}"
    )
    assert read_picture(file, (2, 3, 1), "box").shape == (2, 3, 1)


def test_a_picture_of_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (60, 40)).save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert refusal(file) == "too many pixels to open"
    assert refusal(file, (40, 60, 1)) == (
        "too many pixels to open; the device takes 60x40 (width x height); save it in that size"
    )


@pytest.mark.parametrize(("width", "fits"), [(20, True), (21, False)])
def test_a_picture_that_is_too_large_to_be_scaled(
    width: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semifreddo.core.pictures._MOST_PIXELS", 60)
    file = tmp_path / "a.png"
    Image.new("L", (width, 3)).save(file)
    if fits:
        assert read_picture(file, (2, 4, 1), "box").shape == (2, 4, 1)
        return
    assert refusal(file, (2, 4, 1), "box") == (
        "is 21x3 pixels, of which up to 60 are scaled down to 4x2"
    )


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    need_pillow(Path("a.png"))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError) as error:
        need_pillow(Path("a.png"))
    assert str(error.value) == "a.png: reading pictures needs pillow; pip install pillow"


def test_grey_of_sixteen_bits_is_rounded_to_eight(tmp_path: Path) -> None:
    """All values: black and white stay so, the nearest of 256 levels for what lies between."""
    values = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / "wide.png"
    Image.fromarray(values).save(path)
    found = read_picture(path, (256, 256, 1))[..., 0].astype(int)
    assert (found[0, 0], found[-1, -1]) == (0, 255)
    assert np.array_equal(found, np.floor(values / 257 + 0.5).astype(int))
