import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant.scaled_int import Int16Bias
from torch import nn

from semifreddo.core.errors import ConfigError, FrozenTensorChangedError
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.layers import Precision, QuantConvBlock
from semifreddo.nn.model import SemifreddoNet
from semifreddo.nn.pin import pin_scales, scale_of
from semifreddo.train.freeze import FreezeGuard, freeze, frozen_share, verify

torch.set_num_threads(1)

CONFIG = SemifreddoConfig((1, 8, 8), 4, (4, 4), (2, 1))
X = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 4


def small():
    torch.manual_seed(0)
    model = SemifreddoNet(CONFIG)
    model(X)
    fold_batch_norm(model)
    return model


def stock():
    torch.manual_seed(0)
    return nn.Sequential(
        QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True),
        QuantConv2d(1, 6, 3, weight_quant=Int8WeightPerTensorFixedPoint, bias=False),
        QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, return_quant_tensor=True),
        nn.Flatten(),
        QuantLinear(216, 4, bias=False, weight_quant=Int8WeightPerTensorFixedPoint),
    )


def steps(model, guard, make=torch.optim.SGD, count=5, **options):
    # Everything goes to the optimizer, frozen or not, with all it takes to move it.
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    optimizer = make(model.parameters(), lr=0.3, weight_decay=0.1, **options)
    if guard is not None:
        guard.attach(optimizer)
    model.train()
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("make", "options"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.AdamW, {})]
)
@pytest.mark.parametrize("build", [small, stock])
def test_weight_decay_and_momentum_do_not_move_frozen_channels(build, make, options):
    model = build()
    model(X)
    plan = freeze(model, ["*.weight"], fraction=0.5)
    before = {name: integer_tensor(model, name) for name in quantized_tensor_names(model)}
    with FreezeGuard(model, plan) as guard:
        steps(model, guard, make, **options)
    verify(model, plan)
    moved = [
        n for n, t in before.items() if not np.array_equal(t.raw, integer_tensor(model, n).raw)
    ]
    assert moved, "the rest must have been trained"


def test_without_a_guard_the_change_is_noticed():
    model = small()
    plan = freeze(model, ["cores.0"])
    steps(model, None)
    with pytest.raises(
        FrozenTensorChangedError, match=r"frozen tensors changed: cores\.0\.0\.conv"
    ):
        verify(model, plan)


def test_partial_training_does_not_move_a_shared_scale():
    model = small()
    plan = freeze(model, channels={"cores.1.0.conv.weight": [0, 2]})
    with torch.no_grad():
        model.cores[1][0].conv.weight[1] *= 1000
    verify(model, plan)


def test_changing_the_scale_is_noticed():
    model = small()
    plan = freeze(model, ["cores.0.1"])
    scale_of(model.cores[0][1].conv.weight_quant).frac.add_(1)
    with pytest.raises(FrozenTensorChangedError, match=r"cores\.0\.1\.conv\.weight"):
        verify(model, plan)


def test_loading_another_state_is_noticed_and_undone():
    model = small()
    plan = freeze(model, ["cores.0"])
    torch.manual_seed(1)
    other = SemifreddoNet(CONFIG)
    other(X)
    fold_batch_norm(other)
    guard = FreezeGuard(model, plan)
    model.load_state_dict(other.state_dict())
    with pytest.raises(FrozenTensorChangedError):
        verify(model, plan)
    guard.restore()
    guard.close()


def block():
    torch.manual_seed(0)
    model = nn.Sequential(
        QuantConvBlock(1, 4, Precision()),
        QuantConvBlock(4, 4, Precision(), stride=2),
        nn.Flatten(),
        QuantLinear(64, 4, bias=False, weight_quant=Int8WeightPerTensorFixedPoint),
    )
    model(X)
    return model


def test_batch_norm_of_a_frozen_layer_stays_in_evaluation_mode():
    model = block()
    plan = freeze(model, ["0"])
    mean, other = model[0].bn.running_mean.clone(), model[1].bn.running_mean.clone()
    weight = model[0].bn.weight.clone()
    with FreezeGuard(model, plan) as guard:
        model.train()
        steps(model, guard)
        assert not model[0].bn.training and model[1].bn.training
    assert torch.equal(model[0].bn.running_mean, mean)
    assert torch.equal(model[0].bn.weight, weight)
    assert not torch.equal(model[1].bn.running_mean, other)


