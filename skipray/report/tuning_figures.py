"""What tuning changed, and what it found out about the cells: the default setting beside the tuned one, the largest
learning rate that trains, the share of points that diverge."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from skipray.metrics import describe
from skipray.palette import Style
from skipray.report.axes import Axis, depth_axis, linear_axis, rate_axis
from skipray.report.chart import Chart, Key, Panel, Table, Trace
from skipray.report.depth_figures import DepthFigure, by_depth
from skipray.report.groups import MAX_FACETS, Layout, factor_columns, family, plain
from skipray.report.marking import keys, ring
from skipray.report.numbers import number
from skipray.search.fairness import DIVERGED_SHARE, STABLE_RATE, UNTRAINED_SHARE
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.series import Series

ACCURACIES = ("test.accuracy", "train.accuracy")


def default_beside_tuned(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """Means of both settings by depth; None where the sweep is not tuned or nothing of the default has finished."""
    default = {(s.metric, s.group): s for s in aggregate.tuning.default_series}
    tuned = {(s.metric, s.group): s for s in aggregate.series}
    if not default:
        return None
    shown = [m for m in ACCURACIES if any(metric == m for metric, _ in default)]
    metrics = shown[: max(1, MAX_FACETS // max(layout.facet_count, 1))]
    facets = layout.facets(MAX_FACETS // len(metrics)) if metrics else ()
    panels = []
    for metric in metrics:
        for facet in facets:
            traces: list[Trace] = []
            for group in facet.groups:
                for words, found in (("tuned", tuned), ("default", default)):
                    series = found.get((metric, group))
                    if series is None:
                        continue
                    style = layout.style(group) if words == "tuned" else replace(layout.style(group), dash="dashed")
                    depth, mean = _means(series)
                    hover = tuple(
                        f"{layout.at(d)}, {words}: mean {number(v)}" for d, v in zip(depth, mean, strict=True)
                    )
                    marks: Literal["", "all"] = "all" if words == "tuned" else ""
                    name = family(group)
                    traces.append(Trace(name, style, depth, mean, marks=marks, hover=hover, keys=(name, words)))
                    rings = [k for k, d in enumerate(depth) if (group, int(d)) in layout.marked and words == "tuned"]
                    if rings:
                        traces.append(ring(depth[rings].tolist(), mean[rings].tolist(), layout.name(group)))
            if traces:
                values = [float(v) for t in traces for v in t.y]
                label = describe(metric).axis
                title = " · ".join(t for t in (label if len(metrics) > 1 else "", facet.title) if t)
                axis = linear_axis(label, values, low=0.0, high=1.0)
                panels.append(Panel(title, depth_axis(layout.depths, layout.depth_words), axis, tuple(traces)))
    families = dict.fromkeys(family(g) for f in facets for g in f.groups)
    return Chart(
        name="default-and-tuned",
        title="Default and tuned settings",
        caption="Means of the seeds: solid with the setting that tuning chose for each cell, dashed with the default "
        "setting. Where both fall alike, depth is the cause; where only the dashed one falls, the setting was.",
        alt="Accuracy by depth in the default and in the tuned setting. " + _alt(layout, default, tuned),
        panels=tuple(panels),
        legend=(
            *(Key(f, layout.styles[f], "both") for f in families),
            Key("tuned", Style("ink"), "line"),
            Key("default", Style("ink", dash="dashed"), "line"),
            *keys([t for p in panels for t in p.traces]),
        ),
        data=_data({"default": default, "tuned": tuned}),
        tables=(_limits(aggregate, layout),) if aggregate.tuning.default_limits else (),
        left_out=layout.left_out(len(facets), layout.facet_count),
    )


def _means(series: "Series") -> tuple[np.ndarray, np.ndarray]:
    depth, value = np.asarray(series.depth, float), np.asarray(series.value, float)
    at = np.unique(depth)
    return at, np.array([value[depth == d].mean() for d in at])


def _alt(layout: Layout, default: dict[Any, "Series"], tuned: dict[Any, "Series"]) -> str:
    parts = []
    for key, series in list(default.items())[:8]:
        if key[0] not in ACCURACIES or key not in tuned:
            continue
        (at, before), (at_tuned, after) = _means(series), _means(tuned[key])
        words = f"{number(float(before[-1]))} at {layout.at(at[-1])} by default"
        words += f", {number(float(after[-1]))} at {layout.at(at_tuned[-1])} tuned"
        parts.append(f"{layout.name(key[1])}, {describe(key[0]).axis}: {words}")
    return "; ".join(parts) + "."


def _data(settings: dict[str, dict[Any, "Series"]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "setting": setting,
                "metric": s.metric,
                **factor_columns(s.group),
                "depth": s.depth,
                "seed": s.seed,
                "value": s.value,
            }
        )
        for setting, found in settings.items()
        for s in found.values()
        if s.metric in ACCURACIES
    ]
    return pd.concat(parts, ignore_index=True)


def _limits(aggregate: "Aggregate", layout: Layout) -> Table:
    tuned = dict(aggregate.limits)
    rows = tuple(
        (
            layout.name(group),
            limit_words(limit, layout.at),
            limit_words(tuned[group], layout.at) if group in tuned else "not known yet",
        )
        for group, limit in aggregate.tuning.default_limits[:60]
    )
    return Table("Trainability limit in both settings.", ("Cells", "Default", "Tuned"), rows)


def stability(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """The tuning's own results by depth, with their trends."""
    metrics = {
        STABLE_RATE: "largest learning rate that learns",
        DIVERGED_SHARE: "share of points that diverge",
        UNTRAINED_SHARE: "share of points no better than chance",
    }
    figure = DepthFigure(
        file="stability-by-depth",
        title="What can be trained, by depth",
        metrics=metrics,
        caption="From the tuning's points, which are the same in every cell: the largest learning rate of a point that "
        "ended better than chance, and the shares of points that diverged or ended no better. Lines are fitted trends.",
        value_axis=_rate_axis,
    )
    return by_depth(aggregate, layout, figure)


