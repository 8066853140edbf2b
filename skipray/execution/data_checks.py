"""Whether the data of a sweep are on this machine, and are those that its fingerprints name."""

from collections.abc import Callable

from skipray import datasets
from skipray.spec import SpecError, SweepSpec, TrialSpec


def check_data(sweep: SweepSpec) -> None:
    """Data that are missing here are probably missing everywhere; workers on other nodes are asked by the preflight."""
    _refuse_data(sweep, lambda cell: datasets.missing(cell.dataset))


def verify_data(sweep: SweepSpec) -> None:
    """Read and compare the data while Ray starts: on the first launch only, trials map what this has prepared."""
    _refuse_data(sweep, lambda cell: datasets.unusable(cell.dataset, cell.fingerprint))


def _refuse_data(sweep: SweepSpec, look: Callable[[TrialSpec], str | None]) -> None:
    """
    Args:
        look: what keeps trials of a cell from using their data, in words.
    """
    found = [(cell, said) for cell in sweep.data_cells if (said := look(cell))]
    if found:
        mistakes = (f"{sweep.where_data(cell)}: dataset.name: {said}" for cell, said in found)
        raise SpecError(dict.fromkeys(mistakes))
