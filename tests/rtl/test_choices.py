"""A schedule as data."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets import blended
from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.choices import Choice, Override, RtlSchedule

choices = st.builds(
    Choice,
    st.integers(1, 300),
    st.integers(0, 64),
    st.integers(0, 40),
    st.sampled_from(["lut", "dsp"]),
    st.sampled_from(["adders", "rom"]),
    st.integers(1, 300),
    st.integers(0, 64),
    st.sampled_from(["lut", "dsp"]),
)


@given(st.dictionaries(st.text(max_size=8), choices), st.frozensets(st.text(max_size=8)))
def test_round_trip_through_json(layers: dict[str, Choice], unrolled: frozenset[str]) -> None:
    schedule = RtlSchedule(layers, unrolled)
    assert RtlSchedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


def test_what_is_left_out_has_its_default() -> None:
    schedule = RtlSchedule.from_json({"layers": {"a": {"digit_bits": 2}}})
    assert schedule == RtlSchedule({"a": Choice(digit_bits=2)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "my file: is 7, expected a table"),
        ({}, "my file: key 'layers' is missing (choices by layer name)"),
        (
            {"layers": {"a": {"row_per_cycle": 1}}},
            "my file layers.a: unknown key 'row_per_cycle'; did you mean 'rows_per_cycle'?",
        ),
        (
            {"layers": {"a": {"rows_per_cycle": 0, "multiplier": "dps"}}},
            "my file layers.a rows_per_cycle: 0, expected 1 or more; "
            "my file layers.a multiplier: 'dps' is not known; did you mean 'dsp'?",
        ),
        ({"layers": {"a": {"digit_bits": 1.5}}}, "digit_bits: 1.5 is not a whole number"),
    ],
)
def test_wrong_data_is_refused_in_one_line(data: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        RtlSchedule.from_json(data, "my file")


def test_an_override_leaves_the_rest_to_the_scheduler() -> None:
    chosen = Choice(3, 2, 1, "lut")
    assert Override().applied(chosen) == chosen
    assert Override(multiplier="dsp", channels_per_cycle=0).applied(chosen) == Choice(
        3, 0, 1, "dsp"
    )


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(rom_rows_per_cycle=99), "rom_rows_per_cycle 99 is outside 1..9, the rows"),
        (Choice(rom_channels_per_cycle=9), "rom_channels_per_cycle 9 is outside 0..4, its frozen"),
        (Choice(frozen="ram"), "frozen 'ram'; use adders or rom"),  # type: ignore[arg-type]
        (Choice(rom_multiplier="cpu"), "rom_multiplier 'cpu'; use lut or dsp"),  # type: ignore[arg-type]
        (Choice(window="ram"), "window 'ram'; use registers or memory"),  # type: ignore[arg-type]
        (Choice(rows_per_cycle=10), "rows_per_cycle 10 is outside 1..9, the rows"),
        (Choice(channels_per_cycle=1), "channels_per_cycle 1 is outside 0..0, its loadable"),
    ],
)
def test_choices_that_the_network_has_no_use_for_are_refused(choice: Choice, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"layer 'core': {message}")):
        RtlSchedule({"core": choice}).check(blended())


def test_names_that_the_network_lacks_are_refused_with_the_nearest() -> None:
    net = blended()
    name = next(layer.name for layer in net.layers if isinstance(layer, Conv | Linear))
    with pytest.raises(ConfigError, match=re.escape(f"did you mean {name!r}?")):
        RtlSchedule({f"{name}x": Choice()}).check(net)
    with pytest.raises(ConfigError, match=r"^rtl schedule: blended has no repeat 'block'$"):
        RtlSchedule(unrolled=frozenset({"clock", "block"})).check(net)
