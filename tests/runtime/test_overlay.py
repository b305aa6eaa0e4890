"""What a bitstream's handoff must have in it; the rest of it needs PYNQ (``tests/pynq_board``)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from semifreddo.core.errors import TransportError
from semifreddo.runtime.overlay import _entry


@pytest.mark.parametrize(
    ("there", "known"), [({"dma_1": {}, "axi_gpio": {}}, "axi_gpio, dma_1"), ({}, "nothing")]
)
def test_a_handoff_without_the_core_says_what_it_has(there: dict[str, object], known: str) -> None:
    overlay = SimpleNamespace(ip_dict=there)
    with pytest.raises(TransportError) as error:
        _entry(overlay, Path("a/net.bit"), "semifreddo")
    assert str(error.value) == (
        f"a/net.hwh: there is no semifreddo in it, only {known}; it is not the handoff of a "
        "semifreddo bitstream"
    )


def test_an_entry_of_a_handoff() -> None:
    overlay = SimpleNamespace(ip_dict={"semifreddo": {"phys_addr": 4}})
    assert _entry(overlay, Path("net.bit"), "semifreddo") == {"phys_addr": 4}
