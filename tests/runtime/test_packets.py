"""Image packets: the bytes of every value, without gaps, whatever the memory layout."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import blended
from semifreddo.runtime.packets import IMAGES, BusFormat

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
