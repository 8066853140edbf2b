"""From the tracked runs of a sweep to what the report says. Reads only what was tracked; needs no torch, no Ray."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
import pandas as pd

from skipray import __version__, tracking
from skipray.claims import Claim, judge
from skipray.plan import trial_sizes
from skipray.spec import SweepSpec
from skipray.trends import DepthTrend, Limit, fit_depth_trend, trainability_limit

TREND_METRICS = (
    "train.accuracy",
    "test.accuracy",
    "gap.accuracy",
    "hidden.log10_condition.median",
    "hidden.log10_condition.last",
    "hidden.effective_rank.last",
    "hidden.mean_cosine.last",
    "hidden.stable_rank.median",
    "weight.log10_condition.median",
)
"""The depth series that every aggregation fits, where they were tracked."""

Group = tuple[tuple[str, object], ...]
"""Factors but depth and their values, such as (("architecture", "plainnet"),)."""


@dataclass(frozen=True)
class Series:
    """A depth series with its trend: one metric of one group."""

    metric: str
    group: Group
    depth: tuple[int, ...]
    value: tuple[float, ...]
    seed: tuple[int, ...]
    censored: tuple[int, ...]
    """-1 the truth is below the value, 0 it is the value, 1 above."""
    trend: DepthTrend


@dataclass(frozen=True)
class Aggregate:
    """Everything the report is drawn from."""

    sweep: SweepSpec
    trials: pd.DataFrame
    """skipray.tracking.read_trials: one row a finished trial."""
    histories: pd.DataFrame
    """Columns trial_id, epoch, metric, value: metrics by epoch."""
    layers: pd.DataFrame
    """Columns trial_id and skipray.records.LAYER_COLUMNS, first and last epoch."""
    series: tuple[Series, ...]
    limits: tuple[tuple[Group, Limit], ...]
    """Trainability limit of each group."""
    claims: tuple[Claim, ...]
    audit: tuple[str, ...]
    """Breaches of the protocol; empty when clean."""
    coverage: pd.DataFrame
    """Columns: the factors, seeds, finished, diverged, untrained, failed, running, missing."""
    provenance: Mapping[str, str]
    """What the report was made with."""


def aggregate(
    sweep: SweepSpec, tracking_uri: str | None = None, *, say: Callable[[str], None] = lambda text: None
) -> Aggregate:
    """Read a sweep's runs back and judge them. Partial at any time: what is missing is said, not filled in."""
    states = tracking.states(sweep, tracking_uri)
    trials = with_parameters(sweep, tracking.read_trials(sweep, tracking_uri))
    say(f"{len(trials)} of {len(sweep.trials())} trials read; fitting depth trends")
    histories = tracking.read_histories(sweep, tracking_uri)
    layers = tracking.read_layers(sweep, tracking_uri)
    groups = list(_groups(sweep, trials))
    return Aggregate(
        sweep=sweep,
        trials=trials,
        histories=histories,
        layers=layers,
        series=tuple(_series(groups)),
        limits=tuple(_limits(groups)),
        claims=judge(trials, layers, histories, factors=group_factors(sweep)),
        audit=tuple(audit(sweep, trials)),
        coverage=coverage(sweep, trials, states),
        provenance=provenance(sweep, trials),
    )


