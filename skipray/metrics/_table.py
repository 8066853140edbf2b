"""The page of metrics: the keys of MLflow, and a table."""

from collections.abc import Iterator

from skipray.metrics._declaration import GapMetric, LayerMetric, Metric, NetworkMetric, SplitMetric
from skipray.metrics._registry import entries

KINDS: tuple[tuple[type[Metric], str], ...] = (
    (LayerMetric, "Of each tensor of each layer"),
    (NetworkMetric, "Of the trained network, on the probe batch"),
    (SplitMetric, "Of each split, at every epoch"),
    (GapMetric, "Between the splits, at every epoch"),
)
HEAD = """\
# Metrics

What `python -m skipray.metrics` prints; each row is a file of `skipray/metrics/`. A layer metric's number in MLflow is
of the headline phase (batch statistics at initialisation, running ones afterwards) and, of tensors with more than two
axes, of the unfolding by samples or outputs.
"""
BESIDE = (
    ("`profile.KEY`", "of a layer metric at the last epoch; the step is the layer's index"),
    (
        "`KEY.censored`",
        "1 where `KEY` stands at its bound (the precision floor), so that the true value lies beyond it",
    ),
    (
        "`part.KEY`",
        "the last epoch's `KEY` on the fixed part of the samples that earlier epochs are evaluated on",
    ),
    ("`part.samples`", "how many samples of the training split that part has"),
    (
        "`chance.accuracy`, `chance.loss`",
        "what the best constant answer gets on the training split: the most frequent class, the classes' frequencies; "
        "of values their mean",
    ),
    (
        "`structural_rank`, `zero_rows`, `zero_columns`",
        "in `layers.parquet`: the smaller side of the matrix without its rows and columns of zeros (dead samples and "
        "dead units), k in the definitions below, and how many of these there are",
    ),
    ("`learning_rate`", "of the epoch's last step"),
    ("`time.train_seconds`, `time.probe_seconds`", "of the whole trial"),
    ("`trials.total`, `trials.finished`, `trials.failed`", "on the sweep's run: counts"),
    (
        "`limit.LABEL`, `limit.LABEL.low`, `limit.LABEL.high`",
        "on the sweep's run: the depth at which half of the seeds no longer fit, and its 95 % interval",
    ),
    (
        "`claims.supported`, `claims.refuted`, `claims.in_part`, `claims.leaning`, `claims.inconclusive`, "
        "`claims.not_tested`",
        "on the sweep's run: how many claims ended so",
    ),
)
"""Keys that are no metric's own, and what they are."""
COLUMNS = ("Key", "Definition", "Source", "Range", "Measured", "In MLflow")


def page() -> str:
    """The whole page, in Markdown."""
    rows = "".join(f"| {key} | {meaning} |\n" for key, meaning in BESIDE)
    return f"{HEAD}\n## Keys beside the metrics' own\n\n| Key | Meaning |\n|---|---|\n{rows}\n{table()}"


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
