"""Float scales, batch norms and binary values on every rung: file, integers, C simulation, RTL."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

from onnx_operators import built  # noqa: E402
from semifreddo.boards import load_board  # noqa: E402
from semifreddo.convert import (  # noqa: E402
    convert,
    export_qonnx,
    read_converted,
    run_qonnx,
    trace_qonnx,
)
from semifreddo.convert.input_format import InputFormat, write_with_format  # noqa: E402
from semifreddo.core.errors import ConversionError, ToolError  # noqa: E402
from semifreddo.core.preprocessing import Preprocessing  # noqa: E402
from semifreddo.hls import plan_project  # noqa: E402
from semifreddo.hls.schedule import ScheduledNet, default_schedule  # noqa: E402
from semifreddo.hls.transport import open_project  # noqa: E402
from semifreddo.ir.address_map import AddressMap  # noqa: E402
from semifreddo.ir.freeze import FreezePlan  # noqa: E402
from semifreddo.ir.net import StreamNet  # noqa: E402
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names  # noqa: E402
from semifreddo.rtl import choose, make_design  # noqa: E402
from semifreddo.rtl.simulation.cosim import Simulation, Stalls  # noqa: E402
from semifreddo.rtl.simulation.verilator import build, find_verilator  # noqa: E402
from semifreddo.sim import reference  # noqa: E402
from user_models import trained  # noqa: E402

SHAPE = (3, 10, 10)
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def pictures(net: StreamNet, count: int) -> np.ndarray:
    source = net.input.type
    rng = np.random.default_rng(3)
    return rng.integers(source.min_raw, source.max_raw + 1, (count, *net.input.shape))


def other_task(net: StreamNet) -> StreamNet:
    """Other loadable values, those of scalers included."""
    rng = np.random.default_rng(4)
    values = {}
    for block in net.blocks:
        channels = block.configurable_channels
        if len(channels):
            raw = block.matrix.copy()
            raw[:, channels] = rng.permuted(raw[:, channels], axis=0)
            values[block.name] = rng.permuted(raw[:, channels], axis=1)
    return net.with_values(values)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StreamNet]:
    """Half of the first two layers is frozen, and the scalers with them."""
    model = trained("everything")
    names = quantized_tensor_names(model)[:2]
    flags = {name: np.arange(len(integer_tensor(model, name).raw)) % 2 == 0 for name in names}
    plan = FreezePlan.of(flags, lambda name: integer_tensor(model, name))
    path = tmp_path_factory.mktemp("mixed") / "model.onnx"
    export_qonnx(model, path, input_shape=SHAPE, plan=plan)
    return path, convert(path, "mixed")


def test_the_file_in_double_precision(mixed: tuple[Path, StreamNet]) -> None:
    path, net = mixed
    images = pictures(net, 200)
    expected = reference.trace(net, images)
    for name, values in trace_qonnx(path, net, images).items():
        assert np.array_equal(values, expected[name]), name
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))
    residencies = {block.residency for block in net.blocks}
    assert residencies == {"partial", "configurable", "frozen"}


def climb_cpp(net: StreamNet, images: np.ndarray, folder: Path, tasks: list[StreamNet]) -> None:
    scheduled = ScheduledNet(net, default_schedule(net))
    plan = plan_project(scheduled, tool="vivado", part="xc7z020clg400-1", clock_ns=10.0)
    plan.write(folder)
    with open_project(folder) as device:
        for task in tasks:
            device.load(AddressMap.of(task).pack(task), 60)
            assert np.array_equal(device.run(images, 600), reference.run(task, images))


def climb_rtl(
    net: StreamNet, images: np.ndarray, folder: Path, tasks: list[StreamNet], rate: float = 2_000.0
) -> None:
    """Under stalls, with hardware that the scheduler chooses for a PYNQ-Z2."""
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    chosen = choose(net, load_board("pynq_z2").resources, 100.0, rate)
    design = make_design(net, chosen.schedule)
    packets = []
    for task in tasks:
        packets.append(design.bus.task_packet(AddressMap.of(task).pack(task)))
        packets.append(design.bus.image_packet(images))
    with Simulation(build(design, folder, optimize=False), design.bus) as simulation:
        simulation.configure(Stalls(200, 300, 5, watchdog_cycles=1_000_000))
        found = simulation.exchange(packets, len(tasks) * len(images), 900).results
    expected = np.concatenate([reference.run(task, images) for task in tasks])
    assert np.array_equal(found, expected)


def test_the_generated_cpp(mixed: tuple[Path, StreamNet], tmp_path: Path) -> None:
    _, net = mixed
    climb_cpp(net, pictures(net, 100), tmp_path, [net, other_task(net)])


def test_the_rtl(mixed: tuple[Path, StreamNet], tmp_path: Path) -> None:
    _, net = mixed
    climb_rtl(net, pictures(net, 12), tmp_path, [net, other_task(net), net])


@pytest.mark.slow
def test_curves(tmp_path: Path) -> None:
    """SiLU and GELU of accumulators, sigmoid and tanh of quantized streams, hardswish; loadable."""
    export_qonnx(trained("five curves"), tmp_path / "model.onnx", input_shape=SHAPE)
    net = convert(tmp_path / "model.onnx", "curves", frozen="none")
    widths = [
        net.input_streams(layer)[0].type.width for layer in net.layers if layer.kind == "Curve"
    ]
    assert len(widths) == 5 and max(widths) > 10 > min(widths)
    images = pictures(net, 12)
    for name, values in trace_qonnx(tmp_path / "model.onnx", net, images).items():
        assert np.array_equal(values, reference.trace(net, images)[name]), name
    climb_cpp(net, images, tmp_path / "cpp", [net, other_task(net)])
    climb_rtl(net, images, tmp_path / "rtl", [net, other_task(net), net])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a quantizer by hand", "ReLU without quantizer"])
def test_clips_without_quantizer(name: str, tmp_path: Path) -> None:
    """Wide streams of whole steps."""
    export_qonnx(trained(name), tmp_path / "model.onnx", input_shape=SHAPE)
    net = convert(tmp_path / "model.onnx", "clips", frozen="none")
    images = pictures(net, 12)
    climb_cpp(net, images, tmp_path / "cpp", [net, other_task(net)])
    climb_rtl(net, images, tmp_path / "rtl", [net, other_task(net)])


@pytest.mark.slow
def test_values_that_move_between_pixels(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(trained("every movement"), path, input_shape=SHAPE)
    net = convert(path, "moves")
    kinds = {layer.kind for layer in net.layers}
    assert {"Upsample", "MaxPool", "Add", "Conv"} <= kinds
    climb_cpp(net, pictures(net, 50), tmp_path / "cpp", [net, other_task(net)])
    climb_rtl(net, pictures(net, 6), tmp_path / "rtl", [net, other_task(net)])


FOREIGN = (
    Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "models"
)
FILES = [
    "zoo_TFC_1W2A",
    "zoo_TFC_2W2A",
    "thesis_CNVlight_GTSRB_W4A4",
    "thesis_CNVlight_CIFAR10_W2A2",
    "nn2_resnet8_a8w8_8863",
    "nn2_resnet20_a8w8b16",
    "nn2_mobilenet_v1_vww_a8w8",
    pytest.param("ex_separable_conv_model_ch_last", marks=pytest.mark.slow),
    pytest.param("qonnx_bsd300x3-espcn_nn_resize_quant_model", marks=pytest.mark.slow),
]
"""Networks of other people that convert."""

COUNTS = {"nn2_mobilenet_v1_vww_a8w8": 20, "qonnx_bsd300x3-espcn_nn_resize_quant_model": 4}
"""Images for the C simulation of networks that take long."""

NOT_ANSWERED = {
    "zoo_qkeras_jettagging": "reads the image before it has a number format; .* or name its bits "
    r"and scale in \[input\] of design.toml",
}


def foreign(name: str) -> Path:
    path = FOREIGN / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("networks of other people are not here (SEMIFREDDO_DATA)")
    return path


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_people(name: str) -> None:
    path = foreign(name)
    net = convert(path, "net", frozen="none")
    pixels = net.input.pixels
    images = pictures(net, 1 if pixels > 10_000 else 4 if pixels > 2_000 else 20)
    expected = reference.trace(net, images)
    found = trace_qonnx(path, net, images)
    for layer, values in found.items():
        assert np.array_equal(values, expected[layer]), layer
    assert net.output.name in found


@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_files_that_are_refused_by_name(name: str) -> None:
    path = foreign(name)
    with pytest.raises(ConversionError, match=rf"node '[^']+' \(\w+\): {NOT_ANSWERED[name]}"):
        convert(path, "net")


@pytest.mark.parametrize(("bits", "scale"), [(16, 2.0**-10), (8, 0.0371)])
def test_a_file_without_input_quantizer_has_the_format_of_the_design(
    bits: int, scale: float, tmp_path: Path
) -> None:
    """Jets of a particle detector: sixteen real values, and no quantizer reads them."""
    path = tmp_path / "model.onnx"
    write_with_format(foreign("zoo_qkeras_jettagging"), InputFormat(bits, True, scale), path)
    net = convert(path, "net")
    assert (net.input.type.width, net.input.type.signed) == (bits, True)
    assert net.input.shape == (1, 1, 16)
    images = pictures(net, 200)
    expected = reference.trace(net, images)
    found = trace_qonnx(path, net, images)
    assert len(found) > 3
    for layer, values in found.items():
        assert np.array_equal(values, expected[layer]), layer
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [*FILES[:7], FILES[-1]])
def test_files_of_other_people_in_cpp(name: str, tmp_path: Path) -> None:
    net = convert(foreign(name), "net", frozen="none")
    climb_cpp(net, pictures(net, COUNTS.get(name, 200)), tmp_path, [net])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FILES[:5])  # the next one has more weights than the board
def test_files_of_other_people_in_rtl(name: str, tmp_path: Path) -> None:
    net = convert(foreign(name), "net", frozen="none")
    climb_rtl(net, pictures(net, 4), tmp_path, [net], 600.0)


BUILT = ("Sign", "Softsign", "Max per channel", "Round of fractions", "PRelu that falls", "Abs")


def operator(name: str, folder: Path) -> StreamNet:
    path = built(name, "accumulators").save(folder / "model.onnx", "/last/Quant_output_0")
    return convert(path, "net", frozen="none")


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT)
def test_operators_in_cpp(name: str, tmp_path: Path) -> None:
    net = operator(name, tmp_path)
    climb_cpp(net, pictures(net, 100), tmp_path / "cpp", [net])


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT)
def test_operators_in_rtl(name: str, tmp_path: Path) -> None:
    net = operator(name, tmp_path)
    climb_rtl(net, pictures(net, 20), tmp_path, [net], 600.0)


def test_pictures_reach_a_foreign_network_as_it_was_trained() -> None:
    """The file maps pixels / 255 to -1..1 itself; the host does it from the file's record."""
    images = FOREIGN.parent / "gtsrb" / "gtsrb32_small.npz"
    path = foreign("thesis_CNVlight_GTSRB_W4A4")
    if not images.is_file():
        pytest.skip("benchmark images are not here (SEMIFREDDO_DATA)")
    with np.load(images) as data:
        pixels, labels = data["x_test"][:300], data["y_test"][:300]
    converted = read_converted(path, "signs")
    made = converted.entrance.preprocessing(Preprocessing(), is_ours=False)
    assert made.mean == made.deviation == (0.5,) * 3
    kind = converted.net.input.type
    raw = made.raw(pixels, kind.width, kind.scale, signed=kind.signed)
    answers = reference.run(converted.net, raw).argmax(axis=1)
    assert (answers == labels).mean() > 0.95
