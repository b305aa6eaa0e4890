from __future__ import annotations

import dataclasses
import io
import json
import random
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import bundle_of, other_task, vectors_of
from nets import blended, powers, signs
from semifreddo.core.digest import digest_bytes
from semifreddo.core.errors import BundleError
from semifreddo.core.vectors import VectorSet
from semifreddo.runtime import Bundle, DeviceFiles, TransportFile, write_bundle
from semifreddo.runtime.bundle import seal
from semifreddo.runtime.device_files import cache_folder

NET = blended()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    device = tmp_path / "csim" / "device"
    device.parent.mkdir()
    device.write_bytes(b"\x7fELF")
    bundle = dataclasses.replace(
        bundle_of(NET),
        tasks=bundle_of(NET).tasks | {"two": other_task(NET)},
        transports={
            "csim": TransportFile.of(device, tmp_path),
            "pynq": DeviceFiles({"net.bit": bytes(range(256)), "net.hwh": b"<EDKSYSTEM/>"}),
        },
    )
    write_bundle(tmp_path / "net.sfb", bundle)
    return tmp_path / "net.sfb"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, content: dict[str, bytes]) -> None:
    """Write a bundle whose seal is right, as an attacker would."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = bytes(64)
        for name, data in content.items():
            archive.writestr(name, data)
    path.write_bytes(seal(path.read_bytes()))


def resign(content: dict[str, bytes]) -> dict[str, bytes]:
    """Make the manifest's digests right again, as an attacker would."""
    manifest = json.loads(content["manifest.json"])
    manifest["members"] = {
        name: digest_bytes(data) for name, data in content.items() if name != "manifest.json"
    }
    return content | {"manifest.json": json.dumps(manifest).encode()}


def change_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = members(path)
    manifest = json.loads(content["manifest.json"])
    change(manifest)
    rewrite(path, content | {"manifest.json": json.dumps(manifest).encode()})


def test_round_trip(path: Path) -> None:
    bundle = Bundle.load(path)
    assert bundle.net == NET
    assert list(bundle.tasks) == ["shapes", "two"]
    assert bundle.default_task.name == "shapes"
    assert bundle.default_task.labels == ("class 0", "class 1", "class 2")
    assert np.array_equal(bundle.tasks["two"].words, other_task(NET).words)
    assert bundle.vectors["shapes"].digest == vectors_of(NET).digest
    assert bundle.device_file("csim") == path.parent / "csim" / "device"
    assert set(bundle.versions) == {"semifreddo"}


def test_same_bundle_same_bytes(path: Path) -> None:
    again = path.with_name("again.sfb")
    write_bundle(again, Bundle.load(path))
    assert again.read_bytes() == path.read_bytes()
    assert not list(path.parent.glob(".*"))


def test_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as handle:
            handle.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(path, bundle_of(NET))
    assert path.read_bytes() == old
    assert not list(path.parent.glob(".*"))


