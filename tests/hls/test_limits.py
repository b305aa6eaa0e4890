"""Every network is within all limits of the tools, or refused in one line: swept, and compiled."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from hls.builders import Builder
from hls.test_csim import PART, scheduled
from semifreddo.core.errors import ProjectError, ToolError
from semifreddo.hls import plan_project
from semifreddo.hls.csim import compiler
from semifreddo.hls.limits import check_limits
from semifreddo.hls.schedule import LayerSchedule, ScheduledNet, default_schedule
from semifreddo.ir.address_map import Region
from semifreddo.ir.net import StreamNet
from semifreddo.tools.runner import run

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

CHANNELS = (1, 3, 16, 64, 65, 83, 84, 113, 114, 128, 129, 256, 257, 455, 456, 512, 513, 1024)
MIXES = (0.0, 0.5, 1.0)


def layer(channels: int, kernel: int, bits: int, mix: float, outputs: int = 2) -> StreamNet:
    b = Builder((8, 8, channels))
    b.conv(
        "conv", "image", outputs, kernel=(kernel, kernel), bits=bits, frozen=mix, bias_frozen=mix
    )
    return b.net("swept")


def refusal(net: StreamNet) -> str:
    try:
        check_limits(ScheduledNet(net, default_schedule(net)))
    except ProjectError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kernel", range(1, 8))
def test_the_sweep(kernel: int) -> None:
    for channels, bits, mix in itertools.product(CHANNELS, (2, 5, 8), MIXES):
        said = refusal(layer(channels, kernel, bits, mix))
        if channels > 512:
            assert said.startswith("swept: layer 'image': a pixel of"), said
        elif channels * kernel * kernel > 4096:
            assert said == (
                f"swept: layer 'conv' has {channels * kernel * kernel} values in a window, HLS "
                "takes at most 4096; make it smaller, or build the RTL core"
            )
        else:
            assert not said


def test_multiplications_and_images_in_registers() -> None:
    b = Builder((4, 4, 256))
    b.linear("head", "image", 2)
    net = b.net()
    check_limits(scheduled(net))
    with pytest.raises(ProjectError, match=r"'head' has 8192 multiplications at once, HLS takes"):
        check_limits(scheduled(net, head=LayerSchedule(rows_per_cycle=4096)))
    b = Builder((8, 8, 128))
    b.linear("head", "image", 2, frozen=1.0)
    net = b.net()
    assert default_schedule(net).layers["head"].frozen == "constants"
    with pytest.raises(ProjectError, match=r"'head' has 8192 values of an image in registers, HLS"):
        check_limits(scheduled(net, head=LayerSchedule(frozen="adders")))
    with pytest.raises(ProjectError, match=r"^net: layer 'image': a pixel of 513 channels of 8"):
        plan_project(scheduled(_many()), **PART)


def _many() -> StreamNet:
    b = Builder((2, 2, 513))
    b.linear("head", "image", 2)
    return b.net()


def compile_exactly(net: StreamNet, folder: Path) -> None:
    """With the types that synthesis sees, and integers as wide as the tools' default allows."""
    files = plan_project(scheduled(net), **PART).files
    for name, data in files.items():
        if name.startswith("firmware/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    command = [compiler(), "-std=c++11", "-fsyntax-only", "-DSEMIFREDDO_EXACT", "-w"]
    source = f"firmware/{net.name}.cpp"
    run(
        [*command, "-isystem", "firmware/ap_types", source],
        cwd=folder,
        timeout_s=120,
        log=folder / "log",
    )


@pytest.mark.parametrize("outputs", [129])
def test_wide_rows_compile(tmp_path: Path, outputs: int) -> None:
    b = Builder((2, 2, 2))
    b.conv("conv", "image", outputs, kernel=(1, 1), padding=(0, 0, 0, 0), bits=8, bias_frozen=0.0)
    compile_exactly(b.net("wide"), tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("widest_integer = 1024", "widest_integer = 96"),
        ("widest_stream = 4096", "widest_stream = 15"),
        ("most_elements = 4096", "most_elements = 17"),
    ],
)
def test_the_headers_check_the_limits_too(tmp_path: Path, old: str, new: str) -> None:
    """A limit below what a project needs fails to compile, or is kept by more parts."""
    b = Builder((4, 4, 2))
    b.conv("conv", "image", 30, bias_frozen=0.0, bits=8)
    net = b.net("checked")
    files = plan_project(scheduled(net), **PART).files
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data.replace(old.encode(), new.encode()))
    command = [compiler(), "-std=c++11", "-fsyntax-only", "-DSEMIFREDDO_EXACT", "-w"]
    command += ["-isystem", "firmware/ap_types", "firmware/checked.cpp"]
    options = {"cwd": tmp_path, "timeout_s": 120, "log": tmp_path / "log"}
    if "integer" in old:
        run(command, **options)
        return
    with pytest.raises(ToolError):
        run(command, **options)
    assert "static assertion failed" in (tmp_path / "log").read_text()


_ROUND_TRIP = """
#include <cstdio>
#include "semifreddo_task.h"
typedef semifreddo::row<83, 13, true> row;
int main() {
    static_assert(row::n_parts == 2, "");
    row::part rows[2][2][row::n_parts];
    hls::stream<semifreddo::word> task;
    for (unsigned i = 0; i < 4 * row::n_words; i++) {
        task.write(i * 2654435761u ^ i << 7);
    }
    semifreddo::take_rows<row, 2, 2>(task, rows);
    for (unsigned r = 0; r < 4; r++) {
        for (unsigned c = 0; c < 83; c++) {
            printf("%d ", (int)row::get(rows[r / 2][r % 2], c));
        }
    }
}
"""


def test_a_row_in_two_parts_holds_its_values(tmp_path: Path) -> None:
    """83 values of 13 bits: one of them lies across both parts."""
    files = plan_project(scheduled(layer(1, 1, 8, 0.0)), **PART).files
    for name, data in files.items():
        if name.startswith("firmware/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    (tmp_path / "row.cpp").write_text(_ROUND_TRIP)
    command = [compiler(), "-std=c++11", "-DSEMIFREDDO_EXACT", "-w", "-isystem"]
    command += ["firmware/ap_types", "-Ifirmware/nnet_utils", "row.cpp", "-o", "row"]
    run(command, cwd=tmp_path, timeout_s=120, log=tmp_path / "log")
    run([tmp_path / "row"], cwd=tmp_path, timeout_s=20, log=tmp_path / "values")
    region = Region("w", "weight", 0, 4, 83, 13, -4096, 4095)
    index = np.arange(region.words, dtype=np.uint32)
    words = (index * np.uint32(2654435761)) ^ (index << np.uint32(7))
    used = words.reshape(4, -1).copy()
    used[:, -1] &= (1 << region.row_bits % 32) - 1
    expected = region.unpack(used.reshape(-1))
    assert (tmp_path / "values").read_text().split() == [str(value) for value in expected.flat]
