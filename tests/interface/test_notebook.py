"""The notebook is kept without outputs, is the same on every machine, and runs."""

import asyncio
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.interface.waiting import wait_for_an_epoch
from tests.policy.source import ROOT
from tests.tuning.whole_search import write_place

PATH = ROOT / "docs/notebook.ipynb"
LIMIT = 500
"""Seconds for a cell, the search included, on a busy machine."""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(PATH, as_version=nbformat.NO_CONVERT)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_a_notebook_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert len(code_cells(notebook)) > 5
    assert not [cell for cell in code_cells(notebook) if cell.outputs or cell.execution_count is not None]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}, "versions of one machine"


def test_the_file_is_as_nbformat_writes_it(notebook: nbformat.NotebookNode) -> None:
    """Saving it again changes nothing: differences between versions are those that someone made."""
    assert PATH.read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"


def test_it_names_no_place_of_one_machine() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|home|root|Users|tmp)/|https?://|\d+\.\d+\.\d+\.\d+", text)


def test_its_links_lead_somewhere_and_the_readme_leads_to_it() -> None:
    targets = re.findall(r"\]\(([\w./]+)\)", PATH.read_text(encoding="utf-8"))
    assert targets
    assert not [target for target in targets if not (PATH.parent / target).exists()]
    assert "(docs/notebook.ipynb)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.notebook
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # of Jupyter's own packages
def test_it_runs_from_top_to_bottom(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert 'time_budget = "1m"' in parameters.source
    parameters.source += '\ntime_budget = "20s"'
    client = NotebookClient(notebook, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") == 3
    assert "application/vnd.plotly.v1+json" in kinds
    (table,) = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert "<b>unet_family-demo</b>" in table
    streams = [output for output in outputs if output.output_type == "stream"]
    assert not [output.text for output in streams if output.name == "stderr"]
    text = "".join(output.text for output in streams)
    assert "reading the data ..." in text, "Ray cleared what the cell had printed"
    assert "\x1b" not in text
    assert "# take the best" in text
    assert "(64, 512, 1) -> (64, 512)" in text
    assert text.rstrip().endswith("the same prediction: True")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


@pytest.mark.notebook
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
def test_the_kernels_interrupt_gives_the_study_so_far(tmp_path: Path) -> None:
    write_place(tmp_path)
    search = 'study = run(space="own.py:tiny", data="tiles.npz", max_epochs=400, trials=50, concurrency=1)'
    sources = (f"from search import run\n{search}", "print(study.interrupted, len(study.trials))")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    asyncio.run(interrupted(client, tmp_path / "results/tiny-tiles"))
    assert "".join(output.text for output in notebook.cells[1].outputs).startswith("True ")


async def interrupted(client: NotebookClient, study: Path) -> None:
    """Run a notebook, and interrupt its kernel in the middle of a search."""
    execution = asyncio.create_task(client.async_execute())
    await asyncio.to_thread(wait_for_an_epoch, study, lambda: not execution.done())
    await client.km.interrupt_kernel()
    await execution
