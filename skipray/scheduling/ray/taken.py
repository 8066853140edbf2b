"""Whether others hold what a trial needs of a cluster, for which Ray waits without a word."""

import ray

from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head import within
from skipray.scheduling.ray.resources import Shares

ANSWER_SECONDS = 2.0


class Taken:
    """Of a cluster that was there before; asked first when the launch has no worker yet.

    Workers of the launch itself hold CPUs too, also while they start: so others are named where they held them before.
    """

    def __init__(self, cluster: Cluster, shares: Shares):
        self._needs = dict(zip(("CPU", "GPU"), shares.smallest(), strict=True))
        self._has = {"CPU": sum(n.cpus for n in cluster.nodes), "GPU": sum(n.gpus for n in cluster.nodes)}
        self._before = bool(self._missing()) if cluster.address is not None else False

    def words(self) -> str:
        """Such as `0 of the cluster's 8 CPUs are free, where a trial takes 1`; empty where others hold nothing that is
        needed."""
        return self._missing() if self._before else ""

    def _missing(self) -> str:
        answer = within(ANSWER_SECONDS, ray.available_resources)
        for name, needed in self._needs.items():
            free = needed if answer is None else answer.get(name, 0.0)
            if free < needed:
                held = f"{free:g} of the cluster's {self._has[name]:g} {name}s are free"
                return f"{held}, where a trial takes {needed:g}"
        return ""
