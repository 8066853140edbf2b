"""Names that a library does not document are used in one module for each library, which says what is done without."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules import batchnorm, conv, dropout

import skipray
from skipray import torch_private
from skipray.tracking import mlflow_private

PACKAGE = Path(skipray.__file__).parent
SEAMS = {
    "scheduling.ray.private": "Ray",
    "torch_private": "torch",
    "tracking.mlflow_private": "MLflow",
}
UNDOCUMENTED = ("ray._", "ray.air", "ray.experimental", "ray.tune.execution", "mlflow.store", "mlflow.utils")
IN_PLACE = {
    ("scheduling.work.studies", "_trial_id"): "Optuna: its own number of a trial in its storage",
    ("trial.kept.of_python", "_filters_mutated"): "Python: filters that are put back have to be looked at anew",
}
"""Names that stand alone where they are used, each with what is done without it."""
PYTHONS_OWN = {"_exit"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Each file of skipray by the name of its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a file of skipray gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def foreign(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Names with an underscore, and undocumented modules, that a file uses and skipray does not define."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in own:
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and str(name.value).startswith("_") and "__" not in str(name.value):
                yield str(name.value)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(UNDOCUMENTED))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(UNDOCUMENTED):
            yield str(node.module)


def test_one_module_for_each_library() -> None:
    parsed = dict(trees())
    own = {name for tree in parsed.values() for name in bound(tree)} | {name.rpartition(".")[2] for name in parsed}
    found = {module: sorted(set(foreign(tree, own)) - PYTHONS_OWN) for module, tree in parsed.items()}
    assert all(found[module] for module in SEAMS), "a seam without such a name can go"
    outside = {(module, name) for module, names in found.items() if module not in SEAMS for name in names}
    threads = {("trial.kept.left_running", "_target")}  # Python's, of a thread; without it its class tells
    assert outside - threads == set(IN_PLACE)


PRIVATE = ((batchnorm, "_BatchNorm"), (batchnorm, "_NormBase"), (conv, "_ConvNd"), (dropout, "_DropoutNd"))


@pytest.fixture
def another_torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The seam as it is where torch has none of the base classes."""
    for home, name in PRIVATE:
        monkeypatch.delattr(home, name)
    spec = importlib.util.spec_from_file_location("another_torch_private", torch_private.__file__)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_layers_are_told_by_public_classes_where_torch_has_no_base_class(another_torch: ModuleType) -> None:
    layers = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    for name in ("BATCH_NORMS", "STATISTICS_NORMS", "CONVOLUTIONS", "DROPOUTS", "NORMS"):
        kinds, public = getattr(torch_private, name), getattr(another_torch, name)
        assert len(public) >= len(kinds)
        told = {kind for kind in layers if issubclass(kind, kinds) and not kind.__name__.startswith("Lazy")}
        assert told
        assert told == {kind for kind in layers if issubclass(kind, public) and not kind.__name__.startswith("Lazy")}


def test_what_a_torch_without_its_private_attributes_is_asked() -> None:
    tensor = torch.zeros(2)
    bare: Any = SimpleNamespace(is_inference=lambda: False)
    assert torch_private.changes_in_place(bare) == torch_private.changes_in_place(tensor) == 0
    assert torch_private.changes_in_place(tensor.add_(1)) == 1
    storage = tensor.untyped_storage()
    assert torch_private.storage_key(storage) == torch_private.storage_key(tensor[1:].untyped_storage())
    assert torch_private.storage_key(SimpleNamespace(data_ptr=lambda: 7)) == 7  # type: ignore[arg-type]
    held = {"mean": tensor}
    other: Any = SimpleNamespace(named_buffers=lambda recurse: held.items())
    assert torch_private.buffers_of(other) == held
    torch_private.put_buffer(other, "mean", None)
    assert other.mean is None
    norm = nn.BatchNorm1d(2)
    assert set(torch_private.buffers_of(norm)) == {"running_mean", "running_var", "num_batches_tracked"}
    assert torch_private.uncompiled(norm) is norm
    assert torch_private.uncompiled(SimpleNamespace(_orig_mod=norm)) is norm  # type: ignore[arg-type]


def test_headers_lie_in_the_compilers_folder_where_torch_lets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: torch finds the folder once."""
    code = (
        "import pathlib, sys, tempfile; from skipray.torch_private import import_compiler\n"
        "import_compiler(pathlib.Path(sys.argv[1])); from torch._inductor import codecache\n"
        "print(codecache._HEADER_DIR, tempfile.gettempdir())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    headers, temporary = done.stdout.split()
    assert Path(headers).is_relative_to(tmp_path)
    assert not Path(temporary).is_relative_to(tmp_path)
    monkeypatch.setitem(sys.modules, "torch._inductor.codecache", None)
    torch_private.import_compiler(tmp_path)  # a torch without it: nothing is imported, and nothing is said


def test_errors_of_the_compiler_are_told_by_where_their_kinds_are() -> None:
    kind = type("InductorError", (RuntimeError,), {"__module__": "torch._inductor.exc"})
    assert torch_private.from_compiler(kind("no compiler"))
    assert not torch_private.from_compiler(RuntimeError("the network's own"))


@pytest.mark.parametrize("known", [True, False], ids=["as tested", "documented names alone"])
def test_files_of_a_run_by_its_address_or_by_the_run(
    known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        monkeypatch.setitem(sys.modules, "mlflow.store.artifact.artifact_repository_registry", None)
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "a.txt").write_text("one")
    folder = tmp_path / "artifacts"
    folder.mkdir()
    client: Any = FileClient(folder)
    files = mlflow_private.files_of(client, f"sqlite:///{tmp_path}/none.db", folder.as_uri(), "r1")
    files.log_artifacts(str(tmp_path / "sent"))
    assert [f.path for f in files.list_artifacts(None)] == ["a.txt"]
    (tmp_path / "back").mkdir()
    assert Path(files.download_artifacts("a.txt", str(tmp_path / "back"))).read_text() == "one"
    assert client.asked == ([] if known else ["r1", "r1", "r1"])


class FileClient:
    """What MLflow's documented client has for files, over a folder."""

    def __init__(self, folder: Path):
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        self._files = LocalArtifactRepository(folder.as_uri())
        self.asked: list[str] = []

    def _call(self, run_id: str, function: Callable[..., Any], *arguments: Any) -> Any:
        self.asked.append(run_id)
        return function(*arguments)

    def list_artifacts(self, run_id: str, path: str | None = None) -> Any:
        return self._call(run_id, self._files.list_artifacts, path)

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> Any:
        return self._call(run_id, self._files.download_artifacts, path, dst_path)

    def log_artifacts(self, run_id: str, local_dir: str) -> None:
        self._call(run_id, self._files.log_artifacts, local_dir)


def test_values_of_many_runs_are_not_asked_for_at_once_where_mlflow_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.utils.rest_utils", None)
    assert mlflow_private.values_of_runs("http://127.0.0.1:9", ["r1"], "loss", 5) is None
    assert mlflow_private.all_values_of_runs("http://127.0.0.1:9", ["r1"], "loss", 5) is None


def test_a_file_is_not_asked_for_by_its_name_alone_where_mlflow_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.store.artifact.http_artifact_repo", None)
    client: Any = None
    assert mlflow_private.bytes_of(client, "http://127.0.0.1:9", "mlflow-artifacts:/1/r1/artifacts", "r1", "a") is None
