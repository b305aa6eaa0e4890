"""Cells, seal, test once, resumption: with a study that measures nothing but its own calls."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import pytest

from semifreddo.cli.main import main
from semifreddo.core.errors import ConfigError, DataError
from semifreddo.studies import catalog
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, recorded, render
from semifreddo.studies.study import Cell, Material, Study, Verdict


@dataclass(frozen=True)
class Counting(Study[str, str]):
    """Searches: the best of three points is measured again with a way of its own."""

    name = "counting"
    title = "Counting"
    claim = "Two is more than one."
    origin = "arithmetic"
    margin = "the best point is 2"

    scale: int = 1
    calls: list = field(default_factory=list, compare=False, hash=False)

    def settings(self):
        return {"scale": self.scale}

    def cells(self, seeds, done, /):
        first = [Cell("try", seed, {"x": x}) for seed in seeds for x in (0, 1, 2)]
        tried = [item for item in done if item.cell.way == "try"]
        if len(tried) < len(first):
            return first
        best = max(tried, key=lambda item: item.validation["score"]).cell.point["x"]
        return [*first, Cell("best", 0, {"x": best})]

    def load(self, directory):
        return Material("development", "test")

    def validate(self, cell, data, folder):
        assert data == "development"
        self.calls.append(cell.key)
        (folder / "kept").write_text(str(cell.point["x"]))
        return {"score": self.scale * cell.point["x"]}

    def test(self, cell, folder, split):
        assert split == "test"
        self.calls.append(f"test {cell.key}")
        return {"score": int((folder / "kept").read_text())}

    def verdict(self, results):
        best = next(item for item in results if item.cell.way == "best")
        return Verdict("holds" if best.test["score"] == 2 else "does not hold", "Counted.")

    def body(self, results):
        return f"{len(results)} results"


@pytest.fixture
def runner(tmp_path):
    return Runner(Counting(), (0, 1), tmp_path)


def silent(_line):
    pass


def test_a_search_sees_what_is_measured(runner):
    lines = []
    runner.validate(Serial(), lines.append)
    assert [item.cell.way for item in runner.results()] == ["try"] * 6 + ["best"]
    assert runner.results()[-1].cell.point == {"x": 2}
    assert len(runner.study.calls) == 7
    assert lines[0] == "counting: 1/6 try, seed 0: 0 s" and lines[-1].startswith("counting: 7/7")


def test_an_interrupted_study_goes_on(runner, monkeypatch):
    def stop(_line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.validate(Serial(), stop)
    assert len(runner.study.calls) == 1
    runner.validate(Serial(), silent)
    assert len(runner.study.calls) == 7 == len(set(runner.study.calls))


def test_other_settings_leave_results_alone(runner, tmp_path):
    runner.validate(Serial(), silent)
    other = Runner(Counting(scale=3), (0, 1), tmp_path)
    assert not other.results() and other.folder != runner.folder
    other.validate(Serial(), silent)
    assert len(runner.results()) == len(other.results()) == 7


def test_the_seal_wants_every_cell(runner):
    with pytest.raises(ConfigError, match="counting: 6 of 6 cells are not validated"):
        runner.seal()


def test_no_test_without_a_seal_and_none_twice(runner):
    runner.validate(Serial(), silent)
    with pytest.raises(ConfigError, match="not sealed; the test split is looked at once"):
        runner.test(Serial(), silent)
    assert not any(call.startswith("test") for call in runner.study.calls)
    runner.seal()
    runner.test(Serial(), silent)
    with pytest.raises(ConfigError, match="tested already"):
        runner.test(Serial(), silent)
    assert sum(call.startswith("test") for call in runner.study.calls) == 7


def test_an_interrupted_test_goes_on_without_measuring_twice(runner):
    runner.validate(Serial(), silent)
    runner.seal()

    def stop(_line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.test(Serial(), stop)
    runner.test(Serial(), silent)
    tested = [call for call in runner.study.calls if call.startswith("test")]
    assert len(tested) == 7 == len(set(tested))


@pytest.mark.parametrize("what", ["margin", "claim"])
def test_a_margin_that_changes_behind_the_seal(runner, monkeypatch, what):
    runner.validate(Serial(), silent)
    runner.seal()
    monkeypatch.setattr(Counting, what, "anything goes")
    with pytest.raises(ConfigError, match=f"{what} changed after the seal"):
        runner.test(Serial(), silent)


def test_a_result_that_changes_behind_the_seal(runner):
    runner.validate(Serial(), silent)
    runner.seal()
    place = next(runner.folder.glob("best*/validation.json"))
    stored = json.loads(place.read_text())
    place.write_text(json.dumps(stored | {"figures": {"score": 99}}))
    with pytest.raises(ConfigError, match="validation changed after the seal"):
        runner.test(Serial(), silent)


def test_more_seeds_behind_the_seal(runner, tmp_path):
    runner.validate(Serial(), silent)
    runner.seal()
    more = Runner(Counting(), (0, 1, 2), tmp_path)
    more.validate(Serial(), silent)
    with pytest.raises(ConfigError, match="seeds changed after the seal"):
        more.test(Serial(), silent)


def test_a_damaged_cell_is_one_line(runner):
    runner.validate(Serial(), silent)
    next(runner.folder.glob("best*/validation.json")).write_text("{")
    with pytest.raises(DataError, match="remove it, and its cell is measured again"):
        runner.results()


def test_page_and_record_tell_the_same(runner, tmp_path):
    runner.validate(Serial(), silent)
    before = render(runner.study, runner.record())
    assert "**No verdict yet**" in before and "not measured yet" in before
    runner.seal()
    runner.test(Serial(), silent)
    page = runner.publish(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "counting.json").read_text())
    assert page.read_text() == render(Counting(), record)
    assert "**Verdict: the claim holds.** Counted." in page.read_text()
    assert recorded(record) == runner.results()
    for seeds, told in (([0, 1, 2], ""), ([4, 5], " --seeds 4 5")):
        assert f"Made by `semifreddo study counting{told}`, " in render(
            Counting(), record | {"seeds": seeds}
        )


def test_a_page_of_what_is_measured_so_far(runner, tmp_path):
    def stop(_line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.validate(Serial(), stop)
    known = len(runner.cells())
    text = runner.publish(tmp_path / "out").read_text()
    assert f"looked at, and {known - 1} of the {known} cells known so far are not measured." in text
    record = json.loads((tmp_path / "out" / "counting.json").read_text())
    assert record["missing"] == known - 1 and not record["sealed"]
    runner.validate(Serial(), silent)
    assert "missing" not in runner.record()
    assert "has not been looked at.\n" in render(runner.study, runner.record())


def test_keys_tell_cells_apart():
    cells = [Cell("a b", 1), Cell("a_b", 1), Cell("a", 1, {"x": 1}), Cell("a", 1, {"x": "1"})]
    assert len({cell.key for cell in cells}) == 4
    assert Cell("core + head", 2, {"x": 1}).key.startswith("core_head-2-x=1-")


def test_the_verb_goes_from_data_to_page(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "find_study", lambda _name: Counting())
    words = ["study", "counting", "--work", str(tmp_path), "--seeds", "0", "1"]
    words += ["--out", str(tmp_path / "out")]

    def said(*more):
        assert main([*words, *more]) == 0
        return capsys.readouterr()

    out, err = said()
    assert out == render(Counting(), Runner(Counting(), (0, 1), tmp_path).record()) + "\n"
    assert err.startswith("counting: 1/6 try, seed 0")
    assert said("--publish") == ("", f"page: {tmp_path / 'out' / 'counting.md'}\n")
    assert said("--seal").err.endswith("; next: semifreddo study counting ... --test\n")
    assert said("--test").err.endswith(f"page: {tmp_path / 'out' / 'counting.md'}\n")
    assert "the claim holds" in (tmp_path / "out" / "counting.md").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--set", "scale=2"], "--set is for measurements; edit its module"),
        (["--seeds", "1", "2", "1"], r"--seeds: one of \[1, 2, 1\] is named twice"),
        ([], "study counting: name the folder of cifar10 with --data DIR"),
        (["--test"], "study counting: name the folder of cifar10 with --data DIR"),
    ],
)
def test_what_the_verb_refuses(capsys, monkeypatch, tmp_path, words, what):
    monkeypatch.setattr(Counting, "data", "cifar10")
    monkeypatch.setattr(catalog, "find_study", lambda _name: Counting())
    assert main(["study", "counting", "--work", str(tmp_path), *words]) == 2
    assert re.search(what, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
