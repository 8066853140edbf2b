"""What a reader needs to judge and repeat the results: definitions, protocol, where data and code are, what to cite."""

from typing import TYPE_CHECKING

from skipray.analysis.followed_metrics import trains
from skipray.metrics import tracked
from skipray.report.groups import Layout, plain

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.spec import TrialSpec

Row = tuple[str, str]

PAPER = (
    "Oyedotun, Al Ismaeil and Aouada, “Why Is Everyone Training Very Deep Neural Network With Skip Connections?”, IEEE "
    "Transactions on Neural Networks and Learning Systems 34(9), 2023, doi 10.1109/TNNLS.2021.3131813"
)


def definitions(aggregate: "Aggregate") -> list[Row]:
    """A term and its meaning: what trained means here, the limits, and each metric that has a trend."""
    rows = [(_words(t.definition.column), f"{t.definition.sentence}.") for t in aggregate.limit_tables]
    depth = aggregate.sweep.depth_sentence
    if aggregate.limits:
        rows.append((
            "trainability limit",
            "The depth at which half of the seeds no longer do what the definition says, from a logistic regression on "
            f"the logarithm of depth; its 95 % interval from the profile of the likelihood. {depth}".strip(),
        ))  # fmt: skip
    rows.append((
        "band",
        "It holds the whole mean curve over the depths tried in 95 % of repetitions. Curves are chosen by "
        "AICc among constant, linear, log-linear, power law, exponential, logistic and broken line, and averaged with "
        "their AICc weights.",
    ))  # fmt: skip
    declared = tracked([name for cell in aggregate.sweep.cells[:1] for name in cell.probe.metrics])
    seen = {s.metric for s in aggregate.series}
    shown = {one.metric.key: one.metric for key, one in declared.items() if key in seen}
    rows += [(metric.axis, f"{metric.definition.rstrip('.')}. Source: {metric.source}.") for metric in shown.values()]
    return [(plain(term), plain(meaning)) for term, meaning in rows]


def protocol(aggregate: "Aggregate") -> list[str]:
    """How the results came about, in sentences."""
    sweep = aggregate.sweep
    seeds = len(sweep.seeds)
    intervals = (
        "Intervals treat the seed as the unit of replication (t with seeds − 1 degrees of freedom, or the profile of "
        "the likelihood where values are bounds). Claims are adjusted for each other by closed testing "
        "with Simes' test (Hommel 1988)."
    )
    if sweep.of_table:
        return [f"The results are those of the table {plain(sweep.path.name)}, obtained elsewhere.", intervals]
    said = [
        "Cells are the combinations of the factors in the sweep's file (Provenance); "
        f"each has {seeds} {'seed' if seeds == 1 else 'seeds'} ({', '.join(map(str, sweep.seeds))}). A seed sets first "
        "weights, order of the data and augmentation; networks that differ in their skips alone share data order and, "
        "where shapes agree, their initial weights.",
    ]
    if sweep.tune is not None:
        said.append(
            "Every cell was tuned with the same number of trials from the same space, the setting chosen on validation "
            "accuracy and trained again with fresh seeds; only these runs are in the trends."
        )
    elif trains(sweep):
        said.append(
            "All depths are trained with one recipe (the fixed settings below); nothing is chosen on test data."
        )
    else:
        said.append("Networks are measured at initialisation; nothing is trained.")
    said.append(
        f"Singular values are exact, in float64, of {sweep.probe.samples} probe samples that are the same for all "
        "networks; values at the precision floor are bounds and are fitted as such."
    )
    said.append(intervals)
    return said


def availability(aggregate: "Aggregate") -> list[Row]:
    """Where data, code and numbers are."""
    sweep = aggregate.sweep
    rows = [
        *(("data", data_words(cell, table=sweep.of_table)) for cell in sweep.data_cells),
        ("code", f"skipray {aggregate.provenance.get('skipray', '')}, Apache-2.0; "
                 f"repeat with `{aggregate.provenance.get('command', '')}`"),
        ("numbers", "beside this page: data/ has the values of each figure as CSV, trends.parquet every fitted trend, "
                    "claims.json the verdicts, figures/ the figures as SVG and PDF"),
        ("runs", "every row of the table is a run in MLflow" if sweep.of_table else
                 "every trial is a run in MLflow with its curves, layers.parquet and, unless the sweep says no, its "
                 "final weights"),
    ]  # fmt: skip
    return [(term, plain(text)) for term, text in rows]


def data_words(cell: "TrialSpec", *, table: bool = False) -> str:
    """A data set with its fingerprint; of an imported table, whose data nobody has here, its name."""
    name = plain(cell.data or cell.dataset.name)
    return name if table else f"{name}, sha256 {cell.fingerprint}"


def citations(aggregate: "Aggregate", layout: Layout) -> list[str]:
    """What to cite."""
    version = aggregate.provenance.get("skipray", "")
    found = [
        f"skipray {version} (software, Apache-2.0), sweep “{plain(aggregate.sweep.name)}”, "
        f"{aggregate.provenance.get('made', '')}".strip().rstrip(",")
        + "."
    ]
    return [*found, f"{PAPER}."] if layout.of_paper("") else found


def _words(column: str) -> str:
    """`keeps up` of the column `trained.keeps_up`."""
    return column.rpartition(".")[2].replace("_", " ")
