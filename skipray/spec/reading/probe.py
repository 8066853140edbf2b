"""Which metrics and settings a probe may name."""

from skipray import metrics
from skipray.spec.fields import ProbeSpec
from skipray.spec.reading.mistakes import Mistakes
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
