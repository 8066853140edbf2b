"""How many trials fit on a cluster at once, while its nodes come and go."""

from collections.abc import Callable

from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.resources import Shares
from skipray.spec import SweepSpec


class Capacity:
    def __init__(self, cluster: Callable[[], Cluster], sweep: SweepSpec, shares: Shares):
        """
        Args:
            cluster: with the nodes that it has now.
        """
        self._cluster = cluster
        self._most = sweep.resources.max_concurrent
        self._smallest = shares.smallest()

    def concurrency(self) -> int:
        fit = max(1, self._cluster().fits(*self._smallest))
        return min(fit, self._most) if self._most else fit

    def most(self) -> int:
        """An upper bound for Tune, which takes a fixed number: growth included."""
        return self._most or max(1000, 4 * self.concurrency())

    def at_most(self, cpus: float, gpus: float) -> tuple[float, float]:
        """Doubled resources, cut to what the largest node has."""
        nodes = self._cluster().nodes
        most_gpus = max((node.gpus for node in nodes), default=0.0)
        most_cpus = max((node.cpus for node in nodes if node.gpus >= min(gpus, most_gpus)), default=cpus)
        return min(cpus, most_cpus), min(gpus, most_gpus) if gpus else 0.0
