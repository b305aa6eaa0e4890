"""torch == QONNX execution == StreamNet == lowered StreamNet, as integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.quant.scaled_int import Int16Bias
from torch import Tensor, nn

from brevitas_models import (
    SIGNED,
    Wired,
    calibrated,
    conv,
    core_tensors,
    image_input,
    linear,
    raw_images,
    relu,
    semifreddo_net,
    signed,
    zoo,
)
from semifreddo.convert import convert, export_qonnx, from_qonnx, run_qonnx, trace_qonnx
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.layers import Blend, Conv, Linear, Route
from semifreddo.ir.net import StreamNet
from semifreddo.nn.blend import AlphaBlend, CoreShuffle
from semifreddo.nn.integers import cache_bias_scales, integer_tensor, raw_outputs
from semifreddo.nn.quant import constant_quant
from semifreddo.sim import reference

import brevitas.nn as qnn  # isort: skip

SHAPE = (3, 8, 8)


def climb(
    model: nn.Module, shape: tuple[int, int, int], folder: Path, plan: FreezePlan | None = None
) -> tuple[StreamNet, StreamNet]:
    """Compare all rungs; give the converted and the lowered network."""
    path = folder / "model.onnx"
    repeats = getattr(model, "repeats", tuple)()
    export_qonnx(model, path, input_shape=shape, plan=plan or FreezePlan(), repeats=repeats)
    net, lowered = from_qonnx(path, "net"), convert(path, "net")
    images = raw_images(shape)
    answers = reference.run(net, images)
    assert len(np.unique(answers)) > 1
    assert (reference.run(lowered, images) == answers).all()
    traced = same_streams(path, lowered, images)
    assert (traced[lowered.output.name].reshape(answers.shape) == answers).all()
    frac = net.output.type.frac
    height, width, channels = net.output.shape
    # Results that are images have channels last on every rung.
    double = raw_outputs(model, images, frac=frac)
    assert (double.reshape(answers.shape) == answers).all()
    with torch.no_grad():
        single = model(torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(256)))
    single = getattr(single, "value", single).reshape(-1, channels, height, width)
    last = single.permute(0, 2, 3, 1).double().numpy().reshape(double.shape)
    assert (np.ldexp(last, frac) == double).all()
    return net, lowered


def same_streams(path: Path, net: StreamNet, images: np.ndarray) -> dict[str, np.ndarray]:
    """Compare every stream that the file has a tensor for."""
    streams, traced = reference.trace(net, images), trace_qonnx(path, net, images)
    assert list(traced)[-1] == net.output.name
    for name, values in traced.items():
        assert (values == streams[name]).all(), name
    return traced


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("per_channel", [False, True])
def test_every_layer_kind(tmp_path: Path, bits: int, per_channel: bool) -> None:
    model = calibrated(zoo(bits, per_channel=per_channel), SHAPE, seed=bits)
    net, lowered = climb(model, SHAPE, tmp_path)
    assert {layer.kind for layer in lowered.layers} == {
        "Conv", "MaxPool", "AvgPool", "Add", "Linear",
    }  # fmt: skip
    assert [layer.name for layer in net.layers][:3] == ["conv1_conv", "act1_relu", "act1_quant"]
    assert all(block.residency == "configurable" for block in net.blocks)
    path, images = tmp_path / "model.onnx", raw_images(SHAPE)
    same_streams(path, net, images)
    assert (run_qonnx(path, net, images) == reference.run(lowered, images)).all()
    weight = net.block["conv1.weight"]
    assert (weight.bits, len(set(weight.frac)) > 1) == (bits, per_channel)


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_freeze_flags_follow_the_plan(tmp_path: Path, percent: int) -> None:
    model = calibrated(zoo(4, per_channel=True), SHAPE)
    names = [name for name, _ in model.named_parameters() if name.endswith((".weight", ".bias"))]
    flags = {}
    for name in names:
        outputs = len(integer_tensor(model, name).raw)
        flags[name] = np.arange(outputs) < outputs * percent // 100
    plan = FreezePlan.of(flags, lambda name: integer_tensor(model, name))
    _, lowered = climb(model, SHAPE, tmp_path, plan)
    assert {block.name for block in lowered.blocks} == set(names)
    for block in lowered.blocks:
        assert block.frozen == tuple(flags[block.name])


def test_integers_are_those_of_the_training_framework(tmp_path: Path) -> None:
    model = calibrated(zoo(8, per_channel=True), SHAPE)
    net, _ = climb(model, SHAPE, tmp_path)
    for name, axes in (("conv1.weight", (3, 2, 0, 1)), ("depthwise.weight", (3, 2, 0, 1))):
        torch_side = integer_tensor(model, name)
        assert (net.block[name].raw.transpose(axes) == torch_side.raw).all()
        assert net.block[name].frac == torch_side.frac
    assert (integer_tensor(model, "linear.weight").raw == net.block["linear.weight"].raw.T).all()


Wiring = Callable[[Any, Tensor], Tensor]


def through(body: Wiring, outputs: int = 8, **layers: nn.Module) -> nn.Module:
    """Image, convolution to 8x8x8 unsigned, a body under test, 8 bits signed."""

    def wiring(net: Any, x: Tensor) -> Tensor:
        return net.out(body(net, net.act(net.conv(net.input(x)))))

    parts: dict[str, nn.Module] = {
        "input": image_input(),
        "conv": conv(3, 8, padding=1),
        "act": relu(),
        "out": signed(),
        **layers,
    }
    return Wired(wiring, **parts)


def shuffled(_: Any, x: Tensor) -> Tensor:
    return (
        x.reshape(1 if len(x) == 1 else len(x), 2, 4, 8, 8).transpose(1, 2).reshape(len(x), 8, 8, 8)
    )


def halves(_: Any, x: Tensor) -> Tensor:
    first, second = torch.chunk(x, 2, 1)
    return torch.cat((second, first, x[:, 6:7]), 1)


def two_convs(net: Any, x: Tensor) -> Tensor:
    return torch.cat((net.a(x), net.b(x)), 1)


BODIES: dict[str, tuple[Wiring, dict[str, Callable[[], nn.Module]]]] = {
    "stride 2": (lambda n, x: n.c(x), {"c": lambda: conv(8, 4, stride=2, padding=1)}),
    "5x3 kernel": (
        lambda n, x: n.c(x),
        {"c": lambda: conv(8, 4, (5, 3), padding=(2, 0))},  # type: ignore[arg-type]
    ),
    "asymmetric padding": (
        lambda n, x: n.c(n.pad(x)),
        {"pad": lambda: nn.ZeroPad2d((0, 1, 2, 1)), "c": lambda: conv(8, 4, stride=2)},
    ),
    "two paddings": (
        lambda n, x: n.c(n.q(n.pad(x))),
        {
            "pad": lambda: nn.ZeroPad2d((1, 0, 0, 1)),
            "q": lambda: relu(5),
            "c": lambda: conv(8, 4, padding=1),
        },
    ),
    "max pool with padding": (lambda n, x: n.p(x), {"p": lambda: nn.MaxPool2d(3, 2, 1)}),
    "max pool of padded": (
        lambda n, x: n.p(n.pad(x)),
        {"pad": lambda: nn.ZeroPad2d(1), "p": lambda: nn.MaxPool2d(2, 2)},
    ),
    "average pool": (lambda n, x: n.p(x), {"p": lambda: nn.AvgPool2d((4, 2), 2)}),
    "global average": (lambda n, x: n.p(x), {"p": lambda: nn.AdaptiveAvgPool2d(1)}),
    "mean": (lambda _, x: x.mean((2, 3)), {}),
    "mean, dimensions kept": (lambda _, x: x.mean((2, 3), keepdim=True), {}),
    "mean, linear": (
        lambda n, x: n.fc(n.q(x.mean((2, 3)))),
        {"q": relu, "fc": lambda: linear(8, 3)},
    ),
    "flatten": (lambda n, x: n.fc(x.flatten(1)), {"fc": lambda: linear(512, 3)}),
    "quantize the flattened": (
        lambda n, x: n.fc(n.q(x.flatten(1))),
        {"q": lambda: signed(5), "fc": lambda: linear(512, 3)},
    ),
    "reshape": (lambda n, x: n.fc(x.reshape(x.size(0), -1)), {"fc": lambda: linear(512, 3)}),
    "part flattened": (lambda n, x: n.fc(x[:, 2:5].flatten(1)), {"fc": lambda: linear(192, 3)}),
    "two linear layers": (
        lambda n, x: n.fc2(n.q(n.fc1(n.p(x).flatten(1)))),
        {
            "p": lambda: nn.AvgPool2d(8),
            "fc1": lambda: linear(8, 6, bits=4),
            "q": relu,
            "fc2": lambda: linear(6, 3, bias=None),
        },
    ),
    "linear residual": (
        lambda n, x: n.q(x.mean((2, 3))) + n.fc(n.q(x.mean((2, 3)))),
        {"q": relu, "fc": lambda: linear(8, 8, bias=None)},
    ),
    "shuffle by reshaping": (shuffled, {}),
    "shuffle, linear": (
        lambda n, x: n.fc(shuffled(n, x).flatten(1)),
        {"fc": lambda: linear(512, 3)},
    ),
    "halves exchanged": (halves, {}),
    "reversed channels": (lambda _, x: x.flip(1), {}),
    "concatenation": (
        two_convs,
        {"a": lambda: conv(8, 3, padding=1), "b": lambda: conv(8, 4, 1, bits=2)},
    ),
    "identities": (
        lambda n, x: n.drop(n.same(x)),
        {"drop": lambda: nn.Dropout(0.5), "same": nn.Identity},
    ),
    "signed after relu": (
        lambda n, x: torch.relu(n.c(x)),
        {"c": lambda: conv(8, 4, bits=4)},
    ),
    "mean of two": (lambda _, x: (x + x.flip(1)) / 2, {}),
    "scaler": (lambda n, x: x * n.s.k, {"s": lambda: Factor([0.25, 1, 1.5, 3, 0, 2, 0.125, 5])}),
    "one scaler": (lambda _, x: x * 0.375, {}),
    "scaler and bias": (
        lambda n, x: n.c(x * n.s.k),
        {"s": lambda: Factor([0.25, 1, 1.5, -3, 0, 2, 0.125, 5]), "c": lambda: conv(8, 2, bits=3)},
    ),
    "scaled sum": (lambda _, x: x * 0.5 + x.flip(1) * 2.0, {}),
    "floor rounding": (
        lambda n, x: n.q(x),
        {"q": lambda: relu(4, float_to_int_impl_type="FLOOR")},
    ),
    "narrow range": (
        lambda n, x: n.q(n.c(x)),
        {"q": lambda: signed(4, narrow_range=True), "c": lambda: conv(8, 4)},
    ),
}


class Factor(nn.Module):
    """Constant factors per channel."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.register_buffer("k", torch.tensor(values).reshape(1, -1, 1, 1))


