"""Ray on this machine alone: only what trials need, and workers that are ready when the first trial is."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import psutil
import pytest

from skipray.errors import InputRefused
from skipray.scheduling.ray import idle_agent, late_agent, local_folder, local_start, private, settings
from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.ray.cluster import Cluster, connect, disconnect
from skipray.scheduling.ray.private import departures, lean_start
from skipray.scheduling.ray.run import run
from skipray.scheduling.work.protocol import FixedWork, TrialResult
from skipray.spec import SweepSpec, load_sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster(sweep: SweepSpec) -> Iterator[Cluster]:
    """As a launch starts it, with workers that import all that a trial needs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", "RAY_preload_python_modules"):
            patch.delenv(name, raising=False)
        made = connect(sweep)
        yield made
        disconnect(made)


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_nothing_runs_that_no_trial_needs(cluster: Cluster) -> None:
    assert cluster.address is None
    assert cluster.start is not None
    lines = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
    lines = [line for line in lines if str(cluster.start.folder.path) in line]  # and not another test's cluster
    for needed in ("gcs_server", "raylet"):
        assert any(needed in line for line in lines)
    for spared in ("monitor.py", "dashboard.py", "log_monitor.py"):
        assert not any(spared in line for line in lines), lines


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_in_place_of_an_agent_that_serves_nothing_one_waits_that_imports_nothing(cluster: Cluster) -> None:
    assert cluster.processes is not None
    (raylet,) = [process for process in cluster.processes._vital if process.name() == "raylet"]
    lines = [" ".join(process.cmdline()) for process in raylet.children()]
    assert sum(idle_agent.__file__ in line for line in lines) == 1, lines
    assert not any("DashboardAgent" in line or "dashboard" in line for line in lines), lines


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_the_agent_of_environments_is_started_once_it_is_asked(cluster: Cluster) -> None:
    import ray

    assert cluster.processes is not None
    (raylet,) = [process for process in cluster.processes._vital if process.name() == "raylet"]
    (late,) = [process for process in raylet.children() if late_agent.__file__ in process.cmdline()]
    assert not late.children()

    @ray.remote
    def variable() -> str | None:
        return os.environ.get("ASKED")

    for word in ("yes", "no"):  # the first starts it
        asked = variable.options(runtime_env={"env_vars": {"ASKED": word}}).remote()  # type: ignore[attr-defined]
        assert ray.get(asked, timeout=60) == word
        assert len(late.children()) == 1


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_trials_find_everything_imported_and_their_threads_set(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, tmp_path: Path
) -> None:
    folder = str(tmp_path)

    def execute(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
        ready = "skipray.scheduling.ray.worker_imports" in sys.modules and "torch" in sys.modules
        forked = "skipray.scheduling.ray.forking.serve" in sys.modules
        said = f"{ready} {forked} {os.environ['OMP_NUM_THREADS']} {os.environ.get('TUNE_DISABLE_AUTO_INIT')}"
        (Path(folder) / attempt.trial.label).write_text(said)
        return TrialResult(attempt.trial.trial_id, "finished", attempt.number)

    trials = sweep.trials()
    assert cluster.start is not None
    place, seen = cluster.start.folder.path, set[Path]()
    run(
        FixedWork(trials, [1.0] * len(trials)),
        sweep,
        context,
        cluster,
        execute=execute,
        on_wait=lambda: seen.update(place.glob("*/skipray")),
    )
    assert seen, "Tune's files lie in the launch's own folder"
    assert not any(folder.exists() for folder in seen)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"True True 1 1"}


@pytest.mark.parametrize(
    ("overrides", "trials", "ahead"),
    [
        ([], None, "1"),
        ([], 4, "1"),
        ([], 3, "0"),
        (["resources.max_concurrent=3"], None, "0"),
        (["resources.threads=2"], None, "0"),
        (["resources.device=cuda"], None, "0"),
    ],
)
def test_workers_are_started_ahead_where_trials_take_every_core(
    overrides: list[str], trials: int | None, ahead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "usable_cores", lambda: 4)
    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml", overrides)
    monkeypatch.delenv("RAY_prestart_worker_first_driver", raising=False)
    assert settings.workers_ahead(sweep, trials) == {"RAY_prestart_worker_first_driver": ahead}
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    assert settings.workers_ahead(sweep, trials) == {}, "what the user has set stays"


def test_rays_processes_start_without_what_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with private.lean_start({"OMP_NUM_THREADS": "1"}):
        assert not {"PYTHONOPTIMIZE", "PYTHONWARNINGS"} & set(os.environ)
    assert (os.environ["PYTHONOPTIMIZE"], os.environ["PYTHONWARNINGS"]) == ("2", "error")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    with private.lean_start({}):
        assert os.environ["PYTHONWARNINGS"] == "ignore"


