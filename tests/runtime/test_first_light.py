"""What a board's first run tells when its answers are right, wrong, or do not come."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np

from fakes import FakeDevice, bundle_of
from nets import blended
from semifreddo.core.first_light import Fact
from semifreddo.runtime import Accelerator
from semifreddo.runtime.first_light import board_facts, machine


def facts(device: FakeDevice, lines: list[str]) -> dict[str, Fact]:
    bundle = bundle_of(blended())

    def opened() -> AbstractContextManager[Accelerator]:
        return Accelerator.open(bundle, device)

    return {fact.name: fact for fact in board_facts(bundle, opened, lines.append)}


def test_a_board_that_answers() -> None:
    lines: list[str] = []
    found = facts(FakeDevice(blended()), lines)
    assert found["answers"].state == "as expected"
    assert found["answers"].found == "shapes: 8 of 8 images equal; device fake"
    assert "frames/s in batches of 64" in found["speed"].found
    assert lines[0] == "task shapes: 8 of 8 images equal"


def test_a_board_with_wrong_answers() -> None:
    device = FakeDevice(blended())
    bundle = bundle_of(blended())
    wrong = bundle.vectors["shapes"].expected.copy()
    wrong[3] += 1
    device.spoil = wrong
    fact = next(iter(board_facts(bundle, lambda: Accelerator.open(bundle, device), print)))
    assert fact.state == "different" and fact.found.startswith("shapes: 1 of 8 images differ")


def test_a_board_that_does_not_answer() -> None:
    device = FakeDevice(blended())
    device.stall = "results"
    found = facts(device, [])
    assert list(found) == ["answers"] and found["answers"].state == "different"
    assert "stream 'results' stalled" in found["answers"].found


def test_the_machine_is_told() -> None:
    told = machine()
    assert told["numpy"] == np.__version__ and told["python"]
