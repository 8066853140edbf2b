"""What the numbers of a sweep were made with, and what speaks against them."""

import platform
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata

import pandas as pd

from skipray import __version__, tracking
from skipray.spec import SweepSpec, TrialSpec


def audit(sweep: SweepSpec, trials: pd.DataFrame) -> list[str]:
    """Breaches of the protocol: what makes cells less comparable than they look."""
    breaches = []
    for column, what in (
        ("environment.torch", "torch versions"),
        ("environment.device", "devices"),
        ("environment.skipray", "skipray versions"),
    ):
        if column in trials:
            found = sorted(str(v) for v in trials[column].dropna().unique())
            if len(found) > 1:
                breaches.append(f"the trials were run with several {what}: {', '.join(found)}")
    if "environment.compile" in trials and "compile" not in sweep.factors:
        ran = trials["environment.compile"].dropna().astype(str).value_counts()
        if len(ran) > 1:  # of auto
            counts = ", ".join(f"{mode} {count}" for mode, count in sorted(ran.items()))
            breaches.append(f"steps were compiled in some trials and not in others: {counts}")
    if "environment.metrics" in trials:
        breaches += _versions_of_metrics(trials["environment.metrics"].dropna().astype(str))
    if len(sweep.seeds) < 3 and sweep.adaptive is None:
        seeds = "1 seed" if len(sweep.seeds) == 1 else f"{len(sweep.seeds)} seeds"
        breaches.append(f"{seeds} per cell: at least 3 are needed to tell noise from a trend")
    return breaches


def _versions_of_metrics(told: pd.Series) -> list[str]:
    """A sentence for each metric of one's own that was measured with several versions of its code."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, count in told.value_counts().items():
        for part in str(text).split(", "):
            name, _, code = part.rpartition(" ")
            counts[name][code] += int(count)
    return [
        f"{name} was measured with {len(codes)} versions of its code ({', '.join(map(str, codes.values()))} trials)"
        for name, codes in counts.items()
        if len(codes) > 1
    ]


def audit_store(
    sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec], ledger: tracking.Ledger
) -> list[str]:
    """What the store says against its own results: damaged files, and other code that was accepted."""
    uri = tracking.resolve_uri(sweep, tracking_uri)
    labels = {t.trial_id: t.label for t in trials}
    # What is wrong with the report that stands is mended by this one.
    damage = tracking.store_damage(uri, sweep.name, ledger.finished.values(), lambda i: labels.get(i, i), report=False)
    accepted = [
        f"{a.trials} trials were run with another {a.name}"
        + (f" (changed since: {', '.join(a.changed)})" if a.changed else "")
        + f", accepted as this code's on {a.when}"
        for a in tracking.accepted_code(sweep, tracking_uri)
    ]
    return [*damage, *accepted]


def failures(trials: Sequence[TrialSpec], ledger: tracking.Ledger) -> pd.DataFrame:
    """The trials whose last attempt failed, by their labels, with the cause."""
    rows = [
        (t.label, f"{row.failure_class or 'error'}: {row.failure_message or 'no message was recorded'}")
        for t in (trials if ledger.failed else ())
        if (row := ledger.failed.get(t.trial_id)) is not None
    ]
    return pd.DataFrame(rows, columns=["trial", "cause"])


def provenance(sweep: SweepSpec, trials: pd.DataFrame) -> dict[str, str]:
    """What made the numbers: command, versions, source and hardware, for the report's last section."""
    launch = ["python -m skipray.launch", str(sweep.path), *(f"--set {o}" for o in sweep.overrides)]
    found = {
        "command": f"skipray import {sweep.path.name} --name {sweep.name}" if sweep.of_table else " ".join(launch),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "skipray": __version__,
        "python": platform.python_version(),
    }
    for package in ("mlflow", "numpy", "scipy", "pandas"):
        found[package] = metadata.version(package)
    for key in ("torch", "device", "threads", "hostname", "layers", "absent"):
        column = f"environment.{key}"
        if column in trials:
            found[f"trials: {key}"] = ", ".join(sorted(str(v) for v in trials[column].dropna().unique()))
    commit = tracking.git_state(sweep.path.parent).split("\n")[0]
    if commit:
        found["git commit"] = commit
    return found
