"""The head of the connected cluster, asked without waiting for it longer than a few seconds.

Ray's own calls wait for a head that is away, and end the process when it comes back as another (its state was in
memory).
"""

import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from skipray.errors import SkiprayError
from skipray.scheduling.ray import private
from skipray.scheduling.ray.nodes import Node, connected_nodes

ANSWER_SECONDS = 5.0

T = TypeVar("T")


class ClusterLost(SkiprayError, RuntimeError):
    """The cluster that this process belongs to is no more."""

    exit_code = 130


class Head:
    """The head of the connected cluster."""

    def __init__(self, ended: Callable[[], str] = lambda: ""):
        """
        Args:
            ended: which process of a cluster that this process has started is no more; empty while all live.
        """
        import ray

        self.address = str(ray.get_runtime_context().gcs_address)
        self._ended = ended
        self._node_id = ray.get_runtime_context().get_node_id()
        client = private.gcs_client(self.address)
        self._cluster_id = client.cluster_id() if client is not None else None

    def nodes(self) -> tuple[Node, ...]:
        """The nodes that are alive.

        Raises:
            OSError: it does not answer.
            ClusterLost: one answers that knows nothing of this launch, or a process without which there is none died.
        """
        from ray.exceptions import RayError

        dead = self._ended()
        if dead:
            raise ClusterLost(f"its {dead} has died")
        check_reachable(self.address)
        try:
            client = private.gcs_client(self.address)
            if client is None:
                return self._public_nodes()
            if client.cluster_id() != self._cluster_id:
                raise ClusterLost(f"another Ray cluster answers at {self.address}")
            found = client.nodes(ANSWER_SECONDS)
        except RayError as error:
            raise OSError(f"the head at {self.address} gives no answer: {error}") from error
        return tuple(
            Node(node.node_id, node.host, node.resources.get("CPU", 0.0), node.resources.get("GPU", 0.0))
            for node in found
        )

    def _public_nodes(self) -> tuple[Node, ...]:
        """Slower, and without a name of the cluster: one that does not know this process's own node is another."""
        found = within(ANSWER_SECONDS, connected_nodes)
        if found is None:
            raise OSError(f"the head at {self.address} gives no answer within {ANSWER_SECONDS:g} s")
        if self._node_id not in {node.node_id for node in found}:
            raise ClusterLost(f"another Ray cluster answers at {self.address}")
        return found


def check_reachable(address: str) -> None:
    """Raises OSError where nothing listens at host:port: Ray's own patience is longer."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()


def within(seconds: float, ask: Callable[[], T]) -> T | None:
    """What a call of Ray's gives; None where it does not end in time, or fails: it may wait for a head that is gone."""
    answers: list[Any] = []

    def call() -> None:
        try:
            answers.append(ask())
        except Exception:
            answers.append(None)

    thread = threading.Thread(target=call, name="skipray-ask-ray", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
