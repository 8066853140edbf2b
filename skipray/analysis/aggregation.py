"""From the tracked runs of a sweep to what the report says. Reads only what was tracked; needs no torch, no Ray."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from skipray import __version__, tracking
from skipray.analysis.declared import late_remarks
from skipray.analysis.limits import LimitTable, limit_tables
from skipray.analysis.made_from import made_from
from skipray.analysis.score import judged_by
from skipray.analysis.trained import definitions, judged
from skipray.claims import Claim, judge
from skipray.metrics import GapMetric, Metric, SplitMetric, Tracked, tracked
from skipray.planning.plan import sizes_if_known
from skipray.search.fairness import CELL_METRICS, fairness_table, headline
from skipray.search.frontier import Frontier, find_frontier
from skipray.spec import Cell, Group, SweepSpec, TrialSpec
from skipray.trends import DepthSeries, DepthTrend, Limit, fit_depth_trends
from skipray.trends.limit_words import gap_words, listed

COUNTS = ("seeds", "finished", "diverged", "exploded", "untrained", "failed", "running", "missing")
"""What is counted of each cell: finished ones include the diverged, the exploded and the untrained."""


MAX_EPOCH_ROWS = 4_000_000
"""Values by epoch that an aggregation holds: 0.1 GB. Medians over the seeds need no more."""
MAX_EPOCH_TRIALS_HTTP = 1000
"""Through a server histories come a hundred runs and one metric a request, all their values as JSON."""

MAX_FITTED_SEEDS = 60
"""More seeds than these are pooled in blocks before a trend is fitted."""

MAX_HISTOGRAM_TRIALS = 200
"""The first seeds of every cell: a figure shows one of each."""


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
    """skipray.tracking.read_trials: one row per finished trial; of a tuned sweep the finals of the chosen settings. Has
    the columns of skipray.analysis.trained, which decides `outcome`."""
    groups: Mapping[str, Group]
    """trial_id -> group of each trial that the sweep has by now."""
    histories: pd.DataFrame
    """Columns trial_id, epoch, metric, value: epoch_metrics() by epoch, of very many trials the first seeds'."""
    layers: pd.DataFrame
    """Columns trial_id and skipray.records.LAYER_COLUMNS, first and last epoch."""
    series: tuple[Series, ...]
    limit_tables: tuple[LimitTable, ...]
    """The depths at which half of the seeds no longer fit the training set (the headline), learn anything, keep up with
    their twins; empty where nothing was trained."""
    claims: tuple[Claim, ...]
    audit: tuple[str, ...]
    """Breaches of the protocol; empty when clean."""
    coverage: pd.DataFrame
    """Columns: group (a skipray.spec.Group), depth, and COUNTS."""
    provenance: Mapping[str, str]
    """What the report was made with."""
    failures: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns trial (its label), cause: trials whose last attempt failed."""
    histograms: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns trial_id and skipray.records.HISTOGRAM_COLUMNS, first and last epoch; of many trials the first seeds'."""
    default_trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of a tuned sweep: the finals in the default setting, to be drawn beside the tuned ones."""
    default_series: tuple[Series, ...] = ()
    """Depth series of what training changes, in the default setting."""
    default_limits: tuple[tuple[Group, Limit], ...] = ()
    tuning_trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of a tuned sweep: the points of the study."""
    fairness: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of a tuned sweep: skipray.search.fairness.fairness_table, one row per cell; `breach` says why the cell
    is to be marked."""
    frontiers: tuple[tuple[Group, Frontier], ...] = ()
    """Of an adaptive sweep: where the search for each group's limit stands."""
    run_pages: Mapping[str, str] = field(default_factory=dict)
    """trial_id -> the address of its run's page in MLflow."""
    origin: Callable[[], str] = lambda: ""
    """Of `made_from`, which asks the store once more: few have a use for it."""

    @cached_property
    def made_from(self) -> str:
        """`skipray.analysis.made_from`: of another aggregation with the same hash all else is the same."""
        return self.origin()

    @property
    def limits(self) -> tuple[tuple[Group, Limit], ...]:
        """The headline's trainability limit of each group."""
        return self.limit_tables[0].of_groups if self.limit_tables else ()


