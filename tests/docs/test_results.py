"""Pages of results say what their trials say, and the trials are there to be read."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from skipray.tracking.exchange.prior import UNKNOWN, read_rows

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "results"
TABLES = sorted((PAGES / "data").glob("*.csv"))


@pytest.fixture(scope="module")
def results():
    spec = importlib.util.spec_from_file_location("docs_results", ROOT / "docs" / "results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", TABLES, ids=[path.stem for path in TABLES])
def test_a_page_says_what_its_trials_say(path: Path, results) -> None:
    name = path.stem
    (file,) = [file for file in PAGES.glob("*.md") if f"({path.parent.name}/{path.name})" in file.read_text()]
    page = file.read_text()
    assert results.MORE not in page, "what was found is to be written by hand"
    measured = page.partition(results.BEGIN)[2].partition(results.END)[0]
    trials = pd.read_csv(path)
    assert f"({path.parent.name}/{path.name}), {len(trials)} rows;" in measured
    assert f"sweeps/{name}.yaml" in measured
    assert file.with_suffix(".svg").is_file()
    assert len(read_rows(path, name, UNKNOWN)) == len(trials)
    if "train.accuracy" not in trials or "Mean accuracy" not in measured:
        return
    shown = [line for line in measured.splitlines() if line.startswith("| ") and " / " in line]
    rows = read_rows(path, name, UNKNOWN)
    groups = pd.Series([row.trial.cell.group.label for row in rows])
    means = trials.groupby([groups.rename("group"), "depth"])[["train.accuracy", "test.accuracy"]].mean()
    told = [cell.strip() for line in shown for cell in line.split("|") if " / " in cell]
    known = {f"{train:.3f} / {test:.3f}" for train, test in means.to_numpy()}
    assert told
    assert set(told) <= known, "a page beside other trials"


def test_what_is_written_by_hand_stays(results) -> None:
    page = f"# Name\n\nFound.\n\n{results.BEGIN}\nold\n{results.END}\n\nLarger.\n"
    made = results.filled(page, ["new"])
    assert made == f"# Name\n\nFound.\n\n{results.BEGIN}\n\nnew\n\n{results.END}\n\nLarger.\n"
    assert results.filled(made, ["new"]) == made


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"depth": 27.7, "low": 15.4, "high": 40.6, "censored": "none"}, "28 (15 to 41)"),
        ({"depth": 27.7, "low": 15.4, "high": None, "censored": "none"}, "28 (above 15)"),
        ({"depth": 27.7, "low": None, "high": None, "censored": "none"}, "28 (no bound of 95 %)"),
        ({"depth": None, "low": 74.0, "high": None, "censored": "above"}, "beyond 110"),
        ({"depth": None, "low": None, "high": 8.0, "censored": "below"}, "below 8"),
    ],
)
def test_limits_in_words(results, limit, words) -> None:
    counts = [{"depth": 8, "trained": 3}, {"depth": 110, "trained": 3}]
    assert results.limit_words(limit | {"counts": counts}) == words
