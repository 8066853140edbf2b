"""Tables of trials that would be judged as something else than they say are refused, in the words of an import."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skipray.metrics import describe
from skipray.records import no_share

NOISE = 0.1
"""By so much a share may lie outside of its range: simulated ones are noisy; percent lie further out."""


def check_trials(trials: pd.DataFrame, factors: Sequence[str]) -> None:
    """Args:
    trials: a row per trial, with `architecture, depth, seed, outcome`.
    factors: what cells differ in besides architecture and depth.

    Raises:
        ValueError: a trial twice, a depth or seed that is none, an accuracy that is no share.
    """
    for mistake in (*_no_numbers(trials), *_no_shares(trials), *_twice(trials, factors)):
        raise ValueError(mistake)


def _no_numbers(trials: pd.DataFrame) -> Iterator[str]:
    for name, least in (("depth", 1), ("seed", 0)):
        values = pd.to_numeric(trials[name], errors="coerce").to_numpy(dtype=float)
        wrong = ~(np.isfinite(values) & (values >= least) & (values == np.floor(values)))
        yield from _first(trials, name, wrong, f"a whole number, at least {least}")


def _first(trials: pd.DataFrame, name: str, wrong: np.ndarray, allowed: str) -> Iterator[str]:
    if wrong.any():
        place = int(np.argmax(wrong))
        yield f"row {place + 1}: {name}: found {trials[name].iloc[place]}; allowed: {allowed}"


def _no_shares(trials: pd.DataFrame) -> Iterator[str]:
    for name in map(str, trials.columns):
        if no_share(name, 2.0) and _known(name):
            for number, value in enumerate(pd.to_numeric(trials[name], errors="coerce").tolist(), 1):
                inner = value - np.sign(value) * NOISE
                if (wrong := no_share(name, value)) and no_share(name, inner):
                    yield f"row {number}: {name}: {wrong}"


def _known(metric: str) -> bool:
    """What a metric of the user's own is called says nothing of its values."""
    try:
        describe(metric)
    except ValueError:
        return False
    return True


def _twice(trials: pd.DataFrame, factors: Sequence[str]) -> Iterator[str]:
    named = [name for name in ("trial_id",) if name in trials.columns]
    keys = [*named, "architecture", "depth", "seed", *factors]
    seen: dict[Any, int] = {}
    for number, row in enumerate(trials[keys].to_numpy(dtype=object).tolist(), 1):
        first = seen.setdefault("|".join(map(str, row)), number)
        if first != number:
            yield (
                f"row {number}: found the trial of row {first} again; allowed: each once, told from others by the "
                "columns that `factors` names"
            )