def drop(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.pop(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("device"), "damaged"),
        (drop("members"), "damaged"),
        (drop("transports"), "damaged"),
        (lambda m: m.update(format="semifreddo-bundle/9"), "manifest is not semifreddo-bundle/1"),
        (lambda m: m.update(task="none"), "the first task 'none' is not in the bundle"),
        (lambda m: m["device"].update(net="other"), "describes another device"),
        (lambda m: m["device"]["address_map"].update(words=1), "describes another device"),
        (lambda m: m["members"].update({"tasks/x.json": "0"}), "not both present and in the"),
        (lambda m: m["members"].update({"net.json": "0"}), "does not have the digest"),
        (lambda m: m["transports"]["csim"].update(path="../../bin/sh"), "not a path below"),
        (lambda m: m["transports"]["csim"].update(path="/bin/sh"), "not a path below"),
        (lambda m: m["transports"]["csim"].update(sha256="x"), "has no SHA-256"),
        (lambda m: m["transports"].update({"../x": m["transports"]["csim"]}), "transport name"),
    ],
)
def test_wrong_manifest(
    path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_manifest(path, change)
    with pytest.raises(BundleError, match=f"^{re.escape(str(path))}: .*{message}"):
        Bundle.load(path)


@pytest.mark.parametrize("name", ["run.py", "../net.json", "tasks/../../x.json", "tasks/.json"])
def test_unexpected_member(path: Path, name: str) -> None:
    rewrite(path, resign(members(path) | {name: b"{}"}))
    with pytest.raises(BundleError, match="unexpected member"):
        Bundle.load(path)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.sfb: no such bundle"):
        Bundle.load(tmp_path / "none.sfb")
    (tmp_path / "text.sfb").write_text("hello")
    with pytest.raises(BundleError, match=r"text\.sfb: not a bundle, or damaged"):
        Bundle.load(tmp_path / "text.sfb")
    rewrite(tmp_path / "empty.sfb", {})
    with pytest.raises(BundleError, match=r"there is no manifest\.json"):
        Bundle.load(tmp_path / "empty.sfb")


def test_deeply_nested_json(path: Path) -> None:
    rewrite(path, resign(members(path) | {"net.json": b"[" * 200_000}))
    with pytest.raises(BundleError, match="nested too deeply"):
        Bundle.load(path)


def test_pickled_vectors_are_not_read(path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.array([{}], object), expected=np.zeros((1, 3), int))
    rewrite(path, resign(members(path) | {"vectors/shapes.npz": buffer.getvalue()}))
    with pytest.raises(BundleError, match="expected plain numbers"):
        Bundle.load(path)


def test_vectors_that_do_not_fit(path: Path) -> None:
    vectors = VectorSet(np.zeros((1, 4, 4, 1), int), np.zeros((1, 9), int))
    rewrite(path, resign(members(path) | {"vectors/shapes.npz": vectors.to_bytes()}))
    with pytest.raises(BundleError, match="vectors 'shapes' do not fit"):
        Bundle.load(path)


def test_decompression_bomb(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semifreddo.runtime.bundle._MAX_TEXT_BYTES", 1 << 10)
    with pytest.raises(BundleError, match=r"net\.json is larger than"):
        Bundle.load(path)
    monkeypatch.setattr("semifreddo.runtime.bundle.MAX_FILE_BYTES", 10)
    with pytest.raises(BundleError, match="so not a bundle"):
        Bundle.load(path)


def test_task_of_another_device(path: Path) -> None:
    foreign = other_task(blended(seed=5))
    rewrite(path, resign(members(path) | {"tasks/two.json": foreign.to_json().encode()}))
    with pytest.raises(BundleError, match="task 'two' was made for device blended"):
        Bundle.load(path)


def test_device_file(path: Path) -> None:
    bundle = Bundle.load(path)
    with pytest.raises(BundleError, match="no transport 'board'; it has: csim, pynq"):
        bundle.device_file("board")
    device = path.parent / "csim" / "device"
    device.write_bytes(b"other")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        bundle.device_file("csim")
    device.unlink()
    with pytest.raises(BundleError, match="is missing; keep it beside"):
        bundle.device_file("csim")


def test_every_damage_is_refused(path: Path) -> None:
    """1,000 bundles with changed bytes, cut, or with bytes put in: one line each."""
    good, rng = path.read_bytes(), random.Random(1)  # noqa: S311
    victim = path.with_name("victim.sfb")
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 3, 30))):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        elif rng.random() < 0.2:
            position = rng.randrange(len(data))
            data[position:position] = rng.randbytes(rng.randrange(1, 9))
        if data != good:
            assert _refused(victim, bytes(data))


def test_damaged_containers_with_a_right_seal_never_crash(path: Path) -> None:
    """The same damage, sealed: what zip ignores may be ignored, nothing else."""
    good, rng = path.read_bytes(), random.Random(3)  # noqa: S311
    victim = path.with_name("victim.sfb")
    refused = 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice((1, 3, 30))):
            data[rng.randrange(len(data) - 64)] ^= rng.randrange(1, 256)
        refused += _refused(victim, seal(bytes(data)))
    assert refused > 200


def test_mutated_members_with_right_digests_never_crash(path: Path) -> None:
    """The same, when the damage is signed: every parser behind the digests is reached."""
    good, rng = members(path), random.Random(2)  # noqa: S311
    victim = path.with_name("victim.sfb")
    refused = 0
    for _ in range(300):
        content = dict(good)
        name = rng.choice(list(content))
        data = bytearray(content[name])
        for _ in range(rng.choice((1, 2, 10))):
            position = rng.randrange(len(data))
            data[position] = rng.choice(b'0123456789-"[]{},:eEF\x00\xff' + bytes(range(32)))
        content[name] = bytes(data)
        try:
            content = content if name == "manifest.json" else resign(content)
        except ValueError:
            continue
        rewrite(victim, content)
        refused += _refused(victim, victim.read_bytes())
    assert refused > 150


