"""What is checked before the first trial: a week of GPUs should not fail on its first minute, or on its last.

On this machine alone the driver has checked everything itself. On a cluster a worker of each node looks: at the
versions, at the tracking store, at the data, at the storage, which two nodes must see alike, and for a compiler where
steps are to be compiled.
"""

import platform
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from skipray.planning.compilers import compiles, missing_compiler
from skipray.scheduling.ray.attempt import WorkerContext
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.head import Head
from skipray.scheduling.ray.nodes import Node
from skipray.scheduling.ray.resources import Shares
from skipray.spec import DatasetSpec, SpecError, SweepSpec

if TYPE_CHECKING:
    from skipray.tracking import Address

TIMEOUT_SECONDS = 120.0
"""For a node to start a worker, import what it needs and look."""
PACKAGES = ("ray", "torch", "mlflow", "numpy")


class PreflightFailed(SpecError):
    """Something that the user can mend stands in the way. One line a cause: where, what was found, the remedy."""


def check_feasible(sweep: SweepSpec, cluster: Cluster, tracking_uri: str, shares: Shares | None = None) -> None:
    """Refuse what could never run: Ray would wait for it in silence.

    Args:
        tracking_uri: the resolved address of the tracking store.

    Raises:
        PreflightFailed: more CPUs or GPUs than a node has; a file as tracking store of several nodes.
    """
    mistakes = []
    resources = sweep.resources
    cpus, gpus = (shares or Shares(sweep)).smallest()
    most_cpus = max((node.cpus for node in cluster.nodes), default=0.0)
    most_gpus = max((node.gpus for node in cluster.nodes), default=0.0)
    if resources.threads > most_cpus:
        found = f"found {resources.threads}, but the largest node has {most_cpus:g} CPUs"
        mistakes.append(f"{sweep.where('resources', 'threads')}: resources.threads: {found}; allowed: at most that")
    if resources.device == "cuda" and most_gpus == 0:
        found = f"found cuda, but no node of the {_words(cluster)} has a GPU"
        mistakes.append(
            f"{sweep.where('resources', 'device')}: resources.device: {found}; allowed: cpu, or --address of a "
            "cluster with GPUs"
        )
    elif gpus > most_gpus:
        found = f"found {gpus:g}, but the largest node of the {_words(cluster)} has {most_gpus:g} GPUs"
        mistakes.append(
            f"{sweep.where('resources', 'gpu_fraction')}: resources.gpu_fraction: {found}; allowed: at most that"
        )
    elif gpus > 1 and gpus != int(gpus):
        mistakes.append(
            f"{sweep.where('resources', 'gpu_fraction')}: resources.gpu_fraction: found {gpus:g}; allowed: a "
            "fraction of one GPU, or whole ones"
        )
    if not mistakes and not cluster.fits(cpus, gpus):
        mistakes.append(
            f"{sweep.where('resources')}: resources: a trial needs {cpus:g} CPUs and {gpus:g} GPUs on one node, and "
            f"no node has both; the nodes have {_nodes_words(cluster.nodes)}"
        )
    if len(cluster.nodes) > 1 and tracking_uri.startswith(("sqlite:", "file:")):
        mistakes.append(
            f"{sweep.where('tracking', 'uri')}: tracking.uri: found a file ({tracking_uri.partition(':')[0]}) on a "
            f"cluster of {len(cluster.nodes)} nodes; allowed: the address of an MLflow server (http://...) or of a "
            "database server, in the sweep, in MLFLOW_TRACKING_URI or as --tracking-uri"
        )
    if mistakes:
        raise PreflightFailed(mistakes)


def check_nodes(sweep: SweepSpec, cluster: Cluster, context: WorkerContext) -> None:
    """Look from a worker of each node that can run a trial. Costs nothing on this machine alone.

    Raises:
        PreflightFailed: with every node's causes.
    """
    compiled_for = sweep.resources.device if compiles(sweep) else None
    if cluster.one_local_node:
        if compiled_for is not None and (why := missing_compiler(compiled_for)):
            section = "factors" if "compile" in sweep.factors else "recipe"
            raise PreflightFailed([f"{sweep.where(section, 'compile')}: {why}"])
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from skipray.storage import open_folder

    assert context.address is not None
    cpus, gpus = Shares(sweep).smallest()
    nodes = [node for node in cluster.nodes if node.fits(cpus, gpus)]
    name = f"preflight-{uuid.uuid4().hex[:8]}"
    folders = _shared_folders(context)
    mistakes = []
    of_node: dict[str, list[str]] = {}
    opened = {}
    for title, url in folders.items():
        try:
            for stale in open_folder(url, sweep.name).names():
                if stale.startswith("preflight-"):  # left by a launch that was killed; the lease is this one's
                    open_folder(url, sweep.name, stale).remove_all()
            opened[title] = open_folder(url, sweep.name, name)
            opened[title].write("driver", name.encode())
        except OSError as error:
            mistakes.append(f"{title}: {url} cannot be written from this machine: {error}; mend its rights or its room")
    try:
        data = tuple((cell.dataset, cell.fingerprint) for cell in sweep.data_cells)
        look: Any = ray.remote(num_cpus=0, max_retries=2)(look_around)
        pending = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote(
                node.node_id, sweep.name, data, context, name, tuple(opened), compiled_for
            ): node
            for node in nodes
        }
        ready, late = ray.wait(list(pending), num_returns=len(pending), timeout=TIMEOUT_SECONDS)
        for ref in late:
            of_node[pending[ref].node_id] = [
                f"no worker answered within {TIMEOUT_SECONDS:g} s; see `ray status` and its logs"
            ]
        there = {title: set(folder.names()) for title, folder in opened.items()}
        for ref in ready:
            node_id = pending[ref].node_id
            of_node[node_id] = _judge(ref, [folders[title] for title, names in there.items() if node_id not in names])
    finally:
        for folder in opened.values():
            with suppress(OSError):
                folder.remove_all()
    alive = {node.node_id for node in Head().nodes()} if any(of_node.values()) else set()
    of_living = [node for node in nodes if node.node_id in alive]  # one that died meanwhile is no mistake
    mistakes += [f"node {node.host}: {said}" for node in of_living for said in of_node.get(node.node_id, ())]
    if mistakes:
        raise PreflightFailed(dict.fromkeys(mistakes))