@pytest.mark.parametrize("name", BODIES)
def test_graph(tmp_path: Path, name: str) -> None:
    body, layers = BODIES[name]
    model = calibrated(through(body, **{key: make() for key, make in layers.items()}), SHAPE)
    climb(model, SHAPE, tmp_path)


def test_biases_at_accumulator_scale(tmp_path: Path) -> None:
    """Stock Int16Bias takes its scale from input and weight, per channel if they do."""

    def wiring(net: Any, x: Tensor) -> Tensor:
        x = net.pool(net.act(net.conv1(net.input(x))))
        return net.linear(net.features(x.flatten(1)))

    model = Wired(
        wiring,
        input=image_input(return_quant_tensor=True),
        conv1=conv(3, 8, padding=1, per_channel=True, bias=Int16Bias),
        act=relu(),
        pool=nn.AvgPool2d(8),
        features=signed(return_quant_tensor=True),
        linear=linear(8, 4, bias=Int16Bias),
    )
    model = calibrated(model, SHAPE)
    cache_bias_scales(model, raw_images(SHAPE, 1))
    net, _ = climb(model, SHAPE, tmp_path)
    weight, bias = net.block["conv1.weight"], net.block["conv1.bias"]
    assert bias.frac == tuple(frac + 8 for frac in weight.frac)
    assert bias.bits == 16


