"""Every private name of Ray's that skipray uses, and what happens where a Ray has it otherwise.

One more stands in infra/hooks, for clusters on one machine.

There is no public switch for any of this. Each part says what it finds before it is used, signatures too
(`departures`); where something is not as expected that part is left out, and a sweep runs on public Ray and Tune: more
slowly, with the same numbers. Nothing that correctness needs stands on this module alone; each part names what does the
same publicly. This file is longer than others so that it is the only one which a new Ray can break.

- `lean_start`: besides what runs trials `ray.init` starts an autoscaler's monitor, a log forwarder, a dashboard server,
  which it waits for even when told to have no dashboard, and agents with all that a dashboard would ask them: half of
  the seconds that Ray takes to start and end on a laptop (infra/decisions/2026-11-25-launch.md), and 300 MB.
  Publicly: all of them are started.
  In their place the raylet starts workers of ours (`forking/`), for which Ray's compiled part reads its environment
  anew (`take_environment_anew`) and draws nothing before a fork (`nothing_drawn`), an agent that does nothing
  (`idle_agent.py`), and one that starts Ray's own once it is asked (`late_agent.py`).
- `adjusted_loop`: Tune tells an actor's death from a task's error by two classes of exceptions, and ends the whole run
  at any other: also at `OutOfMemoryError`, with which Ray's memory monitor reports the worker that it killed. Here
  every error of Ray's own is the death of the worker that it concerns. Publicly: the loop is begun anew (tune_loop.py).
- `adjusted_loop` also keeps a starting worker's trial for it. Tune gives it to the next warm worker that is free and
  ends the one that starts, just before it is ready: trials that are shorter than a start would never use a node that
  joins. And on one machine it takes workers that Ray has started ahead. Publicly: as Tune does.
- `adjusted_loop` keeps object-store credentials out of the environment that Tune asks Ray for: Ray shows it in lists of
  processes, in its logs and on its dashboard. They go to workers with their work (attempt.py). Publicly: it shows them.
- `adjusted_loop` lets Tune forget trials that have ended, and `unprinted` what it would print of them: it keeps 25 KB
  of each for as long as the loop runs. Publicly: they are kept.
- `gcs_client`: asks a head without Ray's own calls, which wait for a head that is away, and end the process when it
  comes back as another. Publicly: `ray.nodes` (head.py).
- `flags`: the head's key-value store. Publicly: actors that exist or do not (stop_flag.py).
- `local_options`: sockets, logs and objects of a cluster on this machine lie in a folder that is its user's alone and
  ends with the launch. Publicly: in Ray's own folder, where they stay.
- `bootstrap_address`: where a cluster would be joined, so that its token is checked first: Ray says the same of a wrong
  token and of a head that is not there. Publicly: host:port is looked at, `auto` is not.
- `silence_worker_logs`, `forget_token`: what the raylet prints of workers; a token that Ray keeps for the next cluster.
  Publicly: it is printed; a second cluster of one process is refused where it has another token.
"""

import functools
import inspect
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from skipray.scheduling.ray import idle_agent, late_agent

READY_SECONDS, LOOK_SECONDS = 20.0, 0.02
OTHERWISE = (ImportError, AttributeError, TypeError, ValueError)
"""What looking for a name raises where a Ray has it otherwise."""


def departures() -> tuple[str, ...]:
    """What this Ray has otherwise than expected, each with what was found; empty for a Ray that was tested."""
    found = []
    for what, look in _LOOKS.items():
        try:
            look()
        except OTHERWISE as error:
            found.append(f"{what} ({error})")
    return tuple(found)


def _known(what: str) -> bool:
    try:
        _LOOKS[what]()
    except OTHERWISE:
        return False
    return True


def _expect(function: Callable[..., Any], *parameters: str) -> None:
    found = tuple(inspect.signature(function).parameters)
    if found != parameters:
        raise TypeError(f"{function.__qualname__} takes {', '.join(found) or 'nothing'}")


def _look_monitors() -> None:
    from ray._private import parameter

    missing = set(_MONITORS_OFF) - set(inspect.signature(parameter.RayParams).parameters)
    if missing:
        raise TypeError(f"RayParams has no {', '.join(sorted(missing))}")


def _look_workers() -> None:
    import ray
    from ray._private import parameter

    inspect.signature(parameter.RayParams).bind(worker_path="")
    if not Path(ray.__file__).with_name("_private").joinpath("workers", "default_worker.py").is_file():
        raise ValueError("no workers/default_worker.py")
    _look_forks()


