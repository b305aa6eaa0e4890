"""Labels, figures and vectors of the task that a model holds; ``test_build.py`` has the stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nets import blended, images
from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.stages.lower import task_of, vectors_of
from semifreddo.sim import reference

NET = blended()
TRAINED = ("a", "b", "c")


def labelled(folder: Path, *labels: str) -> BuildConfig:
    listed = ", ".join(f'"{label}"' for label in labels)
    (folder / "design.toml").write_text(f'[design]\nname = "n"\n[task]\nlabels = [{listed}]\n')
    return load_config(folder)


def test_a_task_keeps_figures_that_are_numbers(fresh: BuildConfig) -> None:
    info = {
        "val_accuracy": "0.5",
        "test_accuracy": "0.75",
        "test_images": "360",
        "loss": "0.1",
        "task": "text",
    }
    kept = {"val_accuracy": 0.5, "test_accuracy": 0.75, "test_images": 360.0}
    assert task_of(fresh, NET, TRAINED, info).metrics == kept
    for wrong in ("many", "nan", "inf", ""):
        damaged = info | {"val_accuracy": wrong}
        found = task_of(fresh, NET, TRAINED, damaged).metrics
        assert found == {"test_accuracy": 0.75, "test_images": 360.0}
    assert task_of(fresh, NET, TRAINED, {}).metrics == {}


def test_whose_labels_win(tmp_path: Path, fresh: BuildConfig) -> None:
    """The design's, then the model's, then numbers; fewer than outputs will do."""
    own = labelled(tmp_path, "x", "y", "z")
    assert task_of(own, NET, TRAINED, {}).labels == ("x", "y", "z")
    assert task_of(fresh, NET, TRAINED, {}).labels == TRAINED
    assert task_of(fresh, NET, (), {}).labels == ("0", "1", "2")
    assert task_of(labelled(tmp_path, "x", "y"), NET, (), {}).labels == ("x", "y")


@pytest.mark.parametrize(
    ("labels", "trained", "heads", "message"),
    [
        ("wxyz", TRAINED, (), "4 labels for a model of 3 outputs; correct [task] labels"),
        (
            "xy",
            tuple("abcde"),
            (),
            "[task] labels names 2 classes, the model was trained on 5 (a, b, c, d, ...); name "
            "them all, or leave labels out",
        ),
        (
            "xy",
            (),
            (("shape", 2), ("size", 1)),
            "2 labels for the outputs shape (2), size (1); name every channel in [task] labels, "
            "or leave labels out",
        ),
    ],
)
def test_labels_that_do_not_fit(
    tmp_path: Path,
    labels: str,
    trained: tuple[str, ...],
    heads: tuple[tuple[str, int], ...],
    message: str,
) -> None:
    with pytest.raises(ConfigError) as error:
        task_of(labelled(tmp_path, *labels), NET, trained, {}, heads)
    assert str(error.value) == f"{tmp_path}: {message}"


def test_random_images_have_all_values_and_are_the_same_each_time(fresh: BuildConfig) -> None:
    found = vectors_of(fresh, NET)
    assert found.random and found.images.shape == (20, 4, 4, 1)
    assert found.images.min() >= 0 and 240 < found.images.max() <= 255
    assert np.array_equal(found.expected, reference.run(NET, found.images))
    assert np.array_equal(vectors_of(fresh, NET).images, found.images)


@pytest.mark.parametrize(
    ("shape", "answers", "message"),
    [
        (
            (2, 5, 5, 1),
            3,
            "images (5, 5, 1) and 3 answers do not fit a model of (4, 4, 1) and 3; export the "
            "vectors again",
        ),
        (
            (2, 4, 4, 1),
            4,
            "images (4, 4, 1) and 4 answers do not fit a model of (4, 4, 1) and 3; export the "
            "vectors again",
        ),
        ((0, 4, 4, 1), 3, "holds no vectors; export them again"),
    ],
)
def test_vectors_that_do_not_fit(
    tmp_path: Path, shape: tuple[int, ...], answers: int, message: str
) -> None:
    text = '[design]\nname = "n"\n[vectors]\nfile = "v.npz"\n'
    (tmp_path / "design.toml").write_text(text)
    config, file = load_config(tmp_path), tmp_path / "v.npz"
    VectorSet(np.zeros(shape, int), np.zeros((shape[0], answers), int)).save(file)
    with pytest.raises(DataError) as error:
        vectors_of(config, NET)
    assert str(error.value) == f"{file}: {message}"
    batch = images(NET, 2)
    VectorSet(batch, np.zeros((2, 3), int)).save(file)
    assert np.array_equal(vectors_of(config, NET).images, batch)
