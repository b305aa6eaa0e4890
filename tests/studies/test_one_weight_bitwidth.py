"""The study of one weight bitwidth: every way runs, the search is greedy, the margin decides."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
import torch

from nets import blended
from semifreddo.nn.skeleton import model_bits
from semifreddo.studies import one_weight_bitwidth as study
from semifreddo.studies.one_weight_bitwidth import (
    BITS,
    FAMILIES,
    OneWeightBitwidth,
    config_of,
    equal_size,
    find_mixed,
)
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.options import TrainOptions
from studies.noise import noise

torch.set_num_threads(1)


@dataclasses.dataclass(frozen=True)
class Tiny(OneWeightBitwidth):
    """On noise, so that what runs is seen and nothing else."""

    def load(self, directory):
        return noise(28)


def test_every_way(tmp_path, monkeypatch):
    shapes = {
        name: dataclasses.replace(shape, widths=(4, 5), strides=(4, 4))
        for name, shape in FAMILIES.items()
    }
    monkeypatch.setattr(study, "BITS", (2, 8))
    monkeypatch.setattr(study, "FAMILIES", shapes)
    monkeypatch.setattr(study, "equal_size", equal_size.__wrapped__)
    monkeypatch.setattr(study, "LUT_WIDTHS", {("standard", "frozen", 2): (3, 4)})
    options = TrainOptions(epochs=1, tune_epochs=0, batch=20, progress=False)
    made = Tiny(options=options, harm=100, lut_seeds=1, synthesise=False)
    runner = Runner(made, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    results = runner.results()
    assert [item.cell.way for item in results].count("standard, search") == 4
    for item in results:
        config = config_of(item.cell)
        if item.cell.way in FAMILIES:
            # Nothing does harm, so every layer has the fewest bits: those of a single bitwidth.
            assert set(item.cell.point["bits"]) <= {2, 8}
            assert item.validation["size"] == model_bits(config)
            assert model_bits(config) <= model_bits(shapes[item.cell.way]) or config.widths == (
                3,
                4,
            )
            assert set(item.test) == {"accuracy"}
        else:
            assert item.test == {}
    page = " ".join(render(made, runner.record()).split())
    assert "| depthwise | mixed: 2, 2, 2 |" in page and "| standard | frozen | 2 | 3, 4 |" in page
    assert "depthwise, equal size" in draw(made, runner.record())


def measured_as(cell: Cell, val: float, test: float | None = None) -> Measured:
    return Measured(
        cell, {"val": val, "train": val}, None if test is None else {"accuracy": test}, 1
    )


def test_the_search_keeps_what_does_no_harm():
    """Of a network whose accuracy is known: layers 1 and 3 stand 2 bits, layer 2 stands 4."""
    needs, asked = (8, 2, 4, 2), []

    def known(cell):
        asked.append(tuple(cell.point["bits"]))
        harm = sum(bits < least for bits, least in zip(asked[-1], needs, strict=True))
        return measured_as(cell, 0.8 - 0.1 * harm)

    assert find_mixed("standard", 0, known, 0.5) == needs
    assert asked[0] == (8, 8, 8, 8) and asked[1] == (8, 8, 1, 8), "the largest layer is first"
    assert find_mixed("standard", 0, lambda cell: None, 0.5) is None


def results_of(single, mixed, shape_bits=(8, 2, 4, 2)):
    """Results of both families; accuracies by bitwidth, for validation and test alike."""
    made = OneWeightBitwidth()
    results = []
    for family in FAMILIES:
        for bits, accuracy in zip(BITS, single[family], strict=True):
            config = equal_size(family, (bits,))
            results.append(measured_as(study._cell(family, 0, config), accuracy, accuracy))

        def known(cell):
            bits = cell.point["bits"]
            harm = sum(a < b for a, b in zip(bits, shape_bits, strict=True))
            results.append(measured_as(cell, 0.8 - 0.1 * harm, None))
            return results[-1]

        find_mixed(family, 0, known, made.harm)
        config = equal_size(family, shape_bits)
        results.append(measured_as(study._cell(family, 0, config), 0.5, mixed[family]))
    return made, results


@pytest.mark.parametrize(
    ("standard", "depthwise", "mixed", "outcome"),
    [
        ((0.80, 0.82, 0.81, 0.79), (0.70, 0.71, 0.74, 0.72), (0.82, 0.742), "holds"),
        ((0.80, 0.82, 0.81, 0.79), (0.70, 0.75, 0.74, 0.72), (0.81, 0.74), "holds"),
        ((0.80, 0.82, 0.81, 0.79), (0.76, 0.75, 0.74, 0.72), (0.81, 0.74), "does not hold"),
        ((0.80, 0.82, 0.81, 0.79), (0.70, 0.71, 0.74, 0.72), (0.824, 0.74), "does not hold"),
        ((0.80, 0.82, 0.81, 0.79), (0.70, 0.71, 0.74, 0.72), (0.82, 0.744), "does not hold"),
        ((0.80, 0.802, 0.803, 0.80), (0.70, 0.71, 0.74, 0.72), (0.81, 0.74), "undecided"),
    ],
)
def test_the_margin_decides(standard, depthwise, mixed, outcome):
    single = {"standard": standard, "depthwise": depthwise}
    made, results = results_of(single, dict(zip(FAMILIES, mixed, strict=True)))
    verdict = made.verdict(results)
    assert verdict.outcome == outcome and verdict.why.count("bits are best") == 2


def test_what_is_synthesised_are_the_winners_at_equal_luts():
    """Once all is measured, and only if it is wanted; each with the seed of the search."""
    made = OneWeightBitwidth(lut_seeds=2)
    best = dict(zip(product(FAMILIES, study.RESIDENCIES), (2, 8, 4, 1), strict=True))
    winners = {tuple(study._equal_luts(*place, bits).widths): bits for place, bits in best.items()}

    def measured(cell):
        bits = winners.get(tuple(cell.point["widths"]))
        return measured_as(cell, 0.9 if set(cell.point["bits"]) == {bits} else 0.5)

    def synthesised(cells):
        return [cell for cell in cells if cell.way.endswith(study.SYNTHESIS)]

    results = {}
    while new := [
        cell
        for cell in made.cells((0, 1, 2), [*results.values()])
        if cell.key not in results and cell not in synthesised([cell])
    ]:
        assert not synthesised(made.cells((0, 1, 2), [*results.values()]))
        results |= {cell.key: measured(cell) for cell in new}
    found = synthesised(made.cells((0, 1, 2), [*results.values()]))
    chosen = {
        (cell.way.partition(",")[0], cell.point["residency"]): set(cell.point["bits"])
        for cell in found
    }
    assert chosen == {place: {bits} for place, bits in best.items()}
    assert {cell.seed for cell in found} == {0}
    other = dataclasses.replace(made, synthesise=False)
    assert not synthesised(other.cells((0, 1, 2), [*results.values()]))


def test_mixed_bits_before_the_search_has_ended():
    table = study._Table(OneWeightBitwidth(), [])
    with pytest.raises(LookupError, match=r"^standard: the search of mixed bits has not ended$"):
        table.mixed("standard")


@pytest.mark.parametrize("residency", study.RESIDENCIES)
def test_a_network_of_one_residency(residency):
    net = study._all_weights(blended(), residency)
    assert {block.residency for block in net.blocks} == {
        "frozen" if residency == "frozen" else "configurable"
    }
    assert all(
        np.array_equal(block.raw, other.raw)
        for block, other in zip(net.blocks, blended().blocks, strict=True)
    )


def test_luts_of_a_network_that_nobody_has_trained():
    """More bits need more of them; a network that is too slow needs more than there are."""
    small = dataclasses.replace(FAMILIES["standard"], widths=(2, 2, 2))
    luts = {
        (bits, residency): study.luts_of(study.with_weight_bits(small, bits), residency)
        for bits in (2, 8)
        for residency in study.RESIDENCIES
    }
    assert 0 < luts[2, "frozen"] < luts[8, "frozen"]
    assert luts[2, "loadable"] < luts[8, "loadable"] != luts[8, "frozen"]
