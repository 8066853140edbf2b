"""The cluster while a launch runs on it: its nodes come and go, and its head may be lost."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head import ClusterLost, Head
from skipray.scheduling.ray.nodes import Node

LOOK_SECONDS = 5.0
"""A node that joins or leaves is noticed after so long."""
LOCAL_LOOK_SECONDS = 1.0
"""The end of a cluster of this machine alone is: no node joins it, and its processes are easily looked at."""
HEAD_AWAY_SECONDS = 60.0
"""A head that has not answered for so long is lost. One that keeps its state elsewhere may be back before."""


class HeadWatch(threading.Thread):
    """Looks after the cluster beside Tune's loop. A context manager around it."""

    def __init__(self, cluster: Cluster):
        super().__init__(name="skipray-watch", daemon=True)
        self.cluster = cluster
        """With the nodes that it has now."""
        self.lost = ""
        """Why the head is lost, and the remedy; empty while all is well."""
        self._local = cluster.processes is not None
        self._head = Head(ended=cluster.dead_process)
        self._ended = threading.Event()

    def __enter__(self) -> "HeadWatch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def run(self) -> None:
        every = LOCAL_LOOK_SECONDS if self._local else LOOK_SECONDS
        self._judge(follow(self._head.nodes, self._took, self._ended, every_seconds=every))

    def look(self) -> None:
        """Ask at once, without patience: a call of Ray's own has failed, maybe because the head is lost."""
        try:
            self._took(self._head.nodes())
        except (ClusterLost, OSError) as error:
            self._judge(str(error))

    def _judge(self, said: str) -> None:
        if said and not self.lost and self._local:
            self.lost = f"Ray on this machine is lost ({said}); run the same command again to go on"
        elif said and not self.lost:
            self.lost = (
                f"the head of the Ray cluster at {self._head.address} is lost ({said}); start it and its nodes again, "
                "then run the same command again to go on"
            )

    def _took(self, nodes: tuple[Node, ...]) -> None:
        self.cluster = replace(self.cluster, nodes=nodes)


def follow(
    ask: Callable[[], tuple[Node, ...]],
    took: Callable[[tuple[Node, ...]], None],
    ended: threading.Event,
    *,
    every_seconds: float = LOOK_SECONDS,
    away_seconds: float = HEAD_AWAY_SECONDS,
) -> str:
    """Ask a head for its nodes again and again, until it is lost or `ended` is set.

    Returns:
        Why it is lost: no answer for `away_seconds`, another cluster's, or dead; empty when it was ended.
    """
    heard = time.monotonic()
    while not ended.wait(every_seconds):
        try:
            took(ask())
            heard = time.monotonic()
        except ClusterLost as error:
            return str(error)
        except OSError as error:
            if time.monotonic() - heard > away_seconds:
                return f"no answer for {away_seconds:g} s: {error}"
    return ""
