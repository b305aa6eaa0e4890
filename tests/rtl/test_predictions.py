"""What is predicted, chosen and said of it changes on purpose only: golden texts.

Whether a prediction is right is for Yosys to say (``semifreddo study calibration``), and takes it
an hour. Here every count of every component is written down for layers of all kinds, so a term that
is lost is seen at once, and so is what a change of costs does to schedules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from golden_files import updating
from matrix.cases import matrix_net, rtl_choices
from nets import blended
from rtl.random_nets import random_net, with_packed, with_powers, with_roms, with_signs
from semifreddo.boards.spec import Resources
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.design.buses import BusParts
from semifreddo.rtl.design.streams import StreamParts
from semifreddo.rtl.scheduler.estimate import sized_plan
from semifreddo.rtl.scheduler.search import choose
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.timing.latency import latency_of
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.plan import counted
from semifreddo.rtl.units.unit import Context
from semifreddo.studies.hardware.sample_curves import curve_samples
from semifreddo.studies.hardware.sample_layers import (
    folded_samples,
    packed_samples,
    rom_samples,
    samples,
    stored_samples,
)
from semifreddo.studies.hardware.sample_powers import power_samples
from semifreddo.studies.hardware.sample_signs import sign_samples

GOLDEN = Path(__file__).parents[1] / "golden" / "rtl"
SAMPLES = {
    "layers": (samples, 48),
    "folded": (folded_samples, 16),
    "roms": (rom_samples, 12),
    "packed": (packed_samples, 12),
    "stored": (stored_samples, 12),
    "signs": (sign_samples, 6),
    "powers": (power_samples, 9),
    "curves": (curve_samples, 6),
}
FOLDED = (34, 64, 103)


def compare(name: str, lines: Iterable[str]) -> None:
    """``SEMIFREDDO_UPDATE_GOLDEN=1`` writes the golden file anew."""
    text, path = "\n".join(lines) + "\n", GOLDEN / f"{name}.txt"
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no golden file {path.name}; set SEMIFREDDO_UPDATE_GOLDEN=1"
    assert text == path.read_text(encoding="utf-8")


def chosen(choice: Choice) -> str:
    """What a choice has that is not the default."""
    default = dataclasses.asdict(Choice())
    found = {k: v for k, v in dataclasses.asdict(choice).items() if v != default[k]}
    return " ".join(f"{key}={value}" for key, value in found.items())


def costs(area: Area) -> str:
    found = dataclasses.asdict(area)
    return " ".join(f"{key} {value:g}" for key, value in found.items() if value)


def counts(parts: Parts) -> str:
    """Each kind with its number, and what all of them cost."""
    listed = ", ".join(f"{kind} {count:g}" for kind, count in sorted(parts.counts.items()))
    return f"    {listed}\n    = {costs(parts.area())}"


def predicted(net: StreamNet, schedule: RtlSchedule) -> Iterator[str]:
    """Every layer, then what is between them and around them, then how long an image takes."""
    plan = make_plan(net, schedule.unrolled)
    hardware = hardware_of(plan, Context.of(net))
    for name, found in hardware.items():
        each = found.plan(schedule[name])
        figures = each.figures
        yield f"  {name}: {chosen(schedule[name])}"
        yield f"    {each.words}; {each.limit}"
        yield (
            f"    {each.cycles_per_image} cycles, {figures.word_cycles} a word, latency "
            f"{figures.latency}, depth {figures.depth}"
        )
        yield counts(each.parts())
    sized = sized_plan(plan, hardware, schedule)
    yield f"  latency {latency_of(sized)}; paces {dict(sized.pace.paces)}"
    yield "  streams\n" + counts(counted(StreamParts.of(sized).components()))
    yield "  buses\n" + counts(counted(BusParts.of(net).components()))


@pytest.mark.parametrize("kind", SAMPLES)
def test_layers_count_the_same_parts(kind: str) -> None:
    make, count = SAMPLES[kind]
    lines = []
    for sample in islice(make(0), count):
        plan = make_plan(sample.net, frozenset())
        found = hardware_of(plan, Context.of(sample.net))[sample.layer.name].plan(sample.choice)
        lines += [f"{sample.title}: {chosen(sample.choice)}"]
        lines += [f"    {found.cycles_per_image} cycles, latency {found.figures.latency}"]
        lines += [counts(found.parts())]
    compare(f"parts-{kind}", lines)


def test_networks_count_the_same_parts() -> None:
    lines: list[str] = []
    for seed in (*range(8), *FOLDED):
        net, schedule = random_net(seed)
        lines += [f"network {seed}", *predicted(net, schedule)]
    net, schedule = random_net(7)
    lines += ["network 7, ROMs", *predicted(net, with_roms(net, schedule, 7))]
    net, schedule = random_net(5)
    lines += ["network 5, packed", *predicted(net, with_packed(net, schedule))]
    lines += ["network 5, signs", *predicted(*with_signs(net, schedule))]
    lines += ["network 5, powers", *predicted(*with_powers(net, schedule))]
    compare("parts-networks", lines)


def test_every_kind_of_layer_counts_the_same_parts() -> None:
    compare("parts-matrix", predicted(matrix_net(whole=True), RtlSchedule(rtl_choices())))


def budget(lut: int, dsp: int) -> Resources:
    return Resources(lut=lut, ff=2 * lut, dsp=dsp, bram18=40)


def test_the_same_is_chosen_and_said() -> None:
    """At the highest rate that fits, at given rates, and with a latency to reach."""
    lines: list[str] = []
    nets = {"blended": blended(channels=8)}
    nets |= {f"network {seed}": random_net(seed)[0] for seed in (1, 5, 7, *FOLDED)}
    for name, net in nets.items():
        for rate in (None, 1_000.0, 100_000.0):
            found = choose(net, budget(60_000, 24), 100.0, rate)
            lines += [f"{name}, {f'{rate:g} images/s' if rate else 'as fast as it fits'}"]
            lines += [f"  {layer}: {chosen(c)}" for layer, c in found.schedule.layers.items()]
            lines += [str(found.explanation)]
    compare("schedules", lines)
