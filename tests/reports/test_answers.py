from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np

from nets import blended, images
from semifreddo.core.vectors import VectorSet
from semifreddo.reports.answers import Answers, ClassResult, Confusion, Judged
from semifreddo.reports.confusion import draw_confusion
from semifreddo.sim import reference

SCORES = np.array([[5, 1, 0], [9, 2, 3], [0, 4, 3], [7, 7, 0], [1, 8, 2]])
TRUTH = np.array([0, 2, 2, 1, 1])
FOUND = Answers(("a", "b", "c"), SCORES, TRUTH)


def test_answers_are_counted_by_truth_and_answer() -> None:
    assert (FOUND.images, FOUND.right) == (5, 2)
    assert FOUND.matrix.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert FOUND.classes == [
        ClassResult("a", 1, 1),
        ClassResult("b", 2, 1),
        ClassResult("c", 2, 0),
    ]
    assert FOUND.confusions(2) == [Confusion("b", "a", 1, 2), Confusion("c", "a", 1, 2)]
    assert ClassResult("d", 0, 0).share is None


def test_the_worst_come_first() -> None:
    assert FOUND.hardest(9) == [
        Judged(1, "c", "a", 6),  # wrong and sure
        Judged(2, "c", "b", 1),
        Judged(3, "b", "a", 0),  # equal results: the first one wins, as in the runtime
        Judged(0, "a", "a", 4),  # right, but close
        Judged(4, "b", "b", 6),
    ]


def test_only_of_known_classes_and_of_results_that_are_classes() -> None:
    net = blended()
    batch = images(net, 4)
    expected, labels = reference.run(net, batch), ("a", "b", "c")
    known = VectorSet(batch, expected, truth=np.array([0, 1, 2, 0]))
    assert Answers.of(net, known, labels) is not None
    assert Answers.of(net, known, labels[:2]) is None
    assert Answers.of(net, VectorSet(batch, expected), labels) is None
    assert Answers.of(net, known.head(0), labels) is None


def test_every_cell_says_what_it_counts() -> None:
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(draw_confusion(FOUND.matrix, ("a<b", "b", "c")))  # noqa: S314 - ours
    titles = [title.text for title in root.iter(f"{svg}title")]
    assert "c answered as a<b: 1 of 2" in titles
    numbers = [text.text for text in root.iter(f"{svg}text") if text.text]
    assert numbers.count("1") == int((FOUND.matrix == 1).sum())
    kinds = [rect.get("class") for rect in root.iter(f"{svg}rect")]
    assert (kinds.count("right"), kinds.count("wrong"), kinds.count("none")) == (2, 3, 4)


def test_many_classes_are_numbered() -> None:
    labels = tuple(f"class {index}" for index in range(43))
    root = ET.fromstring(draw_confusion(np.eye(43, dtype=int), labels))  # noqa: S314 - ours
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) == 2 * 9
