"""What made the results: settings that all trials share, versions, machines and data."""

from typing import TYPE_CHECKING

from skipray.report.groups import plain
from skipray.report.methods import data_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


OF_TRIALS = {"layers": "measured at", "absent": "without a value", "metrics": "own metrics", "compile": "compiled"}
"""What a trial's environment tells that is not its worker's."""


def fixed_settings(aggregate: "Aggregate") -> list[tuple[str, str]]:
    """What every trial of the sweep has in common: the results hold for these values."""
    cells = aggregate.sweep.cells
    if not cells:
        return []
    flats = [cell.flat() for cell in cells]
    if aggregate.sweep.of_table:  # how and with what they were run its own source says
        flats = [{k: v for k, v in f.items() if not k.startswith(("probe.", "resources."))} for f in flats]
    skipped = ("seed", "dataset.fingerprint", "resources.max_failures", "resources.checkpoint_seconds")
    common = {k: v for k, v in flats[0].items() if all(f.get(k, v) == v for f in flats) and k not in skipped}
    return [(k, plain(v)) for k, v in sorted(common.items())]


def provenance_rows(aggregate: "Aggregate") -> list[tuple[str, str]]:
    """What made these results: the report's own versions, and what the workers recorded."""
    rows = [(plain(k), plain(v)) for k, v in aggregate.provenance.items() if not k.startswith("trials: ")]
    trials, sweep = aggregate.trials, aggregate.sweep
    for column in sorted(str(c) for c in trials.columns if str(c).startswith("environment.")):
        counts = trials[column].dropna().astype(str).value_counts()
        if counts.empty:
            continue
        shown = [f"{plain(v)}" if len(counts) == 1 else f"{plain(v)} ({n} trials)" for v, n in counts.head(8).items()]
        more = f", and {len(counts) - 8} more" if len(counts) > 8 else ""
        name = column.partition(".")[2]
        words = name.replace("_", " ") if sweep.of_table else OF_TRIALS.get(name, f"workers: {name}")
        rows.append((words, ", ".join(shown) + more))
    rows.append(("seeds", ", ".join(map(str, sweep.seeds))))
    rows += [("data set", data_words(cell, table=sweep.of_table)) for cell in sweep.data_cells]
    if sweep.overrides:
        rows.append(("overrides", plain(", ".join(sweep.overrides))))
    return rows
