"""Networks that other people have published, on every rung: file, integers, C simulation, RTL.

Nothing is counted of a network that differs anywhere: any difference ends the measurement. Every
rung of a network is kept by what it was compared of, so that what was interrupted goes on.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from semifreddo.boards import load_board
from semifreddo.convert import Converted, read_converted, trace_qonnx
from semifreddo.convert.proof import prove
from semifreddo.convert.singles import compare_single
from semifreddo.core.digest import digest_file, digest_ints, digest_json
from semifreddo.core.errors import ConfigError, ConversionError, LadderError
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import IntArray
from semifreddo.core.tables import option
from semifreddo.flow.config import FREEZES_ALL
from semifreddo.hls import plan_project
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.hls.transport import open_project
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.nn.cost import net_cost
from semifreddo.passes.lower import lower
from semifreddo.rtl import choose, make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.simulation.verilator import build
from semifreddo.sim import reference
from semifreddo.studies.hardware.tables import recorded
from semifreddo.studies.hardware.workbench import markdown
from semifreddo.studies.hls4ml_import import with_hls4ml
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.runner import Progress

Row: TypeAlias = dict[str, Any]

_BOARD = "zcu104"
"""Large enough for all of them with every weight loadable."""

_CLOCK_MHZ = 100.0
_MULTIPLIERS = 256
"""About as many as the RTL gets: its rate follows from the network's multiplications."""

_LEAST_CYCLES = 100_000
_RTL_CYCLES = 2_500_000
"""About as many cycles of all images together are simulated."""

_RTL_IMAGES = 20
_CPP_MULTIPLICATIONS = 2 * 10**10
"""About as many are simulated in C++."""

_SINGLE_VALUES = 5 * 10**7
"""About as many integers are compared in single precision."""

_HLS4ML_MULTIPLICATIONS = 2 * 10**9
"""About as many are simulated in hls4ml's C++."""

_BATCH_VALUES = 1 << 24


