import copy
import warnings

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant.scaled_int import Int8WeightPerTensorFloat, Int16Bias
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import nn

from brevitas_models import core_tensors
from semifreddo.core.errors import ConfigError, ConversionError, DataError
from semifreddo.nn.blend import AlphaBlend, CoreShuffle
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import batch_norms, fold_batch_norm
from semifreddo.nn.inputs import batch_of
from semifreddo.nn.integers import (
    cache_bias_scales,
    integer_tensor,
    output_frac,
    quantized_tensor_names,
    raw_outputs,
)
from semifreddo.nn.layers import Precision, QuantAvgPool, QuantConvBlock, SeparableBlock
from semifreddo.nn.model import CoreNet, SemifreddoNet, core_network
from semifreddo.nn.pin import pin_scales, pinned, scale_of

torch.set_num_threads(1)

BASE = {"input_shape": (1, 8, 8), "classes": 4, "widths": (4, 6, 6), "strides": (1, 2, 1)}


def images(count=32, channels=1, size=8):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def real(raw):
    """What raw images mean to networks of the product: a raw r is r / 256."""
    return batch_of(raw) / 256


def briefly_trained(model, x, steps=4):
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fold_batch_norm(model, x)
    model(x)
    pin_scales(model, x)
    return model.eval()


def semifreddo(**options):
    torch.manual_seed(0)
    return briefly_trained(SemifreddoNet(SemifreddoConfig(**BASE, **options)), real(images()))


def export(model, x, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        export_qonnx(model, args=x, export_path=str(path), dynamo=False)
    return path


def qonnx_outputs(path, x):
    model = ModelWrapper(str(path)).transform(InferShapes())
    name = model.graph.input[0].name
    rows = [execute_onnx(model, {name: x[i : i + 1].numpy()}) for i in range(len(x))]
    return np.concatenate([next(iter(row.values())) for row in rows])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_bits": 8, "shuffle": True},
        {"weight_bits": 2, "per_channel": True, "repeats": 3, "shuffle": True},
        {"block": "separable", "repeats": 2, "shared_repeats": False, "alpha": "layer"},
    ],
    ids=["plain", "shuffle", "repeats", "separable"],
)
def test_export_computes_the_same_integers(options, tmp_path):
    model = semifreddo(**options)
    x = real(images())
    frac = output_frac(model, images())
    raw = raw_outputs(model, images())
    assert raw.shape == (32, 4) and raw.dtype == np.int64
    assert raw_outputs(model, images()[:0]).shape == (0, 4)
    assert np.array_equal(model(x).detach().numpy() * 2.0**frac, raw)
    path = export(model, x[:1], tmp_path / "net.onnx")
    assert np.array_equal(qonnx_outputs(path, x[:3]) * 2.0**frac, raw[:3])


def test_export_names_tensors_after_their_parameters(tmp_path):
    model = semifreddo(shuffle=True)
    graph = onnx.load(export(model, real(images(1)), tmp_path / "net.onnx")).graph
    initializers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert set(quantized_tensor_names(model)) <= set(initializers)
    for name in quantized_tensor_names(model):
        quant = [n for n in graph.node if n.op_type == "Quant" and n.input[0] == name]
        assert len(quant) == 1
        if name.endswith("alpha"):
            assert initializers[quant[0].input[1]] == 0.125
            assert np.array_equal(initializers[name].flatten() * 8, integer_tensor(model, name).raw)
    assert {"Concat", "Gather"} <= {node.op_type for node in graph.node}
    assert not {"Sigmoid", "BatchNormalization"} & {node.op_type for node in graph.node}


def test_alpha_mixes_frozen_and_trainable():
    blend = AlphaBlend(3, 8)
    with torch.no_grad():
        blend.logit.copy_(torch.tensor([-20.0, 0.0, 20.0]).reshape(1, 3, 1, 1))
    scale_of(blend.out.act_quant).pin(torch.tensor(4))
    frozen, trainable = torch.full((1, 3, 1, 1), 1.0), torch.full((1, 3, 1, 1), 2.0)
    assert blend(frozen, trainable).flatten().tolist() == [2.0, 1.5, 1.0]
    assert blend.alpha.flatten().tolist() == [0.0, 0.5, 1.0]
    assert integer_tensor(blend, "alpha").raw.tolist() == [0, 4, 8]
    blend.train()(frozen, trainable).sum().backward()
    assert blend.logit.grad is not None and blend.logit.grad.abs().max() > 0


