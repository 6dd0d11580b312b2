"""The notebook runs, and shows what is in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Made

from pylightnix_reader import Store

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "look.ipynb"


def test_the_notebook_runs(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYLIGHTNIX_ROOT", str(made.root))
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    code: list[Any] = [cell for cell in book.cells if cell.cell_type == "code"]
    shown = [cell.outputs[-1].data for cell in code]
    assert "mean" in shown[0]["text/html"] and "made from" in shown[1]["text/html"]
    with Store(made.root) as store:
        assert shown[2]["text/plain"] == repr(store["mean"].load("mean.json"))
    assert "build_seconds" in shown[3]["text/html"] and shown[4]["text/plain"] == "{}"
