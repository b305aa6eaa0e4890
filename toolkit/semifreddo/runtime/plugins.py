"""Finds the code that drives a kind of device, among installed packages."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec

from semifreddo.core.errors import SemifreddoError, TransportError
from semifreddo.runtime.bundle import Bundle
from semifreddo.runtime.device_files import TransportFile
from semifreddo.runtime.transport import DeviceInfo, Transport, TransportFactory

GROUP = "semifreddo.transports"
"""Entry-point group: name of a transport -> its :class:`~.transport.TransportFactory`."""


def transport_names() -> list[str]:
    """Transports that installed packages provide."""
    return sorted({entry.name for entry in metadata.entry_points(group=GROUP)})


def _factory(name: str) -> TransportFactory:
    for entry in metadata.entry_points(group=GROUP):
        if entry.name == name:
            try:
                factory: TransportFactory = entry.load()
                return factory
            except (ImportError, AttributeError) as error:
                raise TransportError(f"transport {name!r}: cannot be imported ({error})") from error
    raise TransportError(f"transport {name!r}: no installed package provides it")


def _choose(bundle: Bundle) -> str:
    """The first transport of a bundle that can work here."""
    installed = transport_names()
    obstacles = []
    for name, entry in bundle.transports.items():
        if name not in installed:
            obstacles.append(f"{name} is not installed")
        elif name == "pynq" and find_spec("pynq") is None:
            obstacles.append("pynq needs a board's PYNQ image")
        elif isinstance(entry, TransportFile) and not bundle.has_file(entry):
            obstacles.append(f"{name} needs {entry.path} beside the bundle")
        else:
            return name
    raise TransportError(
        f"{bundle.net.name}: no transport of the bundle works here: "
        f"{', '.join(obstacles) or 'it has none'}; put the missing files beside the bundle, or "
        "open it where one works"
    )


def open_transport(bundle: Bundle, name: str | None = None) -> Transport:
    """Open a device of a bundle.

    Args:
        bundle: The bundle; the transport's device file is proven before it is used.
        name: Which transport; None takes the first of the bundle that can work here.

    Raises:
        BundleError: The bundle has no such transport, or its device file is missing or changed.
        TransportError: The transport is not installed or the device does not open.
    """
    if name is None:
        name = _choose(bundle)
    path = bundle.device_file(name)
    net = bundle.net
    info = DeviceInfo(net.name, net.device_digest, name, (net.input.type, net.output.type))
    try:
        transport: Transport = _factory(name)(
            path,
            info,
            image_shape=net.input.shape,
            outputs=net.output.pixels * net.output.channels,
            words=int(bundle.default_task.words.size),
        )
    except SemifreddoError:
        raise
    except OSError as error:
        raise TransportError(f"{path}: cannot be opened ({error})") from error
    return transport