@tracking.one_look()
def aggregate(
    sweep: SweepSpec, tracking_uri: str | None = None, *, say: Callable[[str], None] = lambda text: None
) -> Aggregate:
    """Read a sweep's runs back and judge them. Partial at any time: what is missing is said, not filled in."""
    known = tracking.known_trials(sweep, tracking_uri)
    ledger = tracking.read_ledger(sweep, tracking_uri, trials=known.trials, say=say)
    states = tracking.states(sweep, tracking_uri, trials=known.trials, ledger=ledger)
    read = tracking.read_trials(sweep, tracking_uri, trials=known.trials, ledger=ledger, say=say)
    everything = with_parameters(known.trials, read, sweep.sizes)
    say(f"{len(everything)} of {len(known.trials) + known.to_come} trials read; fitting depth trends")
    of_trial = {t.trial_id: t.cell.group for t in known.trials}
    trials = _as_defined(sweep, headline(sweep, everything), of_trial)
    asked = asked_for(sweep, known.trials)
    wanted = set(trials["trial_id"])
    headlined = [t for t in known.trials if t.trial_id in wanted]
    uri = tracking.resolve_uri(sweep, tracking_uri)
    direct = tracking.is_sql(uri)
    most = len(headlined) if direct else MAX_EPOCH_TRIALS_HTTP
    followed = _by_epoch(headlined, most, len(epoch_metrics(sweep)))
    histories = tracking.read_histories(
        sweep, tracking_uri, trials=followed, metrics=epoch_metrics(sweep), ledger=ledger, say=say
    )
    layers = tracking.read_layers(sweep, tracking_uri, trials=headlined, ledger=ledger, say=say)
    first = sorted(headlined, key=lambda t: t.seed)[:MAX_HISTOGRAM_TRIALS]
    histograms = tracking.read_histograms(sweep, tracking_uri, trials=first, ledger=ledger, say=say)
    covered = coverage(sweep, trials, states if asked else {}, asked or planned_finals(sweep))
    groups = _grouped(trials, [of_trial[i] for i in trials["trial_id"]])
    remarks = late_remarks(tracking.declarations(sweep, tracking_uri), ledger.finished.values())
    result = Aggregate(
        sweep=sweep,
        trials=trials,
        groups=of_trial,
        histories=histories,
        layers=layers,
        series=tuple(_series(groups, _fitted_metrics(sweep, trials), tracked_metrics(sweep))),
        limit_tables=limits_of(sweep, trials, groups, covered),
        claims=_preliminary(_judged(sweep, trials, layers, histories, remarks), covered),
        audit=(*audit(sweep, trials), *_of_store(sweep, tracking_uri, known.trials, ledger)),
        coverage=covered,
        provenance=provenance(sweep, everything),
        failures=_failures(known.trials, ledger),
        histograms=histograms,
        frontiers=tuple(_frontiers(sweep, groups)),
        run_pages=_run_pages(uri, sweep.name, ledger),
        origin=partial(made_from, sweep, tracking_uri, known.trials, ledger),
    )
    if sweep.tune is None:
        return result
    study = tracking.read_study(sweep, tracking_uri, failed=True)
    default = _as_defined(sweep, _default_finals(everything), of_trial)
    table = fairness_table(study, pd.concat([trials, default], ignore_index=True))
    return _with_tuning(result, everything, default, table)


def _run_pages(uri: str, name: str, ledger: tracking.Ledger) -> dict[str, str]:
    """trial_id -> its run's page."""
    own = tracking.find_sweep_run(uri, name)
    if own is None:
        return {}
    return {i: tracking.run_page(uri, own.experiment_id, row.run_id) for i, row in ledger.finished.items()}


def trend_metrics(sweep: SweepSpec, *, of_splits: bool = False) -> tuple[str, ...]:
    """The depth series that are fitted, where they were tracked: what the metrics' files say.

    Args:
        of_splits: only those of the training and test splits.
    """
    kinds = (SplitMetric, GapMetric) if of_splits else (Metric,)
    return tuple(
        key
        for key, one in tracked_metrics(sweep).items()
        if one.trend and isinstance(one.metric, kinds) and (trains(sweep) or not one.needs_training)
    )


