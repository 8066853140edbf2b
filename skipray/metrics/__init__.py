"""What is measured, one metric per file: a declaration METRIC and the function `measure` that a run calls.

Everything else derives from the declarations: what the probe measures, MLflow's keys, depth trends, figures, columns
and the table of the documentation. A metric of one's own is written `module:name` in `probe: {metrics: [...]}`, where
`name` is an object with METRIC and `measure`. Folders in this one hold no metrics: `computing` has what metrics share,
`singularity` their functions for use on a tensor or spectrum at hand.

Reading the declarations needs no torch.
"""

from skipray.extension.contract import Attribute, Contract
from skipray.extension.field_docs import show_fields
from skipray.metrics._declaration import (
    GRADIENTS,
    REPRESENTATIONS,
    TENSORS,
    Absent,
    GapMetric,
    Headline,
    LayerMetric,
    Metric,
    NetworkMetric,
    SplitMetric,
    Tracked,
)
from skipray.metrics._headline import HEADLINE_UNFOLDINGS, headline_phase, headline_rows
from skipray.metrics._registry import (
    Entry,
    chosen,
    describe,
    described_as_named,
    entries,
    find,
    layer_metric,
    layer_metrics,
    listed_metrics,
    listed_profiles,
    tracked,
)
from skipray.metrics._table import page, table

__all__ = [
    "GRADIENTS",
    "HEADLINE_UNFOLDINGS",
    "REPRESENTATIONS",
    "TENSORS",
    "Absent",
    "Entry",
    "GapMetric",
    "Headline",
    "LayerMetric",
    "Metric",
    "NetworkMetric",
    "SplitMetric",
    "Tracked",
    "chosen",
    "describe",
    "entries",
    "find",
    "headline_phase",
    "headline_rows",
    "layer_metric",
    "layer_metrics",
    "listed_metrics",
    "listed_profiles",
    "page",
    "table",
    "tracked",
]

CONTRACT = Contract(
    (Attribute(("METRIC",), kind=Metric), Attribute(("measure",), call=("...",), loose=True)),
    further=described_as_named,
)
"""What `skipray.extension.catalog` asks of a metric; what the declaration says is checked where it is made."""

show_fields(__all__, globals())
