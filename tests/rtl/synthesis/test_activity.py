"""What is counted of a clocked netlist: the images, and only if the answers are right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import blended
from semifreddo.core.errors import LadderError, ToolError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.address_map import AddressMap
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.synthesis import activity
from semifreddo.rtl.synthesis.activity import Activity, activity_of, stream_activity
from semifreddo.sim import reference
from semifreddo.studies.hardware.networks import pictures


class Ideal:
    """A netlist whose pins show what was driven; notes what it takes and what is counted."""

    def __init__(self) -> None:
        self.pins, self.taken, self.cycles = dict[str, int](), list[int](), 0

    def run(self, _: int) -> Ideal:
        return self

    def drive(self, name: str, value: int) -> None:
        self.pins[name] = value

    def settle(self) -> None:
        pass


class IdealRun(Ideal):
    """It takes a word in each cycle and answers at once."""

    def __init__(self, design: RtlDesign, answers: np.ndarray) -> None:
        super().__init__()
        self.task = design.bus.task_packet(AddressMap.of(design.net).pack(design.net)).tolist()
        self.answers = list(answers)

    @property
    def gives(self) -> bool:
        return len(self.taken) > len(self.task) and bool(self.answers)

    def read(self, name: str) -> list[int]:
        return [{"m_axis_tvalid": self.gives, "m_axis_tdata": [*self.answers, 0][0]}.get(name, 1)]

    def edge(self, *, count: bool) -> None:
        self.cycles += count
        if self.gives:
            self.answers.pop(0)
        if self.pins.get("s_axis_tvalid"):
            self.taken.append(self.pins["s_axis_tdata"])

    def rates(self, _: str) -> dict[str, float]:
        return {}


def test_nothing_is_counted_while_a_task_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power is that of images; a netlist that answers wrongly, or not at all, has none."""
    design = make_design(blended())
    images = pictures(design.net, 2)
    packet = design.bus.image_packet(images)
    right = reference.run(design.net, images).reshape(-1)

    def found_of(answers: np.ndarray) -> Activity:
        run = IdealRun(design, answers)
        monkeypatch.setattr(activity, "GateNetlist", lambda *_: run)
        found = activity_of(design, {}, {}, images)
        assert run.taken == [*run.task, *packet.tolist()]
        return found

    words = right.astype("<i8").view("<u4")[::2] if design.bus.result_words == 1 else right
    found = found_of(words)
    assert (found.images, found.cycles) == (2, max(len(packet), len(words) + 1))
    with pytest.raises(LadderError, match="does not compute the network's integers"):
        found_of(words + 1)
    with pytest.raises(ToolError, match=f"took {len(packet)} of {len(packet)} words, gave 0 of"):
        found_of(words[:0])


class IdealLayers(Ideal):
    """Layers that take a word in each cycle and give a result for it at once."""

    def __init__(self, design: RtlDesign, answers: list[int]) -> None:
        super().__init__()
        self.kind, self.channels = design.net.output.type, design.net.output.channels
        self.answers, self.loaded, self.counted_from = answers, list[int](), 0

    @property
    def taking(self) -> int:
        return self.pins.get("in_valid", 0)

    def read(self, name: str) -> list[int]:
        return [{"in_ready": 1, "out_valid": bool(self.taking and self.answers)}[name]]

    def read_bits(self, _: str) -> np.ndarray:
        width = self.kind.width * self.channels
        word = self.answers.pop(0)
        return np.array([[word >> bit & 1] for bit in range(width)], np.uint8)

    def edge(self, *, count: bool) -> None:
        if self.pins.get("load_valid"):
            assert self.pins["load_address"] == len(self.loaded) and self.pins["load_bank"] == 1
            self.loaded.append(self.pins["load_data"])
        if self.taking:
            assert self.pins.get("flip_bank") == 1, "images see the task"
            self.counted_from = self.counted_from or (count and len(self.taken))
            self.taken.append(self.pins["in_data"])
        self.cycles += count

    def rates(self, _: str) -> dict[str, float]:
        return {}


def test_layers_alone_are_counted_from_the_second_image(monkeypatch: pytest.MonkeyPatch) -> None:
    design = make_design(blended())
    net, images = design.net, pictures(design.net, 3)
    answers = reference.run(net, images).reshape(-1, net.output.channels)

    def clocked(change: Callable[[list[int]], list[int]]) -> tuple[IdealLayers, Activity]:
        words = activity._words(answers, net.output.type.width)
        run = IdealLayers(design, change(words))
        monkeypatch.setattr(activity, "GateNetlist", lambda *_: run)
        return run, stream_activity(design, {}, {}, images)

    run, found = clocked(lambda words: words)
    pixels = net.input.pixels
    assert run.loaded == AddressMap.of(net).pack(net).tolist()
    assert len(run.taken) == 3 * pixels and run.counted_from == pixels
    assert (found.images, found.cycles) == (3, 2 * pixels)
    with pytest.raises(LadderError, match="does not compute the network's integers"):
        clocked(lambda words: [words[0] ^ 1, *words[1:]])
    with pytest.raises(ToolError, match="and then nothing for"):
        clocked(lambda words: words[:-1])


@given(st.integers(2, 16), st.booleans(), st.integers(1, 70), st.integers(0, 2**32))
def test_words_hold_all_channels(width: int, signed: bool, channels: int, seed: int) -> None:
    kind = FixedType.exact(width, 0, signed=signed)
    rng = np.random.default_rng(seed)
    values = rng.integers(kind.min_raw, kind.max_raw + 1, (3, channels))
    words = activity._words(values, width)
    bits = np.array([[w >> bit & 1 for bit in range(width * channels)] for w in words], np.uint8)
    assert np.array_equal(activity._values(bits, kind), values)
