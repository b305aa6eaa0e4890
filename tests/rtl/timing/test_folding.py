"""Folded repeats: one set of units for all passes, each pass with its own loadable values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nets import images
from rtl.conftest import Build
from rtl.design.test_random import packets
from rtl.random_nets import other_task, random_net
from semifreddo.core.errors import ConfigError, ProjectError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Cast, Conv, Layer, Route, Stream, WeightBlock
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.timing.latency import Replay
from semifreddo.sim import reference

KIND = FixedType.exact(4, 0, signed=False)
SHAPE = (3, 3, 2)


def stream(name: str, kind: FixedType = KIND) -> Stream:
    return Stream(name, SHAPE, kind)


def cast(name: str, source: str, kind: FixedType = KIND) -> Cast:
    return Cast(inputs=(source,), output=stream(name, kind))


def conv(name: str, source: str, weight: str) -> Conv:
    return Conv(
        inputs=(source,),
        output=stream(name),
        weight=weight,
        bias=None,
        kernel=(1, 1),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=False,
    )


def weights(name: str, value: int, frozen: tuple[bool, bool]) -> WeightBlock:
    raw = np.full((1, 1, 2, 2), value)
    return WeightBlock(name, "weight", raw, 4, True, (3, 3), frozen)


def net(layers: list[Layer], passes: list[list[str]], blocks: tuple[WeightBlock, ...] = ()):
    repeat = Repeat("block", tuple(tuple(names) for names in passes))
    return StreamNet("looped", stream("image"), tuple(layers), blocks, (repeat,))


def two_convs(frozen: tuple[bool, bool] = (True, False), second: int = 1) -> StreamNet:
    blocks = weights("w0", 1, frozen), weights("w1", second, frozen)
    return net([conv("a", "image", "w0"), conv("b", "a", "w1")], [["a"], ["b"]], blocks)


def test_frozen_channels_exist_once_and_banks_know_their_passes() -> None:
    folded = make_design(two_convs())
    unrolled = make_design(two_convs(), RtlSchedule(unrolled=frozenset({"block"})))
    assert [unit.layer for unit in folded.layers.units] == ["a"]
    assert [unit.layer for unit in unrolled.layers.units] == ["a", "b"]
    assert "looped_a_graph.sv" in folded.files
    assert "looped_b.sv" not in folded.files
    text = folded.files["looped_a.sv"]
    assert ".REGIONS(2)" in text
    assert ".OFFSETS({32'd2, 32'd0})" in text
    assert "values of 4 bits: w0, w1" in text
    assert "// block: a, b" in folded.files["looped_layers.sv"]
    assert folded.layers.sized.returns == {"block.image": 9}
    # 9 words of 2 cycles, but pass 1 starts when the first word of pass 0 has come back.
    assert folded.cycles_per_image >= 36 and folded.bottleneck == "block"


def test_shared_values_have_one_region() -> None:
    layers = [conv("a", "image", "w"), conv("b", "a", "w")]
    shared = net(layers, [["a"], ["b"]], (weights("w", 1, (False, False)),))
    assert ".REGIONS(1)" in make_design(shared).files["looped_a.sv"]


@pytest.mark.parametrize("seed", [22])
def test_every_pass_is_seen_under_its_own_name(seed: int, simulate: Build) -> None:
    found, schedule = random_net(seed)
    design = make_design(found, schedule)
    assert len(design.layers.units) < len(found.layers)
    pictures = images(found, 5, seed)
    nets = [found, other_task(found, seed)]
    executable = simulate(design)
    with Simulation(executable, design.bus, probe=True) as simulation:
        simulation.configure(Stalls(200, 300, seed, watchdog_cycles=20_000))
        answer = simulation.exchange(packets(design, nets, pictures), 10, 60)
        expected = [reference.run(each, pictures) for each in nets]
        assert np.array_equal(answer.results, np.concatenate(expected))
        trace = simulation.trace(found)
    for name, words in trace.items():
        values = [reference.trace(each, pictures)[name] for each in nets]
        assert np.array_equal(words, np.concatenate(values).reshape(words.shape)), name
    assert {name: seen.words for name, seen in simulation.traffic.items()} == {
        layer.name: 10 * layer.output.pixels for layer in found.layers
    }


def test_a_feature_map_in_block_memory(simulate: Build) -> None:
    """More than 64 words are held in another way (``sf_fifo``). No power of two passes."""
    shape = (9, 9, 2)
    blocks = tuple(weights(f"w{index}", index + 1, (False, False)) for index in range(3))
    layers = [conv("a", "image", "w0"), conv("b", "a", "w1"), conv("c", "b", "w2")]
    made = net(layers, [["a"], ["b"], ["c"]], blocks)
    layers = [replace(layer, output=replace(layer.output, shape=shape)) for layer in made.layers]
    found = replace(made, input=replace(made.input, shape=shape), layers=tuple(layers))
    design = make_design(found)
    assert design.layers.sized.returns == {"block.image": 81}
    pictures = images(found, 4)
    with Simulation(simulate(design), design.bus) as simulation:
        for offered, taken in ((0, 0), (300, 400), (0, 700), (800, 0)):
            simulation.configure(Stalls(offered, taken, watchdog_cycles=20_000))
            answer = simulation.exchange(packets(design, [found], pictures), 4, 60)
            assert np.array_equal(answer.results, reference.run(found, pictures))
        simulation.configure(Stalls())
        many = simulation.exchange([design.bus.image_packet(images(found, 30))], 30, 60)
    assert set(many.interval_cycles[10:-5]) == {design.cycles_per_image}
    assert many.latency_cycles == design.latency_cycles


def test_one_repeat_behind_the_other() -> None:
    layers = [cast(name, source) for name, source in zip("abcd", ["image", *"abc"], strict=True)]
    made = net(layers, [["a"], ["b"]])
    design = make_design(replace(made, repeats=(*made.repeats, Repeat("second", (("c",), ("d",))))))
    assert [unit.layer for unit in design.layers.units] == ["a", "c"]
    intervals = np.diff(Replay(design.layers.sized, 20).results)[8:-3]
    assert set(intervals) == {design.cycles_per_image} == {18}


def refused(found: StreamNet) -> str:
    with pytest.raises(ProjectError) as error:
        make_design(found)
    made = make_design(found, RtlSchedule(unrolled=frozenset({"block"})))
    assert len(made.layers.units) == len(found.layers)
    start, end = "repeat 'block' cannot be folded: ", "; put 'block' in the schedule's unrolled "
    text = str(error.value)
    assert text.startswith(start)
    assert text.endswith(end + "repeats, which builds every pass")
    return text[len(start) :].split(end, maxsplit=1)[0]


def test_what_cannot_be_folded() -> None:
    other = FixedType.exact(4, 1, signed=False)
    assert refused(net([cast("z", "image", other), cast("a", "z"), cast("b", "a")], [["a"], ["b"]]))
    layers = [cast("z", "image", other), cast("a", "z"), cast("b", "a")]
    assert refused(net(layers, [["a"], ["b"]])) == (
        f"'z' is (3, 3, 2) {other} and what returns in its place, 'a', is (3, 3, 2) {KIND}"
    )
    layers = [cast("a", "image"), cast("b", "image"), both("c", "a", "b")]
    assert refused(net(layers, [["a"], ["b"]])) == (
        "input 0 of 'a' and its later passes is not the result of the pass before"
    )
    layers = [cast("a", "image"), cast("b", "a"), both("c", "a", "b")]
    assert refused(net(layers, [["a"], ["b"]])) == "'c' reads 'a' of an earlier pass"
    layers = [both("a", "image", "image"), both("b", "a", "a")]
    odd = [layers[0], replace(layers[1], indices=(1, 0))]
    assert refused(net(odd, [["a"], ["b"]])) == "'b' and 'a' differ in indices"
    assert refused(net([both("a", "image", "image"), both("b", "a", "a")], [["a"], ["b"]])) == (
        "it is nothing but wiring"
    )
    assert refused(two_convs(second=2)) == "'w0' and 'w1' differ in format or frozen values"
    biased = two_convs()
    bias = WeightBlock("bias", "bias", np.array([1, 2]), 4, True, (3, 3), (True, True))
    last = replace(biased.layers[1], bias="bias")
    assert refused(
        replace(biased, layers=(biased.layers[0], last), blocks=(*biased.blocks, bias))
    ) == (f"of {last.name!r} and {biased.layers[0].name!r} one has no bias")
    layers = [cast("a", "image"), cast("b", "a")]
    again = replace(net(layers, [["a"], ["b"]]).repeats[0], name="again")
    twice = net(layers, [["a"], ["b"]])
    twice = replace(twice, repeats=(*twice.repeats, again))
    with pytest.raises(
        ProjectError, match=r"^repeat 'again' cannot be folded: 'a' belongs to anot"
    ):
        make_design(twice)
    blocks = weights("w0", 1, (False, False)), weights("w1", 1, (False, False))
    names = ["w0", "w1", "w1"]
    layers = [
        conv(name, source, w)
        for name, source, w in zip("abc", ["image", "a", "b"], names, strict=True)
    ]
    assert refused(net(layers, [["a"], ["b"], ["c"]], blocks)) == (
        "some passes share 'w0' and others do not"
    )


def both(name: str, one: str, other: str) -> Route:
    return Route(inputs=(one, other), output=stream(name), indices=(0, 1))


def test_an_unknown_repeat_is_named() -> None:
    with pytest.raises(ConfigError, match="looped has no repeat 'blok'"):
        make_design(two_convs(), RtlSchedule(unrolled=frozenset({"blok"})))
