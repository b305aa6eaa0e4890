import pytest

from semifreddo.core.plain_json import parse_json


def test_plain_data():
    text = '{"a": [1, -2.5, null, true, "x"], "b": {"c": 18446744073709551615}}'
    expected = {"a": [1, -2.5, None, True, "x"], "b": {"c": 2**64 - 1}}
    assert parse_json(text) == expected == parse_json(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 21,
        '{"a": -1' + "0" * 5000 + "}",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "",
        "{",
        b"\xff\xfe",
    ],
)
def test_everything_else_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)
