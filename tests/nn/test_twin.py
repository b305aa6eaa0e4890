"""The plain twin of a quantized model: same parameters, same paths, no quantizers."""

from __future__ import annotations

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import nn

from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.twin import in_bfloat16, plain_twin

torch.set_num_threads(1)

CONFIG = BackboneConfig(
    (2, 8, 8),
    4,
    (4, 4, 6),
    (1, 1, 2),
    skips=((0, 1), (1, 2)),
    project=True,
    weight_bits=8,
    pool_bits=16,
)
SHAPE = CONFIG.input_shape


def built(config=CONFIG, seed=0):
    torch.manual_seed(seed)
    return Backbone(config)


def images(count=32):
    return torch.rand(count, *SHAPE).mul(255).round() / 256


def test_every_tensor_is_shared_and_every_path_is_the_same():
    model = built()
    twin = plain_twin(model, SHAPE)
    learned = dict(twin.named_parameters())
    assert learned and all(
        value is dict(model.named_parameters())[k] for k, value in learned.items()
    )
    assert learned.keys() == dict(model.named_parameters()).keys()
    kinds = (QuantConv2d, QuantLinear, QuantReLU, QuantIdentity)
    left = [name for name, module in twin.named_modules() if isinstance(module, kinds)]
    assert left == ["input.quant"]
    assert any(isinstance(module, QuantConv2d) for module in model.modules())  # untouched


def test_it_computes_the_network_without_rounding():
    model, x = built(), images()
    twin = plain_twin(model, SHAPE)
    y = twin.train()(x)
    first = torch.relu(
        model.blocks[0].bn.train()(nn.functional.conv2d(x, model.blocks[0].conv.weight, padding=1))
    )
    assert torch.allclose(first, twin.blocks[0](x), atol=1e-5)
    model.train()
    for _ in range(30):
        model(x)
    fine = model.eval()(x)
    assert torch.allclose(twin.eval()(x), fine, atol=0.05 * float(fine.detach().std()) + 0.02)
    assert not torch.equal(twin(x), fine)
    y.sum().backward()
    assert model.blocks[0].conv.weight.grad is not None


def test_an_addition_is_clipped_at_zero():
    twin = plain_twin(built(), SHAPE)
    a, b = torch.tensor([1.0, -3.0]), torch.tensor([1.0, 1.0])
    assert twin.adds["1"](a, b).tolist() == [2.0, 0.0]


def test_bfloat16_is_for_training_only():
    model, x = plain_twin(built(), SHAPE), images()
    wanted, exact = model.train()(x), model.eval()(x)
    with in_bfloat16(model):
        answers = model.train()(x)
        assert answers.dtype == torch.float32
        assert not torch.equal(answers, wanted) and torch.allclose(answers, wanted, atol=0.1)
        rounded = model.eval()(x)
    assert torch.allclose(rounded, exact, atol=0.1)
    assert "forward" not in vars(model)
    assert torch.equal(model.train()(x), wanted)


def test_maps_of_any_size():
    assert plain_twin(built(), SHAPE)(images()[:, :, :6, :6]).shape == (32, 4)


def test_a_module_that_is_called_twice_stays_one():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantIdentity()
            self.conv = QuantConv2d(2, 2, 3, padding=1)
            self.again = self.conv

        def forward(self, x):
            return self.again(self.conv(self.quant(x))).mean((2, 3))

    model = Twice()
    twin = plain_twin(model, SHAPE)
    assert twin.conv is twin.again and type(twin.conv) is nn.Conv2d
    assert twin.conv.weight is model.conv.weight
