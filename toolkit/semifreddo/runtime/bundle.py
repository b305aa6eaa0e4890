"""The bundle: one ``.sfb`` file with all a runtime needs to know about a built device.

It is a zip file of data, never code::

    manifest.json         device, formats, address map, transports, digests of all other members
    net.json              the StreamNet (semifreddo.ir.serial)
    tasks/<task>.json     one or more tasks; the manifest names the one to start with
    vectors/<task>.npz    golden images and answers of a task
    device/<transport>/*  device files of a transport: a bitstream and its handoff

The zip file's comment is the SHA-256 of everything before it, so that no damage goes unnoticed.
Device files that only serve the machine they were built on (the C simulation's executable) lie
beside the bundle; the manifest holds their relative path and digest. Either way the digest is
proven before a device is touched.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from semifreddo import __version__
from semifreddo.core.arrays import DAMAGE
from semifreddo.core.digest import digest_bytes, digest_file
from semifreddo.core.errors import BundleError, SemifreddoError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Stream
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import net_from_json, net_to_json
from semifreddo.ir.task import Task
from semifreddo.runtime.device_files import DeviceFiles, TransportFile, check_name

FORMAT = "semifreddo-bundle/1"
SUFFIX = ".sfb"

MAX_FILE_BYTES = 1 << 30
_MAX_MANIFEST_BYTES = 4 << 20
_MAX_TEXT_BYTES = 256 << 20
_MAX_VECTORS_BYTES = 1 << 30
_MAX_DEVICE_BYTES = 256 << 20
_MAX_MEMBERS = 4096
_SEAL_BYTES = 64

_MEMBER = re.compile(
    r"manifest\.json|net\.json|tasks/[A-Za-z0-9][\w.-]{0,99}\.json"
    r"|vectors/[A-Za-z0-9][\w.-]{0,99}\.npz"
    r"|device/[A-Za-z0-9][\w.-]{0,99}/[A-Za-z0-9][\w.-]{0,99}",
    re.ASCII,
)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A built device as data.

    Attributes:
        net: The network the device computes; its loadable values are those of the first task.
        tasks: Tasks by name; the first is loaded when the device is opened.
        vectors: Golden vectors by task name.
        transports: Device files by transport name, in order of preference.
        versions: What made the bundle, e.g. ``{"semifreddo": "0.1.0"}``.
        folder: Where the device files' paths start; None for a bundle that is not in a file.
    """

    net: StreamNet
    tasks: Mapping[str, Task]
    vectors: Mapping[str, VectorSet] = field(default_factory=dict)
    transports: Mapping[str, TransportFile | DeviceFiles] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=lambda: {"semifreddo": __version__})
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not self.tasks:
            raise BundleError("bundle: holds no task")
        for name, task in self.tasks.items():
            check_name("task", name)
            if name != task.name:
                raise BundleError(f"bundle: task {task.name!r} is filed as {name!r}")
            task.check(self.net.name, self.net.device_digest, self.net.output.channels)
            AddressMap.of(self.net).unpack(task.words)
        for name, vectors in self.vectors.items():
            self._check_vectors(name, vectors)
        for name in self.transports:
            check_name("transport", name)

    def _check_vectors(self, name: str, vectors: VectorSet) -> None:
        if name not in self.tasks:
            raise BundleError(f"bundle: vectors {name!r} belong to no task")
        stream, outputs = self.net.input, _outputs(self.net)
        fits = vectors.images.shape[1:] == stream.shape and vectors.expected.shape[1] == outputs
        if not fits or not stream.type.holds(vectors.images):
            raise BundleError(f"bundle: vectors {name!r} do not fit the input of {self.net.name}")

    @property
    def default_task(self) -> Task:
        """The task to start with."""
        return next(iter(self.tasks.values()))

    def device_file(self, transport: str) -> Path:
        """The device file of a transport, its digest proven; files in the bundle are extracted.

        Raises:
            BundleError: The bundle has no such transport, or the file is missing or another one.
        """
        entry = self.transports.get(transport)
        if isinstance(entry, DeviceFiles):
            return entry.extract()
        if entry is None or self.folder is None:
            known = ", ".join(self.transports) or "none"
            raise BundleError(f"bundle: no transport {transport!r}; it has: {known}")
        path = self._beside(entry, self.folder)
        if not path.is_file():
            raise BundleError(
                f"{path}: the device file of transport {transport!r} is missing; keep it beside "
                "the bundle, or build again"
            )
        if digest_file(path) != entry.sha256:
            raise BundleError(
                f"{path}: is not the file this bundle was made with (SHA-256 differs); build again"
            )
        return path

    @staticmethod
    def _beside(entry: TransportFile, folder: Path) -> Path:
        return folder.joinpath(*PurePosixPath(entry.path).parts)

    def has_file(self, entry: TransportFile) -> bool:
        """Whether a device file lies beside the bundle."""
        return self.folder is not None and self._beside(entry, self.folder).is_file()

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and prove a bundle.

        Raises:
            BundleError: Missing, too large, damaged, or not a bundle.
        """
        if not path.is_file():
            raise BundleError(f"{path}: no such bundle")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BundleError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so not a bundle")
        try:
            data = path.read_bytes()
            if digest_bytes(data[:-_SEAL_BYTES]).encode() != data[-_SEAL_BYTES:]:
                raise BundleError(
                    "not a bundle, or damaged (its digest is not that of its content)"
                )
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members, manifest = _read_members(archive)
            return _bundle_of(members, manifest, path.resolve().parent)
        except SemifreddoError as error:
            raise BundleError(f"{path}: {str(error).removeprefix('bundle: ')}") from error
        except DAMAGE as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise BundleError(f"{path}: not a bundle, or damaged ({detail})") from error


def _outputs(net: StreamNet) -> int:
    return net.output.pixels * net.output.channels


def _describe_stream(stream: Stream) -> dict[str, Any]:
    return {"name": stream.name, "shape": list(stream.shape), "type": str(stream.type)}


def _describe_device(net: StreamNet) -> dict[str, Any]:
    """What another program needs to drive the device without reading the net."""
    address_map = AddressMap.of(net)
    return {
        "net": net.name,
        "device_digest": net.device_digest,
        "input": _describe_stream(net.input),
        "output": _describe_stream(net.output),
        "address_map": {
            "words": address_map.words,
            "regions": [
                {
                    "block": region.block,
                    "role": region.role,
                    "offset_words": region.offset_words,
                    "rows": region.rows,
                    "channels": region.channels,
                    "bits": region.bits,
                    **({"values": list(region.listed)} if region.listed else {}),
                }
                for region in address_map.regions
            ],
        },
    }


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.filename == "manifest.json":
        limit = _MAX_MANIFEST_BYTES
    elif info.filename.startswith("device/"):
        limit = _MAX_DEVICE_BYTES
    else:
        limit = _MAX_VECTORS_BYTES if info.filename.endswith(".npz") else _MAX_TEXT_BYTES
    with archive.open(info) as handle:
        data = handle.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"bundle: {info.filename} is larger than {limit >> 20} MiB")
    return data


def _read_members(archive: zipfile.ZipFile) -> tuple[dict[str, bytes], dict[str, Any]]:
    """All members but the manifest, in manifest order and with proven digests; the manifest."""
    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) != len(archive.infolist()) or len(infos) > _MAX_MEMBERS:
        raise BundleError("bundle: members are listed twice, or too many")
    for name in infos:
        if not _MEMBER.fullmatch(name):
            raise BundleError(f"bundle: unexpected member {name[:100]!r}")
    if "manifest.json" not in infos:
        raise BundleError("bundle: there is no manifest.json")
    manifest = parse_json(_read_member(archive, infos.pop("manifest.json")))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(f"bundle: the manifest is not {FORMAT}")
    digests = manifest["members"]
    if set(digests) != set(infos):
        odd = sorted(set(digests) ^ set(infos))[0]
        raise BundleError(f"bundle: member {odd!r} is not both present and in the manifest")
    members = {name: _read_member(archive, infos[name]) for name in digests}
    for name, data in members.items():
        if digest_bytes(data) != digests[name]:
            raise BundleError(f"bundle: {name} does not have the digest the manifest states")
    return members, manifest


def _bundle_of(members: Mapping[str, bytes], manifest: dict[str, Any], folder: Path) -> Bundle:
    if "net.json" not in members:
        raise BundleError("bundle: there is no net.json")
    net = net_from_json(members["net.json"].decode(), "net.json")
    if manifest["device"] != _describe_device(net):
        raise BundleError("bundle: the manifest describes another device than net.json")
    stems = {name: PurePosixPath(name).stem for name in members}
    start = str(manifest["task"])
    found = {
        stems[name]: Task.from_json(data.decode(), name)
        for name, data in members.items()
        if name.startswith("tasks/")
    }
    if start not in found:
        raise BundleError(f"bundle: the first task {start[:100]!r} is not in the bundle")
    return Bundle(
        net=net,
        tasks={start: found.pop(start)} | found,
        vectors={
            stems[name]: VectorSet.from_bytes(data, name, limit_bytes=_MAX_VECTORS_BYTES)
            for name, data in members.items()
            if name.startswith("vectors/")
        },
        transports=_transports_of(members, manifest["transports"]),
        versions={str(name): str(version) for name, version in manifest["versions"].items()},
        folder=folder,
    )


def _transports_of(
    members: Mapping[str, bytes], entries: Mapping[str, Any]
) -> dict[str, TransportFile | DeviceFiles]:
    found: dict[str, TransportFile | DeviceFiles] = {}
    used = set()
    for name, entry in entries.items():
        if "files" not in entry:
            found[name] = TransportFile(str(entry["path"]), str(entry["sha256"]))
            continue
        paths = {str(file): f"device/{name}/{file}" for file in entry["files"]}
        found[name] = DeviceFiles({file: members[path] for file, path in paths.items()})
        used |= set(paths.values())
    odd = sorted({name for name in members if name.startswith("device/")} - used)
    if odd:
        raise BundleError(f"bundle: {odd[0]} belongs to no transport")
    return found


def _describe_transport(entry: TransportFile | DeviceFiles) -> dict[str, Any]:
    if isinstance(entry, DeviceFiles):
        return {"files": list(entry.content)}
    return {"path": entry.path, "sha256": entry.sha256}


def _to_bytes(bundle: Bundle) -> bytes:
    members = {"net.json": net_to_json(bundle.net).encode()}
    members |= {
        f"tasks/{name}.json": task.to_json().encode() for name, task in bundle.tasks.items()
    }
    members |= {f"vectors/{name}.npz": data.to_bytes() for name, data in bundle.vectors.items()}
    members |= {
        f"device/{name}/{file}": data
        for name, entry in bundle.transports.items()
        if isinstance(entry, DeviceFiles)
        for file, data in entry.content.items()
    }
    manifest = {
        "format": FORMAT,
        "device": _describe_device(bundle.net),
        "task": bundle.default_task.name,
        "transports": {
            name: _describe_transport(entry) for name, entry in bundle.transports.items()
        },
        "versions": dict(bundle.versions),
        "members": {name: digest_bytes(data) for name, data in members.items()},
    }
    members = {"manifest.json": (json.dumps(manifest, indent=1) + "\n").encode()} | members
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = bytes(_SEAL_BYTES)
        for name, data in members.items():
            info = zipfile.ZipInfo(name)  # carries the fixed date 1980-01-01
            info.create_system = 3
            info.external_attr = 0o644 << 16
            packed = name.endswith(".npz")
            info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return seal(buffer.getvalue())


def seal(data: bytes) -> bytes:
    """Write the digest into the last bytes of a zip file, its comment."""
    body = data[:-_SEAL_BYTES]
    return body + digest_bytes(body).encode()


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle: the same bundle gives the same bytes, and the file appears whole or not.

    Args:
        path: Where to; the device files' paths are relative to its folder.
        bundle: What to write.
    """
    write_atomic(path, _to_bytes(bundle))
