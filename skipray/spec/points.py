"""Points of a tuning study that are known before anything has run: scrambled Sobol points, alike in every cell."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from skipray.spec.fields import ProbeSpec, SearchRange, Tune
from skipray.spec.trial import TrialSpec
from skipray.spec.values import canonical_json

Setting = tuple[tuple[str, float], ...]
"""Recipe fields and their values, in the order of the space."""
FIRST_POINTS = "skipray tuning"
"""Salt of the points before any extension."""
DIGITS = 6
"""Significant digits of a point: the last bits of exp and log, which differ between machines, are not in a trial_id."""


def sobol_points(space: Mapping[str, SearchRange], count: int, salt: str) -> tuple[Setting, ...]:
    """The first points of a scrambled Sobol sequence (Owen 1998), spread over ranges.

    Args:
        space: field -> range.
        count: of points. More points begin with the same ones.
        salt: names the scrambling: one salt, one sequence.
    """
    from scipy.stats import qmc  # planning a sweep that tunes nothing does without it

    seed = int(hashlib.sha256(salt.encode()).hexdigest()[:8], 16)
    sequence = qmc.Sobol(d=len(space), scramble=True, rng=seed)
    units = sequence.random_base2(max(1, math.ceil(math.log2(count))))[:count]
    return tuple(
        tuple((name, place(float(u), reach)) for u, (name, reach) in zip(row, space.items(), strict=True))
        for row in units
    )


def place(unit: float, reach: SearchRange) -> float:
    """The value at a fraction of a range, on its scale.

    >>> place(0.5, SearchRange(low=0.01, high=1.0, scale="log"))
    0.1
    """
    if reach.scale == "log":
        value = reach.low * (reach.high / reach.low) ** unit
    else:
        value = reach.low + (reach.high - reach.low) * unit
    return min(max(float(f"{value:.{DIGITS}g}"), reach.low), reach.high)


def fraction(value: float, reach: SearchRange) -> float:
    """Where a value lies in a range, on its scale: 0 at its low end and 1 at its high one, outside below or above."""
    if reach.scale == "log":
        return math.log(value / reach.low) / math.log(reach.high / reach.low)
    return (value - reach.low) / (reach.high - reach.low)


def first_points(tune: Tune) -> tuple[Setting, ...]:
    """The points of a Sobol study before any extension."""
    return sobol_points(tune.space, tune.trials, FIRST_POINTS)


def study_key(cell: TrialSpec, tune: Tune) -> str:
    """Names the study of a cell: all that its points share, whatever their number.

    Args:
        cell: any trial of the cell in its default setting.
    """
    identity = cell.identity
    recipe = {k: v for k, v in identity["recipe"].items() if k not in tune.space}
    shared = {k: v for k, v in identity.items() if k != "seed"} | {"recipe": recipe}
    space = {name: reach.model_dump() for name, reach in tune.space.items()}
    asked = {"cell": shared, "space": space, "sampler": tune.sampler, "seeds": list(tune.seeds)}
    return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:32]


def stage_tag(study: str, stage: str) -> str:
    """What the points of a study's stage are tagged with; its first stage has no name.

    >>> stage_tag("5d0c", "a1"), stage_tag("5d0c", "")
    ('5d0c.a1', '5d0c')
    """
    return f"{study}.{stage}" if stage else study


def told_apart(tag: str) -> tuple[str, str]:
    """A tag's study and stage.

    >>> told_apart("5d0c.a1"), told_apart("5d0c")
    (('5d0c', 'a1'), ('5d0c', ''))
    """
    study, _, stage = tag.partition(".")
    return study, stage


def point_trials(cell: TrialSpec, tune: Tune, setting: Setting, index: int, study: str) -> tuple[TrialSpec, ...]:
    """The trials of one point, one for each of the study's seeds. They are not probed: only a score is needed."""
    recipe = cell.recipe.model_copy(update=dict(setting))
    return tuple(
        replace(
            cell,
            recipe=recipe,
            seed=seed,
            probe=ProbeSpec(preset="none"),
            save_weights=False,
            phase="tune",
            setting="point",
            study=study,
            point=index,
        )
        for seed in tune.seeds
    )
