"""Verdicts on synthetic sweeps whose truth is known: planted effects, planted nulls, reversed ones, missing data."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.claims import CLAIMS, Claim, judge
from skipray.claims.data import SweepData
from skipray.claims.estimates import mean_over_cells
from skipray.claims.verdict import untested, with_holm
from skipray.records import LAYER_COLUMNS
from skipray.trends import trainability_limit

DEPTHS = (8, 20, 38, 56, 74, 110)
ALL = ["C1a", "C1b", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11"]


def table(measure, seeds: int = 5, families=("plainnet", "resnet", "resnext"), depths=DEPTHS) -> pd.DataFrame:
    """One row a trial; `measure(family, depth, seed)` gives its columns."""
    rows = []
    for family in families:
        for depth in depths:
            for seed in range(seeds):
                own = {"outcome": "trained"} | measure(family, depth, seed)
                rows.append(
                    {"trial_id": f"{family}-{depth}-{seed}", "architecture": family, "depth": depth, "seed": seed} | own
                )
    return pd.DataFrame(rows)


def verdict(claim_id: str, trials: pd.DataFrame, layers: pd.DataFrame | None = None) -> Claim:
    """One claim by its own function; `judge` runs them all."""
    function = next(f for f in CLAIMS if f.__name__ == claim_id.lower())
    return function(SweepData.read(trials, layers, None))


def noisy(rng: np.random.Generator, metric: str, offsets: dict[str, float], sd: float, scale: float = 1.0):
    """A measure: offset of the family plus the seed's own and the trial's own noise."""
    own = rng.standard_normal(100)

    def measure(family, depth, seed):
        return {metric: scale * (offsets.get(family, 0.0) + sd * (own[seed] + rng.standard_normal()))}

    return measure


def _benchmark():
    """tests/benchmarks/bench_claims.py, which plants the sweeps and has the full table."""
    path = Path(__file__).parent / "benchmarks" / "bench_claims.py"
    spec = importlib.util.spec_from_file_location("bench_claims", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("claim_id", ALL)
def test_planted_effects_are_supported_nulls_not_and_reversed_ones_refuted(claim_id: str) -> None:
    """Effects of two standard deviations and 5 seeds; shares of 12 sweeps within three binomial standard errors."""
    repetitions, rates = 12, _benchmark().rates
    null, planted, reversed_ = (rates(claim_id.lower(), k, 5, repetitions) for k in ("null", "planted", "reversed"))
    spare = 3 / np.sqrt(repetitions)
    assert null["supported"] <= 0.05 + spare * np.sqrt(0.05 * 0.95)
    assert planted["supported"] >= 0.8 - spare * np.sqrt(0.8 * 0.2)
    assert reversed_["refuted"] >= 0.8 - spare * np.sqrt(0.8 * 0.2)


def breaking(limits: dict[str, float], rng: np.random.Generator, spread: float = 0.2):
    """A measure: each family trains up to its limit, give or take a log-normal factor a trial."""

    def measure(family, depth, seed):
        trains = depth < limits[family] * np.exp(spread * rng.standard_normal())
        return {"outcome": "trained" if trains else "untrained", "train.accuracy": 0.99 if trains else 0.1}

    return measure


def limit_rate(limits: dict[str, float], wanted: str, repetitions: int = 15) -> float:
    claims = [
        verdict("C1a", table(breaking(limits, np.random.default_rng(r)), seeds=5)).verdict for r in range(repetitions)
    ]
    return float(np.mean([c == wanted for c in claims]))


def test_c1a_planted_null_and_reversed() -> None:
    assert limit_rate({"plainnet": 30, "resnet": 90, "resnext": 95}, "supported") >= 0.8
    assert limit_rate({"plainnet": 90, "resnet": 30, "resnext": 30}, "refuted") >= 0.8
    assert limit_rate({"plainnet": 45, "resnet": 45, "resnext": 45}, "supported") <= 0.05 + 3 * np.sqrt(
        0.05 * 0.95 / 20
    )


def test_c1a_where_the_twins_never_break() -> None:
    trials = table(breaking({"plainnet": 30, "resnet": 1e9, "resnext": 1e9}, np.random.default_rng(0)), seeds=3)
    claim = verdict("C1a", trials)
    assert claim.verdict == "supported"
    assert claim.effect_unit == "doublings of depth"
    assert claim.low is not None
    assert claim.high is not None
    assert claim.effect is not None
    assert claim.low < claim.effect < claim.high
    assert claim.seeds == (0, 1, 2)
    assert claim.depths == DEPTHS
    assert "resnet beyond 110" in claim.sentence


def test_c1a_names_the_limits_that_the_report_has() -> None:
    """PlainNet's trials are compared with each twin, and counted once."""
    trials = table(breaking({"plainnet": 45, "resnet": 500, "resnext": 500}, np.random.default_rng(3)), seeds=3)
    plain = trials[trials["architecture"] == "plainnet"]
    limit = trainability_limit(plain["depth"], plain["outcome"] == "trained", group=plain["seed"])
    assert limit.depth is not None
    assert f"plainnet about {limit.depth:.0f} layers" in verdict("C1a", trials).sentence


