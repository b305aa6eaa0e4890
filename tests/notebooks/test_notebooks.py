"""The notebooks run from top to bottom; what they assert is the demo's promise."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the notebook extra")
nbclient = pytest.importorskip("nbclient", reason="needs the notebook extra")

PYNQ = "03_on_the_board"
"""Runs where pynq is: tests/pynq_board/test_notebook.py."""

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_no_outputs(path: Path) -> None:
    """Outputs are made by running; committed ones would only grow old."""
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


LONG = "01_one_device_two_tasks"
"""Trains and compiles as `semifreddo demo` does, which tests/flow/test_pipeline.py runs."""


@pytest.mark.timeout(1800)  # two minutes alone, several beside other jobs; a cell has a limit
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem == LONG))
        for path in NOTEBOOKS
    ],
)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    if path.stem == PYNQ:
        pytest.skip("needs pynq: tox -e pynq3,pynq4")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
