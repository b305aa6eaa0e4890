"""Notebook 03 on a simulated board, with the committed bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
def test_notebook_on_the_board(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    shutil.copy(ROOT / "tests" / "golden" / "digits.sfb", tmp_path)
    notebook = nbformat.read(ROOT / "notebooks" / "03_on_the_board.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "a simulated board" in said
    assert "100 of 100 images equal" in said
    assert "after image 49: task odd_even" in said
    assert "decode error" in said
