"""How good the estimator is: predicted against synthesised, over many different layers.

``semifreddo study calibration`` synthesises random layers of every kind with Yosys (7 series), each
out of context, and prints the distribution of the errors. Results are kept by content, so that it
goes on where it stopped and does again only what a change of the generator made different. The
errors are those that each layer has by costs (:mod:`semifreddo.rtl.components.costs`) that are
fitted to seven eighths of the layers, without it; ``--set fit=true`` prints costs fitted to all.
``--set family=ecp5`` tells how many LUTs of that family come for each that is predicted.
``semifreddo study adder_graphs`` needs no Yosys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from semifreddo import adders
from semifreddo.boards.spec import Family
from semifreddo.core.columns import markdown_table
from semifreddo.core.tables import option
from semifreddo.rtl.adders.size import graph_size
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.costs import COSTS, Area, Parts
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.synthesis.parts import Part, design_parts, synthesize_parts
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.unit import Context
from semifreddo.studies.hardware.sample_curves import curve_samples
from semifreddo.studies.hardware.sample_layers import (
    Sample,
    folded_samples,
    packed_samples,
    rom_samples,
    samples,
    stored_samples,
)
from semifreddo.studies.hardware.sample_powers import power_samples
from semifreddo.studies.hardware.sample_signs import sign_samples
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.runner import Progress

SEED = 0
FOLDS = 8

KNOWN = frozenset(
    [
        "ram_lut",
        "rom_lut",
        "bram18",
        "dsp",
        "window_bit",
        "masked_bit",
        "word_bit",
        "collected_bit",
        "factor_bit",
        "product_bit",
        "product_register",
        "tree_bit",
        "sign_leaf_bit",
        "sign_value_bit",
        "shift_bit",
        "code_bit",
        "shifted_bit",
        "inverted_bit",
    ]
)
"""Costs that are not fitted: they follow from the text, or the part was synthesised alone."""


@dataclass(frozen=True)
class Compared:
    """One layer, predicted and synthesised."""

    title: str
    parts: Parts
    predicted: Area
    found: CellCounts

    def error(self, resource: str) -> float:
        """Relative error of the prediction, signed; of few cells, in cells."""
        found = getattr(self.found, resource)
        return float((getattr(self.predicted, resource) - found) / max(found, 1))


def _predicted(sample: Sample) -> tuple[Parts, Area]:
    hardware = hardware_of(make_plan(sample.net), Context.of(sample.net))[sample.layer.name]
    plan = hardware.plan(sample.choice)
    return plan.parts(), plan.area


def compare(
    chosen: Sequence[Sample],
    cache: Path,
    *,
    jobs: int,
    timeout_s: float,
    family: Family,
    say: Progress,
) -> list[Compared]:
    """Synthesise what is not kept yet.

    Raises:
        ToolError: Yosys is missing, too old or fails.
    """
    tasks = [sample_part(sample, index) for index, sample in enumerate(chosen)]
    made = synthesize_parts(
        tasks,
        family=family,
        cache=cache,
        timeout_s=timeout_s,
        jobs=jobs,
        progress=say,
    )
    return [
        Compared(sample.title, *_predicted(sample), part.cells)
        for sample, part in zip(chosen, made, strict=True)
    ]


def sample_part(sample: Sample, index: int) -> Part:
    """The layer of a sample, as it is synthesised."""
    schedule = RtlSchedule({sample.layer.name: sample.choice})
    part = design_parts(make_design(sample.net, schedule))[0]
    return Part(f"{index} {sample.title}", part.top, part.files, part.black_boxes)


def ratios(compared: Sequence[Compared]) -> str:
    """LUTs of another family for each predicted one, as a Markdown table."""
    rows: list[tuple[object, ...]] = []
    for kind in ("all", *sorted({_kind(each) for each in compared})):
        chosen = [each for each in compared if kind in ("all", _kind(each))]
        predicted, found = (
            np.array([getattr(each, name).lut for each in chosen]) for name in _BOTH
        )
        each = found / predicted
        figures = (each.min(), np.median(each), each.max(), found.sum() / predicted.sum())
        rows.append((kind, len(chosen), *(f"{figure:.2f}" for figure in figures)))
    head = ("", "layers", "smallest", "median", "largest", "all together")
    return markdown_table(head, rows).rstrip()


_BOTH = ("predicted", "found")
RESOURCES = ("lut", "ff", "dsp", "bram18")


def distribution(compared: Sequence[Compared]) -> str:
    """The errors as a Markdown table: of all layers and by kind."""
    rows = [_row(resource.upper(), resource, compared) for resource in RESOURCES[:2]]
    for resource in RESOURCES[2:]:
        users = [each for each in compared if getattr(each.found, resource)]
        wrong = [each for each in compared if each.error(resource)]
        exact = f"exact in {len(compared) - len(wrong)} of {len(compared)}"
        worst = f"{max((abs(e.error(resource)) for e in wrong), default=0):.0%}"
        together = _together(resource, users)
        rows.append((resource.upper(), len(users), exact, "", worst, together))
    for kind in sorted({_kind(each) for each in compared}):
        rows.append(_row(f"LUT, {kind}", "lut", [e for e in compared if _kind(e) == kind]))
    head = ("", "layers", "median", "90th percentile", "worst", "all together")
    return markdown_table(head, rows).rstrip()


def _kind(compared: Compared) -> str:
    return compared.title.split()[0]


def _row(title: str, resource: str, compared: Sequence[Compared]) -> tuple[object, ...]:
    errors = np.abs([each.error(resource) for each in compared])
    figures = (np.median(errors), np.quantile(errors, 0.9), errors.max())
    told = (f"{figure:.1%}" for figure in figures)
    return (title, len(errors), *told, _together(resource, compared))


def _together(resource: str, compared: Sequence[Compared]) -> str:
    predicted = sum(getattr(each.predicted, resource) for each in compared)
    found = sum(getattr(each.found, resource) for each in compared)
    return f"{(predicted - found) / found:+.1%}" if found else "0"


def listing(compared: Iterable[Compared]) -> str:
    """Every layer, predicted and found."""
    return "\n".join(
        f"{each.title:64}  LUT {each.predicted.lut:6.0f} {each.found.lut:6d} "
        f"{each.error('lut'):+5.0%}  FF {each.predicted.ff:6.0f} {each.found.ff:6d} "
        f"{each.error('ff'):+5.0%}  DSP {each.predicted.dsp:3.0f} {each.found.dsp:3d}  "
        f"BRAM18 {each.predicted.bram18:2.0f} {each.found.bram18:2d}"
        for each in compared
    )


def fit(compared: Sequence[Compared], strength: float = 0.02) -> Mapping[str, Area]:
    """Costs that predict the layers best, not far from those there are.

    Least squares of the relative errors; ``strength`` weighs a change of a cost by all of itself
    against an error of 100 %. What costs nothing stays free.
    """
    fitted = {kind: asdict(cost) for kind, cost in COSTS.items()}
    for resource in ("lut", "ff"):
        kinds = [
            kind for kind, cost in COSTS.items() if getattr(cost, resource) and kind not in KNOWN
        ]
        before = np.array([getattr(COSTS[kind], resource) for kind in kinds])
        counts = np.array([[each.parts.counts.get(k, 0.0) for k in kinds] for each in compared])
        found = np.array([max(getattr(each.found, resource), 1) for each in compared], float)
        known = np.array(
            [
                sum(
                    c * getattr(COSTS[k], resource)
                    for k, c in each.parts.counts.items()
                    if k not in kinds
                )
                for each in compared
            ]
        )
        rows = np.vstack([counts / found[:, None], np.diag(strength**0.5 / before)])
        wanted = np.concatenate([1 - known / found, np.full(len(kinds), strength**0.5)])
        costs, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
        for kind, cost in zip(kinds, costs, strict=True):
            fitted[kind][resource] = round(float(max(cost, 0.0)), 3)
    return {kind: Area(**values) for kind, values in fitted.items()}


def cross_validated(compared: Sequence[Compared]) -> list[Compared]:
    """Every layer predicted by costs that were fitted without it."""
    found = []
    for fold in range(FOLDS):
        costs = fit([each for index, each in enumerate(compared) if index % FOLDS != fold])
        found += [
            replace(each, predicted=each.parts.area(costs).rounded())
            for each in compared[fold::FOLDS]
        ]
    return found


def graph_errors(count: int) -> str:
    """How well the size of solved adder graphs is predicted, for random frozen matrices."""
    frozen = (s for s in samples(SEED + 1) if s.title.startswith(("frozen", "digits", "linear")))
    errors: dict[str, list[float]] = {"adders": [], "bits of adders": []}
    for sample in islice((s for s in frozen if all(s.net.blocks[0].frozen)), count):
        weight, source = sample.net.blocks[0], sample.net.input.type
        size = graph_size(weight, source, depthwise=False)
        graph = adders.solve(weight.matrix, source)
        bits = sum(adder.range.format[0] for adder in graph.adders)
        errors["adders"].append(abs(size.adders / len(graph.adders) - 1))
        errors["bits of adders"].append(abs(size.adder_bits / bits - 1))
    return "\n".join(
        f"{name} of {len(found)} graphs: median error {np.median(found):.1%}, "
        f"90th percentile {np.quantile(found, 0.9):.1%}, worst {max(found):.1%}"
        for name, found in errors.items()
    )


@dataclass(frozen=True)
class Calibration(Measurement):
    """Predicted against synthesised."""

    name: ClassVar[str] = "calibration"
    title: ClassVar[str] = "how far the estimator of cells is off"

    layers: int = option(64, help="how many random layers", low=1)
    folded: int = option(0, help="how many layers of folded repeats besides", low=0)
    roms: int = option(0, help="how many layers with a ROM besides", low=0)
    packed: int = option(0, help="how many layers with several products in a slice", low=0)
    stored: int = option(0, help="how many layers with their windows in a memory", low=0)
    signs: int = option(0, help="how many layers with weights of -1 and 1, each in two ways", low=0)
    powers: int = option(0, help="how many layers with powers of two, each in three ways", low=0)
    curves: int = option(0, help="how many curves besides", low=0)
    timeout_s: float = option(600.0, help="seconds for a layer", low=1)
    family: Family = option("xc7", help="of others: ratios of LUTs")  # noqa: RUF009 -- makes a field
    fit: bool = option(False, help="print costs fitted to all layers, too")

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        layers = [
            *islice(samples(SEED), self.layers),
            *islice(folded_samples(SEED), self.folded),
            *islice(rom_samples(SEED), self.roms),
            *islice(packed_samples(SEED), self.packed),
            *islice(stored_samples(SEED), self.stored),
            *islice(sign_samples(SEED), self.signs),
            *islice(power_samples(SEED), self.powers),
            *islice(curve_samples(SEED), self.curves),
        ]
        compared = compare(
            layers, folder, jobs=jobs, timeout_s=self.timeout_s, family=self.family, say=say
        )
        if self.family != "xc7":
            return f"{listing(compared)}\n\n{ratios(compared)}\n"
        text = (
            f"{listing(compared)}\n\nBy costs fitted to other layers:\n\n"
            f"{distribution(cross_validated(compared))}\n\nBy the costs there are:\n\n"
            f"{distribution(compared)}\n"
        )
        if self.fit:
            lines = [f'    "{kind}": {cost},' for kind, cost in fit(compared).items()]
            text += "\n".join(["", *lines, ""])
        return text


@dataclass(frozen=True)
class AdderGraphs(Measurement):
    """Predicted against solved adder graphs."""

    name: ClassVar[str] = "adder_graphs"
    title: ClassVar[str] = "how far the predicted size of adder graphs is off"

    graphs: int = option(64, help="how many random frozen matrices", low=1)

    def run(self, _folder: Path, _jobs: int, _say: Progress) -> str:
        return f"{graph_errors(self.graphs)}\n"