def blend_forms() -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    return {
        "both products": lambda f, t, q: f * q + t * (1 - q),
        "products exchanged": lambda f, t, q: (1 - q) * t + q * f,
        "difference": lambda f, t, q: t + q * (f - t),
        "difference first": lambda f, t, q: (f - t) * q + t,
    }


@pytest.mark.parametrize("form", blend_forms())
def test_blend(tmp_path: Path, form: str) -> None:
    combine = blend_forms()[form]

    def body(net: Any, x: Tensor) -> Tensor:
        return combine(net.f(x), net.q(net.c(x)), net.quant(net.factors.alpha))

    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("alpha", torch.arange(8).reshape(1, 8, 1, 1) / 8 + 1 / 8)

    model = through(
        body,
        f=relu(6),
        c=conv(8, 8, padding=1),
        q=signed(),
        factors=Factors(),
        quant=qnn.QuantIdentity(act_quant=constant_quant(4, 3)),
    )
    net, lowered = climb(calibrated(model, SHAPE), SHAPE, tmp_path)
    blend = next(layer for layer in lowered.layers if isinstance(layer, Blend))
    # The first input is the one that alpha multiplies: the ReLU's.
    assert blend.inputs == ("f_quant", "c_conv")
    assert blend.alpha == "factors.alpha"
    assert net.block["factors.alpha"].raw.tolist() == list(range(1, 9))
    assert (net.block["factors.alpha"].bits, net.block["factors.alpha"].signed) == (4, False)


def test_a_module_called_three_times_is_one_block_and_three_layers(tmp_path: Path) -> None:
    def body(net: Any, x: Tensor) -> Tensor:
        for _ in range(3):
            x = net.q(net.c(x))
        return x

    model = through(body, c=conv(8, 8, padding=1), q=relu())
    net, _ = climb(calibrated(model, SHAPE), SHAPE, tmp_path)
    users = [layer.name for layer in net.layers if "c.weight" in layer.block_names]
    assert users == ["c_conv", "c_conv_call2", "c_conv_call3"]


