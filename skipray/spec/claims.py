"""What a sweep says of claims: which families play the roles of the paper's, and claims of its own.

None of it is part of a trial_id: the same runs can be judged by other claims. When a claim was declared is recorded
with the launch that first had it.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from skipray.spec.fields import NonNegativeFloat, OwnName, Positive, Section
from skipray.spec.values import Words


def narrowed(family: str) -> tuple[str, dict[str, str]]:
    """A family and, behind it, the values of factors that its trials must have.

    >>> narrowed("transformer options.norm=pre")
    ('transformer', {'options.norm': 'pre'})
    """
    head, *rest = family.split(" ")
    return head, {key: value for key, _, value in (part.partition("=") for part in rest)}


ClaimId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$",
        description="a letter, then letters, digits, '_' and '-', at most 32",
    ),
]


class DeclaredClaim(Section):
    id: ClaimId
    """Names the claim in tables: letters, digits, `_` and `-`, at most 32."""
    statement: str = ""
    """The claim in words; made from the rest when left out."""

    @property
    def tested(self) -> str:
        """All but the words and the name: what has to be the same for the claim to be the same."""
        return self.model_dump_json(exclude={"statement", "id"})


class ComparisonClaim(DeclaredClaim):
    """One family's metric against another's, paired by depth, seed and factors."""

    kind: Literal["comparison"]
    """One family's metric against another's, paired by depth, seed and factors."""
    metric: str
    """A metric of finished runs under its MLflow key, such as `test.accuracy`."""
    family: str
    """Behind its name may stand values of factors, as tables have them: `transformer options.norm=pre`."""
    than: str
    """The family, or the values of the same one, that it is compared with."""
    direction: Literal["above", "below", "within"]
    """The side of the margin on which the difference is claimed to lie; within: between -margin and margin."""
    margin: NonNegativeFloat = 0.0
    """In the metric's own units."""


class TrendClaim(DeclaredClaim):
    """A metric's change from a family's shallowest depth to its deepest, seed by seed."""

    kind: Literal["trend"]
    """A metric's change from a family's shallowest depth to its deepest, seed by seed."""
    metric: str
    """A metric of finished runs under its MLflow key."""
    family: str
    """As a comparison has it."""
    direction: Literal["rising", "falling", "flat"]
    """By more than the margin, or, if flat, a change within it."""
    margin: NonNegativeFloat = 0.0
    """What it is claimed to rise or fall by more than, or, if flat, to change by less than; in the metric's own
    units."""


class LimitClaim(DeclaredClaim):
    """A family's trainability limit against another family's, or against a depth."""

    kind: Literal["limit"]
    """A family's trainability limit against another family's, or against a depth."""
    family: str
    """As a comparison has it."""
    direction: Literal["above", "below"]
    """The side of `than` on which the limit is claimed to lie."""
    than: str | Positive
    """A family, or a depth: there more (above) or fewer (below) than half of the seeds train."""


class CorrelationClaim(DeclaredClaim):
    """Kendall's tau of two metrics over runs that trained."""

    kind: Literal["correlation"]
    """Kendall's tau of two metrics over runs that trained."""
    metric: str
    """A metric of finished runs under its MLflow key."""
    other: str
    """The second metric."""
    direction: Literal["positive", "negative"]
    """The side of zero on which tau is claimed to lie, beyond the margin."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of tau."""
    strata: Annotated[tuple[Literal["depth", "architecture"], ...], Words("a list of depth and architecture")] = ()
    """Only runs that agree in these are compared."""


class CodedClaim(DeclaredClaim):
    """A claim of one's own code: `module:name` of an object with `judge(data)`, as the files of skipray/claims are."""

    kind: OwnName


OwnClaim = ComparisonClaim | TrendClaim | LimitClaim | CorrelationClaim | CodedClaim
KINDS: dict[str, type[DeclaredClaim]] = {
    "comparison": ComparisonClaim,
    "trend": TrendClaim,
    "limit": LimitClaim,
    "correlation": CorrelationClaim,
}


class Claims(Section):
    plain: str | None = None
    """The role of the family without skips, which the paper's claims name. Where the sweep binds no role: plainnet."""
    skip: str | None = None
    """The role of its twin with skips. Where the sweep binds no role: resnet."""
    aggregated: str | None = None
    """The role of its twin with skips and aggregated transformations. Where the sweep binds no role: resnext."""
    own: Annotated[tuple[OwnClaim, ...], Words("a list of claims, each a mapping of the fields of its kind")] = ()
    """Claims of the sweep's own. Each has a `kind`: what goes with it follows as `claims.own.KIND`; a `kind` of
    `module:name` is an object with `judge(data)`, as the files of skipray/claims are, and needs an `id` alone."""

    @property
    def roles(self) -> dict[str, str] | None:
        """Role -> family; None where the sweep binds none, and they are the paper's own."""
        given = {"plain": self.plain, "skip": self.skip, "aggregated": self.aggregated}
        bound = {role: family for role, family in given.items() if family is not None}
        return bound or None


class ClaimsField(Section):
    """`claims` as it stands in the file, before each of its own is read as what its kind is."""

    plain: str | None = None
    skip: str | None = None
    aggregated: str | None = None
    own: list[dict[str, Any]] = Field(default_factory=list)
