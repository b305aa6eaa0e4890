"""``docs/reference/output.schema.json``: what ``--json`` prints, rendered from its dataclasses."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

from semifreddo.flow.reference import SCHEMA_DIALECT
from semifreddo.reports.documents import DOCUMENTS, described
from semifreddo.reports.report import FORMAT, BuildReport

_PLAIN = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def output_schema() -> str:
    """The text of the schema: one of the documents, told apart by ``format``."""
    defs: dict[str, Any] = {}
    forms: dict[str, type] = {FORMAT: BuildReport}
    forms |= {form.FORMAT: form for form in DOCUMENTS}
    for name, form in forms.items():
        _define(form, defs)
        shape = defs[form.__name__]
        shape["properties"] = {"format": {"const": name}, **shape["properties"]}
        shape["required"] = ["format", *shape["required"]]
    schema = {
        "$schema": SCHEMA_DIALECT,
        "title": "What semifreddo prints with --json",
        "oneOf": [{"$ref": f"#/$defs/{form.__name__}"} for form in forms.values()],
        "$defs": defs,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _define(cls: type, defs: dict[str, Any]) -> dict[str, Any]:
    """A reference to a dataclass, which is added with all that it holds."""
    if cls.__name__ not in defs:
        defs[cls.__name__] = {}
        hints = typing.get_type_hints(cls)
        names = [field.name for field in dataclasses.fields(cls)]
        defs[cls.__name__] = {
            **described(cls),
            "type": "object",
            "properties": {name: _shape(hints[name], defs) for name in names},
            "required": names,
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _shape(hint: Any, defs: dict[str, Any]) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if dataclasses.is_dataclass(hint):
        return _define(typing.cast(type, hint), defs)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {
            "anyOf": [
                {"type": "null"} if kind is type(None) else _shape(kind, defs) for kind in arguments
            ]
        }
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _shape(arguments[0], defs)}
    return {"type": "object", "additionalProperties": _shape(arguments[1], defs)}
