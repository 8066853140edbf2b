"""Finished runs that are this sweep's in all but the code: the user's own, or skipray's numerics."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skipray.extension.reaching import changed_parts
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.former import apart_from_code, former_ids
from skipray.spec.identity import numerics_version
from skipray.spec.manifest import Manifest
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import aliases
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.manifest import read_manifests, recorded_trials
from skipray.tracking.read.sweep_run import find_sweep_run

NUMERICS = "skipray's numerics"


@dataclass(frozen=True)
class Outdated:
    """Finished trials of other code, which the sweep would run again."""

    name: str
    """module:name, or NUMERICS."""
    old: str
    """The hash, or version, that they were run with; empty where the store does not say."""
    new: str
    finished: int
    changed: tuple[str, ...]
    """The parts that differ; empty where the store does not know the old ones."""

    @property
    def can_be_accepted(self) -> bool:
        return self.name != NUMERICS

    def __str__(self) -> str:
        if self.name == NUMERICS:
            return f"{self.finished} finished with version {self.old} of {NUMERICS}; this is version {self.new}"
        changed = f"; changed: {', '.join(self.changed)}" if self.changed else ""
        remedy = "; --accept-code takes them as this code's" if self.can_be_accepted else ""
        return f"{self.finished} finished with another {self.name}{changed}{remedy}"


def outdated(sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec]) -> list[Outdated]:
    """What is finished of a sweep but for its code; of one that was read by its name also what it has itself of another
    version of skipray's numerics.

    Args:
        trials: that the sweep has by now.
    """
    if sweep.of_table:
        return []
    uri = resolve_uri(sweep, tracking_uri)
    today = aliases(sweep, uri, trials)
    known = {t.trial_id for t in trials}
    rows = [row for row in child_runs(uri, sweep.name) if row.is_finished]
    have = {today.get(row.trial_id, row.trial_id) for row in rows} & known
    others = [row for row in rows if today.get(row.trial_id, row.trial_id) not in known]
    run = find_sweep_run(uri, sweep.name)
    own = Counter(
        (t.numerics_version, numerics_version(t))
        for t in trials
        if t.trial_id in have and t.stored_numerics is not None
    )
    found = [Outdated(NUMERICS, str(old), str(new), n, ()) for (old, new), n in own.items()]
    if not others or run is None:
        return found
    wanted = {apart_from_code(t): t for t in trials if t.trial_id not in have}
    manifests = read_manifests(uri, run)
    specs = _specs(manifests)
    specs |= {t.trial_id: t for t in recorded_trials(uri, sweep.name, [r for r in others if r.trial_id not in specs])}
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in others:
        spec = specs.get(row.trial_id)
        now = wanted.get(apart_from_code(spec)) if spec is not None else None
        if spec is None or now is None:
            continue
        for key in _differences(spec, now):
            groups[key].add(now.trial_id)
    return found + [
        Outdated(name, old, new, len(ids), _changed(name, old, sweep, manifests))
        for (name, old, new), ids in groups.items()
    ]


def _specs(manifests: Sequence[Manifest]) -> dict[str, TrialSpec]:
    """trial_id -> trial, of all that manifests name, under the ids of whole files' hashes too."""
    found: dict[str, TrialSpec] = {}
    for manifest in manifests:
        stored = {t.trial_id: t for t in manifest.sweep.stored or ()}
        files = {name: [str(source["files"])] for name, source in manifest.sweep.sources.items()}
        found |= {former: stored[now] for former, now in former_ids(stored.values(), files).items()} | stored
    return found


def _differences(spec: TrialSpec, now: TrialSpec) -> list[tuple[str, str, str]]:
    if spec.numerics_version != now.numerics_version:
        return [(NUMERICS, str(spec.numerics_version), str(now.numerics_version))]
    had: Mapping[str, str] = dict(spec.source_hashes)
    return [(name, had.get(name, ""), h) for name, h in now.source_hashes if had.get(name, "") != h]


def _changed(name: str, old: str, sweep: SweepSpec, manifests: Sequence[Manifest]) -> tuple[str, ...]:
    now = sweep.sources.get(name)
    for manifest in manifests:
        before = manifest.sweep.sources.get(name)
        if now is not None and before is not None and before["hash"] == old:
            return tuple(changed_parts(before["parts"], now["parts"]))
    return ()
