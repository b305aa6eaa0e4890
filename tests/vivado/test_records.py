"""Records of stages: what a digest sees, and what is no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.vivado import records


def test_a_record_is_kept_and_dropped(tmp_path: Path) -> None:
    assert records.load(tmp_path, "synth") is None
    records.save(tmp_path, "synth", "in", "out")
    assert records.load(tmp_path, "synth") == ("in", "out")
    assert records.load(tmp_path, "impl") is None
    records.forget(tmp_path, "synth")
    records.forget(tmp_path, "synth")
    assert records.load(tmp_path, "synth") is None


@pytest.mark.parametrize("text", ["{", "{}", '"ab"', "[]", '["a"]', '["a", "b", "c"]', '["a", 1]'])
def test_what_is_no_record(tmp_path: Path, text: str) -> None:
    records.save(tmp_path, "synth", "in", "out")
    (tmp_path / ".done" / "synth.json").write_text(text)
    assert records.load(tmp_path, "synth") is None


def test_a_digest_sees_names_content_and_absence(tmp_path: Path) -> None:
    (tmp_path / "rtl" / "deep").mkdir(parents=True)
    (tmp_path / "rtl" / "a.sv").write_text("a")
    (tmp_path / "rtl" / "deep" / "b.sv").write_text("b")
    seen = {records.digest(tmp_path, ["rtl", "gone"])}
    assert seen == {records.digest(tmp_path, ["gone", "rtl", "rtl"])}, "in any order"

    def differs() -> bool:
        before = len(seen)
        seen.add(records.digest(tmp_path, ["rtl", "gone"]))
        return len(seen) == before + 1

    (tmp_path / "rtl" / "deep" / "b.sv").write_text("c")
    assert differs(), "content of a file in a folder"
    (tmp_path / "rtl" / "deep" / "b.sv").rename(tmp_path / "rtl" / "deep" / "c.sv")
    assert differs(), "its name"
    (tmp_path / "gone").write_text("")
    assert differs(), "a file that was absent, and is empty"
    (tmp_path / "rtl" / "empty").mkdir()
    assert not differs(), "a folder of nothing"


def test_a_digest_sees_the_end_of_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 10)
    whole = records.digest(tmp_path, ["a"])
    monkeypatch.setattr(records, "_CHUNK_BYTES", 4)
    assert records.digest(tmp_path, ["a"]) == whole, "whatever is read at once"
    file.write_bytes(b"x" * 9 + b"y")
    assert records.digest(tmp_path, ["a"]) != whole