def _rate_axis(label: str, values: list[float], *, low: float | None = None, high: float | None = None) -> Axis:
    """Rates are tracked as logarithms and read as rates."""
    if "rate" not in label:
        return linear_axis(label, np.clip(values, 0.0, 1.0), low=0.0, high=1.0)
    return rate_axis(label, values)


def fairness_listing(aggregate: "Aggregate") -> Table | None:
    """The audit, a row per cell; None where the sweep is not tuned."""
    frame = aggregate.tuning.fairness
    if frame.empty:
        return None
    chosen = [c for c in map(str, frame.columns) if c.startswith("chosen.") and c != "chosen.validation_accuracy"]
    words = [f"Chosen {c.removeprefix('chosen.').replace('_', ' ')}" for c in chosen]
    columns = ("Cell", "Points", "Diverged", "Untrained", *words, "Validation", "Test, default", "Test, tuned", "Note")
    rows = []
    for row in frame.to_dict("records"):
        note = row["breach"] or (
            "untrainable: no point and no final ends better than chance" if row["untrainable"] else ""
        )
        rows.append((
            plain(row["cell"].label), str(row["points"]),
            _percent(row[DIVERGED_SHARE]), _percent(row[UNTRAINED_SHARE]),
            *(_value(row[c]) for c in chosen), _accuracy(row["chosen.validation_accuracy"]),
            _accuracy(row["default.test_accuracy"]), _accuracy(row["tuned.test_accuracy"]), plain(note),
        ))  # fmt: skip
    return Table(
        "The same search in every cell. Chosen on validation accuracy alone; test accuracy is the mean of the fresh "
        "seeds. A note that is not “untrainable” is a breach of the protocol.",
        columns,
        tuple(rows),
        frozenset(range(1, len(columns) - 1)),
        folded=f"{len(rows)} cells: budgets, choices and accuracies" if len(rows) > 24 else "",
    )


def _percent(share: float) -> str:
    return "–" if not math.isfinite(share) else f"{share:.0%}"


def _accuracy(share: float) -> str:
    return "–" if not math.isfinite(share) else f"{share:.3f}"


def _value(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else "–" if value is None else plain(value)
