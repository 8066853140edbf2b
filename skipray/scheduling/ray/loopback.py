"""Ray's processes of one machine speak to each other through its loopback interface, and wait without end for one that
is not there, as in a sandbox without a network."""

import socket

from skipray.errors import InputRefused

LOOPBACK = "127.0.0.1"
ANSWER_SECONDS = 5.0


def check_loopback() -> None:
    """
    Raises:
        InputRefused: this machine cannot listen on it, or cannot reach itself there.
    """
    try:
        with socket.create_server((LOOPBACK, 0)) as listening:
            socket.create_connection(listening.getsockname(), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise InputRefused(
            f"{LOOPBACK}: found no way from this machine to itself ({error.strerror or error}), which Ray's processes "
            "need; allowed: a loopback interface that is up (`ip link set lo up`) and that no firewall closes"
        ) from None
