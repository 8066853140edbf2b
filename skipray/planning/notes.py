"""What is told with a plan, whoever asks for it: what could not run, what to know, and data that are missing."""

import psutil

from skipray import datasets
from skipray.extension import catalog
from skipray.planning.compilers import compiles, missing_compiler
from skipray.planning.estimate import memory_bytes
from skipray.planning.plan import trial_sizes
from skipray.planning.rehearsal import rehearse
from skipray.spec import SweepSpec


def notes_of(sweep: SweepSpec) -> tuple[str, ...]:
    """Sentences about a sweep that could run.

    Raises:
        SpecError: a line for each mistake, with its place.
        DeclarationRefused: a curve or a claim, which every sweep is read with, lacks something.
    """
    catalog.check_all("claims")
    return (*rehearse(sweep), *_missing_data(sweep), *_missing_compiler(sweep), *_too_large(sweep))


def _missing_compiler(sweep: SweepSpec) -> list[str]:
    """What keeps steps from being compiled on this machine; on a cluster its nodes are asked."""
    why = missing_compiler(sweep.resources.device) if compiles(sweep) else None
    return [f"not on this machine: {why}"] if why else []


def _missing_data(sweep: SweepSpec) -> list[str]:
    """What `launch` would refuse on this machine: data sets whose files are not here, and how to get them."""
    shipped = [cell.dataset for cell in sweep.data_cells if ":" not in cell.dataset.name]
    return [f"not on this machine yet: {why}" for data in shipped if (why := datasets.missing(data))]


def _too_large(sweep: SweepSpec) -> list[str]:
    """Of each group the shallowest network that keeps more in training than this machine has memory."""
    if sweep.resources.device != "cpu":
        return []
    there, said = psutil.virtual_memory().total, {}
    for cell in sorted(sweep.cells, key=lambda cell: cell.model.depth):
        sizes = trial_sizes(cell) if cell.cell.group not in said else None
        if sizes is not None and (needed := memory_bytes(cell, sizes)) > there:
            said[cell.cell.group] = (
                f"not on this machine: {cell.cell.group.label}, depth {cell.model.depth}, keeps about "
                f"{needed / 1e9:,.0f} GB in training, and {there / 1e9:,.0f} GB of memory are here"
            )
    return list(said.values())
