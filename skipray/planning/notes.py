"""What is told with a plan, whoever asks for it: what could not run, what to know, and data that are missing."""

from skipray import datasets
from skipray.extension import catalog
from skipray.planning.rehearsal import rehearse
from skipray.spec import SweepSpec


def notes_of(sweep: SweepSpec) -> tuple[str, ...]:
    """Sentences about a sweep that could run.

    Raises:
        SpecError: a line for each mistake, with its place.
        DeclarationRefused: a curve or a claim, which every sweep is read with, lacks something.
    """
    catalog.check_all("claims")
    return (*rehearse(sweep), *_missing_data(sweep))


def _missing_data(sweep: SweepSpec) -> list[str]:
    """What `launch` would refuse on this machine: data sets whose files are not here, and how to get them."""
    shipped = [cell.dataset for cell in sweep.data_cells if ":" not in cell.dataset.name]
    return [f"not on this machine yet: {why}" for data in shipped if (why := datasets.missing(data))]
