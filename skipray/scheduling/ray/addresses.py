"""Which cluster is meant."""

import os

from skipray.spec import SpecError

_WRONG_KIND = (
    "found the Ray address {address}; allowed: host:port of the cluster's head, or auto on one of its nodes. To start "
    "from outside: ray job submit --address http://HEAD:8265 --working-dir . -- python -m skipray.launch SWEEP"
)


class ClusterError(SpecError):
    """The cluster cannot be reached or cannot be used: bad input, of which the message names the remedy."""

    def __init__(self, message: str):
        super().__init__([message])


def local_address(address: str | None) -> str | None:
    """The address of the cluster to join; None for a cluster of this machine alone.

    Args:
        address: `host:port`, `auto` or `local`; else RAY_ADDRESS.

    Raises:
        ClusterError: an address of another kind.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address and "://" in address:
        raise ClusterError(_WRONG_KIND.format(address=address))
    return None if address == "local" else address
