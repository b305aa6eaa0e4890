"""Networks as users write them, with scales that are no powers of two: exact at every quantizer.

Each model has one feature. The integer network is compared, at every tensor that a quantizer made
and at the result, with the exported file executed in double precision, which is proven to decide as
real numbers do. In single precision the file and torch may differ by round-off alone. C simulation
and RTL are covered by ``tests/ladder/test_any_scale.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import check_model, convert, export_qonnx, run_qonnx, trace_qonnx
from semifreddo.convert.from_qonnx import read_converted
from semifreddo.convert.proof import prove
from semifreddo.convert.singles import compare_single, compare_torch
from semifreddo.convert.trace import trace
from semifreddo.core.errors import ConversionError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.serial import load_net, save_net
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.sim import reference
from user_models import MODELS, trained

SHAPE = (3, 10, 10)


@pytest.mark.parametrize("name", MODELS)
def test_every_quantizer_is_exact(name: str, tmp_path: Path) -> None:
    model = trained(name)
    assert check_model(model, SHAPE) == ()
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=SHAPE)
    net = convert(path, "net")
    source = net.input.type
    images = np.random.default_rng(1).integers(source.min_raw, source.max_raw + 1, (40, 10, 10, 3))
    expected, found = reference.trace(net, images), trace_qonnx(path, net, images)
    assert len(found) > 1
    for layer, values in found.items():
        assert np.array_equal(values, expected[layer]), layer
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))
    assert prove(read_converted(path, "net")).holds
    for singles in (compare_single(path, images[:20]), compare_torch(path, model, images)):
        assert singles.values > 1_000
        assert not singles.unexplained, str(singles.unexplained[0])
        assert len(singles.differences) < 5
    quantized = [values for values in found.values() if len(np.unique(values)) > 2]
    assert quantized, "every stream is constant, so nothing was compared"


def test_what_a_frozen_channel_depends_on_is_frozen_with_it(tmp_path: Path) -> None:
    model = trained("batch norm behind a convolution")
    names = quantized_tensor_names(model)
    flags = {names[0]: np.arange(8) % 2 == 0}
    plan = FreezePlan.of(flags, lambda name: integer_tensor(model, name))
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=SHAPE, plan=plan)
    net = convert(path, "net")
    name = names[0].removesuffix(".weight")
    scalers = [net.block[f"{name}.{part}"] for part in ("weight", "factor", "offset")]
    assert [block.role for block in scalers] == ["weight", "weight", "bias"]
    assert all(block.frozen == tuple(flags[names[0]]) for block in scalers)


@pytest.mark.parametrize(
    "name",
    ["transposed convolution", "depthwise transposed convolution", "signals of one dimension"],
)
def test_channels_of_a_transposed_convolution_are_frozen(name: str, tmp_path: Path) -> None:
    """All phases of an output channel, whose weights lie along the second axis in torch."""
    model = trained(name)
    weight = next(
        f"{path}.weight"
        for path, module in model.named_modules()
        if "Transpose" in type(module).__name__
    )
    outputs = len(integer_tensor(model, weight).raw)
    flags = {weight: np.arange(outputs) % 2 == 0}
    plan = FreezePlan.of(flags, lambda name: integer_tensor(model, name))
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=SHAPE, plan=plan)
    block = convert(path, "net").block[weight]
    assert block.outputs > outputs
    assert block.frozen == tuple(flags[weight]) * (block.outputs // outputs)


def test_tensors_of_a_file_without_plan_are_frozen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    proto = trace(trained("two convolutions"), path, SHAPE)
    path.write_bytes(proto.SerializeToString())
    net = convert(path, "net", frozen=("1.*",))
    residency = {block.name: block.residency for block in net.blocks}
    assert residency["1.weight"] == residency["1.factor"] == "frozen"
    assert residency["4.weight"] == residency["4.factor"] == "configurable"
    assert {block.residency for block in convert(path, "net", frozen=()).blocks} == {"configurable"}
    with pytest.raises(
        ConversionError, match=r"\[freeze\] tensors: 'x\*' matches none of 1\.weight"
    ):
        convert(path, "net", frozen=("1.*", "x*"))
    export_qonnx(
        trained("two convolutions"),
        path,
        input_shape=SHAPE,
        plan=FreezePlan.of(
            {"1.weight": np.ones(8, bool)},
            lambda name: integer_tensor(trained("two convolutions"), name),
        ),
    )
    with pytest.raises(ConversionError, match="carries a freeze plan"):
        convert(path, "net", frozen=("1.*",))


def test_a_frozen_scale_that_changed_is_noticed(tmp_path: Path) -> None:
    model = trained("batch norm behind a convolution")
    name = quantized_tensor_names(model)[0]
    tensor = integer_tensor(model, name)
    assert tensor.scale is not None
    flags = np.ones(len(tensor.raw), bool)
    other = type(tensor)(tensor.raw, tensor.frac, tuple(value * 1.25 for value in tensor.scale))
    assert tensor.digest(flags) != other.digest(flags)


def test_the_order_of_the_answers_is_that_of_the_logits(tmp_path: Path) -> None:
    """Biases without a format are added with as few bits as keep the order."""
    path = tmp_path / "model.onnx"
    export_qonnx(trained("float bias of the last layer"), path, input_shape=SHAPE)
    converted = read_converted(path, "net")
    assert converted.result is not None
    images = np.random.default_rng(2).integers(0, 256, (200, 10, 10, 3))
    raw = reference.run(converted.net, images)
    logits = raw * np.array([float(slope) for slope in converted.result.slopes]) + np.array(
        [float(offset) for offset in converted.result.offsets]
    )
    assert np.array_equal(raw.argmax(axis=1), logits.argmax(axis=1))
    assert converted.net.output.type.frac < 16


def test_an_activation_without_quantizer_is_refused_by_its_reader(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="without quantizer; put a quantizer"):
        export_qonnx(trained("no quantizer behind ReLU"), tmp_path / "a.onnx", input_shape=SHAPE)


def test_wide_offsets_come_back_from_files_and_tasks(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(trained("batch norm behind a linear layer"), path, input_shape=SHAPE)
    net = convert(path, "net", frozen=())
    assert max(block.bits for block in net.blocks) > 32
    save_net(net, tmp_path / "net.json")
    assert load_net(tmp_path / "net.json") == net
    values = AddressMap.of(net).unpack(AddressMap.of(net).pack(net))
    for block in net.configurable_blocks:
        assert np.array_equal(values[block.name], block.matrix), block.name


def test_a_constant_behind_a_quantizer_is_not_the_bias_in_front_of_it(tmp_path: Path) -> None:
    """A scaler without offset is a layer without bias, but its cast stands before the sum."""
    graph = Graph()
    weight = graph.weight("conv.weight", (3, 2, 3, 3), 0.375)
    sums = graph.node("Conv", graph.image(), weight, name="/conv/Conv")
    floored = graph.quant(sums, 0.25, 4.0, mode="FLOOR", name="/act/Quant")
    bias = graph.weight("late.bias", (1, 3, 1, 1))
    path = graph.save(tmp_path / "a.onnx", graph.node("Add", floored, bias, name="/late/Add"))
    net = convert(path, "net")
    images = np.random.default_rng(1).integers(0, 256, (50, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))
    assert net.layers[1].output.type.width == 4
