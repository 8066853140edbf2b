"""Ray's private names: used in one module, found as expected, and none of them needed for a sweep to end rightly."""

import ast
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import OutOfMemoryError
from ray.tune.experiment import Trial

import skipray
from skipray.scheduling.ray import private
from skipray.scheduling.ray.attempt import Execute, WorkerContext
from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.run import run
from skipray.scheduling.work.events import Event, Summary
from skipray.scheduling.work.protocol import FixedWork
from skipray.spec import SweepSpec

PACKAGE = Path(skipray.__file__).parent
PRIVATE = ("ray._private", "ray._raylet", "ray.air.execution", "ray.experimental", "ray.tune.execution")

Pretend = Callable[..., Execute]


def test_this_ray_is_as_expected() -> None:
    assert private.departures() == ()


def test_one_module_alone_uses_private_names() -> None:
    users = {}
    for path in PACKAGE.rglob("*.py"):
        found = [name for name in imported(ast.parse(path.read_text())) if name.startswith(PRIVATE)]
        if found:
            users[str(path.relative_to(PACKAGE))] = found
    assert set(users) == {"scheduling/ray/private.py"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            base = node.value
            if isinstance(base, ast.Name) and base.id == "ray":
                yield f"ray.{node.attr}"


@pytest.mark.parametrize("what", sorted(private._LOOKS))
def test_what_is_otherwise_is_told_with_its_name(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise AttributeError("no such name")

    monkeypatch.setitem(private._LOOKS, what, gone)
    assert private.departures() == (f"{what} (no such name)",)
    assert not private._known(what)


def test_a_function_with_other_parameters_is_not_as_expected() -> None:
    def take(first: int, second: int) -> None:
        return

    private._expect(take, "first", "second")
    with pytest.raises(TypeError, match="take takes first, second"):
        private._expect(take, "first")


@pytest.fixture
def unknown_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ray of which nothing is as expected."""

    def gone() -> None:
        raise ImportError("gone")

    for what in private._LOOKS:
        monkeypatch.setitem(private._LOOKS, what, gone)


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("known", [True, False], ids=["as tested", "public Tune alone"])
def test_a_worker_killed_for_memory_costs_attempts_and_no_trial(
    sweep: SweepSpec,
    context: WorkerContext,
    cluster: Cluster,
    pretend: Pretend,
    tmp_path: Path,
    known: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray's memory monitor reports its kill by an error that Tune's loop does not know and ends at.

    Fails on a Ray where neither the adjusted loop nor a loop that is begun anew survives it.
    """
    if not known:
        request.getfixturevalue("unknown_ray")
    killed = kill_once(monkeypatch)
    summary, events = launch(sweep, context, cluster, pretend(tmp_path))
    assert killed == ["killed"]
    assert (summary.finished, summary.failed, summary.unfinished) == (6, (), 0)
    finished = Counter(event.trial.trial_id for event in events if event.kind == "finished")
    assert finished == {trial.trial_id: 1 for trial in sweep.trials()}
    again = [event for event in events if event.kind == "again"]
    assert again
    assert all("low on memory" in event.result.message for event in again if event.result)
    assert {event.result.failure_class for event in again if event.result} == {"out_of_memory" if known else "lost"}


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_trials_that_have_ended_are_forgotten(
    sweep: SweepSpec, context: WorkerContext, cluster: Cluster, pretend: Pretend, tmp_path: Path
) -> None:
    """Those that failed too: a launch of ten thousand trials needs no more memory than one of ten."""
    trials = [replace(trial, seed=seed) for seed in range(4) for trial in sweep.trials()]
    kept: list[int] = []

    def count(event: Event) -> None:
        if event.kind in ("finished", "failed"):
            # By type: a weak proxy among them whose object is gone would raise where it is asked for its class.
            kept.append(sum(issubclass(type(each), Trial) for each in gc.get_objects()))

    work = FixedWork(trials, [float(trial.model.depth) for trial in trials])
    summary = run(work, sweep, context, cluster, on_event=count, execute=pretend(tmp_path, raises="resnext"))
    assert (summary.finished, len(summary.failed)) == (16, 8)
    assert max(kept) <= kept[0] + 8, "those that run, that wait for a worker, and that end just now"


def kill_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first result of a trial is that its worker was killed. Returns what has been killed."""
    from ray.air.execution._internal import event_manager

    killed: list[str] = []

    class Told:
        """Ray, but for one answer."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ray, name)

        @staticmethod
        def get(future: Any, *arguments: Any, **options: Any) -> Any:
            answer = ray.get(future, *arguments, **options)
            if not killed and isinstance(answer, dict) and "result" in answer:
                killed.append("killed")
                raise OutOfMemoryError("Task was killed due to the node running low on memory.")
            return answer

    monkeypatch.setattr(event_manager, "ray", Told())
    return killed


def launch(sweep: SweepSpec, context: WorkerContext, cluster: Cluster, execute: Execute) -> tuple[Summary, list[Event]]:
    events: list[Event] = []
    trials = sweep.trials()
    work = FixedWork(trials, [float(t.model.depth) for t in trials])
    return run(work, sweep, context, cluster, on_event=events.append, execute=execute), events
