"""Finds metrics: those of this folder, and a user's own `module:name`."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from skipray.extension import catalog
from skipray.extension.contract import wrongly_called
from skipray.metrics._declaration import LayerMetric, Metric, Tracked


@dataclass(frozen=True)
class Entry:
    """A metric with its function."""

    name: str
    """What it is called in `probe: {metrics: [...]}`."""
    metric: Metric
    measure: Callable[..., Any]


@lru_cache
def find(name: str) -> Entry:
    """The metric of a name: a file of skipray/metrics, or a user's `module:name` with METRIC and `measure`.

    Raises:
        ValueError: there is none, or it declares no metric.
    """
    found = catalog.find("metrics", name)
    if ":" in name and found.METRIC.key.replace(".", "_") in catalog.names("metrics"):
        raise ValueError(f"found {name!r} with the key {found.METRIC.key!r}, which is skipray's own; allowed: another")
    return Entry(name, found.METRIC, found.measure)


def entries(names: Sequence[str] = ()) -> tuple[Entry, ...]:
    """All of skipray's metrics, and those of the user's that are named.

    Args:
        names: as in `probe: {metrics: [...]}`.
    """
    own = catalog.names("metrics")
    return tuple(find(name) for name in (*own, *dict.fromkeys(n for n in names if n not in own)))


def chosen(names: Sequence[str] = (), asked: Sequence[str] = ()) -> tuple[Entry, ...]:
    """The metrics that are measured.

    Args:
        names: those that are asked for by name.
        asked: what is asked for besides: `full`, `hessian`, `jacobian`.
    """
    return tuple(e for e in entries(names) if e.name in names or e.metric.asked in ("always", *asked))


def tracked(names: Sequence[str] = ()) -> dict[str, Tracked]:
    """MLflow key -> its declaration, of all metrics; the splits' come first, then layers by tensor, then the rest.

    Args:
        names: of the user's own metrics.
    """
    found = [one for entry in entries(names) for one in entry.metric.tracked()]
    return {one.key: one for one in sorted(found, key=_place)}


def _place(one: Tracked) -> tuple[int, int]:
    kinds = {"SplitMetric": 0, "GapMetric": 1, "LayerMetric": 2}
    tensors = ("hidden", "weight")
    tensor = one.key.partition(".")[0]
    within = tensors.index(tensor) if isinstance(one.metric, LayerMetric) and tensor in tensors else len(tensors)
    return kinds.get(type(one.metric).__name__, 3), within


def described_as_named(name: str, entry: Any) -> Iterator[str]:
    """Mistakes of an entry: a file's name that is not its key, a function that cannot be called as its kind is."""
    metric = entry.METRIC
    expected = metric.key.replace(".", "_")
    if ":" not in name and name != expected:
        yield f"whose key is {metric.key!r}; allowed: {name!r}, or the file name {expected}.py"
    yield from wrongly_called("measure", entry.measure, metric.MEASURES)


def describe(key: str, names: Sequence[str] = ()) -> Tracked:
    """The declaration of an MLflow key.

    Raises:
        ValueError: no metric has it; says which is near.
    """
    known = tracked(names)
    if key not in known:
        raise ValueError(f"found the metric {key!r}{_near(key, known)}; allowed: {', '.join(known)}")
    return known[key]


def layer_metric(key: str, names: Sequence[str] = ()) -> LayerMetric:
    """The declaration of a statistic of layers.parquet.

    Raises:
        ValueError: no layer metric has this key.
    """
    known = {e.metric.key: e.metric for e in entries(names) if isinstance(e.metric, LayerMetric)}
    if key not in known:
        raise ValueError(f"found the statistic {key!r}{_near(key, known)}; allowed: {', '.join(known)}")
    return known[key]


def layer_metrics() -> tuple[str, ...]:
    """The statistics of skipray's own files; layers.parquet may have a user's (`module:name`) besides."""
    return tuple(e.metric.key for e in entries() if isinstance(e.metric, LayerMetric))


def listed_metrics() -> tuple[str, ...]:
    """MLflow keys that its saved view of a sweep shows."""
    return tuple(key for key, one in tracked().items() if one.listed)


def listed_profiles() -> tuple[str, ...]:
    """The same of layer profiles, whose step is a layer's index: `profile.hidden.log10_condition`."""
    return tuple(
        f"profile.{entry.metric.name_of(headline)}"
        for entry in entries()
        if isinstance(entry.metric, LayerMetric)
        for headline in entry.metric.headlines
        if headline.listed
    )


def _near(key: str, known: Any) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
