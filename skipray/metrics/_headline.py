"""Which rows of a layer table are the headline ones: the rule for phase and unfolding, in one place."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

HEADLINE_UNFOLDINGS = ("matrix", "samples", "out")
"""Of a tensor with more than two axes, the unfolding by samples (hidden) or by outputs (weights): its rows are those
of the matrix case. Statistics of entries stand under the first unfolding, which is one of these."""


def headline_phase(epoch: int) -> str:
    """Evaluation mode (`eval`), at initialisation with batch statistics (`train`), since the running ones are still the
    identity there."""
    return "train" if epoch == 0 else "eval"


def headline_rows(table: "pd.DataFrame") -> NDArray[np.bool_]:
    """(rows,) Which rows of a table with columns epoch, phase and unfolding are of the headline phase and unfolding."""
    phase = np.where(table["epoch"].to_numpy() == 0, headline_phase(0), headline_phase(1))
    chosen: NDArray[np.bool_] = (table["phase"].to_numpy() == phase) & table["unfolding"].isin(
        HEADLINE_UNFOLDINGS
    ).to_numpy()
    return chosen