@pytest.mark.parametrize(
    ("shuffle", "repeats", "bits"),
    [
        (False, "once", 8),
        (True, "once", 4),
        (False, "shared", 4),
        (True, "shared", 2),
        (False, "own", 2),
        (True, "own", 8),
    ],
)
def test_semifreddo_net(tmp_path: Path, shuffle: bool, repeats: str, bits: int) -> None:
    model = semifreddo_net(
        shuffle=shuffle,
        repeats=1 if repeats == "once" else 3,
        shared_repeats=repeats != "own",
        weight_bits=bits,
        per_channel=bits == 4,
        block="separable" if shuffle and repeats == "once" else "standard",
    )
    frozen = core_tensors(model)
    plan = FreezePlan.of(
        {name: np.ones(len(integer_tensor(model, name).raw), bool) for name in frozen},
        lambda name: integer_tensor(model, name),
    )
    net, lowered = climb(model, (1, 8, 8), tmp_path, plan)
    assert {block.name for block in net.blocks if all(block.frozen)} == set(frozen)
    kinds = [layer.kind for layer in lowered.layers]
    assert "Cast" not in kinds
    assert kinds.count("Route") == 1 + (shuffle and 2 * (2 if repeats == "once" else 4))
    for rung in (net, lowered):
        passes = [repeat.passes for repeat in rung.repeats]
        assert [len(entry) for entry in passes] == ([] if repeats == "once" else [3])
    for repeat in lowered.repeats:
        layers = {layer.name: layer for layer in lowered.layers}
        for names in repeat.passes:
            weights = {w for name in names for w in layers[name].block_names}
            assert {w for w in weights if w.startswith("cores.0")} == {
                name for name in frozen if name.startswith("cores.0.2")
            }


def test_alpha_and_shuffle_can_be_frozen(tmp_path: Path) -> None:
    def body(net: Any, x: Tensor) -> Tensor:
        first, second = net.shuffle(x, net.q(net.c(x)))
        return net.blend(first, second)

    model = through(
        body, c=conv(8, 8, padding=1), q=relu(), shuffle=CoreShuffle(8), blend=AlphaBlend(8, 8)
    )
    nn.init.normal_(model.blend.logit, std=2)  # type: ignore[union-attr, arg-type]
    model = calibrated(model, SHAPE)
    flags = {"blend.alpha": np.arange(8) % 2 == 0}
    plan = FreezePlan.of(flags, lambda name: integer_tensor(model, name))
    net, _ = climb(model, SHAPE, tmp_path, plan)
    assert net.block["blend.alpha"].frozen == tuple(flags["blend.alpha"])
    assert sum(isinstance(layer, Route) for layer in net.layers) == 3


def test_kinds_of_convolution_are_told_apart(tmp_path: Path) -> None:
    net, _ = climb(calibrated(zoo(), SHAPE), SHAPE, tmp_path)
    convs = {layer.name: layer.depthwise for layer in net.layers if isinstance(layer, Conv)}
    assert [name for name, depthwise in convs.items() if depthwise] == ["depthwise_conv"]
    assert isinstance(net.layers[-1], Linear)


def test_other_input_formats(tmp_path: Path) -> None:
    """The input stream has exactly the format of the first quantizer."""
    model = Wired(
        lambda net, x: net.conv(net.input(x)),
        input=qnn.QuantIdentity(
            act_quant=SIGNED, bit_width=6, scaling_impl_type="const", scaling_init=0.5
        ),
        conv=conv(1, 2),
    )
    path = tmp_path / "model.onnx"
    export_qonnx(calibrated(model, (1, 4, 4)), path, input_shape=(1, 4, 4), plan=FreezePlan())
    net = from_qonnx(path, "net")
    assert str(net.input.type) == "s6.6:RND_CONV:SAT"
    images = np.random.default_rng(0).integers(-32, 32, (5, 4, 4, 1))
    assert (run_qonnx(path, net, images) == reference.run(net, images)).all()


def test_a_stream_that_is_read_padded_has_no_tensor_of_its_own(tmp_path: Path) -> None:
    body, layers = BODIES["two paddings"]
    model = calibrated(through(body, **{key: make() for key, make in layers.items()}), SHAPE)
    net, _ = climb(model, SHAPE, tmp_path)
    same_streams(tmp_path / "model.onnx", net, raw_images(SHAPE, 2))


def test_no_images_give_no_answers(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(calibrated(zoo(), SHAPE), path, input_shape=SHAPE, plan=FreezePlan())
    net = convert(path, "net")
    none = raw_images(SHAPE, 0)
    assert run_qonnx(path, net, none).shape == (0, 5)
    assert trace_qonnx(path, net, none)[net.output.name].shape == (0, 1, 1, 5)
