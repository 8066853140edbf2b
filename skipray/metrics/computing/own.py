"""A metric of the user's own, as it is measured: it reads copies, leaves torch as it was, and gives numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skipray.errors import SkiprayError
from skipray.extension import own_code

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics import Entry, NetworkMetric
    from skipray.metrics.computing.entries import Entries
    from skipray.metrics.computing.judged import Judged
    from skipray.metrics.computing.network import TrainedNetwork
    from skipray.metrics.computing.spectra import Spectra


class NoNumber(SkiprayError, ValueError):
    """A metric has given something else than it is asked for."""


def of_entries(entry: Entry, entries: Entries) -> float:
    """The value of one tensor; a user's own metric is given a tensor of its own."""
    if ":" not in entry.name:
        return float(entry.measure(entries))
    with _torch_kept():
        return _number(entry, entry.measure(entries.copied()))


def of_spectra(entry: Entry, every: Spectra, chosen: list[int]) -> tuple[list[float], list[int], list[bool]]:
    """A value of each of the chosen spectra, where it is a bound, and where all is zero; a user's own metric is
    given copies."""
    if not chosen:
        return [], [], []
    own = ":" in entry.name
    some = every if len(chosen) == len(every) and not own else every.only(chosen)
    empty = some.empty.tolist()
    if not own:
        found = entry.measure(some)
    else:
        with _torch_kept(), np.errstate():
            found = entry.measure(some)
    values, censored = found if isinstance(found, tuple) and len(found) == 2 else (found, np.zeros(len(chosen), int))
    for one in (values, censored):
        if own and not (isinstance(one, np.ndarray) and one.shape == (len(chosen),) and one.dtype.kind in "fiub"):
            raise NoNumber(
                f"{_who(entry)}: found {_shown(one)} for {len(chosen)} spectra; allowed: a numpy array of "
                f"{(len(chosen),)} real numbers, NaN where there is none"
            )
    return values.tolist(), censored.tolist(), empty


def of_network(entry: Entry, network: TrainedNetwork) -> dict[str, float]:
    """MLflow key -> value; a user's own metric may write into its network and samples."""
    metric: NetworkMetric = entry.metric  # type: ignore[assignment]
    if ":" not in entry.name:
        found = entry.measure(network)
        return {metric.key_of(p): float(v) for p, v in (found if isinstance(found, Mapping) else {"": found}).items()}
    with _torch_kept(), _weights_kept(network):
        copies = {name: getattr(network, name).clone() for name in ("inputs", "labels", "scores")}
        found = entry.measure(replace(network, **copies))
    parts = found if isinstance(found, Mapping) else {"": found}
    odd = [part for part in parts if part not in metric.parts]
    if odd:
        allowed = ", ".join(map(repr, metric.parts)) if metric.parts != ("",) else "a number, or parts in its METRIC"
        raise NoNumber(f"{_who(entry)}: found the part {odd[0]!r}; allowed: {allowed}")
    return {metric.key_of(part): _number(entry, value) for part, value in parts.items()}


def of_batch(entry: Entry, batch: Judged) -> Tensor:
    """The sum over a batch's labels, a tensor without axes; a user's own metric is given copies."""
    if ":" not in entry.name:
        found: Tensor = entry.measure(batch)
        return found
    import torch

    with _torch_kept():
        given = replace(batch, scores=batch.scores.clone(), targets=batch.targets.clone())
        return torch.tensor(_number(entry, entry.measure(given)), dtype=torch.float64)


def of_splits(entry: Entry, train: float, test: float) -> float:
    """The difference between the splits."""
    with _torch_kept() if ":" in entry.name else nullcontext():
        return _number(entry, entry.measure(train, test))


def _number(entry: Entry, found: Any) -> float:
    try:
        if isinstance(found, (str, bytes, complex)):
            raise TypeError
        return float(found)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise NoNumber(
            f"{_who(entry)}: found {_shown(found)}; allowed: a number, NaN or raising Absent where there is none"
        ) from None


def _who(entry: Entry) -> str:
    return f"{entry.name} ({own_code.line_of(entry.measure)})"


def _shown(found: Any) -> str:
    shape = getattr(found, "shape", None)
    if shape is not None:
        return f"a {type(found).__name__} of {tuple(shape)}"
    return repr(found) if found is None or isinstance(found, (str, complex)) else f"a {type(found).__name__}"


@contextmanager
def _torch_kept() -> Iterator[None]:
    """Whether gradients are kept, the type of new tensors and torch's random numbers are as before afterwards."""
    import torch

    kind, grown = torch.get_default_dtype(), torch.is_grad_enabled()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(grown)


@contextmanager
def _weights_kept(network: TrainedNetwork) -> Iterator[None]:
    """Weights and all else of the network are as before afterwards."""
    import torch

    from skipray.metrics.computing.as_found import as_found

    before = [(p, p.detach().clone()) for p in network.module.parameters()]
    try:
        with as_found(network.module):
            yield
    finally:
        with torch.no_grad():
            for parameter, value in before:
                if not torch.equal(parameter, value):
                    parameter.copy_(value)
