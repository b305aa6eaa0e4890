"""Names that a design cannot have."""

from __future__ import annotations

import pytest

from semifreddo.core.reserved import why_reserved


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class", "is a word of C, C++ or SystemVerilog"),
        ("log", "is a word of C, C++ or SystemVerilog"),
        ("always_ff", "is a word of C, C++ or SystemVerilog"),
        ("ulong", "is a word of C, C++ or SystemVerilog"),
        ("uint8_t", "ends in _t like a type of C"),
        ("conv_t", "ends in _t like a type of C"),
        ("EOF", "has the form of a macro of C"),
        ("MNIST", "has the form of a macro of C"),
        ("M_PIf", "has the form of a macro of C"),
        ("images", "is a name of the generated text"),
        ("parameters", "is a name of the generated text"),
        ("conv_config", "is a name of the generated text"),
        ("AP_net", "is a name of the generated text"),
        ("a__b", "is a name of the generated text"),
    ],
)
def test_a_name_that_means_something_is_told_why(name: str, reason: str) -> None:
    assert why_reserved(name) == reason


@pytest.mark.parametrize(
    "name",
    ["digits", "my_design", "Digits", "mnist", "net2", "t", "MNIST_net", "apple", "an_image"],
)
def test_other_names_are_free(name: str) -> None:
    assert why_reserved(name) is None