def _fitted_metrics(sweep: SweepSpec, trials: pd.DataFrame) -> tuple[str, ...]:
    """Those, and what the trials are judged by: of values the losses."""
    return tuple(dict.fromkeys((*(judged_by(trials) if trains(sweep) else ()), *trend_metrics(sweep))))


def epoch_metrics(sweep: SweepSpec) -> tuple[str, ...]:
    """What is read by epoch: what the report draws."""
    return tuple(key for key, one in tracked_metrics(sweep).items() if one.by_epoch)


def tracked_metrics(sweep: SweepSpec) -> dict[str, Tracked]:
    """MLflow key -> declaration, of skipray's metrics and of those that the sweep names."""
    return tracked([name for cell in sweep.cells[:1] for name in cell.probe.metrics])


def trains(sweep: SweepSpec) -> bool:
    """Whether the sweep trains its networks, or measures them at initialisation alone."""
    return any(cell.recipe.epochs != 0 for cell in sweep.cells)  # an imported table need not say how many


def _as_defined(sweep: SweepSpec, trials: pd.DataFrame, of_trial: Mapping[str, Group]) -> pd.DataFrame:
    """The trials with the outcomes that the sweep's `trained` gives them."""
    return judged(sweep, trials, [of_trial[i] for i in trials["trial_id"]]) if trains(sweep) else trials


def _judged(
    sweep: SweepSpec, trials: pd.DataFrame, layers: pd.DataFrame, histories: pd.DataFrame, remarks: Mapping[str, str]
) -> tuple[Claim, ...]:
    return judge(
        trials, layers, histories, factors=sweep.factor_names, trained=trains(sweep),
        roles=sweep.claims.roles, own=sweep.claims.own, remarks=remarks,
    )  # fmt: skip


MOST_GROUPS_MISSING = 4
"""Kinds of gaps that a claim names."""


def _preliminary(claims: tuple[Claim, ...], covered: pd.DataFrame) -> tuple[Claim, ...]:
    """Claims that rest on an unfinished sweep say which trials are missing."""
    lacking = covered[covered["seeds"] > covered["finished"]]
    if lacking.empty:
        return claims
    of_groups: dict[str, list[tuple[int, int, int]]] = {}
    for row in covered.sort_values("depth", kind="stable").to_dict("records"):
        cell = (int(row["depth"]), int(row["seeds"] - row["finished"]), int(row["seeds"]))
        of_groups.setdefault(row["group"].label, []).append(cell)
    same: dict[str, list[str]] = {}
    for label, cells in of_groups.items():
        same.setdefault(gap_words(cells), []).append(label)
    same.pop("", None)
    named = [f"{gap} of {listed(labels)}" for gap, labels in list(same.items())[:MOST_GROUPS_MISSING]]
    left = sum(len(labels) for labels in list(same.values())[MOST_GROUPS_MISSING:])
    more = [f"{left} more groups"] if left else []
    words = f"Preliminary; missing: {'; '.join([*named, *more])}."
    return tuple(c if c.verdict == "not tested" else replace(c, sentence=f"{c.sentence} {words}") for c in claims)


def _default_finals(everything: pd.DataFrame) -> pd.DataFrame:
    kept = (everything["phase"] == "final") & (everything["setting"] == "default")
    return everything[kept.to_numpy(dtype=bool)].reset_index(drop=True)


