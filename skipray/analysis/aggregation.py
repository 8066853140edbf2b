"""From a sweep and its tracked runs to what the report says. Needs no torch, no Ray, and none of the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import pandas as pd

from skipray import tracking
from skipray.analysis.coverage import asked_for, coverage, planned_finals, preliminary
from skipray.analysis.declared import late_remarks
from skipray.analysis.followed_metrics import epoch_metrics, fitted_metrics, tracked_metrics, trains, trend_metrics
from skipray.analysis.limits import LimitTable, limit_tables
from skipray.analysis.made_from import made_from
from skipray.analysis.provenance import audit, audit_store, failures, provenance
from skipray.analysis.series import Series, begin_series, expect_censored, grouped, series_of
from skipray.analysis.trained import definitions, judged
from skipray.analysis.tuning import Tuning, default_finals, leaning, points_of
from skipray.claims import Claim, judge
from skipray.planning.plan import sizes_if_known
from skipray.search.fairness import CELL_METRICS, fairness_table, headline
from skipray.search.frontier import Frontier, find_frontier
from skipray.spec import Group, SweepSpec, TrialSpec
from skipray.trends import Limit

MAX_EPOCH_ROWS = 4_000_000
"""Values by epoch that an aggregation holds: 0.1 GB. Medians over the seeds need no more."""
MAX_EPOCH_TRIALS_HTTP = 1000
"""Through a server histories come a hundred runs and one metric per request, all their values as JSON."""

MAX_HISTOGRAM_TRIALS = 200
"""The first seeds of every cell: a figure shows one of each."""


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
    tuning: Tuning = field(default_factory=Tuning)
    """Of a tuned sweep."""
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
    """Read a sweep's runs back and judge them, finished or not: what is missing is named, not filled in."""
    known = tracking.known_trials(sweep, tracking_uri)
    ledger = tracking.read_ledger(sweep, tracking_uri, trials=known.trials, say=say)
    states = tracking.states(sweep, tracking_uri, trials=known.trials, ledger=ledger)
    read = tracking.read_trials(sweep, tracking_uri, trials=known.trials, ledger=ledger, say=say)
    everything = with_parameters(known.trials, read, sweep.sizes)
    say(f"{len(everything)} of {len(known.trials) + known.to_come} trials read; fitting depth trends")
    of_trial = {t.trial_id: t.cell.group for t in known.trials}
    trials = _as_defined(sweep, headline(sweep, everything), of_trial)
    expect_censored(trials)
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
    groups = grouped(trials, [of_trial[i] for i in trials["trial_id"]])
    remarks = late_remarks(tracking.declarations(sweep, tracking_uri), ledger.finished.values())
    fitted = begin_series(groups, fitted_metrics(sweep, trials), tracked_metrics(sweep))
    limits = limits_of(sweep, trials, groups, covered)
    claims = preliminary(_judged(sweep, trials, layers, histories, remarks), covered)
    result = Aggregate(
        sweep=sweep,
        trials=trials,
        groups=of_trial,
        histories=histories,
        layers=layers,
        series=tuple(fitted()),
        limit_tables=limits,
        claims=claims,
        audit=(*audit(sweep, trials), *audit_store(sweep, tracking_uri, known.trials, ledger)),
        coverage=covered,
        provenance=provenance(sweep, everything),
        failures=failures(known.trials, ledger),
        histograms=histograms,
        frontiers=tuple(_frontiers(sweep, groups)),
        run_pages=_run_pages(uri, sweep.name, ledger),
        origin=partial(made_from, sweep, tracking_uri, known.trials, ledger),
    )
    if sweep.tune is None:
        return result
    study = tracking.read_study(sweep, tracking_uri, failed=True)
    default = _as_defined(sweep, default_finals(everything), of_trial)
    compared = pd.concat([trials, default], ignore_index=True)
    recorded = everything.set_index("trial_id")["outcome"]
    table = fairness_table(study, compared.assign(recorded=compared["trial_id"].map(recorded)))
    return _with_tuning(result, everything, default, table)


def _run_pages(uri: str, name: str, ledger: tracking.Ledger) -> dict[str, str]:
    """trial_id -> its run's page."""
    own = tracking.find_sweep_run(uri, name)
    if own is None:
        return {}
    return {i: tracking.run_page(uri, own.experiment_id, row.run_id) for i, row in ledger.finished.items()}


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


def _with_tuning(result: Aggregate, everything: pd.DataFrame, default: pd.DataFrame, table: pd.DataFrame) -> Aggregate:
    """The aggregate of a tuned sweep, with what the tuning itself has shown; default are the judged finals of the
    default setting."""
    sweep = result.sweep
    default_groups = grouped(default, [result.groups[i] for i in default["trial_id"]])
    of_cells = grouped(table.assign(seed=0), [cell.group for cell in table["cell"]])
    limits = limits_of(sweep, default, default_groups, None)
    tuning = Tuning(
        points=points_of(everything),
        fairness=table,
        default_series=tuple(series_of(default_groups, trend_metrics(sweep, of_splits=True), tracked_metrics(sweep))),
        default_limits=limits[0].of_groups if limits else (),
    )
    marked = tuning.breaches
    return replace(
        result,
        series=(*result.series, *series_of(of_cells, CELL_METRICS, {})),
        claims=tuple(leaning(claim, marked) for claim in result.claims),
        audit=(*result.audit, *(f"{row['cell'].label}: {row['breach']}" for row in marked.to_dict("records"))),
        tuning=tuning,
    )


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


def limits_of(
    sweep: SweepSpec, trials: pd.DataFrame, groups: list[tuple[Group, pd.DataFrame]], covered: pd.DataFrame | None
) -> tuple[LimitTable, ...]:
    """The limits of fitting, of learning and of keeping up; none where nothing was trained.

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