def test_partly_frozen_layers_must_be_folded_first():
    with pytest.raises(ConfigError, match=r"0\.conv is followed by batch norm '0\.bn'.*fold it"):
        freeze(block(), ["0"], fraction=0.5)


def test_fully_frozen_tensors_need_no_gradient():
    model = small()
    freeze(model, ["cores.0"])
    assert not any(p.requires_grad for p in model.cores[0].parameters())
    assert all(p.requires_grad for p in model.cores[1].parameters())


def test_what_is_selected():
    model = small()
    plan = freeze(model, ["cores.0.*", "head"], channels={"blends.1.0.alpha": [3]}, fraction=0.5)
    flags = {tensor.name: tensor.channels for tensor in plan.tensors}
    assert flags["cores.0.0.conv.weight"] == (True, True, False, False)
    assert flags["head.linear.bias"] == (True, True, False, False)
    assert flags["blends.1.0.alpha"] == (False, False, False, True)
    assert not any(name.startswith("cores.1") for name in flags)
    assert freeze(model, ["*"], fraction=0.0) == FreezePlan()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"layers": ["core.0"]},
            r"no quantized layer matches 'core\.0'; the nearest is 'cores\.0'",
        ),
        ({"layers": ["head"], "fraction": 1.5}, "fraction 1.5 is outside 0..1"),
        (
            {"channels": {"head.linear.bias": [0, 4, 9]}},
            r"^freeze: head\.linear\.bias has output channels 0\.\.3, not 4$",
        ),
        (
            {"channels": {"head.linear.bias": [3, -1]}},
            r"^freeze: head\.linear\.bias has output channels 0\.\.3, not -1$",
        ),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ConfigError, match=message):
        freeze(small(), **arguments)


def test_biases_that_move_with_activations_are_refused():
    model = nn.Sequential(
        QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True),
        QuantConv2d(
            1, 2, 3, weight_quant=Int8WeightPerTensorFixedPoint, bias_quant=Int16Bias, bias=True
        ),
    )
    model(X)
    with pytest.raises(ConfigError, match=r"1\.bias is scaled by its layer's accumulator"):
        freeze(model, ["1.bias"])
    pin_scales(model, X)
    verify(model, freeze(model, ["1.bias"]))


class OutOfOrder(nn.Module):
    """Batch norms defined before the layers that they follow, and in the other order."""

    def __init__(self):
        super().__init__()
        self.norm2, self.norm1 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.input = QuantIdentity(act_quant=Int8ActPerTensorFixedPoint)
        self.conv1 = QuantConv2d(1, 4, 3, weight_quant=Int8WeightPerTensorFixedPoint, bias=False)
        self.conv2 = QuantConv2d(4, 4, 3, weight_quant=Int8WeightPerTensorFixedPoint, bias=False)
        self.act = QuantReLU(act_quant=Uint8ActPerTensorFixedPoint)

    def forward(self, x):
        x = self.act(self.norm1(self.conv1(self.input(x))))
        return self.norm2(self.conv2(x)).flatten(1)


def test_batch_norms_are_paired_by_running_the_model():
    model = OutOfOrder()
    model(X)
    plan = freeze(model, ["conv1"], example=X)
    assert not model.norm1.training and model.norm2.training
    mean = model.norm1.running_mean.clone()
    with FreezeGuard(model, plan, X):
        model.train()
        model(X)
    assert torch.equal(model.norm1.running_mean, mean)
    with pytest.raises(ConfigError, match="conv2 is followed by batch norm 'norm2'"):
        freeze(OutOfOrder(), ["conv2"], fraction=0.5, example=X)


def test_batch_norms_without_an_example_are_refused():
    with pytest.raises(ConfigError, match="batch norm 'norm2': pass an example"):
        freeze(OutOfOrder(), ["conv1"])
    assert freeze(OutOfOrder(), ["conv1"], fraction=0.0) == FreezePlan()


def test_shares_count_every_number():
    model = small()
    plan = freeze(model, ["cores.0.0"], fraction=0.5)
    frozen, total = frozen_share(model, plan)
    assert frozen == 2 * 9 + 2  # half of the first block: two filters of 3x3 and their biases
    assert total == sum(integer_tensor(model, n).raw.size for n in quantized_tensor_names(model))
