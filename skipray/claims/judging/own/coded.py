"""A claim of the user's own code: what it returns is held to what a verdict needs, and what it does reaches no other.

All claims of a sweep are one family of tests: a p that is no number would move the adjusted p of every other claim.
"""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import numpy as np

from skipray.claims.judging.claim import Comparison, Finding, Side, untested
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.evidence import LEVEL, Evidence
from skipray.errors import SkiprayError
from skipray.extension import catalog, own_code
from skipray.spec.claims import CodedClaim

TEXTS = {one.name for kind in (Finding, Comparison) for one in fields(kind) if one.type in (str, "str")}
SIDES = get_args(Side)
TAILS = (LEVEL, LEVEL / 100)
"""Where a part is tried: its share of LEVEL is smaller the more is tested."""


def judge(claim: CodedClaim, data: SweepData) -> Finding:
    """What the user's own code finds; where it raises, or returns what cannot be judged, the claim was not tested, and
    all else is judged."""
    statement = claim.statement or f"What {claim.kind} judges"
    if data.trials.empty:
        return untested(statement, "Run the sweep.", "no trial has finished")
    code = catalog.find("claims", claim.kind).judge
    try:
        with _kept():
            found = code(_copied(data))
    except (Exception, SystemExit) as error:
        what = "Mend the claim's code, then run `skipray report`: what was measured stays as it is."
        return untested(statement, what, f"{claim.kind} raised {own_code.said(error)}")
    if not isinstance(found, Finding):
        what = "Have the claim's code return what `skipray.claims.finding` or `untested` makes."
        return untested(statement, what, f"{claim.kind} returned {type(found).__name__}; allowed: a Finding")
    try:
        with _kept():
            return _usable(found)
    except (Exception, SystemExit) as error:
        what = "Have each part of the claim's code be a Comparison of evidence that `skipray.claims` makes."
        said = str(error) if isinstance(error, _Unusable) else f"parts that raise {own_code.said(error)}"
        return untested(statement, what, f"{claim.kind} returned {said}")


class _Unusable(SkiprayError, ValueError):
    """What a verdict cannot be made of; the words say what was found and what is allowed."""


def _copied(data: SweepData) -> SweepData:
    """The data in tables of their own: code that writes into them changes them for itself alone."""
    layers = None if data.layers is None else data.layers.copy()
    return replace(data, trials=data.trials.copy(), layers=layers, roles=dict(data.roles))


@contextmanager
def _kept() -> Iterator[None]:
    """What code may set for numpy, warnings and random numbers is as before afterwards."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with np.errstate(), warnings.catch_warnings():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _usable(found: Finding) -> Finding:
    """The finding in Python's own numbers.

    Raises:
        _Unusable: it cannot be judged.
    """
    _check_texts(found, "a Finding")
    parts = tuple(_part(part) for part in tuple(found.parts))
    seeds, depths = _whole_numbers("seeds", found.seeds), _whole_numbers("depths", found.depths)
    return replace(found, parts=parts, seeds=seeds, depths=depths)


def _whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    try:
        return tuple(int(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        raise _Unusable(f"{name} that are {values!r}; allowed: whole numbers") from None


def _part(part: Any) -> Comparison:
    if not isinstance(part, Comparison):
        raise _Unusable(f"a part that is a {type(part).__name__}; allowed: a Comparison")
    who = f"the part {part.label!r}"
    _check_texts(part, who)
    if part.wanted not in SIDES:
        raise _Unusable(f"{who} with wanted {part.wanted!r}; allowed: {', '.join(SIDES)}")
    margins = {"margin": part.margin} | ({} if part.refuted_at is None else {"refuted_at": part.refuted_at})
    for name, value in margins.items():
        if not np.isfinite(_number(value, f"{who} with {name}")):
            raise _Unusable(f"{who} with {name} {value}; allowed: a finite number")
    lacking = [name for name in ("effect", "low", "high", "p_above", "p_below") if not hasattr(part.evidence, name)]
    if lacking:
        kind = type(part.evidence).__name__
        raise _Unusable(f"{who} whose evidence is a {kind} without {', '.join(lacking)}; allowed: what mean_of makes")
    refuted_at = None if part.refuted_at is None else float(part.refuted_at)
    plain = replace(part, evidence=_Plain(part.evidence, who), margin=float(part.margin), refuted_at=refuted_at)
    _number(part.evidence.effect, f"{who} with the effect")
    for value in (plain.p, plain.p_against):
        if not 0 <= value <= 1:
            raise _Unusable(f"{who} with p {value}; allowed: 0 to 1")
    for tail in TAILS:
        plain.ends(tail, tail)
    return plain


def _check_texts(found: Any, who: str) -> None:
    for one in fields(found):
        value = getattr(found, one.name)
        if one.name in TEXTS and not isinstance(value, str):
            raise _Unusable(f"{who} whose {one.name} is {value!r}; allowed: a text")


def _number(value: Any, what: str) -> float:
    if isinstance(value, (str, bytes, complex)) or value is None or np.ndim(value) or np.isnan(value):
        raise _Unusable(f"{what} {value!r}; allowed: a number")
    return float(value)


@dataclass(frozen=True)
class _Plain:
    """Evidence whose numbers are Python's own, and never NaN."""

    of: Evidence
    who: str

    @property
    def effect(self) -> float:
        return _number(self.of.effect, f"{self.who} with the effect")

    def low(self, tail: float) -> float:
        return _number(self.of.low(tail), f"{self.who} with the lower end")

    def high(self, tail: float) -> float:
        return _number(self.of.high(tail), f"{self.who} with the upper end")

    def p_above(self, margin: float) -> float:
        return _number(self.of.p_above(margin), f"{self.who} with p")

    def p_below(self, margin: float) -> float:
        return _number(self.of.p_below(margin), f"{self.who} with p")
