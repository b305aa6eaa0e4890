"""Sums of powers of two: the terms of single values, of filters, and of whole networks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semifreddo.core.errors import CheckpointError, ConfigError
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import integer_tensor
from semifreddo.nn.layers import Precision, QuantConvBlock
from semifreddo.nn.model import CoreNet, SemifreddoNet
from semifreddo.nn.powers import (
    nearest_power,
    powers_quants,
    promised_terms,
    signed_digits,
    split_terms,
)

torch.set_num_threads(1)

FLOATS = arrays.arrays(np.float32, (3, 2, 3, 3), elements=st.floats(-3, 3, width=32))


def block(bits, terms, weight, per_channel=False):
    made = QuantConvBlock(2, 3, Precision(bits, per_channel=per_channel, terms=terms))
    with torch.no_grad():
        made.conv.weight.copy_(torch.from_numpy(weight))
    return made


def naf_digits(value):
    """Canonical signed digits, one at a time."""
    count, rest = 0, abs(int(value))
    while rest:
        if rest & 1:
            rest -= 2 - (rest & 3)
            count += 1
        rest >>= 1
    return count


def test_signed_digits():
    values = np.arange(-300, 301)
    assert signed_digits(values).tolist() == [naf_digits(value) for value in values]
    assert signed_digits(np.array([0, 1, 3, 7, 5, 11, 96])).tolist() == [0, 1, 2, 2, 2, 3, 2]


def test_nearest_in_the_logarithm():
    x = torch.tensor([0.0, 0.70, 0.71, 1.41, 1.42, -2.8, -2.9, 5.7, 100.0, -0.1])
    assert nearest_power(x, 2).tolist() == [0, 0, 1, 1, 2, -2, -4, 4, 4, 0]


@given(arrays.arrays(np.float32, 40, elements=st.floats(-300, 300, width=32)), st.integers(0, 6))
def test_two_terms_are_powers_and_fit(values, top):
    first, second = split_terms(torch.from_numpy(values), top)
    for term in (first, second):
        found = {abs(value) for value in term.tolist()}
        assert found <= {0.0, *(2.0**exponent for exponent in range(top + 1))}
    total = first + second
    assert total.abs().max() <= (1 << (top + 1)) - 1
    assert signed_digits(total.numpy().astype(np.int64)).max() <= 2
    # A second term never makes it worse.
    clipped = torch.from_numpy(values).clamp(-1.5 * 2.0**top, 1.5 * 2.0**top)
    assert bool(((clipped - total).abs() <= (clipped - first).abs()).all())


@settings(max_examples=30, deadline=None)
@given(FLOATS, st.sampled_from([2, 3, 4, 8]), st.sampled_from([1, 2, "learned"]), st.booleans())
def test_a_weight_has_at_most_its_terms(weight, bits, terms, per_channel):
    made = block(bits, terms, weight, per_channel)
    ((_, parameter, quant),) = powers_quants(made)
    if terms == "learned":
        with torch.no_grad():
            quant.filter_terms.threshold.fill_(1.5)
        quant.fix(parameter)
    raw = integer_tensor(made, "conv.weight").raw
    assert abs(raw).max(initial=0) < 1 << (bits - 1)
    digits = signed_digits(raw).reshape(3, -1).max(1)
    assert (digits <= quant.filter_terms.count.numpy()).all()


def test_the_threshold_chooses_the_terms_of_a_filter():
    weight = np.zeros((3, 2, 3, 3), np.float32)
    weight[0], weight[1, 0, 0, 0], weight[2] = 0.75, 1.0, 0.75 / 16
    made = block(8, "learned", weight)
    ((_, parameter, quant),) = powers_quants(made)
    with torch.no_grad():
        quant.filter_terms.threshold.fill_(3)
    quant.fix(parameter)
    # Of three quarters a third is left, however small the filter is, and of one nothing.
    assert quant.filter_terms.count.tolist() == [2, 1, 2]
    quant.filter_terms.threshold.data.fill_(100)
    quant.fix(parameter)
    assert quant.filter_terms.count.tolist() == [2, 1, 2], "fixed means fixed"


def test_gradients():
    made = block(8, "learned", np.full((3, 2, 3, 3), 0.7, np.float32))
    ((_, parameter, quant),) = powers_quants(made)
    made.conv.quant_weight().value.square().sum().backward()
    value = made.conv.quant_weight().value
    assert torch.allclose(parameter.grad, 2 * value)
    assert quant.filter_terms.threshold.grad != 0
    # What a term costs raises its threshold and moves weights towards single powers.
    quant.filter_terms.threshold.grad = parameter.grad = None
    quant.cost(parameter).sum().backward()
    assert quant.filter_terms.threshold.grad < 0
    first = split_terms(parameter.detach() / 2**-6, 6)[0] * 2**-6
    assert ((parameter.grad > 0) == (parameter > first)).all()


def test_folding_fixes_the_terms_before_it_scales_the_weights():
    made = block(8, "learned", np.full((3, 2, 3, 3), 0.7, np.float32))
    ((_, _, quant),) = powers_quants(made)
    with torch.no_grad():
        quant.filter_terms.threshold.fill_(100)
        made.bn.weight.fill_(1e4)
    fold_batch_norm(made)
    assert bool(quant.filter_terms.fixed) and quant.filter_terms.count.tolist() == [1, 1, 1]
    assert not quant.filter_terms.threshold.requires_grad


@pytest.mark.parametrize(("terms", "expected"), [(1, 1), (2, 2), ("learned", 2)])
def test_what_more_training_keeps_to(terms, expected):
    made = block(8, terms, np.full((3, 2, 3, 3), 0.7, np.float32))
    assert promised_terms(made) == {"conv.weight": expected}


@pytest.mark.parametrize(("threshold", "expected"), [(100.0, 1), (0.0, 2)])
def test_learned_terms_that_are_fixed_are_promised(threshold, expected):
    made = block(8, "learned", np.full((3, 2, 3, 3), 0.7, np.float32))
    ((_, _, quant),) = powers_quants(made)
    with torch.no_grad():
        quant.filter_terms.threshold.fill_(threshold)
    fold_batch_norm(made)
    assert promised_terms(made) == {"conv.weight": expected}


@given(arrays.arrays(np.float32, 60, elements=st.floats(-300, 300, width=32)), st.integers(0, 6))
def test_all_sums_of_terms_are_promised_values(values, top):
    """What training gives is what a task may load."""
    first, second = (
        term.to(torch.int64).numpy() for term in split_terms(torch.from_numpy(values), top)
    )
    assert np.isin(first, sums_of_powers(top + 2, 1)).all()
    assert np.isin(first + second, sums_of_powers(top + 2, 2)).all()


def test_a_state_brings_the_terms_and_keeps_the_parameters():
    """Brevitas makes quantizers anew when a state is loaded; an optimizer must not notice."""
    made = block(8, "learned", np.full((3, 2, 3, 3), 0.7, np.float32))
    ((_, _, quant),) = powers_quants(made)
    threshold = quant.filter_terms.threshold
    state = {name: value.clone() for name, value in made.state_dict().items()}
    (name,) = (name for name in state if name.endswith("threshold"))
    state[name] = torch.tensor(0.25)
    made.load_state_dict(state)
    ((_, _, quant),) = powers_quants(made)
    assert quant.filter_terms.threshold is threshold and threshold == 0.25


CORES = {"input_shape": (1, 8, 8), "classes": 3, "widths": (4, 4), "strides": (2, 1)}


@pytest.mark.parametrize(
    ("kinds", "where"),
    [
        ({"weights": "powers_of_two"}, {"0", "1", "2"}),
        ({"core_weights": "powers_of_two"}, {"0"}),
        ({"trainable_weights": "powers_of_two"}, {"1", "2"}),
        ({"weights": "powers_of_two", "core_weights": "uniform"}, {"1", "2"}),
    ],
)
def test_which_cores(kinds, where):
    config = SemifreddoConfig(**CORES, terms="learned", **kinds)
    found = {name.split(".")[1] for name, _, _ in powers_quants(SemifreddoNet(config))}
    assert found == where and config.learns_terms
    assert SemifreddoConfig.from_dict(config.to_dict()) == config
    assert bool(list(powers_quants(CoreNet(config)))) == ("0" in where)


def test_a_backbone_and_its_configuration():
    config = BackboneConfig(**CORES, weights="powers_of_two", terms=1)
    assert not config.learns_terms and not BackboneConfig(**CORES, terms="learned").learns_terms
    with pytest.raises(ConfigError, match="network terms: 3 is not known"):
        BackboneConfig.from_dict({**config.to_dict(), "terms": 3})
    twin = copy.deepcopy(config.to_dict())
    del twin["weights"], twin["terms"], twin["term_penalty"]
    assert BackboneConfig.from_dict(twin) == BackboneConfig(**CORES)


def test_kinds_that_are_off_decide_nothing():
    plain = SemifreddoConfig(**CORES)
    assert not {"weights", "terms", "core_weights"} & set(plain.deciding())
    assert {**plain.to_dict(), **plain.deciding()} == plain.to_dict()
    some = SemifreddoConfig(**CORES, core_weights="powers_of_two")
    assert some.deciding() == some.to_dict()


def test_a_core_of_other_terms_is_no_core_for_this_network():
    from semifreddo.train.checkpoint import TrainedModel
    from semifreddo.train.freeze import freeze
    from semifreddo.train.recipes import freeze_core

    one = SemifreddoConfig(**CORES, weights="powers_of_two", terms=1)
    core = CoreNet(one)
    fold_batch_norm(core)
    trained = TrainedModel(core, one, freeze(core, ["cores.0"]), ("a", "b", "c"), {}, (1, 8, 8))
    with pytest.raises(CheckpointError, match="core_terms = 1, the network has 2"):
        freeze_core(SemifreddoConfig(**CORES, weights="powers_of_two", terms=2), trained)
