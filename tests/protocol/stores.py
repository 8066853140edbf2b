"""A folder and a tracking server in memory, each operation of which is a step of the run.

They keep what the real ones keep: a file is written whole or not at all, but a folder is removed file by file; a param
never changes; of a metric's points those that are equal in key, step, time and value are one.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from world import World

Files = dict[str, dict[str, bytes]]


class MemoryFolder:
    """`skipray.storage.Folder` in a dictionary: path of a folder -> name -> bytes."""

    def __init__(self, world: World, files: Files, path: str):
        self._world, self._files, self._path = world, files, path

    def _step(self, what: str, kind: str = "read") -> None:
        if self._world.step(f"{what} in {self._path or 'the storage'}", kind) == "full":
            raise OSError(28, "No space left on device")

    def read(self, name: str) -> bytes | None:
        self._step(f"read {name}")
        return self._files.get(self._path, {}).get(name)

    def write(self, name: str, data: bytes) -> None:
        self._step(f"write {name}", "write")
        self._files.setdefault(self._path, {})[name] = data

    def create(self, name: str, data: bytes) -> bool:
        self._step(f"create {name}", "write")
        folder = self._files.setdefault(self._path, {})
        if name in folder:
            return False
        folder[name] = data
        return True

    def names(self) -> list[str]:
        self._step("list")
        below = {path.removeprefix(f"{self._path}/") for path in self._files if path.startswith(f"{self._path}/")}
        return sorted({*self._files.get(self._path, {}), *below})

    def remove(self, name: str) -> None:
        self._step(f"remove {name}", "remove")
        self._files.get(self._path, {}).pop(name, None)

    def remove_all(self, ours: Callable[[str], bool] = lambda name: True) -> None:
        for name in list(self._files.get(self._path, {})):
            if ours(name):
                self.remove(name)
        self._step("remove the folder", "remove")
        if not self._files.get(self._path, {}):
            self._files.pop(self._path, None)


class Page(list):  # type: ignore[type-arg]
    token = None


SWEEP_RUN = "sweep-run"


class MemoryServer:
    """What skipray asks of an MLflow client, for one experiment with its sweep's run."""

    def __init__(self, world: World):
        self._world = world
        self.runs: dict[str, SimpleNamespace] = {}
        """The trials'."""
        self._ids = itertools.count(1)
        self._sweep_run = _new_run(SWEEP_RUN, 0, {"skipray.kind": "sweep"})

    def _asked(self, what: str, action: Callable[[], Any], *, answers: bool = False) -> Any:
        """
        Args:
            answers: the answer holds something, which skipray's client looks for.
        """
        how = self._world.step(what, "request")
        if how == "lost" or (how == "void" and answers):
            raise MlflowException("the server is away, or answers without what was asked for")
        if how == "void":
            return None
        answer = action()
        if how == "twice":
            answer = action()
        if how == "exit":
            raise SystemExit(1)
        if how == "cut":
            raise MlflowException("the connection was closed")
        return answer

    def get_experiment_by_name(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(experiment_id="1", name=name, lifecycle_stage="active")

    def create_run(
        self, experiment_id: str, *, start_time: int, tags: Mapping[str, str], run_name: str
    ) -> SimpleNamespace:
        def make() -> SimpleNamespace:
            run_id = f"run{next(self._ids)}"
            self.runs[run_id] = _new_run(run_id, start_time, tags)
            return self._copy(run_id)

        return self._asked("create a run", make, answers=True)

    def get_run(self, run_id: str) -> SimpleNamespace:
        return self._asked(f"get {run_id}", lambda: self._copy(run_id), answers=True)

    def search_runs(self, experiments: list[str], condition: str, **_: Any) -> Page:
        def search() -> Page:
            found = [r for r in self.runs.values() if r.info.lifecycle_stage == "active" and _fits(r, condition)]
            return Page(self._copy(r.info.run_id) for r in sorted(found, key=lambda r: -r.info.start_time))

        return self._asked("search", search, answers=True)

    def get_metric_history(self, run_id: str, key: str) -> list[SimpleNamespace]:
        def history() -> list[SimpleNamespace]:
            points = self._active(run_id).points.get(key, ())
            return [SimpleNamespace(step=step, timestamp=time, value=value) for step, time, value in points]

        return self._asked(f"history of {key} of {run_id}", history, answers=True)

    def log_batch(self, run_id: str, *, metrics: Any, params: Any, tags: Any) -> None:
        def log() -> None:
            run = self._active(run_id)
            for param in params:
                if run.data.params.setdefault(param.key, param.value) != param.value:
                    raise MlflowException("a param does not change", error_code=INVALID_PARAMETER_VALUE)
            for m in metrics:
                run.points.setdefault(m.key, {})[(m.step, m.timestamp, m.value)] = True
                run.data.metrics[m.key] = m.value
            run.data.tags.update({t.key: t.value for t in tags})

        self._asked(f"log {len(metrics)} points, {len(params)} params on {run_id}", log)

    def log_param(self, run_id: str, key: str, value: str) -> None:
        def log() -> None:
            if self._active(run_id).data.params.setdefault(key, value) != value:
                raise MlflowException("a param does not change", error_code=INVALID_PARAMETER_VALUE)

        self._asked(f"param {key} of {run_id}", log)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._asked(f"tag {key} of {run_id}", lambda: self._active(run_id).data.tags.update({key: value}))

    def delete_tag(self, run_id: str, key: str) -> None:
        def delete() -> None:
            if self._active(run_id).data.tags.pop(key, None) is None:
                raise MlflowException("no such tag", error_code=RESOURCE_DOES_NOT_EXIST)

        self._asked(f"delete tag {key} of {run_id}", delete)

    def update_run(self, run_id: str, status: str) -> None:
        self._asked(f"{run_id} is {status}", lambda: self._active(run_id).info.__dict__.update(status=status))

    def set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        end = end_time if end_time is not None else int(1000 * self._world.now())
        change = {"status": status, "end_time": end}
        self._asked(f"{run_id} ends {status}", lambda: self._active(run_id).info.__dict__.update(change))

    def log_inputs(self, run_id: str, datasets: Any) -> None:
        self._asked(f"inputs of {run_id}", lambda: self._active(run_id))

    def delete_run(self, run_id: str) -> None:
        self._asked(f"delete {run_id}", lambda: self._known(run_id).info.__dict__.update(lifecycle_stage="deleted"))

    def write_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        self._asked(f"files of {run_id}", lambda: self._known(run_id).files.update(files))

    def list_files(self, run_id: str) -> list[str]:
        return self._asked(f"list files of {run_id}", lambda: sorted(self._known(run_id).files), answers=True)

    def params_of(self, run_id: str) -> Mapping[str, str]:
        """For whoever looks from outside: no request."""
        return self._known(run_id).data.params

    def _known(self, run_id: str) -> SimpleNamespace:
        if run_id == SWEEP_RUN:
            return self._sweep_run
        if run_id not in self.runs:
            raise MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST)
        return self.runs[run_id]

    def _active(self, run_id: str) -> SimpleNamespace:
        run = self._known(run_id)
        if run.info.lifecycle_stage != "active":
            raise MlflowException("the run is deleted", error_code=INVALID_PARAMETER_VALUE)
        return run

    def _copy(self, run_id: str) -> SimpleNamespace:
        """As an answer has it: later changes are not in it."""
        run = self._known(run_id)
        data = SimpleNamespace(tags=dict(run.data.tags), params=dict(run.data.params), metrics=dict(run.data.metrics))
        return SimpleNamespace(info=SimpleNamespace(**vars(run.info)), data=data)


def _new_run(run_id: str, start_time: int, tags: Mapping[str, str]) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(
            run_id=run_id,
            status="RUNNING",
            start_time=start_time,
            end_time=None,
            artifact_uri=f"mlflow-artifacts:/1/{run_id}/artifacts",
            lifecycle_stage="active",
        ),
        data=SimpleNamespace(tags=dict(tags), params={}, metrics={}),
        points={},
        files={},
    )


def _fits(run: SimpleNamespace, condition: str) -> bool:
    for part in filter(None, condition.split(" AND ")):
        found = re.fullmatch(r"(?:tags\.`([^`]+)`|attributes\.(\w+)) (!?=) '([^']*)'", part.strip())
        assert found is not None, f"the server in memory does not know {part}"
        value = run.data.tags.get(found[1]) if found[1] else getattr(run.info, found[2])
        if (value == found[4]) != (found[3] == "="):
            return False
    return True
