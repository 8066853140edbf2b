"""The machines of a cluster, and how many trials fit on them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    node_id: str
    host: str
    cpus: float
    gpus: float

    def fits(self, cpus: float, gpus: float) -> int:
        """How many trials of that size run at once."""
        by_cpu = int(self.cpus / cpus + 1e-9) if cpus else 10**6
        if not gpus:
            return by_cpu
        by_gpu = int(self.gpus) * int(1 / gpus + 1e-9) if gpus <= 1 else int(self.gpus / gpus)
        return min(by_cpu, by_gpu)


def connected_nodes() -> tuple[Node, ...]:
    """Those that are alive, as Ray itself tells; waits for a head that is away."""
    import ray

    return tuple(
        Node(
            node["NodeID"],
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    )
