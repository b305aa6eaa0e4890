"""Handoffs that Vivado wrote, through PYNQ's own parser, our reader, and our runtime.

Two come with PYNQ's metadata package (an HLS core behind a DMA on a Zynq-7000, a radio on an
RFSoC); more are benchmark data.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nets import blended
from semifreddo.core.errors import TransportError
from semifreddo.core.hls_registers import Argument, places
from semifreddo.runtime import DeviceInfo
from semifreddo.runtime.pynq import open_pynq
from semifreddo.vivado.handoff import parse_handoff, registers_of

DATA = Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
REPORTS = DATA / "tool_reports"
CONTROL = {"CTRL", "GIER", "IP_IER", "IP_ISR"}
NAMES = ("resizer.hwh", "rfsoc_sam.hwh", "vivado_hls/design_1.hwh")
MHZ = 1000.0


def real(name: str) -> Path:
    """A file of PYNQ's package, or of the benchmark data."""
    spec = importlib.util.find_spec("pynqmetadata")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "tests" / "hwhs" / name
    path = path if path.is_file() else REPORTS / name
    if not path.is_file():
        pytest.skip(f"{name} is not here (SEMIFREDDO_DATA)")
    return path


def parsed(path: Path) -> Any:
    """What PYNQ makes of it."""
    from pynq.pl_server.embedded_device import Metadata, RuntimeMetadataParser

    return RuntimeMetadataParser(Metadata(str(path)))


@pytest.mark.parametrize("name", NAMES)
def test_both_readers_see_the_same_registers(name: str) -> None:
    path = real(name)
    text = path.read_text()
    seen = 0
    for instance, entry in parsed(path).ip_dict.items():
        theirs = {key: int(at["address_offset"]) for key, at in entry.get("registers", {}).items()}
        if theirs:
            assert registers_of(text, instance) == theirs, instance
            seen += len(theirs)
    assert seen or name == "rfsoc_sam.hwh"  # none of its blocks tells registers
    assert registers_of(text, "nobody_0") is None


@pytest.mark.parametrize(
    ("name", "version", "memory"),
    [
        ("resizer.hwh", "2019.2", 512 << 20),
        ("rfsoc_sam.hwh", "2020.2", None),  # no DMA of its own
        ("vivado_hls/design_1.hwh", "2019.2", 512 << 20),
    ],
)
def test_the_clock_is_the_one_that_pynq_divides(
    name: str, version: str, memory: int | None
) -> None:
    path = real(name)
    made = parse_handoff(path.read_text())
    assert (made.version, made.dma_bytes) == (version, memory)
    divided = parsed(path).clock_dict[0]
    product = divided["divisor0"] * divided["divisor1"]
    assert made.clock_mhz is not None and divided["enable"]
    # PYNQ knows the dividers only; the PLL makes a multiple of the oscillator's 33.3 MHz.
    ratio = made.clock_mhz * product / (MHZ / 30)
    assert abs(ratio - round(ratio)) < 1e-3


def test_registers_of_a_real_hls_core_follow_the_rules() -> None:
    """Scalars in the order of the arguments, two words each."""
    found = registers_of(real("resizer.hwh").read_text(), "resize_accel_0")
    assert found is not None and set(found) > CONTROL
    scalars = [Argument(name, 1) for name in found if name not in CONTROL]
    assert len(scalars) == 4
    assert {name: at for name, (at, _) in places(scalars).items()} == {
        name: at for name, at in found.items() if name not in CONTROL
    }


@pytest.mark.parametrize("name", ["resizer.hwh", "vivado_hls/design_1.hwh"])
def test_somebody_elses_overlay_is_refused_by_name(board: Any, tmp_path: Path, name: str) -> None:
    from semifreddo.core.block_design import ZYNQ7

    (tmp_path / "other.bit").write_bytes(b"bits")
    (tmp_path / "other.hwh").write_bytes(real(name).read_bytes())
    net = blended()
    board(ps=ZYNQ7)
    with pytest.raises(TransportError, match=r"no (semifreddo_0|axi_dma_0) in it, only|Zynq-7000"):
        open_pynq(
            tmp_path / "other.bit",
            DeviceInfo(net.name, net.device_digest, "pynq"),
            image_shape=net.input.shape,
            outputs=3,
            words=23,
        )


VOCABULARY = Path(__file__).parents[1] / "fake_tools" / "xilinx" / "vocabulary"
ELSEWHERE = {"axi_intc", "xlconcat", "smartconnect"}
"""Blocks that none of these designs has; their properties were seen in public scripts."""


def allowed(values: str, value: str) -> bool:
    """Whether a value is one of those that the fake tools take."""
    if values in ("any", "number"):
        return True
    low, dots, high = values.partition("..")
    return int(low) <= int(value) <= int(high) if dots else value in values.split(",")


@pytest.mark.parametrize("name", NAMES)
def test_the_fake_tools_know_properties_that_exist(name: str) -> None:
    """Every property of a block that is in the design, and its value there."""
    lines = (VOCABULARY / "properties.txt").read_text().splitlines()
    table = [line.split("|") for line in lines if line and line[0] not in "#@"]
    root = ElementTree.parse(real(name)).getroot()  # noqa: S314 -- Vivado wrote it
    seen = set()
    for module in root.iter("MODULE"):
        values = {p.get("NAME", "").lower(): p.get("VALUE", "") for p in module.iter("PARAMETER")}
        for block, key, accepted, *_ in table:
            if block == module.get("MODTYPE"):
                assert allowed(accepted, values[key.lower()]), (block, key)
                seen.add(block)
    assert seen and seen <= {block for block, *_ in table} - ELSEWHERE


def test_a_handoff_without_a_processor() -> None:
    """Of the design that Vitis HLS exports for a trial run: there is nothing to drive."""
    path = real("vitis_hls/bd_0.hwh")
    made = parse_handoff(path.read_text())
    assert (made.clock_mhz, made.dma_bytes) == (None, None)
    assert registers_of(path.read_text(), "hls_inst") is not None
