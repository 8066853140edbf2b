"""What a sweep has shown, as JSON: `skipray aggregate --json`, and claims.json beside a report."""

from typing import TYPE_CHECKING, Any

from skipray.analysis.limits import limit_records
from skipray.results.scores import scores_in

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.claims import Claim, Part


def aggregate_result(result: "Aggregate") -> dict[str, Any]:
    """Trends, claims, limits and the audit of the trials that have finished."""
    names = result.sweep.factor_names
    return {
        "sweep": result.sweep.name,
        "trials": len(result.trials),
        "trials_planned": int(result.coverage["seeds"].sum()) if len(result.coverage) else 0,
        "trends": [
            {
                "metric": s.metric,
                **s.group.row(names),
                "curve": s.trend.curve,
                "verdict": s.trend.verdict,
                "parameters": {name: list(interval) for name, interval in s.trend.parameters.items()},
                "weights": dict(s.trend.weights),
            }
            for s in result.series
        ],
        "scores": scores_in(result).records(names),
        "claims": [_claim(claim) for claim in result.claims],
        "limits": limit_records(result.limit_tables, names),
        "audit": list(result.audit),
        "fairness": [row.pop("cell").row(names) | row for row in result.tuning.fairness.to_dict("records")],
        "frontiers": [
            {**group.row(names), "depth": f.limit, "low": f.low, "high": f.high, "trials": f.trials,
             "verdict": f.verdict}
            for group, f in result.frontiers
        ],
    }  # fmt: skip


def _claim(claim: "Claim") -> dict[str, Any]:
    return {
        "id": claim.id,
        "statement": claim.statement,
        "verdict": claim.verdict,
        "effect": claim.effect,
        "unit": claim.effect_unit,
        "low": claim.low,
        "high": claim.high,
        "margin": claim.margin,
        "wanted": claim.wanted,
        **_p_values(claim),
        "seeds": list(claim.seeds),
        "depths": list(claim.depths),
        "sentence": claim.sentence,
        "reason": claim.reason,
        "parts": [_part(part) for part in claim.parts],
    }


def _part(part: "Part") -> dict[str, Any]:
    return {
        "label": part.label,
        "verdict": part.verdict,
        "leans": part.leans,
        "effect": part.effect,
        "unit": part.unit,
        "low": part.low,
        "high": part.high,
        "low_alone": part.low_alone,
        "high_alone": part.high_alone,
        "margin": part.margin,
        "wanted": part.wanted,
        "refuted_at": part.refuted_at,
        **_p_values(part),
        "words": part.words,
    }


def _p_values(judged: "Claim | Part") -> dict[str, Any]:
    """`p` and `p_against` are those that the verdict goes by, adjusted over all parts of all claims (closed testing,
    Hommel 1988)."""
    return {
        "p": judged.p_adjusted,
        "p_against": judged.p_against_adjusted,
        "p_unadjusted": judged.p,
        "p_against_unadjusted": judged.p_against,
    }
