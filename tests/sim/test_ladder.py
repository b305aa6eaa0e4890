from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nets import blended, images
from semifreddo.core.errors import LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference
from semifreddo.sim.ladder import Counted, Rung, RungResult, climb, first_divergence


@pytest.fixture
def net() -> StreamNet:
    return blended()


@pytest.fixture
def vectors(net: StreamNet) -> VectorSet:
    batch = images(net, 12)
    return VectorSet(batch, reference.run(net, batch))


def broken(net: StreamNet) -> StreamNet:
    return net.with_values({"mix.alpha": 8 - net.block["mix.alpha"].matrix})


def test_equal_rungs(net: StreamNet, vectors: VectorSet) -> None:
    rungs = [Rung("streamnet", lambda x: reference.run(net, x))]
    report = climb(net=net, vectors=vectors, rungs=rungs)
    report.check()
    assert report.results[0].status == "equal"
    assert report.results[0].images == 12


def test_the_seconds_of_a_rung(
    net: StreamNet, vectors: VectorSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 14.5, 20.0, 50.25]).__next__)
    counted = Rung("single", None, count=lambda _: Counted(7, 0, 0, 0))
    told: list[RungResult] = []
    rungs = [Rung("x", lambda x: reference.run(net, x)), counted]
    report = climb(net, vectors, rungs, progress=told.append)
    assert [result.seconds for result in report.results] == [4.5, 30.25]
    assert tuple(told) == report.results


def test_difference_names_layer_and_pixel(net: StreamNet, vectors: VectorSet) -> None:
    """Of the first image that differs, which is not the first of all."""
    other, batch = broken(net), vectors.images
    answers = vectors.expected.copy()
    answers[3:] = reference.run(other, batch[3:])

    def trace(found: np.ndarray) -> dict[str, np.ndarray]:
        assert np.array_equal(found, batch[3:4]), "that one, and no other"
        return reference.trace(other, found)

    rung = Rung("csim", lambda _: answers, trace=trace)
    place = first_divergence(net, batch[3:4], lambda x: reference.trace(other, x))
    assert place is not None and place.layer == "mix"
    image, output = next(zip(*np.nonzero(answers != vectors.expected), strict=True))
    assert image == 3
    with pytest.raises(LadderError) as error:
        climb(net, vectors, [rung]).check()
    assert str(error.value) == (
        f"rung csim differs on 9 of 12 images; first: image 3, output {output}: "
        f"expected {vectors.expected[3, output]}, found {answers[3, output]}; diverges in "
        f"layer mix at row {place.row}, column {place.column}, channel {place.channel}: "
        f"expected {place.expected}, found {place.found}"
    )


