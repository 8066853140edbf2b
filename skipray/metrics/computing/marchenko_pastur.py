"""The edge of a random matrix's spectrum, with what sticks out of it taken away."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skipray.metrics.computing.spectra import Array, Spectra


def edge_and_outliers(values: NDArray[np.float64], rows: int, columns: int) -> tuple[float, int]:
    """Where the singular values of a random matrix of the same bulk end, and how many lie beyond.

    Entries of variance v have singular values up to sqrt(v) (sqrt(rows) + sqrt(columns)) (Marchenko and Pastur 1967). v
    is the mean square of the entries without the part of the values beyond, again until none is added.

    Args:
        values: descending singular values.
    """
    outliers = 0
    while True:
        bulk = values[outliers:]
        # Directions that are taken away leave a smaller matrix.
        left = max((rows - outliers) * (columns - outliers), 1)
        edge = float(np.sqrt(np.sum(bulk**2) / left) * (np.sqrt(rows - outliers) + np.sqrt(columns - outliers)))
        beyond = int(np.count_nonzero(values > edge))
        if beyond <= outliers:
            return edge, outliers
        outliers = beyond


def each_edge(spectra: Spectra) -> Iterator[tuple[Array, float, int] | None]:
    """Of each matrix its singular values, the edge, and how many lie beyond; None for an empty one."""
    for values, length, empty, (rows, columns) in zip(
        spectra.values, spectra.lengths, spectra.empty, spectra.sides, strict=True
    ):
        yield None if empty else (values[:length], *edge_and_outliers(values[:length], rows, columns))
