"""Files of other people: what is compared, kept, refused, and that a difference ends it all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from nets import blended
from onnx_models import Graph
from semifreddo.core.errors import ConfigError, LadderError
from semifreddo.sim import reference
from semifreddo.studies import published_networks as study
from semifreddo.studies.hardware.tables import recorded
from semifreddo.studies.published_networks import PublishedNetworks, hls4ml_table, table

PAGES = Path(__file__).parents[2] / "docs"
DATA = Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
PUBLISHED = sorted((DATA / "models").glob("*.onnx")) or [
    pytest.param(
        DATA, marks=pytest.mark.skip("networks of other people are not here (SEMIFREDDO_DATA)")
    )
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with float scales, and a file without an input quantizer."""
    folder = tmp_path_factory.mktemp("models")
    graph = Graph()
    value = graph.node("Relu", graph.conv(graph.image(), pads=[1] * 4))
    value = graph.quant(value, 0.3, signed=0, name="/act/Quant")
    value = graph.node("Flatten", value, axis=1)
    value = graph.node("Gemm", value, graph.weight("head.weight", (5, 48), 0.11), transB=1)
    graph.save(folder / "small.onnx", value)
    other = Graph()
    other.save(folder / "other.onnx", other.node("Relu", "image", name="/r/Relu"))
    return folder


def test_what_is_compared(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    measure = PublishedNetworks(models=models, images=6, rungs="double single")
    text = measure.run(tmp_path, 1, said.append)
    record = json.loads((tmp_path / "record.json").read_text())
    refused, row = record["rows"]
    assert refused["name"] == "other" and "input" in refused["refused"]
    assert row["double"]["images"] == 6 and row["double"]["quantizers"] == 1
    assert row["double"]["values"] == row["double"]["images"] * 48
    assert row["double"]["proven"] and not row["double"]["constant"]
    assert row["single"]["values"] > row["double"]["values"]  # weights and answers, too
    assert text.startswith(table(record["rows"])) and "| other | | refused: " in text

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(study, "trace_qonnx", never)
    monkeypatch.setattr(study, "compare_single", never)
    assert measure.run(tmp_path, 1, said.append) == text
    # What is known is in every record, whatever is to be measured.
    known = PublishedNetworks(models=models, images=6, rungs="").run(tmp_path, 1, said.append)
    assert known == text


def test_a_difference_ends_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = study.trace_qonnx

    def wrong(path: Path, net: object, images: np.ndarray) -> dict[str, np.ndarray]:
        found = right(path, net, images)
        name = sorted(found)[0]
        found[name] = found[name].copy()
        found[name].flat[-1] += 1
        return found

    monkeypatch.setattr(study, "trace_qonnx", wrong)
    with pytest.raises(LadderError, match="small: the file in double precision differs at"):
        PublishedNetworks(models=models, images=2, rungs="double").run(tmp_path, 1, print)
    assert [path.name for path in tmp_path.glob("*.json")] == ["record.json"]
    assert "double" not in (tmp_path / "record.json").read_text()


def bench(models: Path, folder: Path, images: int = 3) -> study.Bench:
    return study.bench_of(models / "small.onnx", images, folder, timeout_s=60, jobs=1)


def test_what_was_not_executed_ends_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "trace_qonnx", lambda *_: {})
    one = bench(models, tmp_path)
    names = {*(each.result for each in one.converted.decisions), one.converted.net.output.name}
    with pytest.raises(LadderError) as error:
        study.in_doubles(one)
    assert str(error.value) == (
        f"small: the file differs in what is compared: {min(names)} was not; nothing counted"
    )


def test_an_integer_without_reason_ends_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def compared(path: Path, images: np.ndarray) -> SimpleNamespace:
        asked.append(len(images))
        return SimpleNamespace(unexplained=("layer act", "more"), values=1, differences=())

    monkeypatch.setattr(study, "compare_single", compared)
    with pytest.raises(LadderError) as error:
        study.in_singles(bench(models, tmp_path))
    assert str(error.value) == (
        "small: single precision differs without reason: layer act; nothing counted"
    )
    for budget, count in ((0, 1), (95, 1), (96, 2), (10_000, 3)):  # the quantizer gives 48 each
        monkeypatch.setattr(study, "_SINGLE_VALUES", budget)
        with pytest.raises(LadderError):
            study.in_singles(bench(models, tmp_path))
        assert asked[-1] == count


