"""``--json``: one document on standard output, as the schema says; everything else on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeDevice, bundle_of, vectors_of
from nets import blended
from reports.hard_report import full_report
from semifreddo.cli.main import main
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.output_schema import output_schema
from semifreddo.reports.documents import DOCUMENTS, ErrorDocument
from semifreddo.runtime import write_bundle

NET = blended()
VECTORS = vectors_of(NET, 8)


def valid(text: str) -> dict[str, Any]:
    """A document, checked against the schema."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")
    document = json.loads(text)
    jsonschema.validate(document, json.loads(output_schema()))
    assert isinstance(document, dict)
    return document


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for place in ("runtime.accelerator",):
        monkeypatch.setattr(
            f"semifreddo.{place}.open_transport", lambda bundle, name: FakeDevice(NET)
        )
    write_bundle(tmp_path / "net.sfb", bundle_of(NET))
    return str(tmp_path / "net.sfb")


def test_a_report_is_valid_and_every_form_is_in_the_schema() -> None:
    valid(full_report().to_json())
    forms = [part["$ref"].rpartition("/")[2] for part in json.loads(output_schema())["oneOf"]]
    assert forms == ["BuildReport", *(form.__name__ for form in DOCUMENTS)]


def test_people_can_read_a_document_too() -> None:
    """A key on a line, with a space for each level."""
    for text in (full_report().to_json(), ErrorDocument("no", 2).to_json()):
        assert text == json.dumps(json.loads(text), indent=1) + "\n"
        assert text.startswith('{\n "format": "semifreddo-')


def test_a_document_with_another_field_is_not_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev extra")
    data = json.loads(full_report().to_json())
    with pytest.raises(jsonschema.ValidationError):
        valid(json.dumps(data | {"more": 1}))
    with pytest.raises(jsonschema.ValidationError):
        valid(json.dumps({**data, "rtl": {**data["rtl"], "lut": "many"}}))


def test_run(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", bundle, "--json"]) == 0
    out, err = capsys.readouterr()
    found = valid(out)
    assert err == "blended on fake, task shapes\n"
    assert found["format"] == "semifreddo-run/1"
    assert (found["design"], found["device"], found["task"]) == ("blended", "fake", "shapes")
    assert (found["images"], found["compared"], found["equal"]) == (8, 8, 8)
    assert [answer["raw"] for answer in found["answers"]] == VECTORS.expected.tolist()
    assert sum(found["labels"].values()) == 8
    assert (found["exchanges"]["count"], found["exchanges"]["images"]) == (1, 8)


def test_run_of_images_names_them(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", VECTORS.images)
    images = ["--images", str(tmp_path / "x.npy")]
    assert main(["run", bundle, *images, "--json", "--quiet", "--show", "3"]) == 0
    out, err = capsys.readouterr()
    found = valid(out)
    assert err == ""
    assert [answer["image"] for answer in found["answers"]] == ["0", "1", "2"]
    assert (found["images"], found["compared"]) == (8, 0)
    assert main(["run", bundle, *images, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "raw outputs" in out


def test_a_difference_is_in_the_document_and_in_the_exit_code(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle_of(NET)
    wrong = VECTORS.expected.copy()
    wrong[1] += 1
    write_bundle(
        Path(bundle), type(made)(NET, made.tasks, {"shapes": VectorSet(VECTORS.images, wrong)})
    )
    assert main(["run", bundle, "--json"]) == 1
    out, err = capsys.readouterr()
    assert valid(out)["equal"] == 7
    assert "first difference" in err
    assert main(["check", bundle, "--transport", "fake", "--json"]) == 1
    out, err = capsys.readouterr()
    found = valid(out)
    assert found["ok"] is False and "differs on 1 of 8" in found["problem"]
    assert err.splitlines()[-1].startswith("error: rung streamnet differs")


def test_check(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", bundle, "--transport", "fake", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    found = valid(out)
    assert err == ""
    assert found["ok"] is True and found["problem"] == ""
    (task,) = found["tasks"]
    assert task["name"] == "shapes"
    status = {rung["name"]: rung["status"] for rung in task["rungs"]}
    assert status["streamnet"] == status["fake"] == "equal"


def test_widths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "design.toml").write_text(
        """
[design]
name = "widths"
board = "pynq_z2"
[train]
dataset = "digits"
[train.backbone]
input_shape = [1, 8, 8]
classes = 10
widths = [4, 4]
strides = [2, 2]
layer_weight_bits = [8, 3]
[rtl]
target_fps = 10_000
"""
    )
    assert main(["widths", str(tmp_path), "--bits", "2", "8", "--json"]) == 0
    found = valid(capsys.readouterr().out)
    assert found["size"] == 8 * 36 + 3 * 144 + 4 * 40 + 16 * 18
    own, two, eight = found["networks"]
    assert (own["weight_bits"], own["widths"], own["size"]) == (None, [4, 4], found["size"])
    assert eight["widths"] < own["widths"] < two["widths"]
    for row in (own, two, eight):
        assert row["size"] <= found["size"]
        assert 100 < row["luts"] < 53_200 and row["frames_per_second"] >= 10_000
    assert main(["widths", str(tmp_path), "--bits", "4", "--set", "rtl.target_fps=9e9", "-q"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("-         -")
    assert main(["widths", str(tmp_path), "--size", "10"]) == 2
    assert "less than the narrowest network of this kind needs" in capsys.readouterr().err
    (tmp_path / "design.toml").write_text('[design]\nname = "own"\nboard = "pynq_z2"\n')
    assert main(["widths", str(tmp_path)]) == 2
    assert "describes no built-in network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "{tmp}/none.sfb"], 1),
        (["check", "{tmp}"], 2),
        (["build", "{tmp}"], 2),
        (["report", "{tmp}"], 1),
        (["retarget", "{tmp}", "-o", "{tmp}/x.json"], 2),
        (["labels", "{tmp}", "--groups", "a=0", "b=1"], 2),
        (["widths", "{tmp}"], 2),
        (["audit", "{tmp}", "{tmp}/none.json"], 1),
    ],
)
def test_what_comes_to_nothing_is_a_document_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main([*(word.format(tmp=tmp_path) for word in arguments), "--json"]) == code
    out, err = capsys.readouterr()
    found = valid(out)
    assert found["format"] == "semifreddo-error/1" and found["exit_code"] == code
    assert err == f"error: {found['error']}\n"
