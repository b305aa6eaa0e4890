"""Whose images an audit takes, and what is refused; ``methods`` has the attack."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from nets import blended, wide
from semifreddo.core.errors import ConfigError
from semifreddo.flow.audit import frozen_share, task_images
from semifreddo.ir.task import Task
from semifreddo.train.data import Dataset, Split

SPLIT = Split(np.zeros((6, 4, 4, 1), np.uint8), np.array([0, 1, 2, 3, 0, 1]))
DATA = Dataset("shapes", SPLIT, SPLIT, ("a", "b", "c", "d"), SPLIT)


def task(*labels: str) -> Task:
    return Task.of(blended(), "t", labels)


def test_the_labels_say_which_classes_a_task_knows() -> None:
    found = task_images(task("d", "a"), DATA, None, None)
    assert found.labels == ("d", "a") and found.test.labels.tolist() == [1, 0, 1]
    found = task_images(task("x", "y"), DATA, (1, 3), None)
    assert found.test.labels.tolist() == [0, 1, 0], "classes, whatever they are called"
    grouped = task_images(task("x", "y"), DATA, None, {"y": (0, 3), "x": (1, 2)})
    assert grouped.labels == ("x", "y") and grouped.test.labels.tolist() == [1, 0, 0, 1, 1, 0]


def test_what_a_task_answers_is_not_known() -> None:
    with pytest.raises(ConfigError) as error:
        task_images(task("a", "x", "y"), DATA, None, None)
    assert str(error.value) == (
        "task t: its answer 'x' is no class of shapes; name what it answers with --groups or "
        "--classes, and other images with --dataset"
    )
    with pytest.raises(ConfigError) as error:
        task_images(task("a", "b"), DATA, (0, 1, 2), None)
    assert str(error.value) == "--classes: 3 classes, and task t has 2 answers"
    with pytest.raises(ConfigError) as error:
        task_images(task("x", "y"), DATA, None, {"x": (0,), "z": (1,)})
    assert str(error.value) == "--groups: named x, z, and task t answers x, y"
    heads = dataclasses.replace(task("a", "b", "c"), heads=(("one", 1), ("two", 2)))
    with pytest.raises(ConfigError) as error:
        task_images(heads, DATA, None, None)
    assert str(error.value) == (
        "task t: has 2 answers to each image; only tasks of one answer are audited"
    )


def test_the_share_of_the_frozen_input() -> None:
    net = blended()
    assert frozen_share(wide()) is None
    eighths = net.with_values({"mix.alpha": np.array([[0, 8, 1, 3]])})
    assert frozen_share(eighths) == 12 / 4 / 8