def _look_forks() -> None:
    # Compiled; Ray's own Python calls it so.
    from ray import ObjectRef, actor
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    getattr(Config, "initialize")  # noqa: B009
    for kind, name in ((vars(actor)["ActorClassID"], "size"), (ObjectRef, "from_random")):
        getattr(kind, name)
    AuthenticationTokenLoader.instance().reset_cache  # noqa: B018


def _look_dashboard() -> None:
    from ray._private.node import Node

    _expect(Node.start_api_server, "self", "include_dashboard", "raise_on_failure")


def _look_agents() -> None:
    from ray._private import utils

    _expect(utils.get_dashboard_dependency_error)


def _look_processes() -> None:
    import ray._raylet as core
    from ray._private import services

    if next(iter(inspect.signature(services.start_ray_process).parameters)) != "command":
        raise TypeError("start_ray_process does not take the command first")
    for name in ("persist_port", *chain.from_iterable(_AGENT_PORTS.values())):
        getattr(core, name)


def _look_node() -> None:
    from ray._private import services

    _expect(services.get_node, "gcs_address", "node_id")
    _look_gcs_client()


def _look_gcs_client() -> None:
    # Compiled, with no signatures to look at; GcsClient hands on what is asked of it.
    from ray._raylet import GcsClient, InnerGcsClient  # type: ignore[attr-defined]  # noqa: F401

    for name in ("cluster_id", "get_all_node_info"):
        getattr(InnerGcsClient, name)


def _look_bootstrap() -> None:
    from ray._private.services import canonicalize_bootstrap_address

    inspect.signature(canonicalize_bootstrap_address).bind("auto")


def _look_folders() -> None:
    import ray

    # Taken from **kwargs, each by its name.
    missing = {"_temp_dir", "_plasma_directory"} - set(inspect.unwrap(ray.init).__code__.co_consts)
    if missing:
        raise TypeError(f"ray.init takes no {', '.join(sorted(missing))}")


def _look_worker_logs() -> None:
    from ray._private import worker

    getattr(worker, "_worker_logs_enabled")  # noqa: B009  # no type checker knows it


def _look_flags() -> None:
    from ray.experimental import internal_kv as kv

    inspect.signature(kv._internal_kv_put).bind(b"key", b"value")
    inspect.signature(kv._internal_kv_exists).bind(b"key")
    inspect.signature(kv._internal_kv_del).bind(b"key")


def _look_actor_manager() -> None:
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution import tune_controller

    if vars(tune_controller).get("RayActorManager") is not RayActorManager:
        raise ValueError("Tune's loop has another RayActorManager")
    _expect(RayActorManager._actor_task_failed, "self", "tracked_actor_task", "exception")
    if next(iter(list(inspect.signature(RayActorManager.add_actor).parameters)[1:]), None) != "cls":
        raise TypeError("RayActorManager.add_actor does not take the class first")


def _look_starting_workers() -> None:
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution.tune_controller import TuneController

    _expect(TuneController._maybe_reuse_cached_actor, "self", "trial")
    _expect(RayActorManager.is_actor_started, "self", "tracked_actor")
    _expect_set(TuneController, {"_trial_to_actor", "_actor_manager"})


def _look_ended_trials() -> None:
    from ray.tune.execution.tune_controller import TuneController

    _expect(TuneController.on_step_end, "self")
    _expect_set(TuneController, {"_trials", "_trial_to_actor", *_ENDED_TRIALS})


def _look_printed() -> None:
    from ray.tune.progress_reporter import TrialProgressCallback

    for name in ("on_trial_result", "on_trial_error", "on_trial_complete"):
        getattr(TrialProgressCallback, name)
    inspect.signature(TrialProgressCallback).bind()


def _look_propagated() -> None:
    from ray.tune.execution import class_cache

    if not isinstance(class_cache.ENV_VARS_TO_PROPAGATE, set):
        raise TypeError("Tune's ENV_VARS_TO_PROPAGATE is no set")


def _expect_set(kind: type, attributes: set[str]) -> None:
    """Raise AttributeError where the class does not set one of these when it is made."""
    missing = attributes - {name for each in kind.__mro__ for name in _names_in(vars(each).get("__init__"))}
    if missing:
        raise AttributeError(f"{kind.__name__} has no {', '.join(sorted(missing))}")


