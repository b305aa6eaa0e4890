"""Image packets: the bytes of every value, without gaps, whatever the memory layout."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import blended
from semifreddo.core.fixed import FixedType
from semifreddo.ir.bus import (
    ALL_ERRORS,
    ERRORS,
    IDENTITY,
    IMAGES,
    REGISTERS,
    TASK,
    BusFormat,
    error_texts,
)
from semifreddo.ir.layers import Cast, Stream
from semifreddo.ir.net import StreamNet

BUS = BusFormat.of(blended())


@given(
    value_bytes=st.integers(1, 8),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)),
    count=st.integers(0, 4),
    seed=st.integers(0, 1000),
    signed=st.booleans(),
)
def test_packets(value_bytes: int, shape: tuple, count: int, seed: int, signed: bool) -> None:
    bus = dataclasses.replace(BUS, value_bytes=value_bytes, image_shape=shape)
    bits = 8 * value_bytes - 1
    low, high = (-(1 << bits), 1 << bits) if signed else (0, 1 << bits)
    values = np.random.default_rng(seed).integers(low, high, (count, *shape), np.int64)
    expected = b"".join(
        int(value).to_bytes(value_bytes, "little", signed=signed) for value in values.reshape(-1)
    )
    expected += bytes(-len(expected) % 4)
    packet = bus.image_packet(values)
    assert packet[:2].tolist() == [IMAGES, count]
    assert packet[2:].astype("<u4").tobytes() == expected
    assert len(packet) == bus.packet_words(count)
    turned = np.asfortranarray(values)
    assert np.array_equal(bus.image_packet(turned), packet)


@pytest.mark.parametrize(
    ("shape", "value_bytes", "result_words", "outputs", "figures"),
    [
        # pixel bytes, cycles in, cycles out, packet words of 3 images
        ((8, 8, 1), 1, 1, 10, (1, 64, 10, 2 + 48)),  # a pixel per cycle: the stream is the limit
        ((8, 8, 3), 1, 1, 10, (3, 64, 10, 2 + 144)),
        ((8, 8, 4), 1, 1, 10, (4, 64, 10, 2 + 192)),
        ((8, 8, 5), 1, 1, 10, (5, 80, 10, 2 + 240)),  # five words for four pixels: the bus is
        ((3, 3, 5), 1, 1, 1, (5, 12, 1, 2 + 34)),  # 45 bytes are 12 words, 135 are 34
        ((2, 2, 1), 8, 2, 3, (8, 8, 6, 2 + 24)),
        ((1, 1, 1), 1, 2, 1, (1, 1, 2, 2 + 1)),
    ],
)
def test_words_and_cycles(
    shape: tuple, value_bytes: int, result_words: int, outputs: int, figures: tuple
) -> None:
    bus = dataclasses.replace(
        BUS,
        image_shape=shape,
        value_bytes=value_bytes,
        result_words=result_words,
        outputs=outputs,
    )
    found = bus.pixel_bytes, bus.input_cycles, bus.output_cycles, bus.packet_words(3)
    assert found == figures


@pytest.mark.parametrize(
    ("width", "octets"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (32, 4), (33, 5), (62, 8)]
)
def test_bytes_of_a_value(width: int, octets: int) -> None:
    kind = FixedType.exact(width, 0, signed=True)
    image = Stream("image", (2, 2, 1), kind)
    cast = Cast(inputs=("image",), output=Stream("y", (2, 2, 1), kind))
    bus = BusFormat.of(StreamNet("net", image, (cast,), ()))
    assert (bus.value_bytes, bus.result_words, bus.result_signed) == (
        octets,
        1 if width <= 32 else 2,
        True,
    )
    assert (bus.outputs, bus.task_words) == (4, 0)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize(("words", "signed"), [(1, True), (1, False), (2, True), (2, False)])
def test_results_are_numbers_again(words: int, signed: bool, count: int) -> None:
    bus = dataclasses.replace(BUS, result_words=words, result_signed=signed, outputs=2)
    bits = 32 * words - (2 if words == 2 else 0)  # as wide as formats are
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    values = [[low, high], [high, low], [1, low + 1]][:count]
    raw = b"".join(
        int(value).to_bytes(4 * words, "little", signed=signed) for row in values for value in row
    )
    found = bus.results(np.frombuffer(raw, "<u4"))
    assert found.shape == (count, 2) and found.tolist() == values


def test_the_payload_of_a_task() -> None:
    """Two checksums: the sum of the words, and the sum of all values that sum takes."""
    words = np.array([0xFFFFFFFF, 2, 0x80000000, 7], np.uint32)
    sum_a = sum_b = 0
    for word in words.tolist():
        sum_a = (sum_a + word) % (1 << 32)
        sum_b = (sum_b + sum_a) % (1 << 32)
    bus = dataclasses.replace(BUS, digest_word=0xABCDEF01)
    payload = [0xABCDEF01, *words.tolist(), sum_a, sum_b]
    assert bus.task_payload(words).tolist() == payload
    assert bus.task_packet(words).tolist() == [TASK, *payload]
    assert bus.task_payload(words[:0]).tolist() == [0xABCDEF01, 0, 0]


def test_errors_in_words() -> None:
    assert error_texts(0) == ""
    assert error_texts(1 << 2 | 1 << 7) == (
        "task packet too short, task data written without a granted request"
    )
    assert error_texts(ALL_ERRORS).count(",") == len(ERRORS) - 1


def test_packing_into_a_longer_buffer() -> None:
    buffer = np.full(100, 0xA5A5A5A5, np.uint32)
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1)
    words = BUS.pack_images(images, buffer)
    assert np.array_equal(buffer[:words], BUS.image_packet(images))
    assert (buffer[words:] == 0xA5A5A5A5).all()


@pytest.mark.parametrize("signed", [False, True])
def test_format_register(signed: bool) -> None:
    bus = dataclasses.replace(BUS, value_bytes=2, result_words=2, result_signed=signed)
    assert BUS.with_register(bus.register) == bus


def test_registers_stay_where_they_are() -> None:
    """Bitstreams that exist have them there, and software of other people may read them."""
    names = ["identity", "device", "status", "errors", "images_in", "images_out", "cycles"]
    names += ["cycles_high", "task_words", "task_control", "task_data", "batch", "tasks", "format"]
    assert dict(zip(names, range(0, 4 * len(names), 4), strict=True)) == REGISTERS
    assert IDENTITY.to_bytes(4, "big") == b"SFR1"
    assert (IMAGES, TASK) == (0x53460001, 0x53460002)
