"""Whether a run's files are whole by their own account, where no checksums were kept, and what can mend them."""

import io
import json
import zipfile
from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from skipray.tracking.read.artifacts import HISTOGRAMS, read_file
from skipray.tracking.read.row import RunRow

WEIGHTS = "weights.safetensors"
MEASURED = ("layers.parquet", "spectra.npz", HISTOGRAMS)
"""What a probe of the network writes."""


OF_MEASUREMENT = (*MEASURED, "metrics.json")
"""What a later measurement of the weights writes, in a folder of its own."""


def can_be_measured(files: Collection[str]) -> bool:
    """Whether a probe of the run's weights makes all these files anew."""
    return bool(files) and all(name in MEASURED or measurement_of(name) for name in files)


def measurement_of(file: str) -> str:
    """The later measurement that a file is of; empty of other files."""
    folder, _, rest = file.partition("/")
    name, _, own = rest.partition("/")
    return name if folder == "measurements" and own in OF_MEASUREMENT else ""


def broken(uri: str, row: RunRow) -> Iterator[tuple[str, str]]:
    """File and what is wrong with it, such as `is damaged`."""
    for name in (*MEASURED, WEIGHTS):
        data = read_file(uri, row, name)
        if data is None:
            if name in MEASURED[:2]:
                yield name, "is missing"
        elif not _whole(name, data):
            yield name, "is damaged"


def _whole(name: str, data: bytes) -> bool:
    """By the file's own account of its length: Parquet's footer, a zip's directory, or safetensors' offsets."""
    if name.endswith(".parquet"):
        try:
            pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        except (pa.ArrowException, ValueError, OSError):
            return False
        return True
    if name.endswith(".npz"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return archive.testzip() is None
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
            return False
    if len(data) < 8:
        return False
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
        return len(data) == 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError):
        return False
