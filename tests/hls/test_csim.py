"""The C simulation against the integer reference: equal means ==, for every layer's stream."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from hls.builders import (
    ACT,
    IMAGE,
    SIGNED,
    Builder,
    demo,
    random_images,
    random_values,
)
from nets import blended
from semifreddo.core.errors import TransportError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.core.vectors import VectorSet
from semifreddo.hls import plan_project
from semifreddo.hls.csim import build_csim
from semifreddo.hls.schedule import (
    HlsSchedule,
    LayerSchedule,
    ScheduledNet,
    default_schedule,
)
from semifreddo.hls.transport import CSimTransport, open_project
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Stream, Upsample
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.sim import reference
from strategies import nets

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

PART = {"part": "xc7z020clg400-1", "clock_ns": 10.0}
TIMEOUT_S = 30.0

RANDOM = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking would compile hundreds of programs
    suppress_health_check=list(HealthCheck),
)


def scheduled(net: StreamNet, **choices: LayerSchedule) -> ScheduledNet:
    """The default schedule with other choices for some layers, FIFO depths kept."""
    schedule = default_schedule(net)
    layers = dict(schedule.layers)
    for name, choice in choices.items():
        layers[name] = dataclasses.replace(choice, fifo_depth=layers[name].fifo_depth)
    return ScheduledNet(net, HlsSchedule(layers, schedule.input_fifo_depth))


def load(device: CSimTransport, net: StreamNet) -> None:
    device.load(AddressMap.of(net).pack(net), TIMEOUT_S)


def assert_equal_streams(device: CSimTransport, net: StreamNet, images: np.ndarray) -> None:
    expected = reference.trace(net, images)
    found = device.trace(images, TIMEOUT_S)
    assert list(found) == list(expected)
    wrong = [name for name in expected if not np.array_equal(found[name], expected[name])]
    assert not wrong, f"{wrong[0]}: {found[wrong[0]]} != {expected[wrong[0]]}"


def zoo() -> StreamNet:
    """Every layer kind in one net, so that one compilation tests them all."""
    b = Builder((7, 6, 2), FixedType.exact(8, 8, signed=False))
    b.conv("plain", "image", 4, frozen=0.5, bias_frozen=0.5, fracs=(3, 4, 2))
    b.conv("strided", "plain", 5, stride=(2, 1), padding=(0, 1, 1, 0), frozen=1.0, bits=8)
    b.conv(
        "wide",
        "plain",
        5,
        kernel=(2, 3),
        stride=(2, 1),
        padding=(0, 1, 0, 1),
        bias_frozen=0.0,
        kind=SIGNED,
    )
    b.cast("narrow", "strided", FixedType(5, 2, False, Rounding.FLOOR, Overflow.WRAP))
    b.conv("shrunk", "wide", 5, kernel=(1, 2), padding=(0, 0, 0, 0), frozen=0.4, bias_frozen=1.0)
    b.conv(
        "depth",
        "shrunk",
        5,
        depthwise=True,
        frozen=0.5,
        bias_frozen=0.5,
        fracs=(2, 3),
        kind=SIGNED,
    )
    b.conv("depth_frozen", "shrunk", 5, depthwise=True, frozen=1.0, bits=6)
    b.conv("depth_table", "shrunk", 5, depthwise=True, frozen=0.5, bits=6)
    b.add(
        "sum",
        "depth",
        "depth_frozen",
        kind=FixedType(7, 2, True, Rounding.HALF_AWAY, Overflow.SATURATE_SYMMETRIC),
    )
    b.blend("mixed", "sum", "depth_table", frozen=0.5, kind=SIGNED)
    b.blend("all_frozen", "mixed", "narrow", frozen=1.0)
    b.conv(
        "point",
        "all_frozen",
        6,
        kernel=(1, 1),
        padding=(0, 0, 0, 0),
        frozen=0.5,
        bits=2,
    )
    b.conv("table", "point", 4, frozen=0.5, bits=5)
    b.route("routed", ["point", "table"], [0, 7, 7, 2, 9, 5])
    b.route("picked", ["point"], [5, 1, 4, 0, 2, 3])
    b.add("twice", "routed", "routed")
    b.add("joined", "twice", "picked")
    b.max_pool("max_padded", "joined", (3, 3), (2, 2), (1, 0, 1, 1))
    b.max_pool("max_tiles", "joined", (2, 2), (2, 2), kind=SIGNED)
    b.avg_pool("mean_windows", "max_padded", (2, 1), (1, 1))
    b.avg_pool("mean_tiles", "max_tiles", (1, 2), (1, 2))
    b.linear("dense", "mean_windows", 5, frozen=0.4, bias_frozen=0.4, fracs=(3, 5), kind=ACT)
    b.linear("dense_loaded", "mean_tiles", 5, bias_frozen=1.0, kind=SIGNED)
    b.add("both", "dense", "dense_loaded", kind=SIGNED)
    b.conv("last", "both", 3, kernel=(1, 1), padding=(0, 0, 0, 0), frozen=1.0, bias_frozen=0.0)
    b.linear("logits", "last", 4, frozen=0.5)
    return b.net("zoo")


ZOO_CHOICES = {
    "plain": LayerSchedule(rows_per_cycle=18),
    "wide": LayerSchedule(rows_per_cycle=4),
    "table": LayerSchedule(rows_per_cycle=6, frozen="constants"),
    "depth_table": LayerSchedule(rows_per_cycle=3, frozen="constants"),
}


def check_zoo(root: Path, *, tool: str, exact: bool, tasks: int) -> None:
    net = zoo()
    project = root / f"zoo-{tool}-{exact}"
    plan_project(scheduled(net, **ZOO_CHOICES), tool=tool, **PART).write(project)
    with open_project(project, trace=True, exact=exact) as device:
        for seed in range(tasks):
            net = random_values(net, seed)
            load(device, net)
            assert_equal_streams(device, net, random_images(net, 5, seed))
            images = random_images(net, 3, seed + 100)
            assert np.array_equal(device.run(images, TIMEOUT_S), reference.run(net, images))


def test_exactly_sized_integers_compute_the_same(tmp_path: Path) -> None:
    """What synthesis sees: proves that no value leaves its generated width."""
    check_zoo(tmp_path, tool="vitis", exact=True, tasks=4)


def test_exactly_sized_blocks_compute_the_same(tmp_path: Path) -> None:
    """Values below zero, in blocks of other channels, on a stream of their own width."""
    signed = FixedType.exact(7, 2, signed=True)
    narrow = FixedType(5, 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    blocks = Upsample(
        inputs=("image",),
        output=Stream("blocks", (3, 4, 2), narrow),
        factor=(2, 2),
        origin=(1, 0),
        size=(3, 4),
        indices=(0, 2, 1, 1, 2, 0, 0, 1),
    )
    net = StreamNet("blocks", Stream("image", (2, 2, 3), signed), (blocks,), ())
    plan_project(scheduled(net), tool="vitis", **PART).write(tmp_path / "p")
    images = random_images(net, 20)
    assert (images < 0).any()
    with open_project(tmp_path / "p", exact=True) as device:
        assert np.array_equal(device.run(images, TIMEOUT_S), reference.run(net, images))


def shared_repeat() -> StreamNet:
    """A block used twice with shared loadable weights, and a net without anything else loadable."""
    b = Builder((4, 4, 3), IMAGE)
    first = b.conv("pass0", "image", 3, bias_frozen=0.0, shared="block", kind=ACT)
    second = b.conv("pass1", first, 3, bias_frozen=0.0, shared="block", kind=ACT)
    b.linear("logits", second, 2, frozen=1.0)
    b.repeats.append(Repeat("block", (("pass0",), ("pass1",))))
    return b.net("repeated")


def test_a_shared_block_reaches_every_pass_and_the_test_bench_passes(tmp_path: Path) -> None:
    net = random_values(shared_repeat(), 3)
    images = random_images(net, 6)  # starts of 1, 1, 1 and 3
    vectors = VectorSet(images, reference.run(net, images))
    project = tmp_path / "p"
    plan_project(scheduled(net), vectors=vectors, **PART).write(project)
    with open_project(project, workers=2) as device:
        assert (project / "csim" / "build" / "csim").is_file()  # not the exact one, which is slow
        load(device, net)
        assert np.array_equal(device.run(images, TIMEOUT_S), vectors.expected)
        many = random_images(net, 150)
        assert np.array_equal(device.run(many, TIMEOUT_S), reference.run(net, many))
        assert device.run(many[:0], TIMEOUT_S).shape == (0, 2)
    bench = compile_test_bench(project, net.name)
    assert run_bench(bench, project) == 0
    (project / "tb_data" / "expected.dat").write_text("1 2\n" * 6)
    assert run_bench(bench, project) == 1
    pixels = (project / "tb_data" / "images.dat").read_text().split()
    part = pixels[: 5 * len(pixels) // 12]  # of 6 images: two and a half
    for images_text, expected_text in (("", ""), (" ".join(part), "1 2\n" * 2)):
        (project / "tb_data" / "images.dat").write_text(images_text)
        (project / "tb_data" / "expected.dat").write_text(expected_text)
        assert run_bench(bench, project) == 2


def compile_test_bench(project: Path, name: str) -> Path:
    from semifreddo.hls.csim import compiler
    from semifreddo.tools.runner import run

    bench = project / "bench"
    sources = [f"firmware/{name}.cpp", f"{name}_test.cpp"]
    command = [compiler(), "-std=c++14", "-O0", "-Ifirmware/ap_types", *sources, "-o", bench]
    run(command, cwd=project, timeout_s=120, log=project / "bench.log", outputs=[bench])
    return bench


def run_bench(bench: Path, project: Path) -> int:
    from semifreddo.core.errors import ToolError
    from semifreddo.tools.runner import run

    try:
        run([bench], cwd=project, timeout_s=60, log=project / "run.log")
    except ToolError as error:
        found = re.search(r"exit code (\d+)", str(error))
        assert found is not None
        return int(found[1])
    return 0


def test_a_task_does_not_change_the_sources(tmp_path: Path) -> None:
    net = zoo()
    plans = [plan_project(scheduled(random_values(net, seed)), **PART) for seed in (1, 2)]
    differing = [name for name in plans[0].files if plans[0].files[name] != plans[1].files[name]]
    assert differing == ["tb_data/task_words.dat"]


def test_frozen_weights_are_in_the_sources() -> None:
    one, other = (plan_project(scheduled(frozen_net(seed)), **PART).files for seed in (0, 1))
    name = "firmware/nnet_utils/nnet_code_gen.h"
    assert one[name] != other[name]
    assert b"task_memory" not in one["firmware/frozen.h"]


def frozen_net(seed: int) -> StreamNet:
    b = Builder((4, 4, 1), IMAGE, seed)
    b.conv("conv", "image", 2, frozen=1.0)
    return b.net("frozen")


def test_a_net_without_loadable_values(tmp_path: Path) -> None:
    net = frozen_net(0)
    plan_project(scheduled(net), **PART).write(tmp_path / "p")
    with open_project(tmp_path / "p") as device:
        device.load(np.zeros(0, np.uint32), TIMEOUT_S)
        images = random_images(net, 4)
        assert np.array_equal(device.run(images, TIMEOUT_S), reference.run(net, images))


def check_random(net: StreamNet, root: Path) -> None:
    plan_project(scheduled(net), **PART).write(root / net.device_digest)
    with open_project(root / net.device_digest, trace=True) as device:
        for seed in range(2):
            net = random_values(net, seed)
            load(device, net)
            assert_equal_streams(device, net, random_images(net, 6, seed))


def test_random_nets(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("random")

    @settings(RANDOM, max_examples=2)
    @given(nets(max_steps=6))
    def check(net: StreamNet) -> None:
        check_random(net, root)

    check()


@pytest.mark.slow
def test_many_random_nets(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("random")

    @settings(RANDOM, max_examples=40)
    @given(nets(max_steps=6))
    def check(net: StreamNet) -> None:
        check_random(net, root)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_demo_network(tmp_path: Path, bits: int) -> None:
    net = random_values(demo(bits=bits), 1)
    plan_project(scheduled(net), **PART).write(tmp_path / "p")
    with open_project(tmp_path / "p") as device:
        load(device, net)
        images = random_images(net, 100)
        assert np.array_equal(device.run(images, TIMEOUT_S), reference.run(net, images))


def test_an_unchanged_project_is_not_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setenv("CXX", str(Path(__file__).parents[1] / "fake_tools" / "compiler"))
    monkeypatch.setenv("FAKE_COMPILER_CALLS", str(calls))
    project, program = tmp_path / "p", tmp_path / "out" / "program"
    plan_project(scheduled(frozen_net(0)), **PART).write(project)

    def build(**options: bool) -> int:
        before = len(calls.read_text().splitlines()) if calls.exists() else 0
        assert build_csim(project, program, **options) == program
        assert program.stat().st_mode & 0o111
        return len(calls.read_text().splitlines()) - before

    assert build() == 3, "two sources and a link"
    assert build() == 0
    assert build(trace=True) == 3
    assert build(trace=True) == 0
    source = project / "firmware" / "frozen.cpp"
    source.write_text(source.read_text() + "\n")
    assert build(trace=True) == 3
    program.unlink()
    assert build(trace=True) == 3
    assert {path.name for path in program.parent.iterdir()} == {
        "program",
        "program.stamp",
        "program.log",
        "program.main.log",
        "program.frozen.log",
    }


def test_our_headers_are_plain_cpp11_without_warnings(tmp_path: Path) -> None:
    """The HLS tools read C++11."""
    from semifreddo.hls.csim import compiler
    from semifreddo.tools.runner import run

    plan_project(scheduled(zoo(), **ZOO_CHOICES), **PART).write(tmp_path / "p")
    command = [compiler(), "-std=c++11", "-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    command += ["-Wno-unused-label", "-Wno-deprecated-copy", "-Wno-unused-parameter"]
    log = tmp_path / "log"
    run(
        [*command, "-fsyntax-only", "-isystem", "firmware/ap_types", "firmware/zoo.cpp"],
        cwd=tmp_path / "p",
        timeout_s=120,
        log=log,
    )
    ours = re.compile(r"firmware/(zoo|.*/(semifreddo_|nnet_code_gen)).*warning:")
    assert not [line for line in log.read_text().splitlines() if ours.match(line)]


SANITIZED = """#!/bin/sh
# The vendor's flags: neither C++14 nor a defined overflow; the sanitizer ends at the first fault.
# Not of shifts: the open ap_int shifts negative values to the left, which compilers define.
for word do
    shift
    case "$word" in
        -fwrapv|-std=c++14|-O2) ;;
        *) set -- "$@" "$word" ;;
    esac
