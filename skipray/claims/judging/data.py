"""The tables that claims read: metrics with their censoring, pairs of twins, and layer tables.

Claims speak of roles, not of families: `plain` is a network without skips, `skip` its twin with them, `aggregated` the
twin with aggregated transformations. A sweep binds families to roles; by default they are the paper's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from skipray.claims.judging.checked import check_trials
from skipray.metrics import describe, headline_rows, layer_metric
from skipray.spec.cell import Scalar, bare_name, value_text
from skipray.spec.claims import narrowed
from skipray.spec.data_factors import DATASET
from skipray.spec.data_factors import OPTION as DATA_OPTION
from skipray.spec.display_names import display_name
from skipray.spec.models import OPTION

ROLES = ("plain", "skip", "aggregated")
PAPER = {"plain": "plainnet", "skip": "resnet", "aggregated": "resnext"}
"""The families of the paper, which the roles are bound to where a sweep binds none."""

_NEEDED = ("architecture", "depth", "seed", "outcome")
_NO_FACTORS = {
    *_NEEDED, "trial_id", "run_id", "name", "run_name", "status", "attempt", "phase", "sweep", "version", "device",
    "learning_rate", "parameters", "flops", "label", "cell", "hostname", "start_time", "end_time",
}  # fmt: skip
"""Columns without a dot that no twin is paired by. `learning_rate` is a metric (the last epoch's rate)."""

LEFT_OUT = "they have no finite spectra and are left out"

CONDITION = "hidden.log10_condition.median"


@dataclass(frozen=True)
class DivergedValue:
    """What a diverged network counts as, where a claim says something good of it: a bad outcome, not a missing one, or
    the survivors alone would be judged. Where a claim says something bad of it, it is left out: it never speaks for a
    claim."""

    value: float
    censored: int = 0
    """1: at least the value."""


NOTHING_RIGHT = DivergedValue(0.0)
"""Accuracy of a network with a non-finite loss: it classifies nothing."""
BEYOND_PRECISION = DivergedValue(-float(np.log10(np.finfo(np.float32).eps)), 1)
"""log10 kappa of one whose representations are not finite: beyond float32's precision floor."""


def diverged_remark(trials: pd.DataFrame, counted: str) -> str:
    """What a claim's sentence adds about the diverged networks among these; empty where there are none."""
    count = int((trials["outcome"] == "diverged").sum())
    return f" {count} of {len(trials)} networks diverged: {counted}." if count else ""


def exploded_remark(trials: pd.DataFrame) -> str:
    """What a claim about singularity adds: not all failure is singularity. Empty where no network exploded."""
    count = int((trials["outcome"] == "exploded").sum())
    return f" {count} of these {len(trials)} networks exploded (loss far above chance's)." if count else ""


def scalar(value: Any) -> Scalar:
    """A table's value as a factor's: numpy's as Python's, NaN as none."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and np.isnan(value) else value


def combinations(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """(rows,) one text for each combination of values, some of which a family may lack (NaN)."""
    return np.array(["|".join(map(str, row)) for row in table[columns].to_numpy(dtype=object)], dtype=object)


def _varied(trials: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(n for n in names if trials[n].nunique(dropna=True) > 1)


@dataclass(frozen=True)
class SweepData:
    trials: pd.DataFrame
    layers: pd.DataFrame | None
    factors: tuple[str, ...]
    """Columns of trials, other than architecture, depth and seed, that cells differ in."""
    roles: Mapping[str, str] = field(default_factory=lambda: PAPER)
    """Role -> architecture; a role without a family is left out."""

    @classmethod
    def read(
        cls,
        trials: pd.DataFrame,
        layers: pd.DataFrame | None,
        factors: Sequence[str] | None,
        roles: Mapping[str, str] | None = None,
    ) -> "SweepData":
        missing = [c for c in _NEEDED if c not in trials.columns]
        if missing:
            raise ValueError(f"found trials without {', '.join(missing)}; allowed: a table of finished trials")
        if factors is None:
            names = [
                c
                for c in map(str, trials.columns)
                if ("." not in c or c.startswith((OPTION, DATA_OPTION)))
                and c not in _NO_FACTORS
                and not c.endswith(("_seconds", "_bytes"))
            ]
        else:
            # A factor may be written with its section; its column may not be.
            names = [n for f in factors for n in (f, bare_name(f)) if n in trials.columns]
            names = [n for n in dict.fromkeys(names) if n not in _NEEDED]
        # A copy joins the blocks that a table of many columns was made of, each of which costs every choice of rows.
        joined = trials.reset_index(drop=True).copy()
        varied = _varied(trials, names)
        check_trials(trials, varied)
        return cls(joined, layers, varied, PAPER if roles is None else roles)

    @property
    def data_sets(self) -> list[str]:
        """Of the factor that holds them; none where the sweep has no such factor."""
        return list(dict.fromkeys(self.trials[DATASET])) if DATASET in self.factors else []

    def on(self, data_set: str) -> "SweepData":
        """The trials of one data set."""
        trials = self.trials[self.trials[DATASET] == data_set].reset_index(drop=True)
        return replace(self, trials=trials, factors=_varied(trials, self.factors))

    def of(self, *families: str) -> pd.DataFrame:
        """Trials of roles or of families."""
        chosen = np.zeros(len(self.trials), dtype=bool)
        for family in families:
            chosen = chosen | self._is(family)
        return self.trials[chosen]

    def _is(self, family: str) -> np.ndarray:
        """(trials,) Whether a trial is of a role, or of a family with the values that stand behind its name."""
        name, values = narrowed(family)
        found = (self.trials["architecture"] == self.family(name)).to_numpy(dtype=bool)
        for key, value in values.items():
            column = self.trials[key] if key in self.trials.columns else [None] * len(self.trials)
            found = found & np.array([value_text(scalar(one)) == value for one in column], dtype=bool)
        return found

    def has(self, *families: str) -> bool:
        return all(len(self.of(f)) > 0 for f in families)

    def family(self, name: str) -> str:
        """The architecture behind a role, or the name itself. A role without a family is no architecture's name."""
        return self.roles.get(name, "" if name in ROLES else name)

    @property
    def by_family(self) -> "SweepData":
        """The same tables, in which the name of a role that is a family's too is that family: for claims of one's own,
        which name families."""
        named = set(ROLES) & set(self.trials["architecture"])
        return replace(self, roles={**self.roles, **{name: name for name in named}}) if named else self

    def name(self, family: str) -> str:
        """A role or family as sentences name it; a role without a family by what it is of in the paper."""
        name, *values = family.split(" ")
        return " ".join([display_name(self.family(name) or PAPER[name]), *values])

    @property
    def twins(self) -> list[str]:
        """The roles with skips that have trials."""
        return [role for role in ("skip", "aggregated") if self.has(role)]

    def both_twins(self) -> str:
        """`ResNet's and ResNeXt's`: of the bound roles with skips."""
        bound = [role for role in ("skip", "aggregated") if role in self.roles] or ["skip", "aggregated"]
        return " and ".join(f"{self.name(role)}'s" for role in bound)

    def measured(
        self, metric: str, rows: pd.DataFrame | None = None, *, diverged: DivergedValue | None = None
    ) -> pd.DataFrame:
        """Trials that have the metric: architecture, depth, seed, factors, `value` and `censored` (-1, 0, 1).

        A diverged trial's last values are those of the network before it diverged: they are never taken. It counts as
        `diverged` says, and is left out when None.

        Raises:
            ValueError: no trial has the metric, and no metric is called so.
        """
        table = self.trials if rows is None else rows
        if metric not in table.columns:
            describe(metric)  # a slip of the pen is no absent metric
            return table.iloc[:0].assign(value=[], censored=[])
        value = pd.to_numeric(table[metric], errors="coerce")
        twin = f"{metric}.censored"
        sign = pd.to_numeric(table[twin], errors="coerce").fillna(0) if twin in table.columns else 0
        lost = (table["outcome"] == "diverged").to_numpy(dtype=bool)
        values = np.where(lost, np.nan if diverged is None else diverged.value, value.to_numpy(dtype=float))
        signs = np.where(lost, 0 if diverged is None else diverged.censored, sign).astype(int)
        kept = np.isfinite(values)
        return table[kept].assign(value=values[kept], censored=signs[kept])

    def pairs(
        self, metric: str, first: str, second: str, *, diverged: dict[str, DivergedValue] | None = None
    ) -> pd.DataFrame:
        """Twins that share depth, seed and every factor that both have: `difference` (first - second) and `censored`.

        Twins censored to the same side say nothing about their difference and are left out; `attrs["uninformative"]`
        counts them. diverged: what a diverged network of a family counts as; pairs with another one are left out.
        """
        count = diverged or {}
        left = self.measured(metric, self.of(first), diverged=count.get(first))
        right = self.measured(metric, self.of(second), diverged=count.get(second))
        shared = self.shared_factors(first, second)
        keys = ["depth", "seed", *shared]
        columns = [*keys, "value", "censored", *[c for c in ("trial_id", "model.parameters") if c in left.columns]]
        both = left[columns].merge(right[columns], on=keys, suffixes=("_first", "_second"))
        both["difference"] = both["value_first"] - both["value_second"]
        both["censored"] = np.sign(both["censored_first"] - both["censored_second"]).astype(int)
        blind = (both["censored_first"] == both["censored_second"]) & (both["censored_first"] != 0)
        out = both[~blind].reset_index(drop=True)
        out["cell"] = combinations(out, ["depth", *shared])
        out.attrs["uninformative"] = int(blind.sum())
        return out

    def shared_factors(self, first: str, second: str) -> list[str]:
        """What twins of two roles or families are paired by besides depth and seed: the factors that both have, but
        those that set them apart."""
        left, right = self.of(first), self.of(second)
        set_apart = {key for family in (first, second) for key in narrowed(family)[1]}
        return [f for f in self.factors if f not in set_apart and left[f].notna().all() and right[f].notna().all()]

    def cells(self, table: pd.DataFrame) -> np.ndarray:
        """(rows,) one text for each combination of depth and factors."""
        return combinations(table, ["depth", *self.factors])

    def strata(self, table: pd.DataFrame) -> np.ndarray:
        """(rows,) one text for each combination of factors other than the depth."""
        return combinations(table, list(self.factors)) if self.factors else np.full(len(table), "", dtype=object)

    def profiles(self, tensor: str, statistic: str, family: str) -> "Iterator[pd.DataFrame]":
        """The layers of each trial of a role or family in order, with a column `cell`."""
        rows = self.layer_rows(tensor, statistic)
        if rows.empty:
            return
        rows = rows[rows["architecture"] == self.family(family)]
        for _, profile in rows.assign(cell=self.cells(rows)).groupby("trial_id"):
            yield profile.sort_values("layer_index")

    def layer_rows(self, tensor: str, statistic: str, *, centred: bool = False) -> pd.DataFrame:
        """Headline rows of one statistic at each trial's last probed epoch: the trial's factors and the layer's
        `layer_index, value, censored`. 4-D tensors: the unfolding by samples (hidden) or by outputs (weights).
        Not of diverged trials, whose last probe is of an earlier epoch."""
        layer_metric(statistic)  # a slip of the pen is no absent statistic
        if self.layers is None or "trial_id" not in self.trials.columns or self.layers.empty:
            return pd.DataFrame()
        kept = self.trials[self.trials["outcome"] != "diverged"]
        rows = self.layers
        rows = rows[
            (rows["tensor"] == tensor) & (rows["statistic"] == statistic) & (rows["centred"].astype(bool) == centred)
            & rows["value"].notna() & headline_rows(rows)
        ]  # fmt: skip
        if rows.empty:
            return rows
        last = rows.groupby("trial_id", observed=True)["epoch"].transform("max")
        rows = rows[rows["epoch"] == last]
        keys = ["trial_id", *_NEEDED, *self.factors]
        return rows[["trial_id", "layer_index", "value", "censored"]].merge(kept[keys], on="trial_id")
