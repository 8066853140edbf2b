"""A sweep in a notebook: cells run in a real kernel, whose main thread has a running event loop, and print lines."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
CELLS = (
    """\
import asyncio
from skipray import Sweep

sweep = Sweep(
    name="noted", question="Does it run here?",
    dataset={"name": "digits", "train_samples": 80},
    model={"width": 8, "initialisation": "as_built"},
    recipe={"epochs": 1, "batch_size": 40, "optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.01,
            "schedule": "constant", "augmentation": "none"},
    factors={"architecture": ["own_networks:vit", "own_networks:vit_noskip"], "depth": [1, 2]},
    seeds=[0],
    probe={"samples": 32},
    claims={"plain": "own_networks:vit_noskip", "skip": "own_networks:vit"},
)
assert asyncio.get_running_loop().is_running()
sweep.plan()""",
    "ended = sweep.launch()",
    "assert (ended.ran, ended.failed, ended.interrupted) == (4, 0, False), ended",
    "again = sweep.launch()\nassert again.ran == 0\nsweep.results()[['architecture', 'depth', 'test.accuracy']]",
    "alike = sweep.twins()\nassert alike['cka'].between(0, 1).all() and len(alike) == 3\nawait asyncio.sleep(0)",
    "page = sweep.report()\nprint(page)",
    "import threading\nfor thread in threading.enumerate():\n"
    "    if thread.name.startswith('skipray'):\n"
    "        thread.join(10)\n        assert not thread.is_alive(), thread.name",
)


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_a_notebook_plans_launches_and_reports(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("MLFLOW_TRACKING_URI", "SKIPRAY_DATA"):
        monkeypatch.delenv(variable, raising=False)
    shutil.copy(EXAMPLES / "own_networks.py", tmp_path)
    shutil.copy(empty_database, tmp_path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(tmp_path)}}).execute()

    printed = {i: streams(cell) for i, cell in enumerate(notebook.cells)}
    said = "".join(printed.values())
    assert not set(said) & {"\x1b", "\r", "\b"}, "lines, without the codes of a terminal"
    lines = printed[1].splitlines()
    assert "own_networks:vit, depth 1: measured at 1 block (Block), more in a deeper network" in lines
    assert any(line.startswith("runs: ") for line in lines), "nothing has cleared the cell"
    assert any(line.startswith("4/4 trials") for line in lines)
    assert [o.output_type for o in notebook.cells[1].outputs if o.output_type != "stream"] == []
    assert not any(word in said for word in ("Traceback", "Warning", "ipywidgets"))
    assert printed[5].strip().endswith("reports/noted/report.html")
    assert (tmp_path / "reports" / "noted" / "report.html").stat().st_size > 100_000
    plan, results = (notebook.cells[i].outputs[-1]["data"]["text/plain"] for i in (0, 3))
    assert plan.count("missing") == 4
    assert results.count("own_networks:vit") == 4


def streams(cell: Any) -> str:
    return "".join(output["text"] for output in cell.outputs if output["output_type"] == "stream")
