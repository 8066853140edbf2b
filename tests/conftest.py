"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One thread a test process: two of them share two cores, and the thread count changes the bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
QUICKSTART = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One local Ray for all tests of the group "ray", which share its warm workers.

    A sweep that is launched in the test's own process runs on it too; a user's own modules do not reach its workers,
    and their prepared data lie in a folder of the session's (`SKIPRAY_CACHE`, for as long as it lives).
    """
    from skipray.scheduling.ray import cluster as clusters
    from skipray.spec import load_sweep

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("SKIPRAY_CACHE", str(tmp_path_factory.mktemp("cache-of-workers")))
        made = clusters.connect(load_sweep(QUICKSTART, ["factors.depth=[8, 20]", "seeds=[0]"]))
        yield made
        clusters.disconnect(made)