def _names_in(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_names if code is not None else ()


_ENDED_TRIALS = ("_stopped_trials", "_failed_trials", "_live_trials", "_trials_to_cache")
"""Sets of TuneController in which trials that have ended stay; those that failed also among the live ones."""
_MONITORS_OFF = {"no_monitor": True, "include_log_monitor": False}
_DASHBOARD_AGENT = "--dashboard_agent_command"
_AGENT_PORTS = {
    _DASHBOARD_AGENT: ("METRICS_AGENT_PORT_NAME", "METRICS_EXPORT_PORT_NAME", "DASHBOARD_AGENT_LISTEN_PORT_NAME"),
    "--runtime_env_agent_command": ("RUNTIME_ENV_AGENT_PORT_NAME",),
}
MODULES = "RAY_preload_python_modules"
"""Ray's variable for what workers import once they are connected."""
NO_PORT = -1
"""How an agent says that it serves nothing."""
_LOOKS: dict[str, Callable[[], None]] = {
    "the monitors that it starts": _look_monitors,
    "the workers that it starts": _look_workers,
    "the dashboard that it starts": _look_dashboard,
    "the agents that it starts": _look_agents,
    "the processes that it starts": _look_processes,
    "how it waits for its node": _look_node,
    "the head's client": _look_gcs_client,
    "how it finds a cluster": _look_bootstrap,
    "where it keeps its files": _look_folders,
    "what it prints of workers": _look_worker_logs,
    "the head's key-value store": _look_flags,
    "how Tune hears of a death": _look_actor_manager,
    "how Tune gives out workers": _look_starting_workers,
    "how Tune keeps trials that have ended": _look_ended_trials,
    "what Tune prints of trials": _look_printed,
    "which variables Tune hands on": _look_propagated,
}


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within, the owner's attribute is this one."""
    found = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, found)


UNFIT = {"PYTHONOPTIMIZE": "", "PYTHONWARNINGS": "error"}
"""Variables that Ray's processes are started without, where they hold the word: its agents need docstrings."""


def unfit() -> dict[str, None]:
    """The variables of this process that Ray's processes are started without."""
    return {key: None for key, word in UNFIT.items() if word in os.environ.get(key, "")}


@contextmanager
def lean_start(environment: Mapping[str, str], worker: Path | None = None) -> Iterator[None]:
    """Within, `ray.init` starts the control service and a raylet alone.

    Args:
        environment: variables that all of them, and so every worker, have: sparing a runtime environment spares each
            worker an interpreter, and lets Ray start the workers ahead.
        worker: the script that the raylet starts for a worker; Ray's own when left out.
    """
    with ExitStack() as stack:
        for key, value in (unfit() | dict(environment)).items():
            stack.enter_context(_variable(key, value))
        chosen: dict[str, Any] = _MONITORS_OFF if _known("the monitors that it starts") else {}
        if worker is not None and starts_workers_of_ours():
            chosen = chosen | {"worker_path": str(worker)}
        if chosen:
            from ray._private import parameter

            params = functools.partial(parameter.RayParams, **chosen)
            stack.enter_context(replaced(parameter, "RayParams", params))
        if _known("the dashboard that it starts"):
            from ray._private.node import Node

            stack.enter_context(replaced(Node, "start_api_server", lambda self, **_: None))
        if _known("the agents that it starts"):
            from ray._private import utils

            # As where Ray was installed without its dashboard: the agents import nothing that only it asks for.
            stack.enter_context(replaced(utils, "get_dashboard_dependency_error", _not_asked_for))
        if _known("the agents that it starts") and _known("the processes that it starts"):
            from ray._private import services

            stack.enter_context(replaced(services, "start_ray_process", _with_light_agents(services.start_ray_process)))
        if _known("how it waits for its node"):
            from ray._private import services

            stack.enter_context(replaced(services, "get_node", _prompt(services.get_node)))
        yield


def _not_asked_for() -> ImportError:
    return ImportError("no dashboard was asked for")


