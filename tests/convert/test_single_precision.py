"""What floating point may do to a network of any scale: bounds, the proof, and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import Converted, export_qonnx, read_converted, run_qonnx
from semifreddo.convert.execute import executed
from semifreddo.convert.layerwise import compare, wanted
from semifreddo.convert.proof import prove
from semifreddo.convert.roundoff import DOUBLE, SINGLE, bounds_of
from semifreddo.convert.singles import compare_single
from semifreddo.sim import reference
from user_models import trained

FLOATS = [
    "everything",
    "PReLU",
    "average pool of 3x3",
    "residual, two quantizers",
    "concatenation",
    "padded max pool of accumulators",
    "factors by hand",
]


def images_of(converted: Converted, count: int) -> np.ndarray:
    quantizer = converted.entrance.quantizer
    levels = np.arange(quantizer.low, quantizer.high + 1, quantizer.step)
    return np.random.default_rng(1).choice(levels, (count, *converted.net.input.shape))


@pytest.mark.parametrize("name", FLOATS)
def test_the_bound_holds_at_every_tensor(name: str, tmp_path: Path) -> None:
    """Behind equal integers; it is no more than a few hundred times what happens."""
    path = tmp_path / "model.onnx"
    export_qonnx(trained(name), path, input_shape=(3, 10, 10))
    converted = read_converted(path, "net")
    names = sorted(
        {each.reads for each in converted.decisions} | {each.gives for each in converted.decisions}
    )
    single = bounds_of(converted, SINGLE)
    double = bounds_of(converted, DOUBLE)
    images = images_of(converted, 12)
    ((_, rough),) = executed(path, converted.net, images, converted, names, is_double=False)
    ((_, fine),) = executed(path, converted.net, images, converted, names, is_double=True)
    equal = True
    for decision in converted.decisions:
        reads, gives = decision.reads, decision.gives
        if equal:
            off = np.abs(rough[reads].astype(np.float64) - fine[reads])
            allowed = single[reads].error + double[reads].error
            assert (off <= allowed).all(), reads
            assert allowed.max() < 1000 * off.max() or not off.any(), reads
            assert (np.abs(fine[reads]) <= single[reads].most).all(), reads
        scale = float(decision.quantizer.scale)
        equal &= np.array_equal(np.rint(rough[gives] / scale), np.rint(fine[gives] / scale))


@pytest.mark.parametrize("scale", [0.3, 0.07])
def test_exact_sums_may_still_be_near_a_boundary(scale: float, tmp_path: Path) -> None:
    """Nothing is rounded in front of the quantizer, but its division is."""
    graph = Graph()
    sums = graph.conv(graph.image(), pads=[1] * 4)
    path = graph.save(tmp_path / "a.onnx", graph.quant(sums, scale, 6.0, name="/act/Quant"))
    converted = read_converted(path, "net")
    assert bounds_of(converted, DOUBLE)[sums].exact
    (decision,) = (each for each in converted.decisions if each.reads == sums)
    distances = [
        float(distance)
        for channel in range(decision.channels)
        for _, _, distance in decision.nearest(channel)
    ]
    proof = prove(converted, DOUBLE)
    assert proof.nearest == min(filter(None, distances))


@pytest.mark.parametrize("pool", ["GlobalMaxPool", "GlobalAveragePool"])
def test_what_is_left_of_an_image_is_an_image_of_one_pixel(pool: str, tmp_path: Path) -> None:
    """Which a convolution reads as any other."""
    graph = Graph()
    pooled = graph.node(pool, graph.quant(graph.conv(graph.image()), 0.23), name="/g/G")
    weight = graph.weight("last.weight", (2, 3, 1, 1), 0.11)
    sums = graph.node("Conv", pooled, weight, name="/last/Conv")
    converted = read_converted(graph.save(tmp_path / "a.onnx", graph.quant(sums, 0.3)), "net")
    images = images_of(converted, 3)
    names = [pooled, sums]
    ((_, single),) = executed(
        tmp_path / "a.onnx", converted.net, images, converted, names, is_double=False
    )
    bounds = bounds_of(converted, SINGLE)
    for name, channels in zip(names, (3, 2), strict=True):
        assert bounds[name].magnitude.shape == (1, channels, 1, 1)
        assert bounds[name].error.any()
        assert (np.abs(single[name]) <= bounds[name].most).all()


def test_short_grids_are_computed_without_rounding(tmp_path: Path) -> None:
    graph = Graph()
    sums = graph.conv(graph.image(), pads=[1] * 4)
    made = graph.quant(sums, 2.0**-5, 6.0, name="/act/Quant")
    converted = read_converted(graph.save(tmp_path / "a.onnx", made), "net")
    for precision in (SINGLE, DOUBLE):
        bound = bounds_of(converted, precision)[sums]
        assert bound.exact and bound.magnitude.max() > 1 and bound.grid == -11
        proof = prove(converted, precision)
        assert proof.holds and proof.nearest is None
        assert "computed without rounding" in str(proof)


THIRD = float(np.float32(1 / 3))


def test_a_kernel_as_large_as_the_image_is_a_linear_layer(tmp_path: Path) -> None:
    """The same sums of 32 products have the same bound, whichever node writes them."""
    values = np.random.default_rng(3).integers(-7, 8, (3, 2, 4, 4)) * THIRD
    bounds = []
    for linear in (False, True):
        graph = Graph((1, 2, 4, 4))
        pixels = graph.quant("image", THIRD, 3.0, signed=0, name="/input/Quant")
        shape = (3, 32) if linear else values.shape
        held = graph.constant("weight", values.reshape(shape))
        weight = graph.quant(held, THIRD, 4.0, name="/w/Quant")
        if linear:
            sums = graph.node("Gemm", graph.node("Flatten", pixels, axis=1), weight, transB=1)
        else:
            sums = graph.node("Conv", pixels, weight)
        path = graph.save(tmp_path / f"{linear}.onnx", graph.quant(sums, 2 * THIRD, 8.0))
        bounds.append(bounds_of(read_converted(path, "net"), SINGLE)[sums])
    conv, gemm = bounds
    assert (conv.error > 0).all()
    np.testing.assert_allclose(conv.error.ravel(), gemm.error.ravel(), rtol=1e-12)
    np.testing.assert_allclose(conv.magnitude.ravel(), gemm.magnitude.ravel(), rtol=1e-12)


def tied(tmp_path: Path, nudge: float) -> Path:
    """Every odd accumulator lies beside a boundary, by a bias that floating point may swallow."""
    graph = Graph((1, 1, 1, 4))
    pixels = graph.quant("image", 1.0, 3.0, signed=0, name="/input/Quant")
    weight = graph.quant(
        graph.constant("conv.weight", np.full((2, 1, 1, 1), THIRD)), THIRD, 3.0, name="/w/Quant"
    )
    bias = graph.constant("conv.bias", np.array([0.0, nudge]))
    sums = graph.node("Conv", pixels, weight, bias, name="/conv/Conv")
    made = graph.quant(sums, 2 * THIRD, 4.0, name="/act/Quant")
    return graph.save(tmp_path / "a.onnx", made)


PIXELS = np.array([0, 1, 3, 5]).reshape(1, 1, 4, 1)


def test_an_accumulator_beside_a_boundary_is_named(tmp_path: Path) -> None:
    """The bias decides ties upwards, and is lost in double precision."""
    path = tied(tmp_path, 2.0**-70)
    converted = read_converted(path, "net")
    exact = reference.run(converted.net, PIXELS).reshape(4, 2)
    assert exact.tolist() == [[0, 0], [0, 1], [2, 2], [2, 3]]
    doubles = run_qonnx(path, converted.net, PIXELS).reshape(4, 2)
    assert doubles.tolist() == [[0, 0], [0, 0], [2, 2], [2, 2]]
    proof = prove(converted)
    assert not proof.holds and {doubt.channel for doubt in proof.doubts} == {1}
    wrong = {doubt.argument for doubt in proof.doubts}
    assert {1, 5} <= wrong and all(argument % 2 for argument in wrong)
    assert str(proof).startswith(
        "not proven for every image: /act/Quant, channel 1, level 1: accumulator 1 is "
    )


@pytest.mark.parametrize("nudge", [2.0**-40, -(2.0**-40)])
def test_a_difference_by_round_off_is_explained_and_counted(tmp_path: Path, nudge: float) -> None:
    path = tied(tmp_path, nudge)
    converted = read_converted(path, "net")
    assert prove(converted).holds
    assert not prove(converted, SINGLE).holds
    assert np.array_equal(
        run_qonnx(path, converted.net, PIXELS), reference.run(converted.net, PIXELS)
    )
    found = compare_single(path, PIXELS)
    assert found.values == 2 + PIXELS.size * 2
    assert found.differences and not found.unexplained
    for each in found.differences:
        assert each.channel == 1 and abs(each.expected - each.found) == 1
        assert 0 < each.distance <= each.error < 1e-5


def batches(path: Path, converted: Converted, images: np.ndarray) -> Mapping[str, np.ndarray]:
    run = executed(path, converted.net, images, converted, wanted(converted), is_double=False)
    ((_, tensors),) = run
    return {name: np.array(tensors[name]) for name in wanted(converted)}


@pytest.mark.parametrize("name", ["two convolutions", "residual, one quantizer"])
def test_a_difference_that_round_off_cannot_make_is_an_error(name: str, tmp_path: Path) -> None:
    """In one layer only: the next one is fed with the wrong integer, and agrees."""
    path = tmp_path / "model.onnx"
    export_qonnx(trained(name), path, input_shape=(3, 10, 10))
    converted = read_converted(path, "net")
    images = images_of(converted, 5)
    tensors = dict(batches(path, converted, images))
    assert not compare(converted, [(images, tensors)]).differences
    decision = converted.decisions[0]
    scale = float(decision.quantizer.scale)
    values = tensors[decision.gives].copy()
    values[3, 1, 4, 5] += np.float32(scale)
    found = compare(converted, [(images, tensors | {decision.gives: values})])
    here = [each for each in found.unexplained if each.where == decision.gives]
    assert [(each.image, each.channel) for each in here] == [(3, 1)]
    assert here[0].found == here[0].expected + 1
    # Layers behind it saw another integer than in the tensors that were kept.
    assert {each.image for each in found.unexplained} == {3}


def test_wrong_answers_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(trained("float bias of the last layer"), path, input_shape=(3, 10, 10))
    converted = read_converted(path, "net")
    images = images_of(converted, 5)
    tensors = dict(batches(path, converted, images))
    answers = tensors[converted.result_tensor].copy()
    answers[2, 3] += 0.01
    found = compare(converted, [(images, tensors | {converted.result_tensor: answers})])
    assert [(each.image, each.channel) for each in found.unexplained] == [(2, 3)]


def a_weight_that_singles_round_otherwise() -> tuple[float, float]:
    """Weight and scale whose quotient is a half in single precision, and none in real numbers."""
    rng = np.random.default_rng(1)
    while True:
        scale = np.float32(rng.uniform(0.05, 0.1))
        weight = np.float32(np.float32(2.5) * scale)
        exact = float(weight) / float(scale)
        if weight / scale == np.float32(2.5) and exact > 2.5:
            return float(weight), float(scale)


def test_weights_of_single_precision_are_its_own(tmp_path: Path) -> None:
    value, scale = a_weight_that_singles_round_otherwise()
    graph = Graph((1, 1, 1, 4))
    pixels = graph.quant("image", 1.0, 3.0, signed=0, name="/input/Quant")
    weight = graph.quant(
        graph.constant("conv.weight", np.array([value, scale]).reshape(2, 1, 1, 1)),
        scale,
        4.0,
        name="/w/Quant",
    )
    sums = graph.node("Conv", pixels, weight, name="/conv/Conv")
    made = graph.quant(sums, 0.11, 6.0, name="/act/Quant")
    path = graph.save(tmp_path / "a.onnx", made)
    converted = read_converted(path, "net")
    assert converted.net.block["conv.weight"].raw.ravel().tolist() == [3, 1]
    found = compare_single(path, np.arange(4).reshape(1, 1, 4, 1) + 3)
    (difference,) = found.differences
    assert difference.explained and (difference.expected, difference.found) == (3, 2)
    # Two roundings of numbers of at most 3.5: the quotient, and where the level begins.
    assert difference.error == 2 * 3.5 * 2.0**-SINGLE
    assert difference.where == weight
