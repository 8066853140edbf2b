"""The trainability limits of each group: of fitting (the headline), of learning, and of keeping up with its twins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from skipray.analysis.trained import Definition
from skipray.spec import Group
from skipray.trends import DepthCount, Limit, trainability_limit

TOLD = "at which it can be told"
"""The depths of a limit where others were tried too: without a twin that learns nothing keeps up or lags."""

Missing = Mapping[Group, Mapping[int, int]]
"""Group -> depth -> trials that were asked for and have not finished."""


@dataclass(frozen=True)
class LimitTable:
    """One definition's limits."""

    definition: Definition
    of_groups: tuple[tuple[Group, Limit], ...] = ()


def limit_tables(
    groups: Sequence[tuple[Group, pd.DataFrame]],
    definitions: Sequence[Definition],
    missing: Missing,
    sentences: Mapping[Group, Sequence[str]] | None = None,
) -> tuple[LimitTable, ...]:
    """The limits of each definition.

    Args:
        groups: each with its rows of a judged table (`skipray.analysis.trained.judged`).
        sentences: group -> the definitions' sentences with its own numbers; those of all groups when left out.
    """
    own = sentences or {}
    return tuple(
        LimitTable(d, tuple(_of_groups(groups, d, missing, {group: said[i] for group, said in own.items()})))
        for i, d in enumerate(definitions)
    )


def _of_groups(
    groups: Sequence[tuple[Group, pd.DataFrame]],
    definition: Definition,
    missing: Missing,
    sentences: Mapping[Group, str],
) -> Iterable[tuple[Group, Limit]]:
    for group, rows in groups:
        known = rows[rows[definition.column].notna()]
        if len(known):
            seeds, depths = known["seed"].to_numpy(), rows["depth"]
            found = trainability_limit(known["depth"].to_numpy(float), known[definition.column] > 0, seed=seeds)
            said = sentences.get(group, definition.sentence)
            end = int(depths.min() if found.censored == "below" else depths.max())
            yield (
                group,
                replace(
                    found,
                    definition=said,
                    counts=_with(found, missing.get(group, {})),
                    tried=found.tried if end in {c.depth for c in found.counts} else TOLD,
                ),
            )


def _with(limit: Limit, missing: Mapping[int, int]) -> tuple[DepthCount, ...]:
    """The counts with what is missing, depths at which nothing has finished among them."""
    found = {c.depth: c for c in limit.counts}
    for depth, trials in missing.items():
        found[depth] = replace(found.get(depth, DepthCount(depth, 0, 0)), missing=trials)
    return tuple(found[depth] for depth in sorted(found))


def limit_records(tables: Sequence[LimitTable], names: Sequence[str]) -> list[dict[str, Any]]:
    """One record per group, for JSON: the headline's limit, and under the names of the other definitions theirs.

    Args:
        names: of the factors that every record has, None where a family lacks one.
    """
    if not tables:
        return []
    others = [(table.definition.name, dict(table.of_groups)) for table in tables[1:]]
    return [
        {**group.row(names), **_record(limit)}
        | {name: _record(of_groups[group]) if group in of_groups else None for name, of_groups in others}
        for group, limit in tables[0].of_groups
    ]


def _record(limit: Limit) -> dict[str, Any]:
    return {
        "depth": limit.depth,
        "low": limit.low,
        "high": limit.high,
        "censored": limit.censored,
        "monotone": limit.monotone,
        "definition": limit.definition,
        "counts": [asdict(count) for count in limit.counts],
    }
