from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples/library.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.mark.filterwarnings("default")  # of Jupyter's own, about its event loop
def test_the_notebook_runs_and_renders_frames(notebook, finished_project, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    where = {"metadata": {"path": str(finished_project)}}
    NotebookClient(notebook, timeout=120, resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    texts = [output["data"]["text/plain"] for output in outputs if output.get("data")]
    assert any("(128, 128, 3)" in text for text in texts)
