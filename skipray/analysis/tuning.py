"""What the tuning of a sweep has itself shown, beside the answer of its tuned trials."""

from dataclasses import dataclass, field, replace

import pandas as pd

from skipray.analysis.series import Series
from skipray.claims import Claim
from skipray.spec import Group
from skipray.trends import Limit


@dataclass(frozen=True)
class Tuning:
    """What the tuning of a sweep has shown; empty for a sweep that is not tuned."""

    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The trials of the study, one row each."""
    fairness: pd.DataFrame = field(default_factory=pd.DataFrame)
    """skipray.search.fairness.fairness_table, one row per cell; `breach` says why the cell is to be marked."""
    default_series: tuple[Series, ...] = ()
    """Depth series of what training changes, in the default setting, to be drawn beside the tuned ones."""
    default_limits: tuple[tuple[Group, Limit], ...] = ()

    @property
    def breaches(self) -> pd.DataFrame:
        """The cells of `fairness` that are to be marked."""
        return self.fairness[self.fairness["breach"] != ""] if len(self.fairness) else self.fairness


def default_finals(everything: pd.DataFrame) -> pd.DataFrame:
    """The finals in the default setting, among all trials of a tuned sweep."""
    kept = (everything["phase"] == "final") & (everything["setting"] == "default")
    return everything[kept.to_numpy(dtype=bool)].reset_index(drop=True)


def points_of(everything: pd.DataFrame) -> pd.DataFrame:
    """The trials of the study, among all trials of a tuned sweep."""
    is_final = (everything["phase"] == "final").to_numpy(dtype=bool)
    return everything[~is_final].reset_index(drop=True)


def leaning(claim: Claim, marked: pd.DataFrame) -> Claim:
    """A claim that leans on cells that break the protocol says so.

    Args:
        marked: `Tuning.breaches`.
    """
    leans_on = marked[marked["depth"].isin(claim.depths)] if len(marked) else marked
    if claim.verdict == "not tested" or leans_on.empty:
        return claim
    cells = ", ".join(cell.label for cell in leans_on["cell"])
    return replace(claim, sentence=f"{claim.sentence} It leans on cells that break the tuning's protocol: {cells}.")
