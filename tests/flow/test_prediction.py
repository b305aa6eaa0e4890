"""Hardware predicted from an architecture, against that of the trained network of the gallery."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from semifreddo.boards.spec import Resources
from semifreddo.convert import convert
from semifreddo.core.errors import ConfigError
from semifreddo.flow.budget import budget_of
from semifreddo.flow.config import load_config
from semifreddo.flow.prediction import predict
from semifreddo.ir.net import StreamNet
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.cost import architecture_cost, net_cost
from semifreddo.rtl.scheduler.estimate import Estimate
from semifreddo.rtl.scheduler.search import choose

DIGITS = Path(__file__).parents[2] / "hls_projects" / "digits"
PLENTY = Resources(lut=1_000_000, ff=1_000_000, dsp=0, bram18=1000)
SMALL = BackboneConfig((1, 8, 8), 4, (6, 6, 8), (1, 1, 2), skips=((0, 1),))


@pytest.mark.parametrize("fps", [10_000, 250_000])
def test_the_network_of_the_gallery(fps: float) -> None:
    net, network, budget = gallery()
    assert architecture_cost(network) == net_cost(net)
    trained, found = choose(net, budget, 100, fps).estimate, predict(network, budget, 100, fps)
    alike(found, trained)


def test_the_fastest_network_that_fits() -> None:
    """Rates come in steps, and weights of another size may just fit at the next: so at one rate."""
    net, network, budget = gallery()
    found = predict(network, budget, clock_mhz=100, target_fps=None)
    alike(found, choose(net, budget, 100, 1e8 / found.cycles_per_image).estimate)


def gallery() -> tuple[StreamNet, BackboneConfig, Resources]:
    """The digits, trained, their architecture, and what they may use."""
    config = load_config(DIGITS)
    assert config.train is not None and config.train.architecture is not None
    net = convert(config.path(config.design.model), "digits")
    return net, config.train.architecture, budget_of(config)


def alike(found: Estimate, trained: Estimate) -> None:
    """As fast, and as large within 5 %."""
    assert found.cycles_per_image == trained.cycles_per_image
    assert found.bottleneck == trained.bottleneck
    assert (found.total.dsp, found.total.bram18) == (trained.total.dsp, trained.total.bram18)
    assert found.total.lut == pytest.approx(trained.total.lut, rel=0.05)
    assert found.total.ff == pytest.approx(trained.total.ff, rel=0.05)


def test_what_makes_hardware_smaller() -> None:
    def luts(network: BackboneConfig, fps: float = 1e6, **options) -> float:
        return predict(network, PLENTY, 100, fps, **options).total.lut

    whole = luts(SMALL)
    assert luts(SMALL, frozen=["blocks"]) < 0.5 * whole
    assert luts(dataclasses.replace(SMALL, weight_bits=2)) < 0.8 * whole
    assert luts(SMALL.scaled(0.5)) < 0.6 * whole
    assert luts(dataclasses.replace(SMALL, block="separable")) < 0.8 * whole
    assert luts(SMALL, 1e4) < 0.5 * whole


def test_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="more than the budget of 500"):
        predict(SMALL, Resources(lut=500, ff=100_000, dsp=0, bram18=10), 100)
