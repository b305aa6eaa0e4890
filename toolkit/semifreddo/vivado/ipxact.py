"""What the IP-XACT description (``component.xml``) of a core tells of its AXI4-Lite registers.

Runs on the machine with Vivado too, with Python 3.8 or newer.
"""

from __future__ import annotations

from xml.etree import ElementTree

_NAMESPACE = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"


def parse_registers(text: str) -> dict[str, int]:
    """Byte offset of each register by name; empty if the text describes none."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 -- HLS wrote it, on this machine
    except ElementTree.ParseError:
        return {}
    found: dict[str, int] = {}
    for register in root.iter(f"{_NAMESPACE}register"):
        name = register.findtext(f"{_NAMESPACE}name", "")
        try:
            found[name] = int(register.findtext(f"{_NAMESPACE}addressOffset", ""), 0)
        except ValueError:
            continue
    return found
