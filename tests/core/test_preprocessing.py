from fractions import Fraction

import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.preprocessing import (
    DEVIATION_KEY,
    IDENTITY,
    MEAN_KEY,
    MULTIPLY_KEY,
    RESIZE_KEY,
    STEP_KEY,
    TOP_KEY,
    Preprocessing,
)

DIGITS = Preprocessing(15, 16)


def test_source_values_become_pixels():
    assert DIGITS.apply([[0.0, 1.0, 16.0]]).tolist() == [[0, 15, 240]]
    assert DIGITS.apply(np.zeros((0, 2))).dtype == np.uint8
    for wrong in ([17], [-1], [0.5], [np.nan], [np.inf]):
        with pytest.raises(DataError, match=r"whole numbers 0\.\.16"):
            DIGITS.apply(wrong)


@pytest.mark.parametrize(("most", "refused"), [(0, False), (1, True), (16, True), (17, False)])
def test_values_that_can_only_be_meant_as_source(most, refused):
    images = np.zeros((2, 3), np.uint8)
    images[1, 1] = most
    eight = {"width": 8, "scale": 2.0**-8, "signed": False}
    IDENTITY.check(images, **eight)
    if refused:
        with pytest.raises(DataError, match=r"look like the source's 0\.\.16.*multiply by 15"):
            DIGITS.check(images, **eight)
    else:
        DIGITS.check(images, **eight)


def test_figures_are_the_way_it_travels():
    assert IDENTITY.to_figures() == {} and Preprocessing.from_figures({}) == IDENTITY
    figures = {key: str(value) for key, value in DIGITS.to_figures().items()}
    assert Preprocessing.from_figures(figures) == DIGITS
    whole = Preprocessing(2, 100, "bilinear", (0.1307, 0.5), (0.3081, 1e-3))
    assert Preprocessing.from_figures({k: str(v) for k, v in whole.to_figures().items()}) == whole
    means = {"pixel_mean": "0.5, 0.5", "pixel_deviation": "1, 1"}
    for wrong in (
        {"pixel_top": 3},
        figures | {"pixel_top": "x"},
        figures | {"pixel_top": "18"},
        {"pixel_resize": "lanczos"},
        {"pixel_resize": 3},
        {"pixel_mean": "0.5"},
        means | {"pixel_mean": "0.5"},
        means | {"pixel_mean": "0.5, nan"},
        means | {"pixel_mean": "0.5, x"},
        means | {"pixel_mean": [0.5, 0.5]},
        means | {"pixel_deviation": "1, 0"},
        means | {"pixel_mean": "1," * 99 + "1", "pixel_deviation": "1," * 99 + "1"},
    ):
        with pytest.raises(DataError, match="preprocessing"):
            Preprocessing.from_figures(wrong)


MNIST = Preprocessing(mean=(0.1307,), deviation=(0.3081,))


def test_normalised_pixels_are_the_nearest_raw_integer_and_saturate():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    raw = MNIST.raw(pixels, 8, 2.0**-5, signed=True)
    for pixel in range(256):
        real = (Fraction(pixel, 255) - Fraction(0.1307)) / Fraction(0.3081) * 32
        assert abs(raw.reshape(-1)[pixel] - real) <= Fraction(1, 2)
    assert (raw.min(), raw.max()) == (-14, 90)
    narrow = MNIST.raw(pixels, 4, 2.0**-2, signed=True)
    assert (narrow.min(), narrow.max()) == (-2, 7)
    assert MNIST.raw(pixels, 8, 2.0**-5, signed=False).min() == 0


def test_ties_go_to_even():
    half = Preprocessing(mean=(0.0,), deviation=(2 / 255,))  # a pixel is nearly half a raw 1
    exact = Preprocessing(mean=(0.0,), deviation=(1.0,))
    pixels = np.array([[[[0], [255]]]], np.uint8)
    assert exact.raw(pixels, 8, 2.0, signed=False).ravel().tolist() == [0, 0]  # 0.5 to 0
    assert exact.raw(pixels, 8, 2.0 / 3, signed=False).ravel().tolist() == [0, 2]  # 1.5 to 2
    assert half.raw(pixels, 8, 1.0, signed=False).ravel()[1] in (127, 128)


def test_each_channel_has_its_own_mean():
    two = Preprocessing(mean=(0.0, 0.5), deviation=(1.0, 0.5))
    raw = two.raw(np.full((1, 1, 1, 2), 255, np.uint8), 8, 2.0**-4, signed=True)
    assert raw.ravel().tolist() == [16, 16]
    with pytest.raises(DataError, match="mean of 2 channels, the images have 3"):
        two.raw(np.zeros((1, 1, 1, 3), np.uint8), 8, 2.0**-4, signed=True)
    with pytest.raises(DataError, match="expected uint8"):
        two.raw(np.zeros((1, 1, 1, 2), np.int64), 8, 2.0**-4, signed=True)


def test_pixels_given_as_raw_integers_are_refused():
    eight = {"width": 8, "scale": 2.0**-5, "signed": True}
    pixels = np.array([0, 60, 120], np.uint8).reshape(1, 1, 3, 1)
    with pytest.raises(DataError, match=r"look like stored pixels.*raw_of\(images\)"):
        MNIST.check(pixels, **eight)
    MNIST.check(MNIST.raw(pixels, 8, 2.0**-5, signed=True), **eight)
    MNIST.check(pixels.astype(np.int16), **eight)  # nobody stores pixels so


@pytest.mark.parametrize("step", [-1.0, -1e-9, float("inf"), float("nan")])
def test_a_step_that_is_none(step):
    assert Preprocessing(step=0.0).step == 0.0
    with pytest.raises(DataError) as error:
        Preprocessing(step=step)
    assert str(error.value) == "preprocessing: the step must be finite, and not below zero"


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({STEP_KEY: "0.5, 0.5"}, f"{STEP_KEY} is not one number"),
        ({STEP_KEY: "half"}, f"{STEP_KEY} is no list of numbers"),
        ({MEAN_KEY: 0.5}, f"{MEAN_KEY} is no list of numbers"),
        ({RESIZE_KEY: 7}, f"{RESIZE_KEY} is no text"),
        ({MULTIPLY_KEY: 15}, f"{MULTIPLY_KEY} and {TOP_KEY} are not two whole numbers"),
        ({TOP_KEY: 16}, f"{MULTIPLY_KEY} and {TOP_KEY} are not two whole numbers"),
        (
            {MEAN_KEY: "0.5, 0.5", DEVIATION_KEY: "1.0"},
            "2 means and 1 deviations; give one of each, or one of each per channel",
        ),
    ],
)
def test_figures_that_are_no_preprocessing(figures, message):
    with pytest.raises(DataError) as error:
        Preprocessing.from_figures(figures)
    assert str(error.value) == f"preprocessing: {message}"


def test_one_step_is_a_figure():
    found = Preprocessing.from_figures({STEP_KEY: "0.25"})
    assert found.step == 0.25 and found.to_figures() == {STEP_KEY: "0.25"}