def test_device_files_inside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = path.parent / "cache"
    monkeypatch.setenv("SEMIFREDDO_CACHE", str(cache))
    found = Bundle.load(path).device_file("pynq")
    assert found.name == "net.bit"
    assert found.read_bytes() == bytes(range(256))
    assert found.with_suffix(".hwh").read_text() == "<EDKSYSTEM/>"
    assert found.parent.parent == cache
    assert found.parent.stat().st_mode & 0o077 == 0
    found.write_bytes(b"swapped")
    assert Bundle.load(path).device_file("pynq").read_bytes() == bytes(range(256))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m["transports"].pop("pynq"),
            r"net\.sfb: device/pynq/net\.bit belongs to no transport$",
        ),
        (lambda m: m["transports"].update(pynq={"files": []}), "a transport without device files"),
        (lambda m: m["transports"]["pynq"].update(files=["../x"]), "damaged .*device/pynq/../x"),
        (lambda m: m["transports"]["pynq"].update(files=["x.bit"]), "damaged .*device/pynq/x.bit"),
    ],
)
def test_wrong_device_files(
    path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_manifest(path, change)
    with pytest.raises(BundleError, match=message):
        Bundle.load(path)


@pytest.mark.parametrize(
    "name", ["device/x", "device/../x/y", "device/pynq/../../y", "device/p/.y"]
)
def test_device_paths_that_leave_the_cache(path: Path, name: str) -> None:
    rewrite(path, resign(members(path) | {name: b"x"}))
    with pytest.raises(BundleError, match="unexpected member"):
        Bundle.load(path)


def test_names_of_device_files() -> None:
    with pytest.raises(BundleError, match=r"device file name '\.\./x' must be letters"):
        DeviceFiles({"../x": b""})


def _refused(victim: Path, data: bytes) -> bool:
    victim.write_bytes(data)
    try:
        Bundle.load(victim)
    except BundleError as error:
        assert "\n" not in str(error)
        return True
    return False


def test_the_manifest_says_which_values_may_be_loaded(tmp_path: Path) -> None:
    """Another program must not load a 0, which hardware of signs would take for one."""
    of_powers = {"w": [-8, -4, -2, -1, 0, 1, 2, 4, 8]}
    for net, expected in ((signs(), {"w": [-1, 1]}), (powers(), of_powers), (blended(), {})):
        path = tmp_path / f"{net.name}.sfb"
        write_bundle(path, bundle_of(net))
        device = json.loads(members(path)["manifest.json"])["device"]
        regions = device["address_map"]["regions"]
        found = {region["block"]: region["values"] for region in regions if "values" in region}
        assert found == expected


def test_contents_that_do_not_belong_together() -> None:
    made = bundle_of(NET)
    (name, task), vectors = next(iter(made.tasks.items())), vectors_of(NET, 2)
    for tasks, known, message in (
        ({}, {}, "holds no task"),
        ({name: task, "other": task}, {}, f"task {name!r} is filed as 'other'"),
        ({name: task}, {"other": vectors}, "vectors 'other' belong to no task"),
    ):
        with pytest.raises(BundleError) as error:
            Bundle(NET, tasks, known)
        assert str(error.value) == f"bundle: {message}"
    for wrong in (
        VectorSet(vectors.images[:, 1:], vectors.expected),
        VectorSet(vectors.images, vectors.expected[:, 1:]),
        VectorSet(vectors.images.astype(int) + 300, vectors.expected),
    ):
        with pytest.raises(BundleError) as error:
            Bundle(NET, {name: task}, {name: wrong})
        assert str(error.value) == f"bundle: vectors {name!r} do not fit the input of blended"


def test_archives_that_are_no_bundle(path: Path) -> None:
    content = members(path)

    def refusal(changed: dict[str, bytes], *twice: str) -> str:
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
            warnings.simplefilter("ignore")  # Python warns of a name that stands twice
            archive.comment = bytes(64)
            for name in (*changed, *twice):
                archive.writestr(name, changed[name])
        path.write_bytes(seal(path.read_bytes()))
        with pytest.raises(BundleError) as error:
            Bundle.load(path)
        return str(error.value).removeprefix(f"{path}: ").removeprefix("bundle: ")

    without = {name: data for name, data in content.items() if name != "net.json"}
    assert refusal(resign(without)) == "there is no net.json"
    bare = {name: data for name, data in content.items() if name != "manifest.json"}
    assert refusal(bare) == "there is no manifest.json"
    assert refusal(content, "net.json") == "members are listed twice, or too many"
    few = content | {"tasks/a.json": b"", "tasks/b.json": b""}
    assert refusal(few) == ("member 'tasks/a.json' is not both present and in the manifest"), (
        "the first of two"
    )
    damaged = content | {"net.json": content["net.json"] + b" "}
    assert refusal(damaged) == "net.json does not have the digest the manifest states"


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_members_as_there_may_be(
    path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr("semifreddo.runtime.bundle._MAX_MEMBERS", len(members(path)) - more)
    if not more:
        assert Bundle.load(path).net.name == "blended"
        return
    with pytest.raises(BundleError, match="members are listed twice, or too many"):
        Bundle.load(path)


def test_where_device_files_are_extracted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SEMIFREDDO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == tmp_path / ".cache" / "semifreddo"
    monkeypatch.setenv("XDG_CACHE_HOME", "/user")
    assert cache_folder() == Path("/user/semifreddo")
    monkeypatch.setenv("SEMIFREDDO_CACHE", "/own")
    assert cache_folder() == Path("/own")
