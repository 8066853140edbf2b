"""Draws what each metric reads of two small sweeps: a picture per metric for the documentation's page of metrics.

    python docs/pictures.py [--folder build/pictures]

Launches docs/pictures/of-layers.yaml and of-attention.yaml in the folder (minutes on two cores; what is finished there
is not run again), and writes docs/pictures/METRIC.svg for every metric that reads anything in them: its first number
with a depth trend, else its first number, else the median over the hidden layers from layers.parquet. A metric whose
values are all the same has no picture.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from skipray.metrics import Metric, entries
from skipray.palette import Style, family_styles
from skipray.report.axes import depth_axis, linear_axis
from skipray.report.chart import Chart, Key, Panel, Trace
from skipray.report.paper import save_as
from skipray.spec import load_sweep
from skipray.tracking import read_layers, read_trials

HERE = Path(__file__).resolve().parent / "pictures"
SWEEPS = ("of-layers", "of-attention")
"""Of a metric that both have, the first one's picture is kept."""
SKIPS = {False: "without skips", True: "with skips"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/pictures"), help="where the sweeps run")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    drawn: set[str] = set()
    for name in SWEEPS:
        path = HERE / f"{name}.yaml"
        subprocess.run([sys.executable, "-m", "skipray", "launch", str(path), "--no-report"], cwd=folder, check=True)
        for chart in charts(path, f"sqlite:///{(folder / 'skipray.db').resolve()}", drawn):
            save_as(chart, HERE / f"{chart.name}.svg")
            drawn.add(chart.name)
    print(f"{len(drawn)} pictures; none for {', '.join(sorted({e.name for e in entries()} - drawn)) or 'no metric'}")


def charts(path: Path, store: str, drawn: set[str]) -> Iterator[Chart]:
    """A chart for each metric that has values in a finished sweep and is not drawn yet."""
    trials, layers = read_trials(load_sweep(path), store), read_layers(load_sweep(path), store)
    skips = "options.attention_skip"
    families = trials[skips].map(SKIPS) if skips in trials else trials["architecture"]
    styles = family_styles({family: family for family in sorted(families.unique())})
    for entry in entries():
        axis, values = values_of(entry.metric, trials, layers)
        if entry.name in drawn or values.nunique() < 2:
            continue
        points = pd.DataFrame({"family": families, "depth": trials["depth"], "value": values}).dropna()
        yield Chart(
            name=entry.name,
            title="",
            caption="",
            alt="",
            panels=(
                Panel(
                    "",
                    depth_axis(points["depth"]),
                    linear_axis(axis, points["value"]),
                    tuple(trace for f, style in styles.items() for trace in traces(points, f, style)),
                ),
            ),
            legend=tuple(Key(family, style, "both") for family, style in styles.items()),
            data=points,
        )


def values_of(metric: Metric, trials: pd.DataFrame, layers: pd.DataFrame) -> tuple[str, pd.Series]:
    """What the axis says, and a value for each trial."""
    numbers = sorted(metric.tracked(), key=lambda one: not one.trend)
    for one in numbers:
        if one.key in trials and trials[one.key].notna().any():
            return one.axis, trials[one.key].astype(float)
    rows = layers[(layers["statistic"] == metric.key) & (layers["tensor"] == "hidden") & ~layers["centred"]]
    rows = rows[(rows["epoch"] == rows["epoch"].max()) & (rows["phase"] == "eval")]
    median = rows.groupby("trial_id")["value"].median()
    return f"{metric.axis}, median layer", trials["trial_id"].map(median)


def traces(points: pd.DataFrame, family: str, style: Style) -> Iterator[Trace]:
    """The seeds of a family, and their medians joined."""
    mine = points[points["family"] == family]
    if mine.empty:
        return
    medians = mine.groupby("depth")["value"].median()
    seeds = np.asarray(mine["depth"], dtype=float), np.asarray(mine["value"], dtype=float)
    yield Trace(family, style, *seeds, line=False, marks="all", faint=True)
    yield Trace(family, style, np.asarray(medians.index, dtype=float), medians.to_numpy(dtype=float), marks="all")


if __name__ == "__main__":
    main()