def _with_tuning(result: Aggregate, everything: pd.DataFrame, default: pd.DataFrame, table: pd.DataFrame) -> Aggregate:
    """The aggregate of a tuned sweep, with what the tuning itself has shown; default are the judged finals of the
    default setting."""
    is_final = (everything["phase"] == "final").to_numpy(dtype=bool)
    sweep = result.sweep
    default_groups = _grouped(default, [result.groups[i] for i in default["trial_id"]])
    of_cells = _grouped(table.assign(seed=0), [cell.group for cell in table["cell"]])
    marked = table[table["breach"] != ""]
    default_limits = limits_of(sweep, default, default_groups, None)
    return replace(
        result,
        series=(*result.series, *_series(of_cells, CELL_METRICS, {})),
        claims=tuple(_leaning(claim, marked) for claim in result.claims),
        audit=(*result.audit, *(f"{row['cell'].label}: {row['breach']}" for row in marked.to_dict("records"))),
        default_trials=default,
        default_series=tuple(_series(default_groups, trend_metrics(sweep, of_splits=True), tracked_metrics(sweep))),
        default_limits=default_limits[0].of_groups if default_limits else (),
        tuning_trials=everything[~is_final].reset_index(drop=True),
        fairness=table,
    )


def _leaning(claim: Claim, marked: pd.DataFrame) -> Claim:
    """A claim that leans on cells that break the protocol says so."""
    leans_on = marked[marked["depth"].isin(claim.depths)] if len(marked) else marked
    if claim.verdict == "not tested" or leans_on.empty:
        return claim
    cells = ", ".join(cell.label for cell in leans_on["cell"])
    return replace(claim, sentence=f"{claim.sentence} It leans on cells that break the tuning's protocol: {cells}.")


def _frontiers(sweep: SweepSpec, groups: list[tuple[Group, pd.DataFrame]]) -> list[tuple[Group, Frontier]]:
    """Where the search for each group's limit stands; of an adaptive sweep."""
    if sweep.adaptive is None:
        return []
    asked = sweep.adaptive
    found = []
    for group, rows in groups:
        of_group = [c.model.depth for c in sweep.cells if c.cell.group == group]
        depths, seeds = rows["depth"].to_numpy(float).tolist(), rows["seed"].tolist()
        trained = (rows["outcome"] == "trained").to_numpy(dtype=bool).tolist()
        reach = (min(of_group), max(of_group))
        found.append((group, find_frontier(asked.width, depths, trained, seeds, reach)))
    return found


def _by_epoch(trials: Sequence[TrialSpec], most: int, by_epoch: int) -> list[TrialSpec]:
    """Trials of which so many metrics are read by epoch: the first seeds of every cell, at most MAX_EPOCH_ROWS."""
    rows, kept = 0, []
    for trial in sorted(trials, key=lambda t: t.seed)[:most]:
        rows += by_epoch * ((trial.recipe.epochs or 0) + 1)
        if rows > MAX_EPOCH_ROWS:
            break
        kept.append(trial)
    return kept


def _failures(trials: Sequence[TrialSpec], ledger: tracking.Ledger) -> pd.DataFrame:
    rows = [
        (t.label, f"{row.failure_class or 'error'}: {row.failure_message or 'no message was recorded'}")
        for t in (trials if ledger.failed else ())
        if (row := ledger.failed.get(t.trial_id)) is not None
    ]
    return pd.DataFrame(rows, columns=["trial", "cause"])


def asked_for(sweep: SweepSpec, known: Sequence[TrialSpec]) -> tuple[TrialSpec, ...]:
    """The trials that the answer rests on: of a tuned sweep the tuned finals, none before tuning is complete."""
    return tuple(t for t in known if sweep.tune is None or t.setting == "tuned")


def planned_finals(sweep: SweepSpec) -> tuple[TrialSpec, ...]:
    """A trial for each final that a tuned sweep will have; nothing has run of them."""
    return tuple(replace(c, seed=s, setting="tuned") for c in sweep.cells for s in sweep.seeds if sweep.tune)


def with_parameters(
    known: Sequence[TrialSpec], trials: pd.DataFrame, sizes: Mapping[str, Mapping[str, int]] | None = None
) -> pd.DataFrame:
    """The table with a column `model.parameters`, which follows from the spec: what matched comparisons match on.

    Args:
        sizes: trial_id -> size, as the store has it; of the others it is told from their families.
    """
    told = {trial_id: size["parameters"] for trial_id, size in (sizes or {}).items() if "parameters" in size}
    counted = {t.trial_id: told[t.trial_id] if t.trial_id in told else _parameters(t) for t in known}
    out = trials.copy()
    out["model.parameters"] = out["trial_id"].map(counted)
    return out