def test_shuffle_exchanges_even_and_odd_channels():
    first = torch.tensor([0.0, 1, 2, 3]).reshape(1, 4, 1, 1)
    one, two = CoreShuffle(4)(first, first + 10)
    assert one.flatten().tolist() == [0, 2, 10, 12]
    assert two.flatten().tolist() == [1, 3, 11, 13]


def test_the_frozen_core_reads_only_itself():
    model = semifreddo(shuffle=True, repeats=2)
    x = real(images(4))
    seen = []
    model.cores[0][2].register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    model(x)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("cores.0."):
                parameter.add_(1)
    model(x)
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


def test_core_network_shares_names_with_the_whole():
    config = SemifreddoConfig(**BASE, repeats=2, block="separable")
    core = briefly_trained(core_network(config), real(images()))
    assert isinstance(core, CoreNet)
    whole = SemifreddoNet(config)
    fold_batch_norm(whole)
    whole.load_core(core.state_dict())
    names = core_tensors(whole)
    assert "cores.0.1.depthwise.conv.weight" in names and "cores.0.0.conv.bias" in names
    for name in names:
        ours, theirs = integer_tensor(whole, name), integer_tensor(core, name)
        assert np.array_equal(ours.raw, theirs.raw) and ours.frac == theirs.frac


def test_passes_of_a_repeated_block_share_their_formats():
    model = semifreddo(repeats=3, shared_repeats=False, per_channel=True)
    passes = model.repeats()
    assert [paths[1] for paths in passes] == ["cores.1.2", "cores.1.3", "cores.1.4"]
    assert {paths[0] for paths in passes} == {"cores.0.2"}
    for position in range(len(passes[0])):
        blocks = [model.get_submodule(paths[position]) for paths in passes]
        for quantizers in zip(*(list(block.modules()) for block in blocks), strict=True):
            scales = [scale_of(q) for q in quantizers if hasattr(q, "tensor_quant")]
            assert len({tuple(s.frac.flatten().tolist()) for s in scales if s is not None}) <= 1
    frozen = model.cores[0]
    assert scale_of(frozen[1].act.act_quant).frac == scale_of(frozen[2].act.act_quant).frac


def test_folding_keeps_what_the_block_computes():
    torch.manual_seed(0)
    block = QuantConvBlock(2, 3, Precision(weight_bits=8, act_bits=8, per_channel=True))
    x = torch.rand(64, 2, 6, 6)
    for _ in range(30):
        block(x)
    block.eval()
    before = block(x)
    fold_batch_norm(block)
    assert block.folded and not batch_norms(block)
    assert (block(x) - before).abs().max() < 0.1 * before.abs().max()


def user_model(weight=Int8WeightPerTensorFixedPoint, bias=None):
    torch.manual_seed(0)
    return nn.Sequential(
        QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True),
        QuantConv2d(1, 4, 3, weight_quant=weight, bias_quant=bias, bias=bias is not None),
        nn.BatchNorm2d(4) if bias is None else nn.Identity(),
        QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, return_quant_tensor=True),
        nn.Flatten(),
        QuantLinear(144, 4, bias=False, weight_quant=Int8WeightPerTensorFixedPoint),
    )


@pytest.mark.parametrize("weight", [Int8WeightPerTensorFixedPoint, Int8WeightPerChannelFixedPoint])
def test_stock_quantizers_work_too(weight):
    model = user_model(weight)
    x = real(images())
    model(x)
    fold_batch_norm(model, x)
    assert isinstance(model[2], nn.Identity) and model[1].bias is not None
    pin_scales(model, x)
    assert pinned(model)
    weights = integer_tensor(model, "1.weight")
    assert np.abs(weights.raw).max() <= 127 and len(weights.frac) == 4
    before = weights.digest(np.ones(4, bool))
    state = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        model[1].weight[1:].mul_(16)
    after = integer_tensor(model, "1.weight")
    assert after.frac == weights.frac and np.array_equal(after.raw[0], weights.raw[0])
    model.load_state_dict(state)
    assert integer_tensor(model, "1.weight").digest(np.ones(4, bool)) == before
    assert pinned(model)