def test_c1a_where_nothing_breaks_is_open() -> None:
    trials = table(breaking(dict.fromkeys(("plainnet", "resnet", "resnext"), 1e9), np.random.default_rng(0)))
    assert verdict("C1a", trials).verdict == "inconclusive"


@pytest.mark.parametrize(("rise", "wanted"), [(0.0, "supported"), (0.05, "refuted")])
def test_c1b(rise: float, wanted: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        return {"train.accuracy": 0.99 - rise * np.log(depth / 8) / np.log(110 / 8) + 0.001 * rng.standard_normal()}

    claim = verdict("C1b", table(measure))
    assert claim.verdict == wanted
    assert claim.effect == pytest.approx(100 * rise, abs=0.3)
    assert claim.margin == 1.0


def test_c1b_counts_diverged_networks_as_wrong() -> None:
    """What a diverged network had reached before is not its accuracy."""

    def measure(family, depth, seed):
        outcome = "diverged" if depth >= 56 else "trained"
        return {"train.accuracy": 0.99 - 1e-4 * seed if depth < 74 else np.nan, "outcome": outcome}

    claim = verdict("C1b", table(measure))
    assert claim.verdict == "refuted"
    assert claim.effect > 50
    assert "30 of 60 networks diverged: their train error counts as 100 %." in claim.sentence


# Claims that say something good of a network, with data that support them as long as it does not diverge.
GOOD = {
    "C1b": ("resnext", {"train.accuracy": 0.99}),
    "C4": ("resnet", {"hidden.log10_condition.median": 2.0}),
    "C7": ("resnext", {"hidden.log10_condition.median": {"resnet": 4.0, "resnext": 3.0}}),
    "C8": ("resnext", {"test.accuracy": {"resnet": 0.90, "resnext": 0.92}}),
    "C10": ("resnet", {"deletion.output_change.median": {"plainnet": 1.2, "resnet": 0.1}}),
}


@pytest.mark.parametrize("claim_id", GOOD)
def test_a_diverged_network_is_no_missing_one(claim_id: str) -> None:
    family, metrics = GOOD[claim_id]

    def found(deepest: str):
        rng = np.random.default_rng(0)

        def measure(name, depth, seed):
            bad = name == family and depth >= 56
            own = {k: v.get(name, 0.5) if isinstance(v, dict) else v for k, v in metrics.items()}
            noise = 0.001 * rng.standard_normal()
            return {k: v + noise for k, v in own.items()} | {"outcome": deepest if bad else "trained"}

        return verdict(claim_id, table(measure))

    assert found("trained").verdict == "supported"
    assert found("diverged").verdict == "refuted"
    assert "networks diverged" in found("diverged").sentence


def test_diverged_networks_do_not_speak_for_a_claim() -> None:
    """ResNets that diverge do not make ResNeXts better."""

    def measure(family, depth, seed):
        lost = family == "resnet" and depth > 20
        return {"test.accuracy": 0.9 + 0.001 * np.sin(7 * seed + depth), "outcome": "diverged" if lost else "trained"}

    claim = verdict("C8", table(measure, families=("resnet", "resnext")))
    assert claim.verdict != "supported"
    assert set(claim.depths) == {8, 20}
    assert "20 of 60 networks diverged" in claim.sentence


@pytest.mark.parametrize(("collapses", "wanted"), [(True, "supported"), (False, "refuted")])
def test_c3(collapses: bool, wanted: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        left = np.exp(-depth / 15) if collapses else 1.0
        return {
            "hidden.effective_rank.last": 1 + 20 * left * np.exp(0.05 * rng.standard_normal()),
            "hidden.mean_cosine.last": 1 - 0.7 * left * np.exp(0.05 * rng.standard_normal()),
        }

    assert verdict("C3", table(measure)).verdict == wanted


def layer_table(trials: pd.DataFrame, profile, tensor: str = "hidden") -> pd.DataFrame:
    """A layer table: `profile(trial, layer)` gives (value, censored) of log10_condition."""
    rows = []
    for trial in trials.itertuples():
        for layer in range(int(trial.depth)):
            value, censored = profile(trial, layer)
            rows.append(
                (trial.trial_id, 10, f"l{layer}", layer, tensor, "matrix", False, "eval", "log10_condition", 1, value,
                 censored, "")
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["trial_id", *LAYER_COLUMNS])


def test_c2_line_then_floor_against_saturation_and_decay() -> None:
    rng = np.random.default_rng(0)
    trials = table(lambda f, d, s: {}, seeds=3, families=("plainnet",), depths=(38, 74))

    def line(trial, layer):
        value = 0.3 + 0.15 * layer + 0.05 * rng.standard_normal()
        return (6.9, 1) if value > 6.9 else (value, 0)

    def saturating(trial, layer):
        return 6.0 * (1 - np.exp(-layer / (trial.depth / 8))) + 0.05 * rng.standard_normal(), 0

    supported = verdict("C2", trials, layer_table(trials, line))
    assert supported.verdict == "supported"
    assert supported.parts[0].effect == pytest.approx(0.15, abs=0.01)
    assert verdict("C2", trials, layer_table(trials, saturating)).verdict == "refuted"
    assert verdict("C2", trials, layer_table(trials, lambda t, k: (5 - 0.05 * k, 0))).verdict == "refuted"


@pytest.mark.parametrize(
    ("level", "fall", "wanted"), [(3.0, 2.0, "supported"), (3.0, -2.0, "refuted"), (6.6, 2.0, "refuted")]
)
def test_c4(level: float, fall: float, wanted: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        return {"hidden.log10_condition.median": level + 0.05 * rng.standard_normal()}

    trials = table(measure, seeds=3, families=("resnet", "resnext"), depths=(20, 38))
    layers = layer_table(trials, lambda t, k: (level + fall * (0.5 - k / t.depth) + 0.02 * rng.standard_normal(), 0))
    assert verdict("C4", trials, layers).verdict == wanted


def test_c4_censored_everywhere_is_not_supported() -> None:
    trials = table(
        lambda f, d, s: {"hidden.log10_condition.median": 6.9, "hidden.log10_condition.median.censored": 1.0},
        families=("resnet",),
    )
    assert verdict("C4", trials).verdict == "refuted"


@pytest.mark.parametrize(("sign", "wanted"), [(1, "supported"), (-1, "refuted")])
def test_c5(sign: int, wanted: str) -> None:
    rng = np.random.default_rng(0)
    trials = table(lambda f, d, s: {}, seeds=3, families=("plainnet",), depths=(20, 38))
    hidden = layer_table(trials, lambda t, k: (0.1 * k + 0.1 * rng.standard_normal(), 0))
    others = [
        layer_table(trials, lambda t, k: (sign * 0.1 * k + 0.3 * rng.standard_normal(), 0), tensor)
        for tensor in ("weight_gradient", "weight_update")
    ]
    assert verdict("C5", trials, pd.concat([hidden, *others])).verdict == wanted


@pytest.mark.parametrize(
    ("plain", "resnext", "wanted"), [(4.0, 4.0, "supported"), (2.0, 2.0, "refuted"), (4.0, 1.0, "refuted")]
)
def test_c6(plain: float, resnext: float, wanted: str) -> None:
    rng = np.random.default_rng(0)
    offsets = {"plainnet": plain, "resnet": 2.0, "resnext": resnext}
    assert verdict("C6", table(noisy(rng, "weight.log10_condition.median", offsets, 0.1))).verdict == wanted


def test_c7_only_at_matched_parameters() -> None:
    def measure(ratio):
        def inner(family, depth, seed):
            rng = np.random.default_rng([depth, seed, len(family)])
            return {
                "hidden.log10_condition.median": 3.0 - (family == "resnext") + 0.05 * rng.standard_normal(),
                "model.parameters": 1e6 * (ratio if family == "resnext" else 1.0),
            }

        return inner

    assert verdict("C7", table(measure(0.95))).verdict == "supported"
    apart = verdict("C7", table(measure(0.6)))
    assert apart.verdict == "not tested"
    assert "0.60 times" in apart.sentence
    assert apart.p is None


def test_c7_with_censored_twins() -> None:
    """ResNet beyond the floor, ResNeXt below it: the difference is at least what was seen. Both beyond: no word."""

    def measure(both):
        def inner(family, depth, seed):
            rng = np.random.default_rng([depth, seed, len(family)])
            hit = family == "resnet" or both
            return {
                "hidden.log10_condition.median": 6.9 if hit else 5.0 + 0.1 * rng.standard_normal(),
                "hidden.log10_condition.median.censored": 1.0 if hit else np.nan,
            }

        return inner

    assert verdict("C7", table(measure(False))).verdict == "supported"
    assert verdict("C7", table(measure(True))).verdict == "not tested"


def test_c8_needs_five_seeds() -> None:
    measure = noisy(np.random.default_rng(0), "test.accuracy", {"resnext": 0.1}, 0.001)
    few = verdict("C8", table(measure, seeds=3))
    assert few.verdict == "not tested"
    assert "5 seeds" in few.sentence
    assert verdict("C8", table(measure, seeds=5)).effect == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(("slope", "wanted"), [(0.02, "supported"), (-0.02, "refuted")])
def test_c9(slope: float, wanted: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        kappa = {"plainnet": 5.0, "resnet": 3.0, "resnext": 2.0}[family] + depth / 50 + 0.2 * rng.standard_normal()
        return {"hidden.log10_condition.median": kappa, "gap.accuracy": 0.05 + slope * kappa + 0.002 * rng.random()}

    assert verdict("C9", table(measure)).verdict == wanted


def test_c9_leaves_untrained_runs_out() -> None:
    def measure(family, depth, seed):
        return {"hidden.log10_condition.median": 1.0 * seed, "gap.accuracy": np.nan, "outcome": "untrained"}

    assert verdict("C9", table(measure)).verdict == "not tested"


@pytest.mark.parametrize(("plain", "residual", "wanted"), [(1.2, 0.1, "supported"), (1.2, 1.1, "refuted")])
def test_c10(plain: float, residual: float, wanted: str) -> None:
    measure = noisy(
        np.random.default_rng(0), "deletion.output_change.median", {"plainnet": plain, "resnet": residual}, 0.02
    )
    assert verdict("C10", table(measure)).verdict == wanted


@pytest.mark.parametrize(("trains", "lead", "wanted"), [(1.0, 0.05, "supported"), (0.0, 0.05, "refuted")])
def test_c11(trains: float, lead: float, wanted: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        plain = family == "plainnet"
        return {
            "initialisation": "dirac" if plain else "he_normal",
            "outcome": "trained" if trains or not plain else "untrained",
            "test.accuracy": 0.9 + (0 if plain else lead) + 0.005 * rng.standard_normal(),
        }

    assert verdict("C11", table(measure, families=("plainnet", "resnet"))).verdict == wanted


def test_every_claim_without_data_says_what_to_run() -> None:
    claims = judge(pd.DataFrame(columns=["trial_id", "architecture", "depth", "seed", "outcome"]))
    assert [c.id for c in claims] == ALL
    for claim in claims:
        assert claim.verdict == "not tested"
        assert claim.sentence.startswith(("Run", "Train"))
        assert claim.reason
        assert (claim.effect, claim.low, claim.high, claim.p, claim.p_holm, claim.margin) == (None,) * 6


def test_one_seed_is_not_tested() -> None:
    measure = noisy(np.random.default_rng(0), "hidden.log10_condition.median", {"resnet": 1.0}, 0.1)
    assert verdict("C7", table(measure, seeds=1)).verdict == "not tested"


def test_missing_columns() -> None:
    with pytest.raises(ValueError, match="without outcome"):
        judge(pd.DataFrame({"architecture": [], "depth": [], "seed": []}))


def test_twins_are_paired_within_the_other_factors() -> None:
    """Without norm everything is 3 decades up, and resnext was run more often there: pairing takes that out."""
    rng = np.random.default_rng(0)

    def measure(norm):
        def inner(family, depth, seed):
            up = 3.0 if norm == "none" else 0.0
            value = 2.0 + up - 0.5 * (family == "resnext") + 0.05 * rng.standard_normal()
            return {"hidden.log10_condition.median": value, "normalization": norm}

        return inner

    batch = table(measure("batch"), families=("resnet", "resnext"))
    none = table(measure("none"), families=("resnext",))
    claim = next(c for c in judge(pd.concat([batch, none]), factors=["normalization"]) if c.id == "C7")
    assert claim.effect == pytest.approx(0.5, abs=0.05)
    assert claim.verdict == "supported"


def test_holm() -> None:
    import dataclasses

    claims = [dataclasses.replace(untested(str(i), "", "", ""), p=p) for i, p in enumerate((0.01, 0.04, 0.03, None))]
    assert [c.p_holm for c in with_holm(claims)] == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        pytest.approx(0.06),
        None,
    ]


def test_mean_over_cells_is_the_t_interval_of_seed_means() -> None:
    """Balanced: the clustered standard error is that of the seeds' own means."""
    rng = np.random.default_rng(0)
    value, cell, seed = rng.standard_normal(12), np.repeat([0, 1, 2], 4), np.tile(np.arange(4), 3)
    found = mean_over_cells(value, cell, seed)
    means = np.array([value[seed == s].mean() for s in range(4)])
    assert found is not None
    assert found.mean == pytest.approx(value.mean())
    assert found.error == pytest.approx(means.std(ddof=1) / 2)
    assert found.freedom == 3


def test_a_factor_that_a_family_lacks_is_judged_with_the_others():
    """As in sweeps/cardinality.yaml: resnet has no cardinality, and pandas has NaN for it."""
    rng = np.random.default_rng(3)

    def measure(family, depth, seed):
        return {
            "hidden.log10_condition.median": 2 + 0.3 * (family == "resnet") + 0.02 * rng.standard_normal(),
            "test.accuracy": 0.9 + 0.01 * rng.standard_normal(),
            "train.loss": 0.1 + 0.01 * rng.standard_normal(),
        }

    parts = [table(measure, families=("resnet",)).assign(cardinality=np.nan)]
    parts += [table(measure, families=("resnext",)).assign(cardinality=float(c)) for c in (1, 4)]
    found = {c.id: c for c in judge(pd.concat(parts, ignore_index=True), None, None, factors=["cardinality"])}
    assert list(found) == ALL
    assert found["C7"].verdict == "inconclusive"  # lower than resnet's, but it does not fall with the cardinality
    assert found["C8"].verdict == "inconclusive"
    assert found["C4"].verdict != "not tested"