def _with_light_agents(start: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(start)
    def started(command: list[str], *args: Any, **kwargs: Any) -> Any:
        return start([_with_light_agent(word) for word in command], *args, **kwargs)

    return started


def _with_light_agent(word: str) -> str:
    """Of the raylet's command, that of one of its agents, each of which would import Ray and tell the raylet its ports;
    Ray's own function tells them, and what takes the agent's place imports nothing.

    A dashboard that there is not has no port, and nothing to do. The agent of environments is started once it is asked.
    """
    option, _, command = word.partition("=")
    words = shlex.split(command) if option in _AGENT_PORTS else []
    said = dict(each.removeprefix("--").split("=", 1) for each in words if each.startswith("--") and "=" in each)
    dashboard = option == _DASHBOARD_AGENT
    if not {"session-dir", "node-id", "node-ip-address"} <= set(said) or (dashboard and "--minimal" not in words):
        return word
    import ray._raylet as core

    host = said["node-ip-address"]
    port = NO_PORT if dashboard else late_agent.free_port(host)
    for name in _AGENT_PORTS[option]:
        core.persist_port(said["session-dir"], said["node-id"], getattr(core, name), port)  # type: ignore[attr-defined]
    takes_its_place = [idle_agent.__file__] if dashboard else [late_agent.__file__, host, str(port), *words]
    return f"{option}={subprocess.list2cmdline([sys.executable, '-I', '-S', *takes_its_place])}"


def _prompt(get_node: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """Ray looks once per second whether its raylet is ready, which it is a moment after the first look."""

    def when_ready(gcs_address: str, node_id: str) -> Any:
        client, end = _gcs_client(gcs_address), time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if any(found.hex() == node_id for found in client.get_all_node_info(timeout=READY_SECONDS)):
                break
            time.sleep(LOOK_SECONDS)
        return get_node(gcs_address, node_id)

    return when_ready


@contextmanager
def _variable(key: str, value: str | None) -> Iterator[None]:
    before = os.environ.pop(key, None)
    if value is not None:
        os.environ[key] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = before


def local_options(temp_dir: str, plasma_dir: str | None) -> dict[str, Any]:
    """Options of `ray.init` for where a cluster of this machine keeps its sockets, logs and objects."""
    if not _known("where it keeps its files"):
        return {}
    return {"_temp_dir": temp_dir} | ({} if plasma_dir is None else {"_plasma_directory": plasma_dir})


def forget_token() -> None:
    """Ray reads a token once and keeps it; the next cluster may have another one. Before 2.52 it had none."""
    core: Any = sys.modules.get("ray._raylet")
    if core is not None:  # else it has read none
        with suppress(*OTHERWISE):
            core.AuthenticationTokenLoader.instance().reset_cache()


def of_forks(parent: int) -> dict[str, str]:
    """The two variables that Ray reads as it is imported, and never again: of its job, as workers have it that are
    started ahead, which learn of their job with their first work; and of the process with which a worker ends."""
    return {"RAY_JOB_ID": "ffffffff", "RAY_RAYLET_PID": str(parent)}


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Within, importing Ray's libraries draws nothing from its compiled part's generator, which forks would then have
    in common: classes that are declared as actors have their ids from the system."""
    from ray import actor

    class ClassId:
        @staticmethod
        def from_random() -> Any:
            return _class_id()(os.urandom(_class_id().size()))

    with replaced(actor, "ActorClassID", ClassId):
        yield


def forks_draw_apart() -> bool:
    """Whether forks of this process draw other ids than each other, as they must: two of them tell."""
    return len({_drawn_by_fork() for _ in range(2)}) == 2


def _drawn_by_fork() -> bytes:
    from ray import ObjectRef

    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tells, ObjectRef.from_random().binary())
        os._exit(0)
    os.close(tells)
    with os.fdopen(told, "rb") as answer:
        drawn = answer.read()
    os.waitpid(child, 0)
    return drawn


def _class_id() -> Any:
    from ray import ActorClassID

    return ActorClassID


def take_environment_anew() -> None:
    """Ray's compiled part keeps the variables and the token that it finds when it is imported; a fork that has been
    given others lets it read them as a fresh process would, all but those of `of_forks`."""
    from ray._raylet import Config  # type: ignore[attr-defined]

    Config.initialize("")
    forget_token()


def starts_workers_of_ours() -> bool:
    """Whether `lean_start` has the raylet start the worker that it is given."""
    return _known("the workers that it starts")


def silence_worker_logs() -> None:
    """The raylet's messages would go to standard output, which belongs to results; the searcher tells each death
    itself. Ray's debugger silences them in the same way."""
    if _known("what it prints of workers"):
        from ray._private import worker

        worker._worker_logs_enabled = False


def bootstrap_address(address: str) -> str | None:
    """host:port of the head that Ray would take for an address such as `auto`; None where it finds none."""
    if not _known("how it finds a cluster"):
        return address if ":" in address else None
    from ray._private.services import canonicalize_bootstrap_address

    found = canonicalize_bootstrap_address(address)
    return str(found) if found else None


class FoundNode(NamedTuple):
    node_id: str
    host: str
    resources: Mapping[str, float]


class HeadClient:
    """Asks one head, each time anew, without Ray's own patience."""

    def __init__(self, address: str):
        self.address = address
        self._client = _gcs_client(address)

    def cluster_id(self) -> Any:
        return self._client.cluster_id

    def nodes(self, timeout_seconds: float) -> tuple[FoundNode, ...]:
        """Those that are alive."""
        return tuple(
            FoundNode(key.hex(), node.node_manager_hostname, node.resources_total)
            for key, node in self._client.get_all_node_info(timeout=timeout_seconds).items()
            if node.state == node.ALIVE
        )


def gcs_client(address: str) -> HeadClient | None:
    """A client of the head at an address; None where this Ray has none as expected. Raises Ray's own errors."""
    return HeadClient(address) if _known("the head's client") else None


def _gcs_client(address: str) -> Any:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # what `ray health-check` uses

    return GcsClient(address=address)


class Flags(NamedTuple):
    """The head's key-value store, of which every process of the cluster sees the keys."""

    put: Callable[[bytes, bytes], Any]
    exists: Callable[[bytes], bool]
    delete: Callable[[bytes], Any]


def flags() -> Flags | None:
    """None where this Ray has none as expected."""
    if not _known("the head's key-value store"):
        return None
    from ray.experimental import internal_kv as kv

    return Flags(kv._internal_kv_put, kv._internal_kv_exists, kv._internal_kv_del)


@contextmanager
def adjusted_loop(worker: type | None = None) -> Iterator[None]:
    """Within it, a Tuner's loop is as described above.

    Args:
        worker: the class of every actor, started as it is; as Tune starts it when left out. Only where workers have the
            environment of this process: Tune gives each one of its own, of variables that are also this process's, and
            so a new process.
    """
    with ExitStack() as stack:
        if _known("how Tune hears of a death"):
            from ray.tune.execution import tune_controller

            manager = functools.partial(_actor_manager(), worker=worker)
            stack.enter_context(replaced(tune_controller, "RayActorManager", manager))
        if _known("how Tune gives out workers"):
            from ray.tune.execution.tune_controller import TuneController

            reuse = _unless_starting(TuneController._maybe_reuse_cached_actor)
            stack.enter_context(replaced(TuneController, "_maybe_reuse_cached_actor", reuse))
        if _known("how Tune keeps trials that have ended"):
            from ray.tune.execution.tune_controller import TuneController

            stack.enter_context(replaced(TuneController, "on_step_end", _then_forget(TuneController.on_step_end)))
        if _known("which variables Tune hands on"):
            from ray.tune.execution import class_cache

            shown = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if not name.startswith("AWS_")}
            stack.enter_context(replaced(class_cache, "ENV_VARS_TO_PROPAGATE", shown))
        yield


@functools.cache
def _actor_manager() -> type:
    import ray
    from ray.air.execution._internal import RayActorManager
    from ray.exceptions import RayActorError, RayError, RayTaskError

    class ActorManager(RayActorManager):
        """Takes every error of Ray's own for the death of the worker that it concerns."""

        def __init__(self, *args: Any, worker: type | None = None, **kwargs: Any):
            super().__init__(*args, **kwargs)
            self._worker: Any = ray.remote(worker) if worker else None

        def add_actor(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
            return super().add_actor(self._worker or cls, *args, **kwargs)

        def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
            if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
                exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
            super()._actor_task_failed(tracked_actor_task, exception)

    return ActorManager


def unprinted() -> list[Any]:
    """A callback in place of that with which Tune prints trials; none where this Ray has none as expected."""
    if not _known("what Tune prints of trials"):
        return []
    from ray.tune.progress_reporter import TrialProgressCallback

    class Silent(TrialProgressCallback):
        """Prints nothing, and so need not remember what it has printed."""

        def on_trial_result(self, *_: Any, **__: Any) -> None: ...

        def on_trial_error(self, *_: Any, **__: Any) -> None: ...

        def on_trial_complete(self, *_: Any, **__: Any) -> None: ...

    return [Silent()]


def _then_forget(on_step_end: Callable[[Any], None]) -> Callable[[Any], None]:
    """After a step of Tune's loop forget the trials that have ended and have no worker any more."""

    def forget(controller: Any) -> None:
        on_step_end(controller)
        ended = [getattr(controller, name) for name in _ENDED_TRIALS]
        for trial in [trial for trial in controller._trials if trial.is_finished()]:
            if trial not in controller._trial_to_actor:
                controller._trials.remove(trial)
                for kept in ended:
                    kept.discard(trial)

    return forget


def _unless_starting(reuse: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Give a trial a warm worker, unless its own has been given resources and starts."""

    def reuse_unless_starting(controller: Any, trial: Any) -> bool:
        with suppress(AttributeError):
            own = controller._trial_to_actor.get(trial)
            if own is not None and controller._actor_manager.is_actor_started(own):
                return False
        return bool(reuse(controller, trial))

    return reuse_unless_starting
