"""Pictures: every mode is converted as documented, or refused in one line."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from semifreddo.cli.images import load_images
from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.resize import resized
from semifreddo.ir.layers import Stream

Image = pytest.importorskip("PIL.Image", reason="needs pillow")

GREY = Stream("image", (4, 6, 1), FixedType.exact(8, 8, signed=False))
COLOUR = Stream("image", (4, 6, 3), FixedType.exact(8, 8, signed=False))
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (4, 6), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8)


def saved(folder: Path, name: str, picture: object, **options: object) -> Path:
    picture.save(folder / name, **options)  # type: ignore[attr-defined]
    return folder / name


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "tif", "TIFF", "webp"])
def test_formats_without_loss(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path, f"a.{suffix}", Image.fromarray(RGB), **options)
    assert np.array_equal(load_images(path, COLOUR).raw[0], RGB)


def test_jpeg_is_read_as_it_decodes(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.JpG", Image.fromarray(RGB), quality=90)
    expected = np.asarray(Image.open(path).convert("RGB"))
    assert np.array_equal(load_images(path, COLOUR).raw[0], expected)


def test_one_bit_and_palette_keep_their_colours(tmp_path: Path) -> None:
    bits = PIXELS > 127
    path = saved(tmp_path, "bits.png", Image.fromarray(bits))
    assert np.array_equal(load_images(path, GREY).raw[0, ..., 0], bits * 255)
    few = (PIXELS // 64).astype(np.uint8)
    indexed = Image.fromarray(few, "P")
    palette = RANDOM.integers(0, 256, (4, 3), dtype=np.uint8)
    indexed.putpalette(palette.tobytes())
    path = saved(tmp_path, "palette.png", indexed)
    assert np.array_equal(load_images(path, COLOUR).raw[0], palette[few])


def test_sixteen_bits_are_scaled_to_the_nearest(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)
    path = saved(tmp_path, "deep.png", Image.fromarray(values))
    expected = np.rint(values * (255 / 65535))
    found = load_images(path, GREY).raw[0, ..., 0]
    assert np.array_equal(found, expected) and found.max() == 255
    whole = PIXELS.astype(np.uint16) * 257
    path = saved(tmp_path, "whole.png", Image.fromarray(whole))
    assert np.array_equal(load_images(path, GREY).raw[0, ..., 0], PIXELS)


def png(depth: int, colour: int, rows: list[bytes], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 6x4 pixels as Pillow cannot write it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = struct.pack(">IIBBBBB", 6, 4, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", head), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_depths_that_pillow_would_round_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    wide = RANDOM.integers(0, 65536, (4, 6, 3)).astype(">u2")
    path.write_bytes(png(16, 2, [row.tobytes() for row in wide]))
    with pytest.raises(DataError, match=r"deep\.png: is stored as RGB;16B, whose values would"):
        load_images(path, COLOUR)
    for name, values in (("int", np.int32), ("float", np.float32)):
        path = saved(tmp_path, f"{name}.tif", Image.fromarray(PIXELS.astype(values)))
        with pytest.raises(DataError, match=r"have no fixed meaning here"):
            load_images(path, GREY)
    white = Image.fromarray(PIXELS.astype(np.uint16))
    path = saved(tmp_path, "white.tif", white, tiffinfo={262: 0})
    with pytest.raises(DataError, match="16 bits with white as zero"):
        load_images(path, GREY)


def test_shallow_grey_and_a_transparent_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 0, [bytes([0b00011011, 0b00010000])] * 4))
    assert load_images(path, GREY).raw[0, 0, :, 0].tolist() == [0, 85, 170, 255, 0, 85]
    rows = [np.arange(6, dtype=">u2").tobytes()] * 4
    for colour, refused in ((3, True), (7, False)):
        path.write_bytes(png(16, 0, rows, (b"tRNS", struct.pack(">H", colour))))
        if refused:
            with pytest.raises(DataError, match="has transparent pixels"):
                load_images(path, GREY)
        else:
            assert load_images(path, GREY).raw.shape == (1, 4, 6, 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_may_be_there_but_nothing_may_be_transparent(tmp_path: Path, mode: str) -> None:
    opaque = Image.fromarray(PIXELS).convert(mode)
    path = saved(tmp_path, "opaque.png", opaque)
    assert np.array_equal(load_images(path, GREY).raw[0, ..., 0], PIXELS)
    opaque.putalpha(Image.fromarray(PIXELS))
    path = saved(tmp_path, "ink.png", opaque)
    with pytest.raises(DataError, match=r"ink\.png: has transparent pixels.*save it on a"):
        load_images(path, GREY)


def test_a_transparent_colour_of_a_palette(tmp_path: Path) -> None:
    indexed = Image.fromarray((PIXELS // 64).astype(np.uint8), "P")
    indexed.putpalette(bytes(range(12)))
    path = saved(tmp_path, "p.png", indexed, transparency=1)
    with pytest.raises(DataError, match="has transparent pixels"):
        load_images(path, COLOUR)


def test_four_inks_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.fromarray(RGB).convert("CMYK"))
    with pytest.raises(DataError, match=r"colours of mode CMYK.*save it as grey or RGB"):
        load_images(path, COLOUR)


@pytest.mark.parametrize("suffix", ["png", "tif", "lzw.tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_tag_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    options = {"webp": {"lossless": True}, "lzw.tif": {"compression": "tiff_lzw"}}.get(suffix, {})
    turns = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud}
    turns |= {5: np.transpose, 6: lambda a: np.rot90(a, -1)}
    turns |= {7: lambda a: np.rot90(np.transpose(a), 2), 8: np.rot90}
    stored = PIXELS if orientation < 5 else np.ascontiguousarray(PIXELS.T)
    tag = Image.Exif()
    tag[0x0112] = orientation
    path = saved(tmp_path, f"a.{suffix}", Image.fromarray(stored), exif=tag, **options)
    if suffix.endswith("tif") and orientation >= 5:
        with pytest.raises(DataError, match="is a TIFF on its side"):
            load_images(path, GREY)
        return
    assert np.array_equal(load_images(path, GREY).raw[0, ..., 0], turns[orientation](stored))


def test_names_in_natural_order_and_what_is_skipped(tmp_path: Path) -> None:
    for index, name in enumerate(("10.png", "2.PNG", "1.bmp")):
        saved(tmp_path, name, Image.fromarray(np.full((4, 6), index, np.uint8)))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "more.png").mkdir()
    found = load_images(tmp_path, GREY)
    assert found.names == ("1.bmp", "2.PNG", "10.png") and found.skipped == (
        "more.png",
        "notes.txt",
    )
    assert found.raw[:, 0, 0, 0].tolist() == [2, 1, 0]


def test_a_huge_picture_is_refused_before_it_is_decompressed(tmp_path: Path) -> None:
    for name, side in (("large.png", 5000), ("bomb.png", 20000)):
        path = saved(tmp_path, name, Image.new("1", (side, side)))
        for resize in (False, True) if side > 5000 else (False,):
            with (
                pytest.MonkeyPatch.context() as patch,
                pytest.raises(DataError, match=f"{name}: .*the device takes 6x4"),
            ):
                patch.setattr("PIL.ImageFile.ImageFile.load", None)
                load_images(path, GREY, resize=resize)


def test_resize_on_request(tmp_path: Path) -> None:
    large = np.repeat(np.repeat(PIXELS, 3, 0), 3, 1)
    path = saved(tmp_path, "a.png", Image.fromarray(large))
    with pytest.raises(DataError, match=r"is 18x12 pixels .*or let --resize do it"):
        load_images(path, GREY)
    assert np.array_equal(load_images(path, GREY, resize=True).raw[0, ..., 0], PIXELS)


def test_the_record_of_the_task_says_how_pictures_are_scaled_and_normalised(
    tmp_path: Path,
) -> None:
    large = RANDOM.integers(0, 256, (13, 17, 3), dtype=np.uint8)
    path = saved(tmp_path, "a.png", Image.fromarray(large))
    made = Preprocessing(resize="bilinear", mean=(0.1, 0.2, 0.3), deviation=(0.5, 0.5, 0.25))
    signed = Stream("image", (4, 6, 3), FixedType.exact(8, 5, signed=True))
    found = load_images(path, signed, made, resize=True).raw[0]
    small = resized(large, 4, 6, "bilinear")
    assert np.array_equal(found, made.raw(small, 8, 2.0**-5, signed=True))
    plain = load_images(path, COLOUR, resize=True).raw[0]
    assert np.array_equal(plain, resized(large, 4, 6, "box"))
    assert not np.array_equal(plain, small)


def test_animations_and_other_channels_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1].copy())]
    path = saved(tmp_path, "a.tif", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="has 2 frames"):
        load_images(path, GREY)
    two = Stream("image", (4, 6, 2), GREY.type)
    path = saved(tmp_path, "b.png", Image.fromarray(PIXELS))
    with pytest.raises(DataError, match="takes 2 channels, not pictures"):
        load_images(path, two)


def test_pixels_become_what_the_input_reads(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(PIXELS))
    four = Stream("image", (4, 6, 1), FixedType.exact(4, 4, signed=False))
    assert np.array_equal(load_images(path, four).raw[0, ..., 0], PIXELS >> 4)
    signed = Stream("image", (4, 6, 1), FixedType.exact(8, 7, signed=True))
    expected = PIXELS.astype(int) - 128
    assert np.array_equal(load_images(path, signed).raw[0, ..., 0], expected)


def test_text_is_no_picture_and_no_advice_about_pickles(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("text")
    with pytest.raises(DataError, match=r"not an \.npy or \.npz file of images") as failure:
        load_images(tmp_path / "a.npz", GREY)
    assert "pickle" not in str(failure.value)


def test_images_of_an_array_are_numbered(tmp_path: Path) -> None:
    """One number each; a number alone is no image, which is told later."""
    file = tmp_path / "x.npy"
    for shape, names in (((3, 4, 4, 1), ("0", "1", "2")), ((0, 4, 4, 1), ()), ((), ())):
        np.save(file, np.zeros(shape, np.uint8))
        found = load_images(file, GREY)
        assert found.names == names and found.raw.shape == shape
        assert not found.pictures and not found.skipped