@dataclass(frozen=True)
class NodeReport:
    """What a worker found on its node."""

    versions: dict[str, str]
    mistakes: tuple[str, ...]


def look_around(
    node_id: str,
    sweep: str,
    data: Iterable[tuple[DatasetSpec, str]],
    context: WorkerContext,
    name: str,
    titles: Iterable[str],
    compiled_for: str | None = None,
) -> NodeReport:
    """Runs on a node: what would keep a trial from running there?

    Args:
        data: the sweep's data sets, each with its fingerprint.
        compiled_for: the device that steps have to be compiled for; None where they have not.
    """
    import os

    from skipray import datasets
    from skipray.storage import open_folder
    from skipray.storage.cache import CacheUnusable

    for variable, value in context.credentials.items():
        os.environ.setdefault(variable, value)
    assert context.address is not None
    mistakes = []
    said = _try_tracking(context.address)
    if said:
        mistakes.append(said)
    try:
        found = [datasets.unusable(*one, context.data_root, listing=False) for one in data]
        mistakes += dict.fromkeys(f"dataset.name: {unusable}" for unusable in found if unusable)
    except CacheUnusable as error:
        mistakes.append(str(error))
    if compiled_for is not None and (why := missing_compiler(compiled_for)):
        mistakes.append(why)
    folders = _shared_folders(context)
    for title in titles:
        try:
            folder = open_folder(folders[title], sweep, name)
            if folder.read("driver") != name.encode():
                mistakes.append(
                    f"the {title} {folders[title]} is not the one of the driver's machine; {_SHARED_REMEDY}"
                )
            folder.write(node_id, name.encode())
        except OSError as error:
            mistakes.append(f"the {title} {folders[title]} cannot be written: {error}; mend its rights or its room")
    return NodeReport(versions(), tuple(mistakes))


def versions() -> dict[str, str]:
    """Of everything that decides what a trial computes and how workers talk to the driver."""
    from skipray import __version__

    found = {"python": platform.python_version(), "skipray": __version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def _judge(answer: Any, unseen: Iterable[str]) -> list[str]:
    """What is wrong with a node, by its worker's answer and the folders where the driver does not see its files."""
    import ray

    try:
        seen: NodeReport = ray.get(answer)
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        return [f"no worker could look around: {last}; is skipray installed there, as here?"]
    here = versions()
    mistakes = list(seen.mistakes)
    different = [f"{p} {seen.versions.get(p)} (here {v})" for p, v in here.items() if seen.versions.get(p) != v]
    if different:
        mistakes.append(f"other versions: {', '.join(different)}; install the same requirements.lock on all nodes")
    mistakes += [f"what it writes to {url} is not seen from this machine; {_SHARED_REMEDY}" for url in unseen]
    return mistakes


def _try_tracking(address: "Address") -> str | None:
    """What the tracking store says to a write from here; None when it takes it."""
    from skipray.tracking import TrackingAway, TrackingRefused
    from skipray.tracking.client import reach

    try:
        reach(address.uri, lambda c: c.set_tag(address.parent_run_id, "skipray.preflight", platform.node()))
    except (TrackingAway, TrackingRefused) as error:
        return f"tracking: {error}"
    return None


def _shared_folders(context: WorkerContext) -> dict[str, str]:
    """Title -> address of each folder that all nodes must see alike."""
    from skipray.storage import local_path

    folders = {"storage": context.storage}
    assert context.address is not None
    location = local_path(context.address.artifact_location)
    if location is not None:
        folders["artifact folder"] = str(location)
    return folders


_SHARED_REMEDY = "use a folder that all nodes mount, or an object store (tracking.storage: s3://...)"


def _words(cluster: Cluster) -> str:
    return "one local node" if cluster.one_local_node else f"cluster of {len(cluster.nodes)} nodes"


def _nodes_words(nodes: Iterable[Node]) -> str:
    return ", ".join(f"{node.host}: {node.cpus:g} CPUs, {node.gpus:g} GPUs" for node in nodes)
