"""Archives from outside: what they declare is checked before anything is decompressed."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.arrays import LIMIT_BYTES, _reason, is_archive, read_array, read_arrays
from semifreddo.core.errors import DataError

KINDS = ["u1", "<i2", ">i4", "<i8", "<f4", "?", "<U5"]


def archive(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def header(descr: str, shape: str, body: bytes = b"", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
)
def test_arrays_come_back(kind: str, order: str, compression: int, tmp_path: Path) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4).astype(kind), order=order)
    found = read_arrays(archive(compression, a=npy(array)), "here")["a"]
    assert found.dtype == array.dtype and np.array_equal(found, array)
    (tmp_path / "a.npy").write_bytes(npy(array))
    assert np.array_equal(read_array(tmp_path / "a.npy", "here"), array)


def test_what_numpy_saves_and_only_what_is_wanted(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros((0, 3)), b=np.array([{}], object))
    assert read_arrays(tmp_path / "a.npz", "x", wanted="a".__eq__)["a"].shape == (0, 3)
    assert is_archive(tmp_path / "a.npz") and not is_archive(tmp_path)
    with pytest.raises(DataError, match=r"x: not an archive of plain arrays \(no plain array|type"):
        read_arrays(tmp_path / "a.npz", "x")
    with pytest.raises(DataError, match="no such file"):
        read_arrays(tmp_path / "none.npz", "none.npz")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (header("'u1'", "(4,)", b"123"), "declares 4 bytes, 3 are there"),
        (header("'u1'", "(4,)", b"12345"), "declares 4 bytes, 5 are there"),
        (header("'u1'", "(10**9, 10**9)"), "here"),
        (header("'u1'", "(1 << 40,)"), "here"),
        (header("'u1'", "(-1, -4)", b"1234"), "shape"),
        (header("'u1'", "(True, 4)", b"1234"), "shape"),
        (header("'O'", "(1,)", b"1" * 8), "expected plain numbers"),
        (header("'V8'", "(1,)", b"1" * 8), "expected plain numbers"),
        (header("'u0'", "(1,)", b""), "here"),
        (header("[('a', 'u1')]", "(1,)", b"1"), "no plain array"),
        (header("'u1'", "__import__('os')"), "here"),
        (header("'u1'", "(" * 3000 + ")" * 3000), "here"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 100, "a header of 65535 bytes"),
        (b"\x93NUMPY\x09\x00", "no array"),
        (b"", "no array"),
        (b"text", "no array"),
    ],
)
def test_headers_that_lie(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match=reason) as failure:
        read_array(tmp_path / "a.npy", "here")
    assert "\n" not in str(failure.value)
    with pytest.raises(DataError, match="here: not an archive of plain arrays"):
        read_arrays(archive(a=data), "here")


def test_a_bomb_is_refused_before_it_is_decompressed() -> None:
    side = 1 << 13
    bomb = archive(zipfile.ZIP_LZMA, a=header("'u1'", f"({side}, {side})", bytes(side * side)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"declares .* bytes in"):
        read_arrays(bomb, "here")
    with pytest.raises(DataError, match="the limit is 100"):
        read_arrays(bomb, "here", limit_bytes=100)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_four_gibibytes_are_the_limit() -> None:
    """A declaration of one byte more is refused unread; 2 GiB, the largest image sets, are not."""
    assert LIMIT_BYTES == 2 * 2**31
    with pytest.raises(DataError, match=f"the limit is {LIMIT_BYTES}"):
        read_arrays(declaring(LIMIT_BYTES + 1), "here")


def declaring(size: int) -> bytes:
    """An archive whose directory says that its only array has so many bytes."""
    data = bytearray(archive(zipfile.ZIP_DEFLATED, a=npy(np.zeros(3))))
    entry = data.index(b"PK\x01\x02")
    name, extra = (int.from_bytes(data[entry + at : entry + at + 2], "little") for at in (28, 30))
    assert extra == 0
    data[entry + 24 : entry + 28] = b"\xff" * 4
    more = (1).to_bytes(2, "little") + (8).to_bytes(2, "little") + size.to_bytes(8, "little")
    data[entry + 30 : entry + 32] = len(more).to_bytes(2, "little")
    data[entry + 46 + name : entry + 46 + name] = more
    end = data.index(b"PK\x05\x06")
    length = int.from_bytes(data[end + 12 : end + 16], "little") + len(more)
    data[end + 12 : end + 16] = length.to_bytes(4, "little")
    return bytes(data)


def test_encrypted_members() -> None:
    data = bytearray(archive(a=npy(np.zeros(3))))
    for place in (6, data.index(b"PK\x01\x02") + 8):
        data[place] |= 1
    with pytest.raises(DataError, match=r"a\.npy is encrypted"):
        read_arrays(bytes(data), "here")


GOOD = archive(images=npy(np.arange(40, dtype="u1").reshape(2, 20)), labels=npy(np.arange(9)))


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=6), st.integers(0, 6))
@settings(deadline=None, max_examples=300)
def test_damage_is_refused_or_harmless(place: int, junk: bytes, cut: int) -> None:
    try:
        found = read_arrays(GOOD[:place] + junk + GOOD[place + cut :], "here")
    except DataError as error:
        assert str(error).startswith("here: ")
        return
    for array in found.values():
        assert array.dtype.kind in "biufU"


def test_one_array(tmp_path: Path) -> None:
    """Of at most as many bytes as its file may have."""
    file = tmp_path / "a.npy"
    file.write_bytes(npy(np.arange(6, dtype=np.int16).reshape(2, 3)))
    size = file.stat().st_size
    found = read_array(file, "here", limit_bytes=size)
    assert found.dtype == np.int16 and found.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError) as error:
        read_array(file, "here", limit_bytes=size - 1)
    assert str(error.value) == f"here: not a plain array ({size} bytes)"
    for wrong, there in ((file.read_bytes()[:-1], 11), (file.read_bytes() + b"x", 13)):
        file.write_bytes(wrong)
        with pytest.raises(DataError) as error:
            read_array(file, "here")
        assert str(error.value) == (
            f"here: not a plain array (the header declares 12 bytes, {there} are there)"
        )
    file.unlink()
    with pytest.raises(DataError, match=r"^here: no such file$"):
        read_array(file, "here")
    assert not is_archive(file)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_member_that_is_not_as_long_as_it_says(compression: int, more: int) -> None:
    """Of an archive whose directory agrees with the array's header."""
    whole = npy(np.arange(40, dtype=np.int16))
    body = whole[:more] if more < 0 else whole + b"x"
    data = archive(compression, **{"a": body}).replace(
        struct.pack("<I", len(body)), struct.pack("<I", len(whole))
    )
    with pytest.raises(DataError, match=r"^x: not an archive of plain arrays \("):
        read_arrays(data, "x")


def test_what_is_said_of_a_failure_is_one_short_line(tmp_path: Path) -> None:
    assert _reason(ValueError("a\n  b" + "c" * 300)) == "a b" + "c" * 197
    assert _reason(EOFError()) == "EOFError"
