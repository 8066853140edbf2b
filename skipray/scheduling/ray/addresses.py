"""Which cluster is meant."""

import os
import sys

from skipray.spec import SpecError

_WRONG_KIND = (
    "found the Ray address {address}; allowed: host:port of the cluster's head, or auto on one of its nodes. To start "
    "from outside: ray job submit --address http://HEAD:8265 --working-dir . -- python -m skipray.launch SWEEP"
)


_NO_DOCSTRINGS = "found Python without docstrings (PYTHONOPTIMIZE=2 or -OO), in which Ray does not run; allowed: 0 or 1"


class ClusterError(SpecError):
    """The cluster cannot be reached or cannot be used: bad input, of which the message names the remedy."""

    def __init__(self, message: str):
        super().__init__([message])


class StartFailed(ClusterError):
    """Ray did not come up on this machine: one of its processes has died, or was not there in time. Ports that another
    program takes at the same moment do that; the next start goes well."""

    passing = True

    def __init__(self, why: str):
        super().__init__(f"Ray did not start on this machine: {why}; try again")


def local_address(address: str | None) -> str | None:
    """The address of the cluster to join; None for a cluster of this machine alone.

    Args:
        address: `host:port`, `auto` or `local`; else RAY_ADDRESS.

    Raises:
        ClusterError: an address of another kind, or a Python in which Ray cannot be imported.
    """
    if sys.flags.optimize > 1:  # Ray edits docstrings as it is imported
        raise ClusterError(_NO_DOCSTRINGS)
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address and "://" in address:
        raise ClusterError(_WRONG_KIND.format(address=address))
    return None if address == "local" else address
