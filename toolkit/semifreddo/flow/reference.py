"""References of ``design.toml`` and ``board.toml``, rendered from the classes that read them.

A key is declared once, with :func:`semifreddo.core.tables.option`; the pages for people and the
JSON Schema for editors say what that declaration says. ``python -m semifreddo.cli.reference``
writes them.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from semifreddo.boards.spec import BoardSpec, Image
from semifreddo.core.columns import markdown_table
from semifreddo.flow.config import DesignFile
from semifreddo.flow.train_section import TrainSection
from semifreddo.nn.topology import TOPOLOGIES
from semifreddo.reports.report import Limit, figure_names

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Tables that the file's reader hands on unread, and the dataclass that reads them later.
READ_LATER: Mapping[tuple[type, str], type] = {
    (TrainSection, topology.section): topology.config
    for topology in TOPOLOGIES.values()
    if topology.section is not None
}

_PLAIN: Mapping[Any, tuple[str, dict[str, Any]]] = {
    str: ("text", {"type": "string"}),
    bool: ("true or false", {"type": "boolean"}),
    int: ("whole number", {"type": "integer"}),
    float: ("number", {"type": "number"}),
    Path: ("path", {"type": "string", "minLength": 1}),
}


@dataclasses.dataclass(frozen=True)
class Key:
    """A key of a table.

    Attributes:
        name: As it is written.
        kind: Its type without ``None``; TOML leaves a key out instead.
        field: Its declaration: default, and help and limits in the metadata.
    """

    name: str
    kind: Any
    field: dataclasses.Field[Any]

    @property
    def required(self) -> bool:
        """Whether a file without it is refused."""
        return self.field.default is MISSING and self.field.default_factory is MISSING

    @property
    def help(self) -> str:
        """Its meaning, in one line."""
        text: str = self.field.metadata["help"]
        return text

    @property
    def default(self) -> Any:
        """Its value if it is absent, as TOML and JSON have it; None if there is none."""
        if self.required or self.field.default is MISSING:
            return None
        return _plain(self.field.default)

    @property
    def table(self) -> type | None:
        """The dataclass of its table, or of the tables in it."""
        for kind in (self.kind, *typing.get_args(self.kind)):
            if dataclasses.is_dataclass(kind):
                return typing.cast(type, kind)
        return None

    @property
    def by_name(self) -> bool:
        """Whether it holds values under names that the user gives."""
        return typing.get_origin(self.kind) not in (None, tuple, typing.Literal)


def keys(cls: type) -> list[Key]:
    """The keys of a table, in the order of their declaration."""
    hints = typing.get_type_hints(cls)
    return [
        Key(field.name, READ_LATER.get((cls, field.name)) or _present(hints[field.name]), field)
        for field in dataclasses.fields(cls)
    ]


def tables(cls: type = DesignFile) -> Iterator[tuple[str, type, str]]:
    """Every table of a file: its heading, its dataclass and its help."""
    yield from _tables_below(cls, "")


def _tables_below(cls: type, prefix: str) -> Iterator[tuple[str, type, str]]:
    for key in keys(cls):
        if key.table is not None:
            name = f"{prefix}{key.name}"
            yield f"{name}.NAME" if key.by_name else name, key.table, key.help
            yield from _tables_below(key.table, f"{name}.")


def design_page() -> str:
    """``docs/reference/design.md``."""
    lines = [
        "# design.toml",
        "",
        "Every section and key of a design. `python -m semifreddo.cli.reference docs/reference`",
        "writes this page and [design.schema.json](design.schema.json) from the classes that read",
        "the file (`semifreddo/flow/config.py`).",
        "`--set section.key=value` sets a key for one run.",
        "",
        "An editor that knows JSON Schema (taplo, Even Better TOML) checks the file while it is",
        "written, if the first line names the schema:",
        "",
        "```toml",
        "#:schema ../../docs/reference/design.schema.json",
        "```",
    ]
    for name, cls, meaning in tables():
        lines += ["", f"## [{name}]", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines.append(_keys_table(cls))
        if cls is Limit:
            lines += ["", "Figures:", "", ", ".join(f"`{name}`" for name in figure_names()) + "."]
    return "\n".join(lines) + "\n"


def board_page() -> str:
    """``docs/reference/board.md``."""
    lines = [
        "# board.toml",
        "",
        "Every table and key of a board. `python -m semifreddo.cli.reference docs/reference`",
        "writes this page from the classes that read the file (`semifreddo/boards/spec.py`).",
        "[A new board](../new-board.md) shows a whole file.",
        "",
        _keys_table(BoardSpec),
    ]
    for name, cls, meaning in tables(BoardSpec):
        heading = f"[[{name}]]" if cls is Image else f"[{name}]"
        lines += ["", f"## {heading}", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines.append(_keys_table(cls))
    return "\n".join(lines) + "\n"


def _keys_table(cls: type) -> str:
    rows = [
        (f"`{key.name}`", _type_text(key), _default_text(key), _range_text(key), key.help)
        for key in keys(cls)
        if key.field.metadata
    ]
    return markdown_table(("key", "type", "default", "range", "meaning"), rows).rstrip()


def design_schema() -> str:
    """``docs/reference/design.schema.json``."""
    schema = {"$schema": SCHEMA_DIALECT, "title": "semifreddo design.toml", **_table(DesignFile)}
    schema["properties"]["limits"]["propertyNames"] = {"enum": figure_names()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _table(cls: type) -> dict[str, Any]:
    properties = {}
    for key in keys(cls):
        shape = {"description": key.help, **_shape(key.kind), **_limits(key)}
        if key.default is not None and not key.table:
            shape["default"] = key.default
        properties[key.name] = shape
    table: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required := [key.name for key in keys(cls) if key.required]:
        table["required"] = required
    return table


def _shape(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind][1])
    if dataclasses.is_dataclass(kind):
        return _table(typing.cast(type, kind))
    if kind is Any:
        return {}
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return {"enum": list(arguments)}
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _shape(arguments[0])}
    return {"type": "object", "additionalProperties": _shape(arguments[1])}


def _limits(key: Key) -> dict[str, Any]:
    low, high, pattern = (key.field.metadata[name] for name in ("low", "high", "pattern"))
    names = {
        str: ("minLength", "maxLength"),
        tuple: ("minItems", "maxItems"),
    }.get(typing.get_origin(key.kind) or key.kind, ("minimum", "maximum"))
    found = dict(zip(names, (low, high), strict=True))
    found["pattern"] = None if pattern is None else f"^(?:{pattern})$"
    return {name: limit for name, limit in found.items() if limit is not None}


def _type_text(key: Key) -> str:
    return _kind_text(key.kind)


def _kind_text(kind: Any) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind][0]
    if dataclasses.is_dataclass(kind):
        return "table, below"
    if kind is Any:
        return "any value"
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if typing.get_origin(kind) is tuple:
        return f"list of {_kind_text(arguments[0])}"
    return f"by name: {_kind_text(arguments[1])}"


def _default_text(key: Key) -> str:
    if key.required:
        return "required"
    if key.table is not None or key.default is None:
        return "-"
    return f"`{json.dumps(key.default)}`"


def _range_text(key: Key) -> str:
    low, high, pattern = (key.field.metadata[name] for name in ("low", "high", "pattern"))
    if pattern is not None:
        return f"`{pattern}`"
    entries = " entries" if typing.get_origin(key.kind) is tuple else ""
    if low is not None and high is not None:
        return f"{low} to {high}{entries}"
    if low is not None:
        return f"{low} or more{entries}"
    return "-" if high is None else f"{high} or less{entries}"


def _present(hint: Any) -> Any:
    """A type without None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return hint


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.as_posix()
    return list(value) if isinstance(value, tuple) else value
