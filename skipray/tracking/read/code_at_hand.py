"""Whether the networks of a sweep that was read from its store can be built here: a store has no code."""

from collections.abc import Iterable, Iterator

from skipray.extension import catalog
from skipray.extension.reaching import changed_parts
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.models import activation_names
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import Accepted, accepted_of, hashes_of
from skipray.tracking.read.sweep_run import find_sweep_run


def lacking(
    sweep: SweepSpec, tracking_uri: str | None = None, trials: Iterable[TrialSpec] | None = None
) -> dict[str, str]:
    """Each name that networks are built with and that is not here as it was, and what is wrong with it, in a sentence;
    empty where all is at hand.

    Args:
        trials: whose networks; the sweep's own when left out.
    """
    chosen = sweep.trials() if trials is None else tuple(trials)
    named = {key: None for trial in chosen for key in _named(trial)}
    run = find_sweep_run(resolve_uri(sweep, tracking_uri), sweep.name) if any(h for _, _, h in named) else None
    accepted = accepted_of(run.tags) if run is not None else []
    found: dict[str, str] = {}
    for folder, name, recorded in named:
        why = _why_not(folder, name, recorded, sweep, accepted)
        if why:
            found.setdefault(name, why)
    return found


def lacks(trial: TrialSpec, lacking: Iterable[str]) -> list[str]:
    """Those of the names that the trial's own network is built with."""
    named = {name for _, name, _ in _named(trial)}
    return [name for name in lacking if name in named]


def _named(trial: TrialSpec) -> Iterator[tuple[str, str, str]]:
    """Catalog folder, name and hash (empty of skipray's own) of what a trial's network and samples are made with."""
    hashes = dict(trial.source_hashes)
    named = [("architectures", trial.model.architecture), ("datasets", trial.dataset.name)]
    if trial.model.initialisation is not None:
        named.append(("initialisations", trial.model.initialisation))
    named += [("activations", name) for name in activation_names(trial.model)]
    yield from ((folder, name, hashes.get(name, "")) for folder, name in named)


def _why_not(folder: str, name: str, recorded: str, sweep: SweepSpec, accepted: list[Accepted]) -> str:
    try:
        catalog.find(folder, name)
    except ValueError as error:
        if ":" not in name:
            return f"{error}; the runs are of another skipray, which has it"
        return str(error)
    now = catalog.source_of(name, reads_data=folder != "datasets")
    if now is None or not recorded:
        return ""
    if recorded in hashes_of(name, (now.hash, now.files), accepted):
        return ""
    before = sweep.sources.get(name)
    parts = changed_parts(before["parts"], now.parts) if before and before["hash"] == recorded else []
    changed = f" (changed: {', '.join(parts)})" if parts else ""
    return (
        f"found {name!r} as it was edited since its runs{changed}; allowed: the code that the weights were trained with"
    )
