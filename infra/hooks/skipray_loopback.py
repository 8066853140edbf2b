"""Keeps `ray start` on the loopback interface: Ray's own RAY_START_HOOK, for clusters on one machine.

Ray replaces 127.0.0.1 by the machine's outward address wherever it meets it, and a Ray process whose node has an
outward address listens on every interface. Only nodes whose address is 127.0.0.1 listen on loopback alone. Ray does
that by itself where it knows of no clusters (macOS), and then refuses a second node; so the switch is thrown here,
after `ray start` has read it, for all that it starts.
"""

import os
from typing import Any


def keep_on_loopback(ray_params: Any, head: bool) -> None:
    """Give the node that `ray start` is about to start the address 127.0.0.1.

    Args:
        ray_params: Ray's parameters of the node, changed in place.
        head: whether it is the head node; both kinds are treated alike.
    """
    # A private name, and the one outside of skipray/scheduling/ray/private.py: this file also runs where skipray is not
    # installed. There is no public switch (see above). Where a Ray has it otherwise nothing starts, rather than listen
    # on every interface.
    from ray._private import services

    if not callable(getattr(services, "get_node_ip_address", None)) or not hasattr(ray_params, "node_ip_address"):
        raise SystemExit(f"{__file__}: this Ray has its node's address elsewhere; allowed: a Ray that was tested")

    def loopback(address: str | None = None) -> str:
        return "127.0.0.1"

    services.get_node_ip_address = loopback
    ray_params.node_ip_address = "127.0.0.1"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
