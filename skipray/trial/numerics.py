"""What the numbers of a trial depend on besides its own specification, set before it and put back after it."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from skipray.extension import catalog
from skipray.spec import TrialSpec
from skipray.trial.kept import process_kept, skiprays_kept
from skipray.trial.training.seeds import derived_seed

_paths_at_import: dict[str, tuple[str, ...]] = {}
"""module:name -> what its import has added to sys.path: there for its trials, and for no other's."""


@contextmanager
def numerics(trial: TrialSpec) -> Iterator[None]:
    """Threads, precision and random numbers as the trial says. Afterwards a warm process has its own back, and all
    else that a user's code has changed in it.

    numpy's BLAS too: the last bits of a spectrum depend on its threads.
    """
    names = own_names(trial)
    _import_own(names)
    cuda = trial.resources.device == "cuda"
    backends: tuple[tuple[Any, str], ...] = (
        (torch.backends.cuda.matmul, "allow_tf32"),
        (torch.backends.cudnn, "allow_tf32"),
    )
    found = [getattr(backend, name) for backend, name in backends]
    threads = torch.get_num_threads()
    forked = torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else [])
    # skipray's own code changes little: to look at everything is a twentieth of a short trial.
    kept = process_kept() if names else skiprays_kept()
    with kept, _pools(len(sys.modules)).limit(limits=trial.resources.threads), forked:
        try:
            torch.set_num_threads(trial.resources.threads)
            for backend, name in backends:
                setattr(backend, name, False)
            torch.manual_seed(derived_seed(trial.seed, "global"))
            random.seed(derived_seed(trial.seed, "python"))
            np.random.seed(derived_seed(trial.seed, "numpy") % 2**32)  # noqa: NPY002
            sys.path.extend(p for name in names for p in _paths_at_import.get(name, ()) if p not in sys.path)
            yield
        finally:
            torch.set_num_threads(threads)
            for (backend, name), value in zip(backends, found, strict=True):
                setattr(backend, name, value)


@lru_cache(maxsize=1)
def _pools(imported: int) -> ThreadpoolController:
    """The pools of threads of the libraries that this process has loaded: to look for them is hundredths of a second,
    and only an import brings more.

    Args:
        imported: number of modules.
    """
    return ThreadpoolController()


def own_names(trial: TrialSpec) -> tuple[str, ...]:
    """Every `module:name` of the user's that a trial runs."""
    return tuple(dict.fromkeys(name for name, _ in trial.source_hashes))


def _import_own(names: tuple[str, ...]) -> None:
    """Import the user's modules where what an import changes in the process cannot reach a trial.

    Else the first trial of a module would run with what its import has set, and the next without it.
    """
    for name in names:
        if name in _paths_at_import:
            continue
        with process_kept():
            before = set(sys.path)
            catalog.find("own", name)
            _paths_at_import[name] = tuple(p for p in sys.path if p not in before)


def random_state() -> dict[str, Any]:
    """The states of Python's and numpy's global generators, which a user's own layers may draw from."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    version, words, gauss = random.getstate()
    return {
        "numpy": [str(kind), [int(k) for k in keys], int(position), int(has_gauss), float(cached)],
        "python": [version, list(words), gauss],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` gave."""
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