def _parameters(trial: TrialSpec) -> int | None:
    """None where the family's size cannot be told here, such as that of a user's own."""
    sizes = sizes_if_known(trial)
    return sizes.parameters if sizes else None


def finite(value: float | None) -> float | None:
    """JSON has no infinity: an open end of an interval is null."""
    return float(value) if value is not None and math.isfinite(value) else None


def _grouped(rows: pd.DataFrame, groups: Sequence[Group]) -> list[tuple[Group, pd.DataFrame]]:
    """Each group with its rows, in the order of first appearance.

    Args:
        groups: the group of each row.
    """
    position = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    codes = np.array([position[group] for group in groups], dtype=int)
    return [(group, rows[codes == i]) for group, i in position.items()]


def _series(
    groups: list[tuple[Group, pd.DataFrame]], metrics: Sequence[str], known: Mapping[str, Tracked]
) -> list[Series]:
    """The trends of every metric in every group.

    Args:
        known: key -> declaration, which gives the bounds that no level and no band leaves.
    """
    found: list[tuple[str, Group, pd.DataFrame]] = []
    pooled: list[tuple[DepthSeries, tuple[str, ...]]] = []
    for metric in metrics:
        bounds = (known[metric].low, known[metric].high) if metric in known else None
        for group, rows in groups:
            if metric not in rows:
                continue
            kept = rows[np.isfinite(rows[metric].astype(float))]
            if kept.empty:
                continue
            values = pd.DataFrame(
                {
                    "depth": kept["depth"].to_numpy(float),
                    "value": kept[metric].to_numpy(float),
                    "seed": kept["seed"].to_numpy(),
                    "censored": censoring(kept, metric),
                }
            )
            found.append((metric, group, values))
            pooled.append(_pooled(values, bounds))
    trends = fit_depth_trends([series for series, _ in pooled])
    return [
        Series(
            metric,
            group,
            tuple(int(d) for d in values["depth"]),
            tuple(float(v) for v in values["value"]),
            tuple(int(s) for s in values["seed"]),
            tuple(int(c) for c in values["censored"]),
            replace(trend, notes=(*trend.notes, *notes)),
        )
        for (metric, group, values), (_, notes), trend in zip(found, pooled, trends, strict=True)
    ]


