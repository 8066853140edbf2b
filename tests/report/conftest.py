"""Aggregates of synthetic sweeps: made-up runs with a known truth, fitted and judged by the real functions."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from skipray import tracking
from skipray.analysis.aggregation import Aggregate, aggregate, limits_of
from skipray.analysis.coverage import coverage
from skipray.analysis.followed_metrics import trend_metrics
from skipray.analysis.series import Series, censoring
from skipray.analysis.trained import judged
from skipray.claims import judge
from skipray.records import HISTOGRAM_COLUMNS, LAYER_COLUMNS, EpochRecord, TrialRecord
from skipray.report import write
from skipray.results import schema
from skipray.spec import SweepSpec, TrialSpec, load_sweep
from skipray.storage import TrialPlace
from skipray.trends import DepthTrend, fit_depth_trend

SWEEP = """\
name: synthetic
question: How deep can each of them go?
dataset: {name: digits}
model:
  kind: mlp
  width: 64
  initialisation: he_normal
  activation: relu
  residual_scale: 1
  cardinality: 4
  group_width: 20
recipe:
  epochs: 6
  batch_size: 128
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 1e-4
  schedule: constant
  augmentation: none
factors:
  architecture: [plainnet, resnet, resnext]
  depth: [8, 20, 38, 56, 74, 110]
  normalization: [batch]
