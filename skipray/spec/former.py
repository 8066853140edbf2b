"""Ids that a trial has been known by: with code that is the same in all that counts, hashed otherwise or accepted."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from skipray.spec.trial import TrialSpec
from skipray.spec.values import canonical_json


def former_ids(trials: Iterable[TrialSpec], equal: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Former trial_id -> today's.

    Args:
        equal: module:name -> other hashes under which its code is taken for the same.
    """
    found: dict[str, str] = {}
    for trial in trials:
        for other in with_other_hashes(trial, equal):
            found.setdefault(other.trial_id, trial.trial_id)
    return found


def with_other_hashes(trial: TrialSpec, equal: Mapping[str, Sequence[str]]) -> list[TrialSpec]:
    """The trial as it would be known under each combination of other hashes of its code."""
    choices = [[(name, h) for h in dict.fromkeys([value, *equal.get(name, ())])] for name, value in trial.source_hashes]
    return [
        replace(trial, source_hashes=hashes) for hashes in itertools.product(*choices) if hashes != trial.source_hashes
    ]


def apart_from_code(trial: TrialSpec) -> str:
    """All that changes a trial's numbers but the user's code and skipray's own, as one text."""
    left_out = ("source_hashes", "numerics_version")
    return canonical_json({key: value for key, value in trial.identity.items() if key not in left_out})