def _pooled(
    rows: pd.DataFrame, bounds: tuple[float | None, float | None] | None
) -> tuple[DepthSeries, tuple[str, ...]]:
    """What is fitted of a series, with a note; of very many seeds the means of MAX_FITTED_SEEDS blocks of seeds.

    A fit's cost grows with the square of the seeds. Blocks keep the means, and their spread is that of the means, so
    intervals stay what they are; a block with a bound in it is a bound.
    """
    seeds, rank = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    notes: tuple[str, ...] = ()
    if len(seeds) > MAX_FITTED_SEEDS:
        rows = rows.assign(seed=rank * MAX_FITTED_SEEDS // len(seeds))
        blocks = rows.groupby(["depth", "seed"], as_index=False)
        rows = blocks.agg(value=("value", "mean"), low=("censored", "min"), high=("censored", "max"))
        rows["censored"] = np.where(rows["high"] > 0, 1, np.where(rows["low"] < 0, -1, 0))
        notes = (f"means of {MAX_FITTED_SEEDS} blocks of {len(seeds)} seeds were fitted",)
    censored = rows["censored"].to_numpy() if (rows["censored"] != 0).any() else None
    seed = rows["seed"].to_numpy()
    return DepthSeries(rows["depth"].to_numpy(), rows["value"].to_numpy(), censored, seed, bounds), notes


def censoring(rows: pd.DataFrame, metric: str) -> np.ndarray:
    """The `.censored` twin of a metric, 0 where there is none; axes (rows,)."""
    twin = f"{metric}.censored"
    if twin not in rows:
        return np.zeros(len(rows), dtype=int)
    return rows[twin].fillna(0).to_numpy().astype(int)


def limits_of(
    sweep: SweepSpec, trials: pd.DataFrame, groups: list[tuple[Group, pd.DataFrame]], covered: pd.DataFrame | None
) -> tuple[LimitTable, ...]:
    """Of fitting, of learning, of keeping up; nothing where nothing was trained.

    Args:
        covered: `coverage`, which tells what is missing; of an adaptive sweep nothing is.
    """
    if not trains(sweep) or trials.empty:
        return ()
    missing: dict[Group, dict[int, int]] = {}
    if covered is not None and sweep.adaptive is None:
        for row in covered.to_dict("records"):
            if row["seeds"] > row["finished"]:
                missing.setdefault(row["group"], {})[int(row["depth"])] = int(row["seeds"] - row["finished"])
    own: dict[Group, list[str]] = {}
    if len(sweep.data_cells) > 1:  # chance and what is reached are each data set's own
        own = {group: [d.sentence for d in definitions(sweep, rows)] for group, rows in groups}
    return limit_tables(groups, definitions(sweep, trials), missing, own)


def coverage(
    sweep: SweepSpec, trials: pd.DataFrame, states: Mapping[str, str], asked: Sequence[TrialSpec] | None = None
) -> pd.DataFrame:
    """What was run, cell by cell; columns as `Aggregate.coverage` has them."""
    outcomes = dict(zip(trials["trial_id"], trials["outcome"], strict=True)) if len(trials) else {}
    rows: dict[Cell, dict[str, Any]] = {}
    for trial in sweep.trials() if asked is None else asked:
        row = rows.setdefault(trial.cell, dict.fromkeys(COUNTS, 0))
        state = states.get(trial.trial_id, "missing")
        outcome = outcomes.get(trial.trial_id)
        for column in ("seeds", state, *([outcome] if outcome in ("diverged", "exploded", "untrained") else [])):
            row[column] += 1
    named = [{"group": cell.group, "depth": cell.depth} | counts for cell, counts in rows.items()]
    return pd.DataFrame(named, columns=["group", "depth", *COUNTS])


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
    if len(sweep.seeds) < 3 and sweep.adaptive is None:
        seeds = "1 seed" if len(sweep.seeds) == 1 else f"{len(sweep.seeds)} seeds"
        breaches.append(f"{seeds} a cell: at least 3 are needed to tell noise from a trend")
    return breaches


def _of_store(
    sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec], ledger: tracking.Ledger
) -> list[str]:
    """What the store says against its own results: damaged files, and other code that was accepted."""
    uri = tracking.resolve_uri(sweep, tracking_uri)
    labels = {t.trial_id: t.label for t in trials}
    # What is wrong with the report that stands is mended by this one.
    damage = tracking.store_damage(uri, sweep.name, ledger.finished.values(), lambda i: labels.get(i, i), report=False)
    accepted = [
        f"{a.trials} trials were run with another {a.name}"
        + (f" (changed since: {', '.join(a.changed)})" if a.changed else "")
        + f", accepted as this code's on {a.when}"
        for a in tracking.accepted_code(sweep, tracking_uri)
    ]
    return [*damage, *accepted]


def provenance(sweep: SweepSpec, trials: pd.DataFrame) -> dict[str, str]:
    """What made the numbers: command, versions, source and hardware, for the report's last section."""
    launch = ["python -m skipray.launch", str(sweep.path), *(f"--set {o}" for o in sweep.overrides)]
    found = {
        "command": f"skipray import {sweep.path.name} --name {sweep.name}" if sweep.of_table else " ".join(launch),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "skipray": __version__,
        "python": platform.python_version(),
    }
    for package in ("mlflow", "numpy", "scipy", "pandas"):
        found[package] = metadata.version(package)
    for key in ("torch", "device", "threads", "hostname", "layers"):
        column = f"environment.{key}"
        if column in trials:
            found[f"trials: {key}"] = ", ".join(sorted(str(v) for v in trials[column].dropna().unique()))
    commit = tracking.git_state(sweep.path.parent).split("\n")[0]
    if commit:
        found["git commit"] = commit
    return found