def test_hls4ml_gets_what_the_file_reads_and_what_it_means(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    one = bench(models, tmp_path)
    project = tmp_path / "hls4ml" / "small"
    given: list[np.ndarray] = []

    def with_hls4ml(path: Path, real: np.ndarray, answers: np.ndarray, folder: Path) -> study.Row:
        assert (path, folder) == (models / "small.onnx", project)
        project.mkdir(parents=True)
        given.extend((real, answers))
        return {"images": len(real)}

    monkeypatch.setattr(study, "with_hls4ml", with_hls4ml)
    assert study.beside_hls4ml(one) == {"images": 3} and not project.exists()
    real, answers = given
    assert np.array_equal(real, one.images / 256)
    converted = one.converted
    assert converted.result is not None, "scales that are no powers of two"
    raw = reference.run(converted.net, one.images)
    slopes, offsets = (
        np.array(list(map(float, each)))
        for each in (converted.result.slopes, converted.result.offsets)
    )
    assert answers.shape == (3, 5) and np.allclose(answers, raw * slopes + offsets)
    assert study.beside_hls4ml(one) == {"images": 3} and len(given) == 2, "it is kept"


@pytest.mark.parametrize(("budget", "count"), [(0, 1), (3_000_000_000, 4)])
def test_a_network_of_any_size_is_simulated_on_an_image(
    budget: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, asked = blended(), []
    bench = SimpleNamespace(
        net=net,
        images=np.zeros((4, *net.input.shape), np.int64),
        kept=lambda name, key, measure: asked.append((name, key)),
    )
    monkeypatch.setattr(study, "_RTL_CYCLES", budget)
    monkeypatch.setattr(study, "_CPP_MULTIPLICATIONS", budget)
    study.in_cpp(bench)
    study.in_rtl(bench)
    assert [(name, key[-1 if name == "csim" else 2]) for name, key in asked] == [
        ("csim", count),
        ("rtl", count),
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_rung(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    PublishedNetworks(models=models, images=4, only="small").run(tmp_path, 1, print)
    (row,) = json.loads((tmp_path / "record.json").read_text())["rows"]
    assert row["csim"]["images"] == row["rtl"]["images"] == 4
    assert row["hls4ml"]["version"]


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_networks(path: Path, tmp_path: Path) -> None:
    """The ten of ``SEMIFREDDO_DATA``; hours of one core, most of it on the largest images."""
    rungs = "double csim rtl single"
    PublishedNetworks(models=path.parent, only=path.stem, rungs=rungs).run(tmp_path, 1, print)
    (row,) = json.loads((tmp_path / "record.json").read_text())["rows"]
    if "refused" in row:
        assert row["name"] == "zoo_qkeras_jettagging"
        assert row["refused"].startswith("node 'MatMul_0' (MatMul): reads the image before")
        return
    double = row["double"]
    assert double["images"] == 200 and double["proven"] and not double["constant"]
    assert row["csim"]["images"] and row["rtl"]["images"] and row["single"]["images"]


def test_images_reach_all_levels(models: Path) -> None:
    bench = study.bench_of(models / "small.onnx", 9, models, timeout_s=60, jobs=1)
    assert bench.images.shape == (9, *bench.net.input.shape)
    assert bench.images.min() == 0 and 250 < bench.images.max() <= 255
    assert bench.images[2].mean() < bench.images[0].mean() / 2
    assert np.array_equal(bench.images[1, 0, 0], bench.images[1, 1, 1])  # a coarse pattern


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "name their folder with --set models="),
        ({"only": "none*"}, r"no none\*.onnx there"),
        ({"rungs": "double silicon"}, "rungs: no 'silicon'; double csim"),
    ],
)
def test_settings(settings: dict[str, str], what: str, models: Path, tmp_path: Path) -> None:
    folder = {"models": models} if settings else {}
    with pytest.raises(ConfigError, match=what):
        PublishedNetworks(**folder, **settings).run(tmp_path, 1, print)


def test_the_page_shows_the_record() -> None:
    text = (PAGES / "studies" / "published_networks.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert recorded(record["study"], record["rows"]) == text
    page = (PAGES / "any-network.md").read_text(encoding="utf-8")
    assert table(record["rows"]) in page
    if any("hls4ml" in row for row in record["rows"]):
        assert hls4ml_table(record["rows"]) in page
