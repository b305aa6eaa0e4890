"""What a machine without pynq says."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from fakes import bundle_of
from nets import blended
from semifreddo.core.errors import TransportError
from semifreddo.runtime import Accelerator, Bundle, DeviceFiles, DeviceInfo, TransportFile
from semifreddo.runtime.pynq import open_pynq

NET = blended()


@pytest.fixture(autouse=True)
def no_pynq(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "semifreddo.runtime.plugins.find_spec", lambda name: None if name == "pynq" else find(name)
    )
    monkeypatch.setitem(sys.modules, "pynq", None)


def test_the_transport_says_so(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"pynq cannot be imported .*; it comes with a"):
        open_pynq(
            tmp_path / "net.bit",
            DeviceInfo(NET.name, NET.device_digest, "pynq"),
            image_shape=NET.input.shape,
            outputs=3,
            words=1,
        )


def test_a_bundle_falls_back_to_what_works_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semifreddo.runtime.plugins.transport_names", lambda: ["csim", "pynq"])
    bundle = dataclasses.replace(
        bundle_of(NET),
        transports={
            "pynq": DeviceFiles({"net.bit": b"", "net.hwh": b""}),
            "csim": TransportFile("csim/device", "0" * 64),
            "other": TransportFile("other", "0" * 64),
        },
    )
    with pytest.raises(
        TransportError,
        match=r"^blended: no transport of the bundle works here: pynq needs a board's PYNQ image, "
        r"csim needs csim/device beside the bundle, other is not installed; put the missing files",
    ):
        Accelerator.open(bundle)


def test_nothing_to_choose_from() -> None:
    assert isinstance(bundle_of(NET), Bundle)
    with pytest.raises(TransportError, match="works here: it has none; put the missing files"):
        Accelerator.open(bundle_of(NET))
