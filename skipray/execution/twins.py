"""`skipray twins`: how alike twins' representations are, layer by layer, from the saved weights of finished runs.

Twins have depth, seed and all factors in common but the family: the roles of the paper's claims (`claims: {plain, skip,
aggregated}`). They are compared by linear CKA (Kornblith et al. 2019) on the fixed probe batch, in evaluation mode, of
networks that nothing trained with batch statistics.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from skipray import tracking
from skipray.claims import PAPER
from skipray.errors import SkiprayError
from skipray.execution.restored import restored
from skipray.extension import own_code
from skipray.spec import SpecError, SweepSpec, TrialSpec

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.architectures import HiddenLayer
    from skipray.tracking.read.row import RunRow

COLUMNS = ("plain", "twin", "depth", "seed", "layer_index", "plain_layer", "twin_layer", "cka")
"""Of the table, the further factors between `twin` and `depth`."""


@dataclass(frozen=True)
class Twins:
    """What a comparison of a sweep's twins found."""

    table: pd.DataFrame
    """COLUMNS and the further factors: a row per layer of each pair; `cka` is NaN where a layer does not vary."""
    left_out: tuple[str, ...]
    """Pairs that could not be compared, and why."""


@dataclass(frozen=True)
class Representations:
    """The hidden representations of one trial."""

    names: tuple[str, ...] = ()
    grams: tuple[Tensor, ...] = ()
    """Of each, (samples, samples): inner products of the samples, features' means removed."""
    why_not: str = ""
    """Why there are none."""


def compare_twins(sweep: SweepSpec, *, tracking_uri: str | None = None, data_root: str | None = None) -> Twins:
    """Linear CKA of each pair of finished twins, layer by layer.

    Args:
        data_root: folder of the data sets; else SKIPRAY_DATA, else ./data.

    Raises:
        SpecError: the sweep has no families in the roles, or no two twins have finished.
    """
    uri = tracking.resolve_uri(sweep, tracking_uri)
    known = tracking.known_trials(sweep, uri).trials if tracking.exists(sweep, uri) else ()
    finished = tracking.read_ledger(sweep, uri, trials=known).finished if known else {}
    pairs = list(_pairs(sweep, [t for t in known if t.trial_id in finished and t.phase == "final"]))
    if not pairs:
        needed = "needed: finished runs in the roles plain and skip or aggregated (claims: {plain: ..., skip: ...})"
        raise SpecError([f"{sweep.path}: found no finished twins of one depth and seed; {needed}"])
    seen: dict[str, Representations] = {}
    rows: list[dict[str, Any]] = []
    left_out = []
    for pair in pairs:
        for trial in pair:
            if trial.trial_id not in seen:
                seen[trial.trial_id] = _representations(trial, uri, finished[trial.trial_id], data_root)
        one, other = (seen[trial.trial_id] for trial in pair)
        why = one.why_not or other.why_not
        if not why and len(one.names) != len(other.names):
            why = f"found {len(one.names)} and {len(other.names)} layers; allowed: as many in both"
        if why:
            left_out.append(f"{pair[0].label} and {pair[1].label}: {why}")
        else:
            rows += _rows(sweep, pair, one, other)
    columns = [*COLUMNS[:2], *sweep.factor_names, *COLUMNS[2:]]
    return Twins(pd.DataFrame(rows, columns=columns), tuple(left_out))


def _pairs(sweep: SweepSpec, trials: list[TrialSpec]) -> Iterator[tuple[TrialSpec, TrialSpec]]:
    roles: Mapping[str, str] = sweep.claims.roles or PAPER
    plain = [t for t in trials if t.model.architecture == roles.get("plain")]
    for role in ("skip", "aggregated"):
        for twin in (t for t in trials if t.model.architecture == roles.get(role)):
            yield from ((one, twin) for one in plain if _are_twins(one, twin))


def _are_twins(one: TrialSpec, other: TrialSpec) -> bool:
    """Whether depth, seed, setting and every factor that both have are the same."""
    a, b = one.cell.group.values, other.cell.group.values
    shared = (a.keys() & b.keys()) - {"architecture"}
    same = (one.model.depth, one.seed, one.setting) == (other.model.depth, other.seed, other.setting)
    return same and all(a[name] == b[name] for name in shared)


def _representations(trial: TrialSpec, uri: str, row: RunRow, data_root: str | None) -> Representations:
    """Of the trial's network as it was saved, on the probe batch."""
    weights = tracking.read_weights(uri, row)
    if weights is None:
        return Representations(why_not=f"the run of {trial.label} {tracking.why_no_weights(row)}")
    try:
        return represented(trial, weights, data_root or os.environ.get("SKIPRAY_DATA"))
    except (Exception, SystemExit) as error:  # damaged weights, data that are gone, or whatever the user's code raises
        why = str(error) if isinstance(error, SkiprayError | ValueError) else own_code.said(error)
        return Representations(why_not=" ".join((why if trial.label in why else f"{trial.label}: {why}").split()))


def represented(trial: TrialSpec, weights: bytes, data_root: str | None) -> Representations:
    """What a network with these weights makes of the probe batch."""
    import torch

    from skipray.metrics.computing.as_found import as_found
    from skipray.metrics.computing.grams import centred_gram
    from skipray.metrics.computing.modes import evaluation_mode
    from skipray.metrics.computing.outputs import tensors_at
    from skipray.probe import layers_of
    from skipray.probe.batch import Batch
    from skipray.trial import numerics

    found: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def keep(layer: HiddenLayer, module: object, given: object, output: object) -> None:
        for place, tensor in tensors_at(output, layers.places.get(layer.output)):
            if len(tensor) == len(probed.inputs):
                name = layer.name + place
                calls[name] += 1
                found[f"{name}#{calls[name]}" if calls[name] > 1 else name] = centred_gram(tensor).cpu()

    with numerics(trial), restored(trial, weights, data_root) as probed:
        network = probed.network
        batch = Batch((probed.inputs,), samples=len(probed.inputs))
        layers = layers_of(network, batch, trial.probe.layers, probed.counted)
        untrained = trial.recipe.epochs == 0
        with as_found(network), torch.no_grad(), evaluation_mode(network, batch_statistics=untrained):
            handles = [layer.output.register_forward_hook(partial(keep, layer)) for layer in layers.hidden]
            network(probed.inputs)
            for handle in handles:
                handle.remove()
    if not all(bool(gram.isfinite().all()) for gram in found.values()):
        return Representations(why_not=f"{trial.label} has representations that are not finite")
    return Representations(tuple(found), tuple(found.values()))


def _rows(
    sweep: SweepSpec, pair: tuple[TrialSpec, TrialSpec], one: Representations, other: Representations
) -> Iterator[dict[str, Any]]:
    from skipray.metrics.cka_consecutive import alignment

    plain, twin = pair
    families = {"plain": plain.cell.group.family, "twin": twin.cell.group.family}
    factors = {name: twin.cell.group.values.get(name) for name in sweep.factor_names}
    for index, (first, second) in enumerate(zip(one.grams, other.grams, strict=True)):
        varies = float(first.norm()) > 0 and float(second.norm()) > 0
        yield {
            **families,
            **factors,
            "depth": plain.model.depth,
            "seed": plain.seed,
            "layer_index": index,
            "plain_layer": one.names[index],
            "twin_layer": other.names[index],
            "cka": alignment(first, second) if varies else float("nan"),
        }
