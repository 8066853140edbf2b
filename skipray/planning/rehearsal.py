"""What of a sweep could not run, found before anything starts: its own code, its optimizers, its smallest batches, and
curves whose file is not whole.

Each distinct network of a user's own family is built once (for its sizes), and the shallowest of each family and recipe
takes one step on made-up samples.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from skipray import architectures, datasets
from skipray.errors import SkiprayError
from skipray.extension import apart, catalog, own_code
from skipray.planning.estimate import train_samples
from skipray.spec import SpecError, SweepSpec, TrialSpec
from skipray.spec.samples import most_train_samples, samples_left

if TYPE_CHECKING:
    from skipray.trial.rehearsal import Rehearsed

OWN_CODE_SECONDS = 300.0
"""So long a user's own code may take for a step of each of its networks."""
FEWEST = 2
"""Training samples that a trial has: what is measured is measured on more than one."""


class FewSamples(SkiprayError, ValueError):
    """The training split has next to nothing."""

    key = "dataset.train_samples"

    def __init__(self, samples: int):
        super().__init__(f"found {samples} training sample beside those for validation; allowed: {FEWEST} or more")


class NoValidation(SkiprayError, ValueError):
    """The validation split has nothing."""

    key = "dataset.validation_fraction"

    def __init__(self, fraction: float, samples: int):
        super().__init__(
            f"found {fraction:g} of {samples} training samples, which rounds to none; allowed: a share that holds out "
            "at least one for validation"
        )


def rehearse(sweep: SweepSpec) -> tuple[str, ...]:
    """Try what a sweep's trials would do.

    Returns:
        Sentences about what a user should know: which parameters an initialisation has not reached, at which layers a
        network that does not name them is measured, and what could be a matrix and is not measured as a weight.

    Raises:
        SpecError: a line for each mistake, with its place.
        DeclarationRefused: a curve, which every depth series is fitted with, lacks something.
    """
    catalog.check_all("curves")
    if importlib.util.find_spec("torch") is None:
        return ()
    if any(_has_own_code(cell) for cell in sweep.cells):
        try:  # in a process of its own: code of the user's may end it, hang or print
            mistakes, notes = apart.call(_tried, sweep, seconds=OWN_CODE_SECONDS)
        except apart.OwnCodeFailed as error:
            mistakes, notes = [f"{sweep.path}: code of your own: {error}; allowed: code that runs, and returns"], []
    else:
        mistakes, notes = _tried(sweep)
    if mistakes:
        raise SpecError(mistakes)
    return tuple(notes)


def _tried(sweep: SweepSpec) -> tuple[list[str], list[str]]:
    """Mistakes and notes."""
    mistakes: dict[str, list[str]] = {}  # the networks that make each
    notes: dict[str, None] = {}

    def refuse(trial: TrialSpec, error: Exception) -> None:
        mistakes.setdefault(_mistake(sweep, trial, error), []).append(trial.label.rpartition("-s")[0])

    for trial in sweep.cells:
        if note := _more_than_there_is(trial):
            notes.setdefault(note)
    for trial in _kinds(sweep):
        try:
            _check_samples(trial)
            found = _try(trial)
        except Exception as error:
            refuse(trial, error)
            continue
        if found.left:
            notes.setdefault(_note(trial, found.left))
        if found.layers and trial.probe.preset != "none":
            where = f"{trial.model.architecture}, depth {trial.model.depth}"
            notes.setdefault(f"{where}: measured at {found.layers}")
        if found.unmeasured and trial.probe.preset != "none":
            notes.setdefault(f"{trial.model.architecture}: no weights, by name or shape: {_few(found.unmeasured)}")
    if not mistakes:
        for trial in _networks(sweep):
            try:
                shape, classes = datasets.shape_and_classes(trial.dataset)
                architectures.sizes(trial.model, shape, classes)
            except Exception as error:
                refuse(trial, error)
    return [f"{mistake} ({_few(labels)})" for mistake, labels in mistakes.items()], list(notes)