def with_parameters(sweep: SweepSpec, trials: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `model.parameters`, which follows from the spec: what matched comparisons match on."""
    sizes = {trial.trial_id: trial_sizes(trial) for trial in sweep.trials()}
    counted = {trial_id: known.parameters for trial_id, known in sizes.items() if known}
    out = trials.copy()
    out["model.parameters"] = out["trial_id"].map(counted)
    return out


def group_factors(sweep: SweepSpec) -> list[str]:
    """The factors that make a group: all but the depth, the architecture first."""
    others = [
        key.rpartition(".")[2] for key in sweep.factors if key.rpartition(".")[2] not in ("architecture", "depth")
    ]
    return ["architecture", *others]


def _groups(sweep: SweepSpec, trials: pd.DataFrame) -> list[tuple[Group, pd.DataFrame]]:
    factors = group_factors(sweep)
    if trials.empty:
        return []
    found = []
    for values, rows in trials.groupby(factors, sort=False, dropna=False):
        found.append((tuple(zip(factors, values, strict=True)), rows))
    return found


def _series(groups: list[tuple[Group, pd.DataFrame]]) -> list[Series]:
    fitted = []
    for metric in TREND_METRICS:
        for group, rows in groups:
            if metric not in rows:
                continue
            kept = rows[np.isfinite(rows[metric].astype(float))]
            if kept.empty:
                continue
            censored = censoring(kept, metric)
            trend = fit_depth_trend(
                kept["depth"].to_numpy(float),
                kept[metric].to_numpy(float),
                censored=censored if censored.any() else None,
                group=kept["seed"].to_numpy(),
            )
            fitted.append(
                Series(
                    metric,
                    group,
                    tuple(int(d) for d in kept["depth"]),
                    tuple(float(v) for v in kept[metric]),
                    tuple(int(s) for s in kept["seed"]),
                    tuple(int(c) for c in censored),
                    trend,
                )
            )
    return fitted


def censoring(rows: pd.DataFrame, metric: str) -> np.ndarray:
    """The `.censored` twin of a metric, 0 where there is none; axes (rows,)."""
    twin = f"{metric}.censored"
    if twin not in rows:
        return np.zeros(len(rows), dtype=int)
    return rows[twin].fillna(0).to_numpy().astype(int)


def _limits(groups: list[tuple[Group, pd.DataFrame]]) -> list[tuple[Group, Limit]]:
    return [
        (
            group,
            trainability_limit(
                rows["depth"].to_numpy(float), (rows["outcome"] == "trained").to_numpy(), group=rows["seed"].to_numpy()
            ),
        )
        for group, rows in groups
    ]


def coverage(sweep: SweepSpec, trials: pd.DataFrame, states: Mapping[str, str]) -> pd.DataFrame:
    """What was run, cell by cell; columns as `Aggregate.coverage` has them."""
    outcomes = dict(zip(trials["trial_id"], trials["outcome"], strict=True)) if len(trials) else {}
    factors = [*group_factors(sweep), "depth"]
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for trial in sweep.trials():
        values = {"architecture": trial.model.architecture, "depth": trial.model.depth, **dict(trial.cell)}
        key = tuple(values.get(f) for f in factors)
        row = rows.setdefault(
            key,
            dict(zip(factors, key, strict=True))
            | dict.fromkeys(("seeds", "finished", "diverged", "untrained", "failed", "running", "missing"), 0),
        )
        state = states.get(trial.trial_id, "missing")
        outcome = outcomes.get(trial.trial_id)
        for column in ("seeds", state, *([outcome] if outcome in ("diverged", "untrained") else [])):
            row[column] = int(str(row[column])) + 1
    return pd.DataFrame(list(rows.values()))


def audit(sweep: SweepSpec, trials: pd.DataFrame) -> list[str]:
    """Breaches of the protocol: what makes cells less comparable than they look."""
    breaches = []
    for column, what in (
        ("environment.torch", "torch versions"),
        ("environment.device", "devices"),
        ("environment.skipray", "skipray versions"),
    ):
        if column in trials:
            found = sorted(str(v) for v in trials[column].dropna().unique())
            if len(found) > 1:
                breaches.append(f"the trials were run with several {what}: {', '.join(found)}")
    if len(sweep.seeds) < 3:
        seeds = "1 seed" if len(sweep.seeds) == 1 else f"{len(sweep.seeds)} seeds"
        breaches.append(f"{seeds} a cell: at least 3 are needed to tell noise from a trend")
    return breaches


def provenance(sweep: SweepSpec, trials: pd.DataFrame) -> dict[str, str]:
    """What made the numbers: command, versions, source and hardware, for the report's last section."""
    found = {
        "command": " ".join(["python -m skipray.launch", str(sweep.path), *(f"--set {o}" for o in sweep.overrides)]),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "skipray": __version__,
        "python": platform.python_version(),
    }
    for package in ("mlflow", "numpy", "scipy", "pandas"):
        found[package] = metadata.version(package)
    for key in ("torch", "device", "threads", "hostname"):
        column = f"environment.{key}"
        if column in trials:
            found[f"trials: {key}"] = ", ".join(sorted(str(v) for v in trials[column].dropna().unique()))
    commit = tracking.git_state(sweep.path.parent).split("\n")[0]
    if commit:
        found["git commit"] = commit
    return found
