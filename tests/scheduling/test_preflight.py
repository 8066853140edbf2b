import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from skipray.scheduling.ray import preflight, resources
from skipray.scheduling.ray.addresses import ClusterError
from skipray.scheduling.ray.attempt import WorkerContext
from skipray.scheduling.ray.cluster import Cluster, connect
from skipray.scheduling.ray.nodes import Node
from skipray.scheduling.ray.preflight import PreflightFailed, check_feasible, check_nodes
from skipray.scheduling.ray.resources import Shares, fraction_of, memory_key
from skipray.scheduling.ray.settings import code_paths, runtime_env
from skipray.spec import SpecError, SweepSpec, TrialSpec, load_sweep
from skipray.trial.compiling import CompilationFailed

ROOT = Path(__file__).resolve().parents[2]
FILE = "sqlite:////tmp/skipray.db"


def sweep_with(*overrides: str) -> SweepSpec:
    return load_sweep(ROOT / "sweeps" / "quickstart.yaml", ["factors.depth=[8]", "seeds=[0]", *overrides])


def nodes(*sizes: tuple[float, float]) -> Cluster:
    return Cluster("10.0.0.1:6379", tuple(Node(f"id{i}", f"node{i}", c, g) for i, (c, g) in enumerate(sizes)))


def test_what_fits_passes(sweep: SweepSpec) -> None:
    here = Cluster(None, (Node("id", socket.gethostname(), 2, 0),))
    check_feasible(sweep, here, FILE)
    assert here.one_local_node
    check_nodes(sweep, here, WorkerContext(None, "/nonexistent"))  # looks at nothing: the driver has


def test_steps_that_cannot_be_compiled_here_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    here = Cluster(None, (Node("id", socket.gethostname(), 2, 0),))
    words = r"--set recipe.compile=default: recipe.compile: found no working C\+\+ compiler"
    with pytest.raises(PreflightFailed, match=words):
        check_nodes(sweep_with("recipe.compile=default"), here, WorkerContext(None, "/nonexistent"))
    check_nodes(sweep_with("recipe.compile=auto"), here, WorkerContext(None, "/nonexistent"))


def test_a_node_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(preflight, "_try_tracking", lambda address: None)
    monkeypatch.setattr(preflight, "_shared_folders", lambda context: {})
    context: Any = SimpleNamespace(credentials={}, address="there", data_root=None)
    (said,) = preflight.look_around("node", "sweep", (), context, "preflight", (), "cpu").mistakes
    assert said.startswith("recipe.compile: found no working C++ compiler")
    assert not preflight.look_around("node", "sweep", (), context, "preflight", (), None).mistakes


@pytest.mark.parametrize(
    ("overrides", "cluster", "uri", "words"),
    [
        (["resources.device=cuda"], nodes((8, 0)), FILE, "found cuda, but no node .* has a GPU; allowed: cpu"),
        (
            ["resources.device=cuda", "resources.gpu_fraction=2.0"],
            nodes((8, 1), (8, 1)),
            "http://x",
            "found 2, but the largest node of the cluster of 2 nodes has 1 GPUs",
        ),
        (["resources.threads=16"], nodes((8, 0)), FILE, "found 16, but the largest node has 8 CPUs"),
        (
            ["resources.device=cuda", "resources.threads=8"],
            nodes((8, 0), (2, 1)),
            "http://x",
            "no node has both; the nodes have node0: 8 CPUs, 0 GPUs, node1: 2 CPUs, 1 GPUs",
        ),
        ([], nodes((8, 0), (8, 0)), FILE, r"found a file \(sqlite\) on a cluster of 2 nodes; allowed: .*http://"),
    ],
)
def test_what_could_never_run_is_refused(overrides: list[str], cluster: Cluster, uri: str, words: str) -> None:
    with pytest.raises(PreflightFailed, match=words) as caught:
        check_feasible(sweep_with(*overrides), cluster, uri)
    assert isinstance(caught.value, SpecError)
    assert "quickstart.yaml:" in str(caught.value) or "--set resources." in str(caught.value)


@pytest.mark.parametrize("address", ["ray://head:10001", "http://head:8265"])
def test_other_kinds_of_address_name_ray_job_submit(sweep: SweepSpec, address: str) -> None:
    with pytest.raises(ClusterError, match="ray job submit"):
        connect(sweep, address=address)


def test_code_goes_to_the_cluster_unless_its_job_brought_it(sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert runtime_env(sweep)["py_modules"] == [str(ROOT / "skipray")]
    assert runtime_env(sweep)["env_vars"]["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert "py_modules" not in runtime_env(sweep)
    assert code_paths(sweep) == (ROOT / "skipray",)


def test_how_many_fit() -> None:
    cluster = nodes((4, 2), (2, 0))
    assert cluster.fits(1, 0) == 6
    assert cluster.fits(1, 0.5) == 4
    assert cluster.fits(1, 1 / 3) == 4, "the node's CPUs are the limit"
    assert cluster.fits(2, 1) == 2
    assert cluster.fits(1, 2) == 1


def test_shares_of_a_gpu() -> None:
    sweep = sweep_with("resources.device=cuda")
    trial = sweep.trials()[0]
    assert Shares(sweep).of(trial) == (1.0, 1.0)
    shares = Shares(sweep, {memory_key(trial): 0.25})
    assert (shares.of(trial), shares.of(trial, factor=2)) == ((1.0, 0.25), (1.0, 0.5))
    assert shares.smallest() == (1.0, 0.25)
    assert Shares(sweep_with("resources.device=cuda", "resources.gpu_fraction=0.5"), {}).of(trial) == (1.0, 0.5)
    assert Shares(sweep_with("resources.threads=2")).of(trial, factor=2) == (4.0, 0.0)


def test_memory_key_ignores_what_takes_no_memory() -> None:
    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml")
    keys = [memory_key(t) for t in sweep.trials()]
    assert len(set(keys)) == len(keys) / len(sweep.seeds)


@pytest.mark.parametrize(
    ("asked", "fails", "ran"),
    [
        ("none", False, ["none"]),
        ("default", False, ["default"]),
        ("default", True, ["default", "none"]),
        ("auto", False, ["reduce-overhead"]),
        ("auto", True, ["reduce-overhead", "none"]),
    ],
)
def test_memory_is_measured_as_a_trial_may_be_compiled(
    asked: str, fails: bool, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run(trial: TrialSpec, data_root: str | None = None) -> None:
        seen.append(trial.recipe.compile)
        if fails and trial.recipe.compile != "none":
            raise CompilationFailed("found no compiler")

    monkeypatch.setattr("skipray.trial.run_trial", run)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 7)
    trial = sweep_with("resources.device=cuda", f"recipe.compile={asked}").trials()[0]
    assert resources._peak_memory(trial, None) == (7, 80)
    assert seen == ran
    assert (memory_key(trial) == memory_key(sweep_with("resources.device=cuda").trials()[0])) == (asked == "none")


def test_fractions_leave_room() -> None:
    gib = 2**30
    for peak in (gib // 8, gib, 10 * gib, 40 * gib, 70 * gib):
        fraction = fraction_of(peak, 80 * gib)
        assert round(1 / fraction) * peak < 80 * gib
        assert 1 / 8 <= fraction <= 1
    assert fraction_of(90 * gib, 80 * gib) == 1.0