def test_ray_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import node, parameter, services, utils

    def places() -> list[object]:
        found = [parameter.RayParams, node.Node.start_api_server, utils.get_dashboard_dependency_error]
        return [*found, services.get_node, os.environ.get("OMP_NUM_THREADS"), os.environ.get("SKIPRAY_TESTED")]

    monkeypatch.delenv("SKIPRAY_TESTED", raising=False)
    before = places()
    with suppress(ConnectionError), lean_start({"OMP_NUM_THREADS": "3", "SKIPRAY_TESTED": "1"}):
        assert places()[-2:] == ["3", "1"]
        assert not [same for same, was in zip(places(), before, strict=True) if same is was]
        assert parameter.RayParams().no_monitor
        raise ConnectionError("Ray did not start")
    assert places() == before


def test_a_ray_without_these_places_starts_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import node, parameter, services, utils

    monkeypatch.setattr(parameter, "RayParams", lambda num_cpus=None: SimpleNamespace(num_cpus=num_cpus))
    monkeypatch.delattr(utils, "get_dashboard_dependency_error")
    monkeypatch.delattr(services, "get_node")

    def start_api_server(self: object, dashboard: bool) -> str:
        return "started"

    monkeypatch.setattr(node.Node, "start_api_server", start_api_server)
    with lean_start({}):
        assert parameter.RayParams(num_cpus=2).num_cpus == 2
        assert node.Node.start_api_server is start_api_server
        assert not hasattr(utils, "get_dashboard_dependency_error")
        assert not hasattr(services, "get_node")
    found = departures()
    for what in ("monitors", "workers", "dashboard (Node.start_api_server takes self, dashboard)", "agents", "node"):
        # what stands in for a function here is named by where it stands
        assert any(what.partition(" (")[0] in line for line in found), found
    assert len(found) == 5


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ({"f_favail": 12, "f_files": 4000}, r"found room for 12 more files \(`df -i .*needs room for 300"),
        ({"f_bavail": 5, "f_frsize": 2**20}, r"found 5 MiB free .*needs 50 MiB"),
        ({"f_favail": 0, "f_files": 0}, ""),  # such as btrfs, which counts no files
    ],
)
def test_a_full_temporary_folder_is_told_before_ray_dies_of_it(
    room: dict[str, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plenty = {"f_favail": 10**6, "f_files": 10**7, "f_bavail": 10**6, "f_frsize": 4096}
    monkeypatch.setattr(local_folder.os, "statvfs", lambda folder: SimpleNamespace(**plenty | room))
    if said:
        with pytest.raises(InputRefused, match=said):
            local_folder.SessionFolder()
    else:
        local_folder.SessionFolder().remove()


def test_folders_of_launches_that_were_killed_go_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the user's own")  # else the one of `killed` would stay in the environment
    monkeypatch.setattr(local_folder.os, "access", lambda *_: False)  # to /tmp
    monkeypatch.setattr(local_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(local_folder.tempfile, "tempdir", str(tmp_path))
    killed = local_folder.SessionFolder()
    lives = local_folder.SessionFolder()
    os.close(killed._lock)
    for other in ("skipray-tune-1", "skipray-1-of-an-earlier-release", "skipray-1", "another"):
        (tmp_path / other).mkdir()
    (tmp_path / "another" / "lock").touch()
    (tmp_path / "skipray-2-linked").symlink_to(tmp_path / "another")
    before = {path.name for path in tmp_path.iterdir()}
    third = local_folder.SessionFolder()
    assert {path.name for path in tmp_path.iterdir()} == before - {killed.path.name} | {third.path.name}
    assert (tmp_path / "another" / "lock").exists()
    for folder in (third, lives):
        folder.remove()
        assert not folder.path.exists()


def test_tunes_files_go_with_the_launch_or_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the user's own")
    monkeypatch.setattr(local_folder.os, "access", lambda *_: False)  # to /tmp
    monkeypatch.setattr(local_folder.tempfile, "tempdir", str(tmp_path))
    session = local_folder.SessionFolder()
    with local_folder.folder_within(session) as folder:
        assert folder.parent == session.path
    session.remove()
    with local_folder.folder_within(None) as folder:
        assert folder.name.startswith(f"skipray-{os.getpid()}-"), "the supervisor looks for this name"
        with local_folder.folder_within(None) as other:
            assert folder.exists(), "its launch lives"
        assert not other.exists()
    assert list(tmp_path.iterdir()) == []
    program = "import os\nfrom skipray.scheduling.ray import local_folder as l\nl._place = lambda: l.Path('.')\n"
    program += "with l.folder_within(None): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, timeout=60)
    (killed,) = tmp_path.iterdir()
    with local_folder.folder_within(None):
        assert not killed.exists()


@pytest.mark.parametrize(
    ("patched", "by", "said"),
    [
        ("LOOPBACK", "192.0.2.1", "Cannot assign requested address"),  # RFC 5737: nobody's own
        ("socket.create_connection", Mock(side_effect=TimeoutError("timed out")), "timed out"),
    ],
)
def test_without_a_loopback_interface_nothing_is_begun(
    patched: str, by: object, said: str, sweep: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(f"skipray.scheduling.ray.loopback.{patched}", by)
    begun = Mock()
    monkeypatch.setattr(local_start, "SessionFolder", begun)
    with pytest.raises(InputRefused, match=f"found no way from this machine to itself .*{said}.*lo up"):
        local_start.LocalStart(sweep)
    begun.assert_not_called()