done
exec g++ -std=c++0x -O1 -fsanitize=undefined -fno-sanitize=shift-base -fno-sanitize-recover=all "$@"
"""


@pytest.mark.parametrize("which", ["blended", pytest.param("zoo", marks=pytest.mark.slow)])
def test_nothing_is_undefined_under_the_vendors_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(SANITIZED)
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    net, choices = (blended(), {}) if which == "blended" else (zoo(), ZOO_CHOICES)
    project = tmp_path / "p"
    plan_project(scheduled(net, **choices), **PART).write(project)
    pictures = random_images(net, 8)
    with open_project(project) as device:
        load(device, net)
        assert np.array_equal(device.run(pictures, 60), reference.run(net, pictures))


def test_the_sanitizer_sees_an_overflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(SANITIZED)
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    project = tmp_path / "p"
    net = blended()
    plan_project(scheduled(net), **PART).write(project)
    top = project / "firmware" / "blended.cpp"
    text = top.read_text()
    place = text.index("{", text.index("void blended(")) + 1
    top.write_text(
        f"{text[:place]}\n    volatile int most = 2147483647; most = most + 1;{text[place:]}"
    )
    with open_project(project) as device, pytest.raises(TransportError, match="signed integer ov"):
        load(device, net)
        device.run(random_images(net, 8), 60)
