"""The documentation's table of metrics."""

from collections.abc import Iterator

from skipray.metrics._declaration import GapMetric, LayerMetric, Metric, NetworkMetric, SplitMetric
from skipray.metrics._registry import entries

KINDS: tuple[tuple[type[Metric], str], ...] = (
    (LayerMetric, "Of each tensor of each layer"),
    (NetworkMetric, "Of the trained network, on the probe batch"),
    (SplitMetric, "Of each split, at every epoch"),
    (GapMetric, "Between the splits, at every epoch"),
)
COLUMNS = ("Key", "Definition", "Source", "Range", "Measured", "In MLflow")


def table() -> str:
    """Markdown: a section for each kind, a row for each metric."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for kind, title in KINDS:
        yield f"## {title}\n"
        yield f"| {' | '.join(COLUMNS)} |"
        yield f"|{'---|' * len(COLUMNS)}"
        for entry in entries():
            if isinstance(entry.metric, kind):
                yield f"| {' | '.join(_row(entry.metric))} |"
        yield ""


def _row(metric: Metric) -> tuple[str, ...]:
    keys = ", ".join(f"`{one.key}`{' (trend)' if one.trend else ''}" for one in metric.tracked())
    definition = metric.definition.replace("|", "\\|") + (f", in {metric.unit}" if metric.unit else "")
    return (f"`{metric.key}`", definition, metric.source, _bounds(metric), metric.asked, keys)


def _bounds(metric: Metric) -> str:
    if metric.low is None and metric.high is None:
        return ""
    if metric.high is None:
        return f"≥ {metric.low:g}"
    return f"≤ {metric.high:g}" if metric.low is None else f"{metric.low:g} to {metric.high:g}"