def test_biases_scaled_by_the_accumulator():
    model = user_model(bias=Int16Bias)
    x = real(images())
    model(x)
    with pytest.raises(ConversionError, match=r"1\.bias: its scale is the accumulator's"):
        integer_tensor(model, "1.bias")
    cache_bias_scales(model, images())
    bias = integer_tensor(model, "1.bias")
    weight = integer_tensor(model, "1.weight")
    assert bias.frac[0] - weight.frac[0] == int(-np.log2(float(model[0].act_quant.scale())))


def test_integers_of_a_scale_that_is_no_power_of_two():
    layer = QuantConv2d(1, 2, 1, weight_quant=Int8WeightPerTensorFloat)
    tensor = integer_tensor(layer, "weight")
    scale = float(layer.quant_weight().scale.detach())
    assert tensor.scale == (scale, scale) and tensor.frac == (0, 0)
    assert np.array_equal(tensor.raw, layer.quant_weight().int().numpy())


def test_nan_weights_are_named():
    model = semifreddo()
    with torch.no_grad():
        model.cores[1][0].conv.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ConversionError, match=r"cores\.1\.0\.conv\.weight: contains NaN"):
        integer_tensor(model, "cores.1.0.conv.weight")


def test_a_bias_stays_inside_its_range_and_grid():
    model = semifreddo()
    for name in quantized_tensor_names(model):
        if name.endswith("bias"):
            bias = integer_tensor(model, name)
            weight = integer_tensor(model, name.replace("bias", "weight"))
            assert np.abs(bias.raw).max() < 2**15
            assert max(bias.frac) <= max(weight.frac) + 16


def test_errors():
    with pytest.raises(ConfigError, match="average pool over 7x7: the area 49 is not a power"):
        QuantAvgPool((7, 7), 8)
    with pytest.raises(ConfigError, match="depthwise convolution: 2 input channels but 3"):
        QuantConvBlock(2, 3, Precision(), depthwise=True)
    with pytest.raises(ConfigError, match=r"batch norm 'cores\.0\.0\.bn' must be folded"):
        pin_scales(SemifreddoNet(SemifreddoConfig(**BASE)), real(images()))
    with pytest.raises(DataError, match="images are float64 of shape"):
        batch_of(np.zeros((1, 8, 8, 1)))
    untrained = SemifreddoNet(SemifreddoConfig(**BASE))
    fold_batch_norm(untrained)
    with pytest.raises(ConfigError, match="has seen no data"):
        pin_scales(untrained, real(images()))
    with pytest.raises(ConfigError, match="does not directly follow a quantized"):
        fold_batch_norm(nn.Sequential(nn.BatchNorm2d(1)), torch.rand(2, 1, 4, 4))
    with pytest.raises(ConfigError, match="pass an example input"):
        fold_batch_norm(nn.Sequential(nn.BatchNorm2d(1)))


def test_a_layer_without_a_bias_gets_a_quantized_one() -> None:
    """A user's own convolution, bias-free as it is usual in front of a batch norm."""
    torch.manual_seed(0)
    conv = QuantConv2d(
        1, 4, 3, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=4
    )
    norm = nn.BatchNorm2d(4)
    nn.init.normal_(norm.bias)
    model = nn.Sequential(conv, norm).eval()
    example = torch.rand(2, 1, 6, 6)
    fold_batch_norm(model, example)
    bias = integer_tensor(model, "0.bias")
    assert torch.equal(conv.quant_bias().value, torch.tensor(bias.raw * 2.0 ** -bias.frac[0]))
    assert bias.raw.any()


def test_both_convolutions_of_a_separable_block_end_in_relu() -> None:
    block = SeparableBlock(2, 3, Precision(weight_bits=4, act_bits=4, bias_bits=8))
    seen = []
    for part in (block.depthwise, block.pointwise):
        part.register_forward_hook(lambda _, __, result: seen.append(result))
    with torch.no_grad():
        block(torch.randn(4, 2, 6, 6))
    assert [float(getattr(values, "value", values).min()) for values in seen] == [0, 0]
