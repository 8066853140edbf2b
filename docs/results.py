"""Writes what a finished sweep has measured into its page of results.

    python docs/results.py NAME [--page NAME] [--tracking-uri URI] [--figure accuracy-by-depth] [--metrics KEY ...]

Makes the sweep's report in the folder, then writes docs/results/data/NAME.csv (a row per trial, which `skipray import`
reads), docs/results/PAGE.svg (one of the report's figures), and the part of docs/results/PAGE.md between two marks: how
it was run, tables of accuracy (where anything was trained) and of the metrics that are asked for, limits and verdicts.
What stands outside of the marks is written by hand and stays.
"""

import argparse
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from skipray import launch
from skipray.spec import load_sweep
from skipray.tracking import read_trials
from skipray.tracking.client import client
from skipray.tracking.exchange.exported_table import export_table
from skipray.tracking.read.sweep_run import find_sweep_run

HERE = Path(__file__).resolve().parent / "results"
SWEEPS = HERE.parents[1] / "sweeps"
BEGIN = "<!-- Measured: written by docs/results.py from the sweep's runs. -->"
END = "<!-- End of what was measured. -->"
MORE = "..."
"""Before the hand has written anything."""
VERSIONS = ("skipray", "torch", "python")
NOT_FACTORS = ("depth", "metric", "seeds", "scored", "train", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a sweep of sweeps/ whose trials are finished in the store")
    parser.add_argument("--page", help="its page's name, such as that of the source (the sweep's)")
    parser.add_argument("--tracking-uri", default="sqlite:///skipray.db")
    parser.add_argument("--figure", default="accuracy-by-depth", help="one of the report's figures")
    parser.add_argument("--metrics", nargs="*", default=[], metavar="KEY", help="their medians over the seeds too")
    parser.add_argument("--folder", type=Path, default=Path("build/results"), help="where the report is made")
    given = parser.parse_args()
    report, page_name = given.folder / given.name, given.page or given.name
    sweep = str(SWEEPS / f"{given.name}.yaml")
    if launch.run(["report", sweep, "--tracking-uri", given.tracking_uri, "--folder", str(report), "--force"]):
        raise SystemExit(2)
    shutil.copyfile(report / "figures" / f"{given.figure}.svg", HERE / f"{page_name}.svg")
    (HERE / "data").mkdir(exist_ok=True)
    table = export_table(given.name, HERE / "data" / f"{given.name}.csv", given.tracking_uri, force=True)
    trials = read_trials(load_sweep(sweep), given.tracking_uri)
    found = json.loads((report / "claims.json").read_text())
    lines = [how_it_was_run(given.name, given.tracking_uri, trials)]
    if trials["recipe.epochs"].any():
        lines += [*accuracies(found["scores"]), *limits(found["limits"])]
    for key in given.metrics:
        lines += medians(trials, key)
    lines += verdicts(found["claims"])
    lines += ["", f"![{given.figure.replace('-', ' ')} of {given.name}]({page_name}.svg)", ""]
    lines += [
        f"**Trials.** [{given.name}.csv](data/{given.name}.csv), {table.trials} rows; "
        f"`skipray import {given.name}.csv --name {given.name}-found` makes them a sweep of a store of one's own.",
    ]
    page = HERE / f"{page_name}.md"
    page.write_text(filled(page.read_text() if page.exists() else _new(given.name), lines))
    print(page)


def filled(page: str, lines: Sequence[str]) -> str:
    """A page with these lines between its marks."""
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## The sweep's trials\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *lines, "", END + after])


def _new(name: str) -> str:
    question = load_sweep(SWEEPS / f"{name}.yaml").question
    return (
        f"# {name}\n\n**Question.** {question}\n\n**What was found.** {MORE}\n\n{BEGIN}\n{END}\n\n**Larger.** {MORE}\n"
    )


def how_it_was_run(name: str, uri: str, trials: pd.DataFrame) -> str:
    """Command, commit, versions, seeds, hardware and time."""
    run = find_sweep_run(uri, name)
    assert run is not None
    info = client(uri).get_run(run.run_id).info
    git = Path(client(uri).download_artifacts(run.run_id, "environment/git.txt")).read_text()[:7]
    minutes, training = (info.end_time - info.start_time) / 60_000, trials["time.train_seconds"].sum() / 60
    versions = ", ".join(f"{what} {' and '.join(sorted(trials[f'environment.{what}'].unique()))}" for what in VERSIONS)
    seeds = ", ".join(map(str, sorted(trials["seed"].unique())))
    ended = datetime.fromtimestamp(info.end_time / 1000, UTC)
    return (
        f"**Run.** `python -m skipray.launch sweeps/{name}.yaml` at commit {git} ({versions}): {len(trials)} trials, "
        f"seeds {seeds}; {minutes:.1f} minutes from launch to report on {hardware()}, where trials trained for "
        f"{training:.1f} minutes in all; {ended:%Y-%m-%d}."
    )


def hardware() -> str:
    """This machine, which is taken to be the one that ran it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {name}"


def accuracies(scores: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The mean over the seeds on training and test data."""
    if not scores:
        return
    frame = pd.DataFrame(scores)
    factors = [c for c in frame if c not in NOT_FACTORS and frame[c].notna().any()]
    title = f"Mean {frame['metric'].iloc[0]} over the seeds by depth, training / test data:"
    yield from by_depth(title, frame, factors, lambda one: f"{one['train'].iat[0]:.3f} / {one['test'].iat[0]:.3f}")


def medians(trials: pd.DataFrame, key: str) -> Iterator[str]:
    """A metric's median over the seeds."""
    factors = list(trials.columns[1 : trials.columns.get_loc("seed")])
    factors.remove("depth")

    def median(rows: pd.DataFrame) -> str:
        value = rows[key].median()
        return "" if pd.isna(value) else f"{value:.4g}"

    yield from by_depth(f"Median of `{key}` over the seeds by depth:", trials, factors, median)


def by_depth(
    title: str, frame: pd.DataFrame, factors: Sequence[str], cell: Callable[[pd.DataFrame], str]
) -> Iterator[str]:
    """A row per group, a column per depth.

    Args:
        cell: what the rows of a group at a depth say.
    """
    kept = shown(frame["depth"])
    yield from ["", title, ""]
    yield from head([*factors, *map(str, kept)])
    for group, rows in frame.groupby(list(factors), sort=False, dropna=False):
        at = dict(iter(rows.groupby("depth")))
        yield row([*map(_told, group), *(cell(at[d]) if d in at else "" for d in kept)])


def shown(depths: "pd.Series[int]") -> list[int]:
    """At most nine of the depths, evenly, the shallowest and the deepest among them."""
    found = sorted(int(d) for d in depths.unique())
    return sorted({*found[:: max(1, -(-len(found) // 8))], found[-1]})


def limits(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The depth at which half of the seeds no longer fit, of each group."""
    if not found:
        return
    names = list(found[0])
    factors = names[: names.index("depth")]
    yield from ["", "Depth at which half of the seeds no longer fit their training set (95 %):", ""]
    yield from head([*factors, "limit"])
    for limit in found:
        yield row([*(_told(limit[name]) for name in factors), limit_words(limit)])


def limit_words(limit: Mapping[str, Any]) -> str:
    """Such as `28 (15 to 41)` or `beyond 110`."""
    low, high, depths = limit["low"], limit["high"], [c["depth"] for c in limit["counts"]] or [0]
    if limit["depth"] is None:
        ends = {"above": f"beyond {max(depths)}", "below": f"below {min(depths)}"}
        return ends.get(limit["censored"], "not estimated")
    if low is None and high is None:
        return f"{limit['depth']:.0f} (no bound of 95 %)"
    between = f"{low:.0f} to {high:.0f}" if low and high else f"above {low:.0f}" if low else f"below {high:.0f}"
    return f"{limit['depth']:.0f} ({between})"


def verdicts(claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A row per claim that was tested; the others in a line."""
    tested = [claim for claim in claims if claim["verdict"] != "not tested"]
    if tested:
        yield ""
        yield from head(["claim", "verdict", "what was found"])
        for claim in tested:
            yield row([f"{claim['id']}: {claim['statement']}", claim["verdict"], claim["sentence"]])
    rest = [claim["id"] for claim in claims if claim["verdict"] == "not tested"]
    if rest:
        yield ""
        yield f"Not tested, for want of what they need: {', '.join(rest)}."


def head(names: Iterable[str]) -> Iterator[str]:
    names = [*names]
    yield row(names)
    yield "|" + "---|" * len(names)


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _told(value: Any) -> str:
    return "" if value is None or value != value else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
