"""Which metrics and settings a probe may name."""

from collections.abc import Collection

from skipray import metrics
from skipray.spec.fields import ProbeSpec
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.samples import Task
from skipray.spec.values import plain
from skipray.spec.words import show


def check_probe(probe: ProbeSpec, mistakes: Mistakes) -> None:
    for key in ("metrics", "every_epochs", "gradients", "hessian", "jacobian") if probe.preset == "none" else ():
        if value := getattr(probe, key):
            found = ", ".join(value) if isinstance(value, tuple) else plain(value)
            mistakes.add(
                ("probe", key),
                f"found {show(found)} with preset none, which measures nothing; allowed: left "
                "out, or preset default or full",
            )
    metrics.entries()  # a file that declares what there is not is seen here, not in every trial
    for i, name in enumerate(probe.metrics):
        try:
            metrics.find(name)
        except ValueError as error:
            mistakes.add(("probe", "metrics", i), str(error))
        if name in probe.metrics[:i]:
            mistakes.add(("probe", "metrics", i), f"found {name} twice; allowed: each metric once")


def check_measurable(probe: ProbeSpec, tasks: Collection[Task], mistakes: Mistakes) -> None:
    """Refuse a metric that is asked for by name and that no trial of the sweep can have: of classes, where there are
    none.

    Args:
        tasks: what the labels of the sweep's data sets are.
    """
    for i, name in enumerate(probe.metrics):
        metric = metrics.find(name).metric
        if isinstance(metric, metrics.NetworkMetric) and metric.needs_classes:
            able = "classes" in tasks
        elif isinstance(metric, metrics.SplitMetric) and metric.needs_classes:
            able = any(task != "values" for task in tasks)
        else:
            able = True
        if tasks and not able:
            found = f"found {name}, which needs labels that are classes, and labels that are {', '.join(sorted(tasks))}"
            mistakes.add(
                ("probe", "metrics", i), f"{found}; allowed: metrics that do not (needs_classes=False in METRIC)"
            )