def pictures(converted: Converted, count: int) -> IntArray:
    """Integers that the first quantizer can give: noise, coarse patterns, and dark images.

    Noise alone reaches few of the integers behind a convolution.
    """
    quantizer = converted.entrance.quantizer
    levels = np.arange(quantizer.low, quantizer.high + 1, quantizer.step)
    height, width, channels = converted.net.input.shape
    random = np.random.default_rng(14)
    found = np.empty((count, height, width, channels), np.int64)
    for index in range(count):
        cell = (1, 4, 1)[index % 3]
        size = (-(-height // cell), -(-width // cell), channels)
        shares = random.random(size) ** (1 if index % 3 < 2 else 6)
        chosen = levels[np.minimum((shares * len(levels)).astype(np.int64), len(levels) - 1)]
        found[index] = chosen.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    return found


@dataclass(frozen=True)
class Bench:
    """One network of other people, and where its results are kept.

    Attributes:
        path: The file.
        converted: What it means.
        images: Raw integers.
        folder: Of the measurement.
        timeout_s: Limit of each run of a tool.
        jobs: Compilers at the same time.
        rungs: What is to be measured; of other rungs what is known is taken.
    """

    path: Path
    converted: Converted
    images: IntArray
    folder: Path
    timeout_s: float
    jobs: int
    rungs: frozenset[str]

    @property
    def net(self) -> StreamNet:
        """The network that devices are made of."""
        return lower(self.converted.net)

    def kept(self, rung: str, key: Sequence[object], measure: Callable[[], Row]) -> Row:
        """The result of a rung, measured unless it is known of exactly this network and images.

        Nothing if it is neither known nor to be measured.
        """
        images = digest_ints(self.images)
        digest = digest_json([rung, digest_file(self.path), images, *key])
        place = self.folder / f"{self.path.stem}-{rung}-{digest[:16]}.json"
        if not place.is_file():
            if rung not in self.rungs:
                return {}
            write_atomic(place, json.dumps(measure()))
        found: Row = json.loads(place.read_bytes())
        return found

    def wrong(self, rung: str, what: str) -> LadderError:
        """A difference, which ends everything."""
        return LadderError(f"{self.path.stem}: {rung} differs {what}; nothing counted")


def _batches(bench: Bench) -> Iterator[IntArray]:
    net = bench.converted.net
    values = sum(stream.pixels * stream.channels for stream in net.streams.values())
    step = max(1, _BATCH_VALUES // values)
    for start in range(0, len(bench.images), step):
        yield bench.images[start : start + step]


def in_doubles(bench: Bench) -> Row:
    """The file in double precision at every quantizer and at the result, and the proof of it."""
    return bench.kept("double", [bench.net.device_digest], lambda: _in_doubles(bench))


def _in_doubles(bench: Bench) -> Row:
    converted = bench.converted
    hidden = {decision.result for decision in converted.decisions}
    net = converted.net
    seen: dict[str, set[int]] = {name: set() for name in hidden}
    values = 0
    for images in _batches(bench):
        expected = reference.trace(net, images)
        found = trace_qonnx(bench.path, net, images)
        if missing := {*hidden, net.output.name} - found.keys():
            raise bench.wrong("the file", f"in what is compared: {min(missing)} was not")
        for name, integers in found.items():
            if not np.array_equal(integers, expected[name]):
                raise bench.wrong("the file in double precision", f"at {name}")
            if name in hidden:
                values += integers.size
                seen[name].update(np.unique(integers)[:3].tolist())
    proof = prove(converted)
    return {
        "images": len(bench.images),
        "quantizers": len(converted.decisions),
        "constant": sum(len(some) < 2 for some in seen.values()),
        "values": values,
        "steps": proof.steps,
        "proven": proof.holds,
        "nearest": proof.nearest,
    }


def in_singles(bench: Bench) -> Row:
    """The file in single precision, layer by layer, each fed with its own integers."""
    return bench.kept("single", [bench.net.device_digest], lambda: _in_singles(bench))


def _in_singles(bench: Bench) -> Row:
    net = bench.converted.net
    each = sum(
        net.streams[decision.result].pixels * net.streams[decision.result].channels
        for decision in bench.converted.decisions
    )
    images = bench.images[: max(1, _SINGLE_VALUES // each)]
    found = compare_single(bench.path, images)
    if found.unexplained:
        raise bench.wrong("single precision", f"without reason: {found.unexplained[0]}")
    return {
        "images": len(images),
        "values": found.values,
        "explained": len(found.differences),
    }


def in_cpp(bench: Bench) -> Row:
    """The compiled C simulation of the HLS project."""
    net = bench.net
    count = min(len(bench.images), max(1, _CPP_MULTIPLICATIONS // net_cost(net).macs))
    images = bench.images[:count]
    scheduled = ScheduledNet(net, default_schedule(net))
    plan = plan_project(scheduled, tool="vivado", part="xc7z020clg400-1", clock_ns=10.0)

    def measure() -> Row:
        folder = bench.folder / "projects" / bench.path.stem
        plan.write(folder)
        with open_project(folder, jobs=bench.jobs) as device:
            device.load(AddressMap.of(net).pack(net), bench.timeout_s)
            found = device.run(images, bench.timeout_s)
        if not np.array_equal(found, reference.run(net, images)):
            raise bench.wrong("the C simulation", "from the integers")
        shutil.rmtree(folder)
        return {"images": count}

    return bench.kept("csim", [plan.digest, count], measure)


def in_rtl(bench: Bench) -> Row:
    """The verilated RTL under stalls, of hardware that the scheduler chooses."""
    net = bench.net
    cycles = max(_LEAST_CYCLES, net_cost(net).macs // _MULTIPLIERS)
    count = min(len(bench.images), _RTL_IMAGES, max(1, _RTL_CYCLES // cycles))
    images = bench.images[:count]
    rate = _CLOCK_MHZ * 1e6 / cycles

    def measure() -> Row:
        folder = bench.folder / "simulations" / bench.path.stem
        chosen = choose(net, load_board(_BOARD).resources, _CLOCK_MHZ, rate)
        design = make_design(net, chosen.schedule)
        packets = [design.bus.image_packet(images)]
        if net.configurable_blocks:
            packets.insert(0, design.bus.task_packet(AddressMap.of(net).pack(net)))
        executable = build(design, folder, jobs=bench.jobs, timeout_s=bench.timeout_s)
        with Simulation(executable, design.bus) as simulation:
            simulation.configure(Stalls(100, 100, 5, watchdog_cycles=3_000_000))
            found = simulation.exchange(packets, count, bench.timeout_s)
        if not np.array_equal(found.results, reference.run(net, images)):
            raise bench.wrong("the RTL", "from the integers")
        shutil.rmtree(folder)
        return {"images": count, "cycles": int(found.end_cycles[-1] // count)}

    return bench.kept("rtl", [net.device_digest, net.task_digest, count, rate], measure)


def beside_hls4ml(bench: Bench) -> Row:
    """hls4ml's answers to the same images."""
    converted = bench.converted
    net = bench.net
    count = min(len(bench.images), max(1, _HLS4ML_MULTIPLICATIONS // net_cost(net).macs))
    images = bench.images[:count]
    raw = reference.run(net, images).reshape(count, -1, net.output.channels)
    if converted.result is None:
        answers = raw * 2.0**-net.output.type.frac
    else:
        slopes, offsets = (
            np.array([float(value) for value in values])
            for values in (converted.result.slopes, converted.result.offsets)
        )
        answers = raw * slopes + offsets
    answers = np.asarray(answers.reshape(count, -1), np.float64)
    folder = bench.folder / "hls4ml" / bench.path.stem

    def measure() -> Row:
        real = converted.entrance.real(images)
        found = with_hls4ml(bench.path, real, answers, folder)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    return bench.kept("hls4ml", [version("hls4ml"), count], measure)


_RUNGS: Mapping[str, Callable[[Bench], Row]] = {
    "double": in_doubles,
    "csim": in_cpp,
    "rtl": in_rtl,
    "single": in_singles,
    "hls4ml": beside_hls4ml,
}
"""What is measured of each network."""


def bench_of(
    path: Path,
    images: int,
    folder: Path,
    *,
    timeout_s: float,
    jobs: int,
    rungs: frozenset[str] = frozenset(_RUNGS),
) -> Bench:
    """A network as a design without ``[freeze]`` has it: small ones frozen, others loadable.

    Raises:
        ConversionError: The file is refused.
    """
    loadable = read_converted(path, "net", frozen="none")
    is_small = weights_of(loadable.net) <= FREEZES_ALL
    converted = read_converted(path, "net", frozen="all") if is_small else loadable
    raw = pictures(converted, images)
    return Bench(path, converted, raw, folder, timeout_s=timeout_s, jobs=jobs, rungs=rungs)


def weights_of(net: StreamNet) -> int:
    """How many weights a network has, those of scalers included."""
    return sum(block.raw.size for block in net.blocks if block.role == "weight")


def table(rows: Sequence[Row]) -> str:
    """The rungs of every network of which one was measured, as Markdown.

    A dash is what was not measured.
    """
    head = (
        "file",
        "weights",
        "in double precision: images, quantizers, integers",
        "in single precision: images, integers, of them other by round-off",
        "C simulation, images",
        "RTL, images",
    )
    lines: list[tuple[object, ...]] = []
    for row in rows:
        if "refused" in row:
            lines.append((row["name"], "", f"refused: {row['refused']}", "", "", ""))
            continue
        if not row.keys() & _RUNGS.keys():
            continue
        double, single = row.get("double"), row.get("single")
        lines.append(
            (
                row["name"],
                f"{row['weights']:,}",
                double and f"{double['images']}, {double['quantizers']}, {double['values']:,}",
                single and f"{single['images']}, {single['values']:,}, {single['explained']}",
                row.get("csim", {}).get("images"),
                row.get("rtl", {}).get("images"),
            )
        )
    return markdown(head, lines)


def hls4ml_table(rows: Sequence[Row]) -> str:
    """hls4ml's answers to the same images, as Markdown."""
    head = ("file", "hls4ml", "images", "another largest answer", "largest error")
    lines: list[tuple[object, ...]] = []
    for row in rows:
        found: Mapping[str, Any] = row.get("hls4ml", {})
        if "step" in found:
            text = f"{found['step']} fails: `{found['reason']}`"
            lines.append((row["name"], text, "", "", ""))
        elif found:
            worst = f"{found['worst']:.2%} of the range"
            answers = found["another"] if row["classes"] else ""
            lines.append((row["name"], "answers", found["images"], answers, worst))
    return markdown(head, lines)


@dataclass(frozen=True)
class PublishedNetworks(Measurement):
    """Networks that others have published; the committed record is ``docs/studies/NAME.json``."""

    name: ClassVar[str] = "published_networks"
    title: ClassVar[str] = "networks of other people, on every rung"

    models: Path | None = option(None, help="folder of their files")  # noqa: RUF009 -- a field
    images: int = option(200, help="images of each network", low=1)
    only: str = option("*", help="pattern of the names that are measured")
    rungs: str = option(" ".join(_RUNGS), help=f"which of {' '.join(_RUNGS)} to measure")
    timeout_s: float = option(7200.0, help="seconds for each run of a tool", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        if self.models is None or not self.models.is_dir():
            raise ConfigError(f'study {self.name}: name their folder with --set models="DIR"')
        paths = sorted(
            path for path in self.models.glob("*.onnx") if fnmatch.fnmatch(path.stem, self.only)
        )
        if not paths:
            raise ConfigError(f"study {self.name}: {self.models}: no {self.only}.onnx there")
        rungs = frozenset(self.rungs.split())
        if unknown := rungs - _RUNGS.keys():
            raise ConfigError(f"study {self.name} rungs: no {min(unknown)!r}; {' '.join(_RUNGS)}")
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        benches: list[tuple[Row, Bench]] = []
        for path in paths:
            row: Row = {"name": path.stem}
            rows.append(row)
            try:
                bench = bench_of(
                    path, self.images, folder, timeout_s=self.timeout_s, jobs=jobs, rungs=rungs
                )
            except ConversionError as error:
                row["refused"] = str(error).removeprefix(f"{path}: ")
                continue
            shape = bench.net.input.shape
            row |= {"shape": list(shape), "weights": weights_of(bench.net)}
            row["classes"] = bench.net.output.pixels == 1
            benches.append((row, bench))
        record = folder / "record.json"
        write_atomic(record, recorded(self.name, rows))
        # What is measured first is what takes least.
        for row, bench in sorted(benches, key=lambda each: net_cost(each[1].net).macs):
            for rung, measure in _RUNGS.items():
                if found := measure(bench):
                    row[rung] = found
                    say(f"{row['name']}, {rung}: {json.dumps(found)}")
                    write_atomic(record, recorded(self.name, rows))
        say(f"{record}: what was compared, for docs/studies/{self.name}.json")
        return f"{table(rows)}\n{hls4ml_table(rows)}"
