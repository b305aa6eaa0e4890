"""The reference of design.toml says what the reader does."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.core.toml import read_toml
from semifreddo.flow import reference
from semifreddo.flow.config import DesignFile, load_config

_ROOT = Path(__file__).parents[2]

REFUSED = [
    ("[csim]\nworkers = 0\n", "0, expected 1 or more"),
    ("[rtl]\nboard_share = 1.5\n", "expected 1 or less"),
    ("[synth]\nseeds = []\n", "expected 1 or more entries"),
    ('[vivado]\ncore = "vhdl"\n', "is not known"),
    ('[vivado]\nhost = ""\nhots = ""\n', "unknown key 'hots'"),
    ('[rtl.layers.conv]\nmultiplier = "dps"\n', "is not known"),
    ("[limits]\nrtl.lutz = { max = 1 }\n", "design.toml"),
    ('[task]\nname = "-x"\n', "does not match"),
    ('[vectors]\nfile = ""\n', "is not a path"),
    ("[cosim]\nwaves = 1\n", "not true or false"),
    ("[cosim]\nimages = 2\n", "2, expected 3 or more"),
]


def _validator() -> Any:
    return importlib.import_module("jsonschema").Draft202012Validator(
        json.loads(reference.design_schema())
    )


def test_every_key_has_a_help_text() -> None:
    tables = [("", DesignFile, ""), *reference.tables()]
    assert len(tables) > 12
    silent = [
        f"{name}.{field.name}"
        for name, cls, _ in tables
        for field in (key.field for key in reference.keys(cls))
        if not str(field.metadata.get("help", "")).strip()
    ]
    assert silent == []


def test_page_has_every_key() -> None:
    page = reference.design_page()
    for name, cls, _ in reference.tables():
        section = page.split(f"## [{name}]\n", 1)[1].split("\n## ")[0]
        for key in reference.keys(cls):
            assert f"| `{key.name}` |" in section, f"{name}.{key.name}"
            assert key.help.replace("|", "\\|") in section


def test_rows_say_type_default_and_range() -> None:
    page = reference.design_page()
    assert (
        "| `name` | text | required | `[A-Za-z][A-Za-z0-9_]*` | identifier of the design;" in page
    )
    assert '| `board` | text | `"pynq_z2"` | - |' in page
    assert '| `tool` | `"vivado"` or `"vitis"` | `"vivado"` | - |' in page
    assert "| `seeds` | list of whole number | `[1, 2, 3]` | 1 or more entries |" in page
    assert "| `input_stalls` | number | `0.2` | 0 to 0.95 |" in page
    assert "| `groups` | by name: list of whole number | - | - |" in page


@pytest.mark.parametrize("design", sorted((_ROOT / "hls_projects").glob("*/design.toml")), ids=str)
def test_schema_takes_the_gallery(design: Path) -> None:
    pytest.importorskip("jsonschema")
    assert list(_validator().iter_errors(read_toml(design))) == []


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_schema_refuses_what_the_reader_refuses(tmp_path: Path, text: str, message: str) -> None:
    pytest.importorskip("jsonschema")
    file = tmp_path / "design.toml"
    file.write_text('[design]\nname = "x"\n')
    load_config(file)
    assert _validator().is_valid(read_toml(file))
    file.write_text(file.read_text() + text)
    with pytest.raises(ConfigError, match=message):
        load_config(file)
    assert not _validator().is_valid(read_toml(file))