seeds: [0, 1, 2]
"""

MIDPOINT = {"plainnet": 34.0, "resnet": 400.0, "resnext": 500.0}
FLOOR = 7.2
"""log10 of the largest condition number that float32 can show."""


def _trial(trial: TrialSpec, layered: bool) -> tuple[dict, list[dict], list[dict]]:
    """A row of the trials' table, its history and its layers."""
    rng = np.random.default_rng(int(trial.trial_id[:8], 16))
    depth, name = trial.model.depth, trial.model.architecture
    reach = 1.0 / (1.0 + (depth / MIDPOINT[name]) ** 4)
    accuracy = float(np.clip(0.1 + 0.9 * reach + rng.normal(0, 0.015), 0.08, 1.0))
    outcome = "trained" if accuracy > 0.2 else "untrained"
    slope = {"plainnet": 0.19, "resnet": 0.015, "resnext": 0.01}[name]
    truth = 1.2 + slope * depth / 2 * 0.6 + rng.normal(0, 0.1)
    row = {
        "trial_id": trial.trial_id,
        "architecture": name,
        "depth": depth,
        "seed": trial.seed,
        "normalization": trial.model.normalization,
        "outcome": outcome,
        "train.accuracy": accuracy,
        "test.accuracy": accuracy - 0.02 - 0.01 * truth if outcome == "trained" else accuracy,
        "gap.accuracy": 0.02 + 0.01 * truth if outcome == "trained" else np.nan,
        "hidden.log10_condition.median": min(truth, FLOOR),
        "hidden.log10_condition.median.censored": float(truth > FLOOR),
        "hidden.log10_condition.last": min(truth * 1.3, FLOOR),
        "hidden.log10_condition.last.censored": float(truth * 1.3 > FLOOR),
        "hidden.effective_rank.last": 1 + 40 * np.exp(-depth / (25 if name == "plainnet" else 200)),
        "hidden.mean_cosine.last": 1 - 0.6 * np.exp(-depth / (30 if name == "plainnet" else 300)),
        "hidden.stable_rank.median": 1 + 8 * np.exp(-depth / 60),
        "weight.log10_condition.median": 2.0 + rng.normal(0, 0.05),
        "environment.torch": "2.15.0",
        "environment.device_name": "a CPU",
        "time.train_seconds": 1.0,
    }
    epochs = np.arange(trial.recipe.epochs + 1)
    history = []
    for epoch in epochs:
        share = 1 - np.exp(-epoch / 2)
        for metric, value in (
            ("train.accuracy", 0.1 + (accuracy - 0.1) * share),
            ("train.loss", 2.3 - 2.2 * reach * share),
        ):
            history.append({"trial_id": trial.trial_id, "epoch": int(epoch), "metric": metric, "value": float(value)})
    layers = []
    for epoch in (0, trial.recipe.epochs) if layered else ():
        for index in range(depth // 2):
            for tensor in ("hidden", "weight"):
                exact = 1.2 + (slope if tensor == "hidden" else 0.001) * 1.8 * index + rng.normal(0, 0.05)
                for statistic, value, bound in (
                    ("log10_condition", min(exact, FLOOR), int(exact > FLOOR)),
                    ("range", 3.0 * 1.05**index, 0),
                    ("rms", 0.4 * 1.05**index, 0),
                    ("mean_cosine", 0.3, 0),
                ):
                    phase = "train" if epoch == 0 else "eval"
                    place = (trial.trial_id, epoch, f"blocks.{index}", index, tensor, "matrix", False, phase)
                    layers.append((*place, statistic, 1, value, bound, ""))
    return row, history, layers


def make_histograms(trial: TrialSpec) -> list[tuple]:
    """Bins of a trial whose last layer's activations reach as far as it is deep, a third of them exactly 0."""
    depth, rows = trial.model.depth, []
    for epoch in (0, trial.recipe.epochs):
        for tensor in ("hidden", "weight"):
            for index, reach in ((0, 1.0), (depth // 2 - 1, float(depth))):
                place = (trial.trial_id, epoch, f"blocks.{index}", index, tensor)
                rows += [(*place, 0.0, 0.0, 100)] if tensor == "hidden" else []
                rows += [(*place, 0.0, reach / 2, 150), (*place, 0.9 * reach, reach, 50)]
    return rows


_trends: dict[tuple[bytes, ...], DepthTrend] = {}
"""What was fitted -> the trend: many of these sweeps have the same series."""


def _fitted(depth: np.ndarray, value: np.ndarray, signs: np.ndarray, seed: np.ndarray) -> DepthTrend:
    key = tuple(np.asarray(column, float).tobytes() for column in (depth, value, signs, seed))
    if key not in _trends:
        censored = signs if signs.any() else None
        _trends[key] = fit_depth_trend(depth, value, censored=censored, seed=seed, resamples=100)
    return _trends[key]


def make_aggregate(sweep: SweepSpec, *, share: float = 1.0, layered: bool = True) -> Aggregate:
    """An aggregate in which the first `share` of the trials has finished."""
    planned = sweep.trials()
    done = planned[: round(share * len(planned))]
    made = [_trial(t, layered) for t in done]
    trials = pd.DataFrame([row for row, _, _ in made])
    for trial_row, trial in zip(made, done, strict=True):
        for factor, value in trial.cell.values.items():
            trial_row[0].setdefault(factor, value)
    of_trial = {t.trial_id: t.cell.group for t in planned}
    trials = pd.DataFrame([row for row, _, _ in made])
    if len(trials):
        trials = judged(sweep, trials, [of_trial[i] for i in trials["trial_id"]])
    histories = pd.DataFrame([h for _, hs, _ in made for h in hs], columns=["trial_id", "epoch", "metric", "value"])
    layers = pd.DataFrame([r for _, _, rows in made for r in rows], columns=["trial_id", *LAYER_COLUMNS])
    groups = [] if trials.empty else [
        (group, rows) for group in sweep.groups if len(rows := trials[trials["trial_id"].map(of_trial) == group])
    ]  # fmt: skip
    series = []
    # What a test does not look at is not fitted.
    few = ("train.accuracy", "test.accuracy", "hidden.log10_condition.median")
    for metric in trend_metrics(sweep) if layered else few:
        for group, rows in groups:
            if metric not in rows:  # made-up runs have the metrics of this file alone
                continue
            kept = rows[np.isfinite(rows[metric])]
            if kept.empty:
                continue
            signs = censoring(kept, metric)
            trend = _fitted(kept["depth"].to_numpy(float), kept[metric].to_numpy(float), signs, kept["seed"].to_numpy())
            columns = (kept["depth"], kept[metric], kept["seed"])
            depth, value, seed = (tuple(c.tolist()) for c in columns)
            series.append(Series(metric, group, depth, value, seed, tuple(signs.tolist()), trend))
    covered = coverage(sweep, trials, {t.trial_id: "finished" for t in done})
    return Aggregate(
        sweep=sweep,
        trials=trials,
        groups=of_trial,
        histories=histories,
        layers=layers,
        series=tuple(series),
        limit_tables=limits_of(sweep, trials, groups, covered),
        claims=() if trials.empty else judge(trials, layers, histories),
        audit=(),
        coverage=covered,
        histograms=pd.DataFrame(
            [row for t in (done if layered else []) for row in make_histograms(t)],
            columns=["trial_id", *HISTOGRAM_COLUMNS],
        ),
        provenance={"skipray": "0.1.0", "command": "python -m skipray.launch sweeps/synthetic.yaml"},
    )


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SweepSpec]:
    """A sweep from the text above, with replacements."""

    def loaded(*replacements: tuple[str, str]) -> SweepSpec:
        text = SWEEP
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path: Path = tmp_path_factory.mktemp("sweep") / "synthetic.yaml"
        path.write_text(text, encoding="utf-8")
        return load_sweep(path)

    return loaded


@pytest.fixture(scope="session")
def make() -> Callable[..., Aggregate]:
    return make_aggregate


@pytest.fixture(scope="session", autouse=True)
def bands() -> Iterator[dict[tuple[int, bytes], tuple[DepthTrend, tuple]]]:
    """A trend and depths -> its band, which takes most of a report's time and is drawn in report after report.

    A test that needs the bands made anew clears it.
    """
    made: dict[tuple[int, bytes], tuple[DepthTrend, tuple]] = {}
    really = DepthTrend.simultaneous

    @functools.wraps(really)
    def simultaneous(trend: DepthTrend, depth: np.ndarray) -> tuple:
        key = (id(trend), np.asarray(depth, float).tobytes())
        if key not in made:
            made[key] = (trend, really(trend, depth))  # with the trend, so that its id stays its own
        return tuple(part.copy() for part in made[key][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DepthTrend, "simultaneous", simultaneous)
        yield made


@pytest.fixture(scope="session")
def whole(load, make) -> Aggregate:
    """54 trials of three families, all finished."""
    return make(load())


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path) -> str:
    (tmp_path / "store.db").write_bytes(empty_database.read_bytes())
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def record(uri: str) -> Callable[[SweepSpec, Iterable[TrialSpec]], None]:
    """Tracks trials as workers do; of families other than `trained` networks beyond 20 layers are untrained."""

    def recorded(sweep: SweepSpec, trials: Iterable[TrialSpec], trained: str = "resnet") -> None:
        address = tracking.prepare(sweep, uri)
        for trial in trials:
            trains = trial.model.architecture == trained or trial.model.depth <= 20
            accuracy = 0.9 if trains else 0.1
            accuracy -= 0.01 * trial.seed % 0.1 + 0.1 * abs(trial.recipe.learning_rate - 0.05)
            values = {f"{part}.accuracy": accuracy for part in ("train", "validation", "test")}
            values |= {f"{part}.loss": 1 - accuracy for part in ("train", "validation", "test")}
            made = TrialRecord(
                trial_id=trial.trial_id,
                outcome="trained" if trains else "untrained",
                epochs=(EpochRecord(0, 1_700_000_000_000, values), EpochRecord(1, 1_700_000_001_000, values)),
                layers=pd.DataFrame(columns=list(LAYER_COLUMNS)),
                environment={"torch": "2"},
            )
            place = TrialPlace(tracking.storage_url(sweep, uri), sweep.name, trial.trial_id)
            recorder = tracking.Recorder(address, trial, place.acquire())
            recorder.start()
            recorder.finish(made)

    return recorded


@pytest.fixture
def reported(uri: str) -> Callable[[SweepSpec, Path], tuple[Aggregate, str]]:
    """Gives the aggregate and the words of the page, which is written to a folder."""

    def of(sweep: SweepSpec, folder: Path) -> tuple[Aggregate, str]:
        made = aggregate(sweep, uri)
        files = write(made, folder / "report")
        Draft202012Validator(schema()).validate(json.loads(files.claims.read_text()))
        page = files.html.read_text(encoding="utf-8")
        return made, re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.S))

    return of


@pytest.fixture(scope="session")
def drawings() -> Callable[[str], dict]:
    """Of a page: each panel's description for the drawing library, by the panel's id."""

    def read(page: str) -> dict:
        return json.loads(page.split('id="drawings">')[1].split("</script>")[0])["panels"]

    return read