@pytest.mark.parametrize("outputs", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_an_image_differs_if_one_output_does(
    net: StreamNet, vectors: VectorSet, outputs: list[int]
) -> None:
    def run(found: np.ndarray) -> np.ndarray:
        answers = reference.run(net, found)
        answers[np.ix_([3, 7], outputs)] -= 1
        return answers

    (result,) = climb(net, vectors, [Rung("x", run)]).results
    assert (result.status, result.images, result.wrong_images) == ("different", 12, 2)
    expected = vectors.expected[3, outputs[0]]
    assert result.detail == (
        f"image 3, output {outputs[0]}: expected {expected}, found {expected - 1}"
    )


def test_unavailable_rungs_are_listed_with_the_reason(net: StreamNet, vectors: VectorSet) -> None:
    rungs = [Rung("streamnet", lambda x: reference.run(net, x)), Rung("board", None, "no board")]
    report = climb(net, vectors, rungs)
    report.check()
    assert "board      not climbed: no board" in str(report)
    assert [result.images for result in report.results] == [12, 0]


def test_nothing_climbed_is_a_failure(net: StreamNet, vectors: VectorSet) -> None:
    message = r"^no rung could be climbed on this machine; run `semifreddo doctor`$"
    with pytest.raises(LadderError, match=message):
        climb(net, vectors, [Rung("board", None, "no board")]).check()


def test_what_is_told_of_a_ladder(net: StreamNet, vectors: VectorSet) -> None:
    def run(found: np.ndarray) -> np.ndarray:
        return reference.run(net, found) + 1

    rungs = [
        Rung("rtl", lambda x: reference.run(net, x), note=lambda: "7 cycles"),
        Rung("streamnet", lambda x: reference.run(net, x)),
        Rung("torch", run, note=lambda: "not told"),
        Rung("board", None, "no board"),
        Rung("traced", run, trace=lambda x: reference.trace(net, x)),
    ]
    report = climb(net, vectors, rungs)
    timed = [
        dataclasses.replace(result, seconds=result.seconds and 1.234) for result in report.results
    ]
    right = int(vectors.expected[0, 0])
    first = f"image 0, output 0: expected {right}, found {right + 1}"
    assert str(dataclasses.replace(report, results=tuple(timed))).splitlines() == [
        "rtl        equal on 12 images in 1.23 s; 7 cycles",
        "streamnet  equal on 12 images in 1.23 s",
        f"torch      different on 12 images in 1.23 s; {first}",
        "board      not climbed: no board",
        f"traced     different on 12 images in 1.23 s; {first} (every traced layer agrees)",
    ]
    assert str(dataclasses.replace(report, results=())) == ""
    assert report.compared == str(vectors) and not report.own_answers
    random = dataclasses.replace(vectors, random=True)
    assert climb(net, random, rungs[:1]).own_answers
    untimed = dataclasses.replace(timed[1], seconds=None)
    assert str(dataclasses.replace(report, results=(untimed,))) == "streamnet  equal on 12 images"


def test_no_vectors_is_a_failure(net: StreamNet, vectors: VectorSet) -> None:
    with pytest.raises(LadderError, match=r"^blended: there are no vectors to climb with$"):
        climb(net, vectors.head(0), [])


def test_an_unavailable_rung_needs_a_reason() -> None:
    with pytest.raises(ValueError, match=r"^rung 'board' is unavailable for no stated reason$"):
        Rung("board", None)


def test_wrong_shape_is_refused(net: StreamNet, vectors: VectorSet) -> None:
    with pytest.raises(
        LadderError, match=r"^rung x answered with shape \(12, 1\), expected \(12, 3\)$"
    ):
        climb(net, vectors, [Rung("x", lambda x: np.zeros((len(x), 1), np.int64))])


def test_first_divergence(net: StreamNet, vectors: VectorSet) -> None:
    batch = vectors.images
    assert first_divergence(net, batch, lambda x: reference.trace(net, x)) is None
    place = first_divergence(net, batch, lambda x: reference.trace(broken(net), x))
    assert place is not None
    assert place.layer == "mix"
    for named in ({}, {"image": batch}):
        with pytest.raises(
            LadderError, match=r"^blended: the trace names none of the network's layers$"
        ):
            first_divergence(net, batch, lambda _, named=named: named)  # type: ignore[misc]
    with pytest.raises(LadderError, match=r"^mix: the trace has 7 values, expected 768$"):
        first_divergence(net, batch, lambda _: {"mix": np.zeros(7, np.int64)})


@pytest.mark.parametrize("others", [[], [(5, 3, 3, 0)], [(2, 1, 1, 0), (11, 0, 0, 3)]])
def test_the_first_value_that_differs_is_named(
    net: StreamNet, vectors: VectorSet, others: list[tuple[int, ...]]
) -> None:
    """Also if it is the only one."""

    def tracer(found: np.ndarray) -> dict[str, np.ndarray]:
        streams = reference.trace(net, found)
        for place in [(2, 1, 0, 3), *others]:
            streams["mix"][place] += 1
        return streams

    divergence = first_divergence(net, vectors.images, tracer)
    assert divergence is not None
    right = int(reference.trace(net, vectors.images)["mix"][2, 1, 0, 3])
    assert str(divergence) == (
        f"layer mix, image 2, row 1, column 0, channel 3: expected {right}, found {right + 1}"
    )


@pytest.mark.parametrize(
    ("counted", "status", "detail"),
    [
        (Counted(1500, 0, 0, 0), "equal", "1,500 integers compared layer by layer"),
        (
            Counted(1500, 2, 0, 0),
            "explained",
            "2 of 1,500 integers compared layer by layer differ, each within its round-off",
        ),
        (Counted(1500, 3, 2, 1, "layer act"), "different", "layer act (2 like this)"),
    ],
)
def test_a_rung_in_single_precision_is_counted(
    net: StreamNet, vectors: VectorSet, counted: Counted, status: str, detail: str
) -> None:
    report = climb(net, vectors, [Rung("torch", None, count=lambda _: counted)])
    (result,) = report.results
    assert (result.status, result.detail) == (status, detail)
    assert (result.values, result.differing) == (1500, counted.differing)
    assert (result.images, result.wrong_images) == (12, counted.wrong_images)
    assert report.climbed == (result,)
    if status == "different":
        with pytest.raises(LadderError, match=r"rung torch differs on 1 of 12 images; .*layer act"):
            report.check()
    else:
        report.check()


def test_a_rung_that_compared_nothing_is_not_climbed(net: StreamNet, vectors: VectorSet) -> None:
    nothing = Counted(0, 0, 0, 0, "qonnx cannot execute it")
    (result,) = climb(net, vectors, [Rung("qonnx32", None, count=lambda _: nothing)]).results
    assert result == RungResult(
        "qonnx32", "unavailable", 0, None, None, "qonnx cannot execute it", None, None
    )