def _check_samples(trial: TrialSpec) -> None:
    """Refuse data of which too little is left to train or to select with."""
    if not _held_out(trial):
        most = most_train_samples(catalog.find("datasets", trial.dataset.name), trial.dataset)
        raise NoValidation(trial.dataset.validation_fraction, most)
    if (samples := train_samples(trial)) < FEWEST:
        raise FewSamples(samples)


def _more_than_there_is(trial: TrialSpec) -> str:
    """Empty where the data set has the training samples that are asked for."""
    asked, name = trial.dataset.train_samples, trial.dataset.name
    if asked is None or asked <= (left := samples_left(catalog.find("datasets", name), trial.dataset)):
        return ""
    return f"{name}: dataset.train_samples is {asked}, and all {left} that there are beside validation are taken"


def _held_out(trial: TrialSpec) -> int:
    """Samples of the validation split."""
    entry = catalog.find("datasets", trial.dataset.name)
    return most_train_samples(entry, trial.dataset) - samples_left(entry, trial.dataset)


def _try(trial: TrialSpec) -> "Rehearsed":
    from skipray.trial.rehearsal import rehearse as try_trial

    shape, classes = datasets.shape_and_classes(trial.dataset)
    return try_trial(trial, shape, classes, train_samples(trial), datasets.labels_are(trial.dataset))


def _kinds(sweep: SweepSpec) -> Iterator[TrialSpec]:
    """The shallowest trial of each combination of everything else that has to be tried."""
    seen: set[object] = set()
    for cell in sorted(sweep.cells, key=lambda cell: cell.model.depth):
        key = (_without_depth(cell), cell.recipe, cell.dataset.model_dump_json())
        if key not in seen and (_has_own_code(cell) or _may_fail(cell) or cell.probe.layers):
            seen.add(key)
            yield cell


def _without_depth(cell: TrialSpec) -> object:
    """The model without its depth."""
    return cell.model.model_copy(update={"depth": 0})


def _networks(sweep: SweepSpec) -> Iterator[TrialSpec]:
    """One trial of each distinct network of a user's own family."""
    seen: set[object] = set()
    for cell in sweep.cells:
        key = (cell.model, cell.dataset.model_dump_json())  # the data give the shape
        if ":" in cell.model.architecture and key not in seen:
            seen.add(key)
            yield replace(cell, seed=sweep.seeds[0])


def _has_own_code(cell: TrialSpec) -> bool:
    """Whether a trial runs code of the user's own; that of metrics is no part of what a trial is."""
    own = any(name != cell.dataset.name for name, _ in cell.source_hashes)
    return own or cell.probe.has_own_metrics


def _may_fail(cell: TrialSpec) -> bool:
    """Whether a trial of skipray's own parts alone may not train: arguments that torch checks, one sample."""
    recipe, samples = cell.recipe, train_samples(cell)
    if samples < FEWEST or not _held_out(cell) or (recipe.optimizer is not None and len(recipe.optimizer) > 1):
        return True
    return recipe.epochs > 0 and recipe.smallest_piece(samples) == 1


def _mistake(sweep: SweepSpec, trial: TrialSpec, error: Exception) -> str:
    key = getattr(error, "key", "")
    what = ("recipe", key) if key else ("model", "architecture")
    if "." in key:
        what = tuple(key.split("."))
    of_optimizer = not key and trial.recipe.optimizer is not None and "refuses its arguments" in str(error)
    if of_optimizer:
        what = ("recipe", "optimizer")
    place = sweep.where(*_home(sweep, what))
    said = str(error) if isinstance(error, ValueError) and own_code.place_of(error) is None else own_code.said(error)
    named = said.startswith(trial.model.architecture) or key or of_optimizer
    return f"{place}: {'.'.join(what)}: {'' if named else f'{trial.model.architecture}: '}{said}"


def _home(sweep: SweepSpec, what: tuple[str, str]) -> tuple[str, ...]:
    """Where the file has a field: in its section, or among the factors."""
    for name in (what[1], ".".join(what)):
        if name in sweep.factors:
            return ("factors", name)
    return what


def _note(trial: TrialSpec, left: tuple[str, ...]) -> str:
    return f"{trial.model.architecture}: {trial.model.initialisation} leaves as built: {_few(left)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
