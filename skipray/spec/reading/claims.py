"""Reads `claims` of a sweep file, with the place of every mistake."""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from skipray import metrics
from skipray.extension import catalog
from skipray.spec.cell import Group, value_text
from skipray.spec.claims import KINDS, Claims, ClaimsField, CodedClaim, CorrelationClaim, LimitClaim, narrowed
from skipray.spec.document import Location
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.words import show

PAPER_ID = re.compile(r"[cC]\d+[a-z]?")


class ClaimsReader:
    """Reads one section."""

    def __init__(
        self,
        mistakes: Mistakes,
        families: Mapping[str, Mapping[str, Collection[str]]],
        measured: Sequence[str] = (),
    ):
        """Args:
        families: of the sweep; for each the other factors that it has, with the texts of their values.
        measured: metrics of the user's own that the probe takes.
        """
        self.mistakes, self.families, self.measured = mistakes, families, measured

    def read(self, data: dict[str, Any]) -> Claims:
        found = self.mistakes.validate(ClaimsField, data, ("claims",))
        if found is None:
            return Claims()
        roles = {role: getattr(found, role) for role in ("plain", "skip", "aggregated")}
        for role, family in roles.items():
            self._check_family(family, ("claims", role), narrow=False)
        bound = list(roles.values())
        for i, (role, family) in enumerate(roles.items()):
            if family is not None and family in bound[:i]:
                self.mistakes.add(("claims", role), f"found {family} in two roles; allowed: a family in one role")
        own = [
            claim for i, item in enumerate(found.own) if (claim := self._own(item, ("claims", "own", i))) is not None
        ]
        ids = [claim.id for claim in own]
        for i, claim_id in enumerate(ids):
            if claim_id in ids[:i] or PAPER_ID.fullmatch(claim_id):
                taken = "twice" if claim_id in ids[:i] else ", which names one of the paper's"
                self.mistakes.add(
                    ("claims", "own", i, "id"),
                    f"found {claim_id} {taken}; allowed: a name of its own".replace(" ,", ","),
                )
        return Claims(**roles, own=tuple(own))

    def _own(self, item: dict[str, Any], here: Location) -> Any:
        kind = item.get("kind")
        if isinstance(kind, str) and ":" in kind:
            claim = self.mistakes.validate(CodedClaim, item, here)
            if claim is not None:
                try:
                    catalog.find("claims", claim.kind)
                except ValueError as error:
                    self.mistakes.add((*here, "kind"), str(error))
            return claim
        if not isinstance(kind, str) or kind not in KINDS:
            allowed = f"{', '.join(KINDS)}, or module:name for your own"
            self.mistakes.add(
                (*here, "kind") if "kind" in item else here,
                f"found {show(kind) if 'kind' in item else 'no kind'}; allowed: {allowed}",
            )
            return None
        item = {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
        claim = self.mistakes.validate(KINDS[kind], item, here)
        if claim is None:
            return None
        for field in ("metric", "other"):
            if hasattr(claim, field):
                try:
                    metrics.describe(getattr(claim, field), self.measured)
                except ValueError as error:
                    self.mistakes.add((*here, field), str(error))
        for field in ("family", "than"):
            value = getattr(claim, field, None)
            if isinstance(value, str):
                depth = ", or a depth" if isinstance(claim, LimitClaim) and field == "than" else ""
                self._check_family(value, (*here, field), depth)
        than = getattr(claim, "than", None)
        if isinstance(than, str) and narrowed(than) == narrowed(claim.family):
            self.mistakes.add((*here, "than"), f"found {than}, the family itself; allowed: another one")
        if isinstance(claim, CorrelationClaim) and claim.other == claim.metric:
            self.mistakes.add((*here, "other"), f"found {claim.other}, the metric itself; allowed: another one")
        if getattr(claim, "direction", None) in ("within", "flat") and claim.margin == 0:
            self.mistakes.add(
                (*here, "margin") if "margin" in item else here, "found a margin of 0; allowed: above 0, to be within"
            )
        return claim

    def _check_family(self, family: str | None, here: Location, more: str = "", *, narrow: bool = True) -> None:
        if family is None:
            return
        name, values = narrowed(family) if narrow else (family, {})
        if name not in self.families:
            allowed = f"{', '.join(sorted(self.families))}{more}"
            self.mistakes.add(here, f"found {show(name)}, no family of this sweep; allowed: {allowed}")
            return
        factors = self.families[name]
        for key, value in values.items():
            if key not in factors:
                allowed = ", ".join(factors) or "no more than the family"
                self.mistakes.add(here, f"found {show(key)}, no factor of {name} in this sweep; allowed: {allowed}")
            elif value not in factors[key]:
                self.mistakes.add(here, f"found {key}={value}; allowed: {', '.join(sorted(factors[key]))}")


def factors_by_family(groups: Iterable[Group]) -> dict[str, dict[str, set[str]]]:
    """Architecture -> factor -> the texts of its values, `none` where some of a family's cells go without it."""
    families: dict[str, list[dict[str, str]]] = {}
    for group in dict.fromkeys(groups):
        values = {factor: value_text(value) for factor, value in group.factors}
        families.setdefault(group.architecture, []).append(values)
    return {
        family: {
            name: {row.get(name, value_text(None)) for row in rows} for name in dict.fromkeys(itertools.chain(*rows))
        }
        for family, rows in families.items()
    }
