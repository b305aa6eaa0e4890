"""What is said and kept around training; ``test_own_model.py`` and others train."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from nets import blended, powers  # noqa: E402
from semifreddo.core.errors import CheckpointError, ConfigError, TaskError  # noqa: E402
from semifreddo.core.vectors import VectorSet  # noqa: E402
from semifreddo.flow import training  # noqa: E402
from semifreddo.flow.config import BuildConfig, load_config  # noqa: E402
from semifreddo.ir.freeze import FreezePlan  # noqa: E402
from semifreddo.train.checkpoint import TrainedModel  # noqa: E402
from semifreddo.train.data import Dataset, Split  # noqa: E402
from semifreddo.train.options import TrainOptions  # noqa: E402

LABELS = np.arange(12) % 4
SPLIT = Split(np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4, 1), LABELS)
DATA = Dataset("shapes", SPLIT, SPLIT, ("a", "b", "c", "d"), SPLIT)
TRAINED = TrainedModel(torch.nn.Identity(), None, FreezePlan(), ("a", "b", "c"), {}, (1, 4, 4))


def test_classes_or_groups_of_a_data_set() -> None:
    assert training.select(DATA, None, None) is DATA
    assert training.select(DATA, (3, 0), None).labels == ("d", "a")
    grouped = training.select(DATA, None, {"x": (0, 3), "y": (1,)})
    assert grouped.labels == ("x", "y") and len(grouped.test) == 9


def test_the_seed_of_a_design_may_be_another() -> None:
    options = TrainOptions(seed=3)
    assert training._seeded(options, None) is options
    assert training._seeded(options, 0).seed == 0


def test_a_design_that_is_not_trained(fresh: BuildConfig) -> None:
    with pytest.raises(ConfigError) as error:
        training.training_of(fresh)
    assert str(error.value) == (
        f"{fresh.root}: design.toml has no [train] section, so it is built from its model as it is"
    )


def test_how_many_images_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    many = SimpleNamespace(splits={"train": range(1437), "val": range(0), "test": range(360)})
    monkeypatch.setattr(training, "dataset_of", lambda _: many)
    said: list[str] = []
    section: Any = SimpleNamespace(dataset="digits")
    assert training._images(None, section, said.append) is many  # type: ignore[arg-type, comparison-overlap]
    assert said == ["digits: 1,437 train, 0 val, 360 test images"]


def test_a_model_without_the_shape_of_its_images(tmp_path: Path) -> None:
    blind = dataclasses.replace(TRAINED, input_shape=None)
    with pytest.raises(CheckpointError) as error:
        training.export_model(blind, tmp_path / "m.onnx")
    assert str(error.value) == (
        f"{tmp_path}/m.onnx: the checkpoint does not say what images the model takes"
    )


DESIGN = '[design]\nname = "n"\nmodel = "m.onnx"\n'
IMAGES = """\
[train]
dataset = "digits"
core_classes = [0, 1]
[train.network]
input_shape = [1, 8, 8]
classes = 10
widths = [2, 2]
strides = [1, 2]
"""


@pytest.mark.parametrize(
    ("sections", "count", "said"),
    [
        ("", 0, "no golden vectors: the design names no [vectors] file or no [train] images"),
        (
            '[vectors]\nfile = "v.npz"\n',
            0,
            "no golden vectors: the design names no [vectors] file or no [train] images",
        ),
        (
            IMAGES,
            0,
            "no golden vectors: the design names no [vectors] file or no [train] images",
        ),
        (
            f'{IMAGES}[vectors]\nfile = "v.npz"\ntest_images = 0\n',
            0,
            "golden vectors left as they are ([vectors] test_images = 0)",
        ),
        (f'{IMAGES}[vectors]\nfile = "v.npz"\ntest_images = 1\n', 1, "vectors: {}/v.npz, 1 images"),
        (f'{IMAGES}[vectors]\nfile = "v.npz"\n', 12, "vectors: {}/v.npz, 12 images"),
    ],
    ids=["neither", "no images", "no file", "none", "one", "all"],
)
def test_golden_vectors_of_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: str, count: int, said: str
) -> None:
    (tmp_path / "design.toml").write_text(DESIGN + sections)
    exported: list[Path] = []

    def vectors_of(trained: TrainedModel, data: Dataset) -> VectorSet:
        assert trained is TRAINED
        return VectorSet(data.test.images.astype(int), np.zeros((len(data.test), 3), int))

    monkeypatch.setattr(training, "load_trained", lambda _: TRAINED)
    monkeypatch.setattr(training, "export_model", lambda _, path: exported.append(path))
    monkeypatch.setattr(training, "dataset_of", lambda _: DATA)
    monkeypatch.setattr(training, "vectors_of", vectors_of)
    lines: list[str] = []
    training.export_design(load_config(tmp_path), progress=lines.append)
    assert exported == [tmp_path / "m.onnx"]
    assert lines == [f"model: {tmp_path}/m.onnx", said.format(tmp_path)]
    assert (tmp_path / "v.npz").is_file() == bool(count)
    if count:
        assert len(VectorSet.load(tmp_path / "v.npz")) == count


def test_a_task_of_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    net, other = blended(), powers()
    monkeypatch.setattr(training, "net_of", lambda trained, name: net)
    task = training.make_task(net, TRAINED, "t", {"test_accuracy": 0.5})
    assert (task.labels, task.outputs, task.metrics) == (
        ("a", "b", "c"),
        (),
        {"test_accuracy": 0.5},
    )
    answer = training.Answer(("x", "y"), (0, 1, 0))
    grouped = training.make_task(net, TRAINED, "t", {}, answer)
    assert (grouped.labels, grouped.outputs) == (("x", "y"), (0, 1, 0))
    with pytest.raises(TaskError) as error:
        training.make_task(other, TRAINED, "t", {})
    assert str(error.value) == (
        f"task 't': the model is device {net.device_digest[:12]}, the built one is "
        f"{other.device_digest[:12]}; start from the checkpoint it was built from"
    )
