from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.core.tables import nearest, option, read_table


@dataclass(frozen=True)
class Inner:
    size: int = option(1, help="size", low=1, high=9)


@dataclass(frozen=True)
class Outer:
    name: str = option(help="name", pattern="[a-z]+")
    kind: Literal["one", "two"] = "one"
    ratio: float | None = None
    path: Path = Path("x")
    names: tuple[str, ...] = option((), help="names", low=1)
    inner: Inner = Inner()
    table: Mapping[str, int] = option(None, help="numbers")
    flag: bool = False

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("the name is bad")


def read(**table: Any) -> tuple[Outer | None, list[str]]:
    problems: list[str] = []
    return read_table(Outer, table, "file", problems), problems


def test_all_types() -> None:
    value, problems = read(
        name="a",
        kind="two",
        ratio=1,
        path="y/z",
        names=["p", "q"],
        inner={"size": 3},
        table={"k": 4},
        flag=True,
    )
    assert problems == []
    assert value == Outer("a", "two", 1.0, Path("y/z"), ("p", "q"), Inner(3), {"k": 4}, True)
    assert read(name="a", ratio=None)[0] == Outer("a")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "file: key 'name' is missing (name)"),
        ({"name": 3}, "file name: 3 is not a text"),
        ({"name": "B"}, "file name: 'B' does not match [a-z]+"),
        ({"name": "bad"}, "file: the name is bad"),
        ({"name": "a", "knid": "one"}, "file: unknown key 'knid'; did you mean 'kind'?"),
        ({"name": "a", "kind": "tow"}, "file kind: 'tow' is not known; did you mean 'two'?"),
        ({"name": "a", "kind": 1}, "file kind: 1 is not known; known: one, two"),
        ({"name": "a", "ratio": float("nan")}, "file ratio: nan is not a finite number"),
        ({"name": "a", "ratio": True}, "file ratio: True is not a finite number"),
        ({"name": "a", "path": ""}, "file path: '' is not a path"),
        ({"name": "a", "names": []}, "file names: (), expected 1 or more entries"),
        ({"name": "a", "names": "xy"}, "file names: 'xy' is not a list"),
        ({"name": "a", "inner": {"size": 10}}, "file inner size: 10, expected 9 or less"),
        (
            {"name": "a", "inner": {"sise": 1}},
            "file inner: unknown key 'sise'; did you mean 'size'?",
        ),
        ({"name": "a", "inner": 1}, "file inner: is 1, expected a table"),
        ({"name": "a", "table": {"k": "v"}}, "file table: 'v' is not a whole number"),
        ({"name": "a", "flag": 1}, "file flag: 1 is not true or false"),
    ],
)
def test_one_problem(table: dict[str, Any], problem: str) -> None:
    value, problems = read(**table)
    assert value is None
    assert problems == [problem]


def test_problems_are_collected() -> None:
    problems = read(kind="x", flag="y", zzz=1)[1]
    assert len(problems) == 4


def test_nearest() -> None:
    assert nearest("clok", ["clock", "tool"]) == "; did you mean 'clock'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("zzz", []) == ""


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
)
keys = st.sampled_from(["name", "kind", "ratio", "path", "names", "inner", "table", "flag", "x"])


@given(st.dictionaries(keys, json_like) | json_like)
def test_never_raises(table: Any) -> None:
    problems: list[str] = []
    value = read_table(Outer, table, "file", problems)
    assert (value is None) == bool(problems)
    assert all("\n" not in problem for problem in problems)
