"""What a picture is by its header; `tests/cli/test_images.py` has the conversions."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.pictures import picture_shape, pictures_of, read_picture

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
