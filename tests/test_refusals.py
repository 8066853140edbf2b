"""Whatever a user gets wrong ends in sentences and exit code 2, from every verb that it can be told to."""

import ast
import builtins
import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

import skipray
from skipray import verbs
from skipray.launch import app, run
from skipray.spec import SpecError, load_sweep
from skipray.storage.folder import LocalFolder
from skipray.tracking import read_trials

NOBODY = 65534
SWEEP = """\
name: good
question: Does it read?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 1, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}
factors: {architecture: [plainnet, resnet], depth: [8, 20]}
seeds: [0]
"""
OF_A_SWEEP = {
    "plan": ("{}",), "launch": ("{}",), "status": ("{}",), "aggregate": ("{}",), "report": ("{}",), "measure": ("{}",),
    "twins": ("{}",), "doctor": ("{}",), "theory": ("{}",), "watch": ("{}",), "compare": ("{}", "good.yaml"),
}  # fmt: skip
"""Verbs that read a sweep's file, with their arguments."""
OF_NO_FILE = {
    "export": ("good",), "import": ("prior.csv",), "list": (), "ui": (), "fields": ("epochs",), "new": ("mine.yaml",)
}  # fmt: skip
"""Verbs that take the name of a sweep in a store, another kind of file, or none."""


def huge(path: Path) -> None:
    path.write_text(SWEEP + "# \n" * 200_000)


def deep_flow(path: Path) -> None:
    path.write_text(SWEEP.replace("[0]", "[" * 50_000 + "0" + "]" * 50_000))


def deep_blocks(path: Path) -> None:
    path.write_text(SWEEP.replace("seeds: [0]", "seeds:\n " + "- " * 50_000 + "0"))


def bomb(path: Path) -> None:
    rows = ["a0: &a0 [0, 0]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
    path.write_text(SWEEP + "\n".join(rows) + "\n")


def product(path: Path) -> None:
    wide = f"factors: {{width: {list(range(8, 1008))}, batch_size: {list(range(1, 1001))}, "
    path.write_text(SWEEP.replace("width: 16, ", "").replace("batch_size: 128, ", "").replace("factors: {", wide))


CAUSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing there": (lambda path: None, "no such file"),
    "a folder": (Path.mkdir, "found a folder"),
    "a pipe": (os.mkfifo, "found a pipe"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "found a device"),
    "a name that leads nowhere": (lambda path: path.symlink_to(path.with_name("gone.yaml")), "no such file"),
    "a file as folder": (lambda path: None, "no such file"),
    "a file that may not be read": (lambda path: (path.write_text(SWEEP), path.chmod(0)), "Permission denied"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00name"), "not UTF-8"),
    "no YAML": (lambda path: path.write_text("name: [\n"), "not YAML"),
    "no sweep": (lambda path: path.write_text("[1, 2]\n"), "found a list"),
    "another YAML": (lambda path: path.write_text("apiVersion: v1\n"), "found an unknown key"),
    "too large": (huge, "found more than 256 KiB"),
    "nested in brackets": (deep_flow, "nested beyond reason"),
    "nested in dashes": (deep_blocks, "nested beyond reason"),
    "an alias of aliases": (bomb, "found more than 100,000 values"),
    "too many trials": (product, "found a product of 4,000,000 trials"),
}

SLOW = ("an alias of aliases", "too many trials")
"""Half a second each: two verbs stand for the others, which read a sweep by the same function."""


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says, which must be a refusal: sentences, no traceback, nothing on stdout, code 2."""
    began = time.process_time()
    code = run([*arguments])
    seconds = time.process_time() - began
    streams = capsys.readouterr()
    assert (code, streams.out) == (2, ""), streams
    assert "Traceback" not in streams.err
    assert "internal error" not in streams.err
    assert seconds < 10, "of which a first import may take half"
    return streams.err


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SKIPRAY_DATA", raising=False)
    (tmp_path / "good.yaml").write_text(SWEEP)
    (tmp_path / "prior.csv").write_text("architecture,depth,seed,test.accuracy\na,1,0,0.5\n")
    (tmp_path / "results.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "results.parquet").write_text("no parquet")
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("cause", CAUSES)
def test_a_sweep_that_is_none(cause: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, words = CAUSES[cause]
    path = folder / ("good.yaml/bad.yaml" if cause == "a file as folder" else "bad.yaml")
    make(path)
    for verb in ("plan", "launch") if cause in SLOW else OF_A_SWEEP:
        began = time.process_time()
        arguments = [part.format(path.relative_to(folder)) for part in OF_A_SWEEP[verb]]
        if cause == "a file that may not be read":
            refused(capsys, verb, *(part.format("nothing.yaml") for part in OF_A_SWEEP[verb]))  # imports what it needs
            with as_nobody():
                said = refused(capsys, verb, *arguments)
        else:
            said = refused(capsys, verb, *arguments)
        assert words in said
        assert len(said.strip().splitlines()) <= 9, "one line a mistake"
    assert time.process_time() - began < 1, "the last one imports nothing any more"


OF_ONE_VERB: tuple[tuple[list[str], str], ...] = (
    (["report", "good", "--folder", "good.yaml"], "found a file at"),
    (["report", "good", "--folder", "good.yaml/inside"], "found a file at"),
    (["launch", "good", "--folder", "good.yaml"], "found a file at"),
    (["launch", "good", "--data", "good.yaml"], "--data good.yaml: found a file"),
    (["launch", "good", "--data", "nowhere"], "--data nowhere: found nothing"),
    (["measure", "good", "--data", "good.yaml"], "--data good.yaml: found a file"),
    (["launch", "good", "--budget", "soon"], "--budget: found 'soon'"),
    (["plan", "good", "--budget", "-3h"], "--budget: found '-3h'"),
    (["plan", "cifar", "--budget", "3h", "--offline"], "found no CIFAR10 files"),
    (["measure", "good", "--preset", "most"], "probe.preset"),
    (["theory"], "found no sweep"),
    (["theory", "--depth", "0", "--width", "4"], "found"),
    (["ui", "--tracking-uri", "somewhere"], "found the tracking address"),
    (["new", "good.yaml"], "there already"),
    (["new", "nowhere/x.yaml"], "cannot be written"),
    (["fields", "no such field"], "found no field"),
    (["plan", "n" * 400], "no such file"),
    (["plan"], "Missing argument"),
    (["plant", "good"], "No such command"),
    (["compare", "nothing", "good"], "no such file"),
    (["compare", "good", "quickstart"], "found no finished trial"),
    (["compare", "good", "good", "--figure", "nowhere/x.svg"], "--figure: found nowhere/x.svg"),
    (["export", "nothing"], "found no sweep"),
    (["export", "good.yaml"], "found no sweep"),
    (["export", "good", "good.yaml"], "ends in .zip or .csv or .parquet"),
    (["export", "good", "nowhere/x.zip"], "whose folder is missing"),
    (["export", "good", "."], "which is a folder"),
    (["export", "good", "prior.csv"], "there already"),
    (["import", "nothing.zip"], "no such file"),
    (["import", "good.yaml"], "good.yaml"),
    (["import", "results.csv"], "results.csv"),
    (["import", "results.parquet"], "results.parquet"),
    (["list", "--tracking-uri", "somewhere"], "found the tracking address"),
    (["watch", "good", "--folder", "good.yaml"], "found a file at"),
    (["watch", "good", "--every", "1"], "--every"),
    (["twins", "good", "--set", "factors.depth=[3]"], "depth"),
    (["measure", "nothing"], "no such file"),
)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Where root runs the tests, whom no permission stops: another user, who may not write here either."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_every_verb_is_in_one_of_the_tables() -> None:
    assert {*OF_A_SWEEP, *OF_NO_FILE} == set(verbs.names())
    assert not {*OF_A_SWEEP} & {*OF_NO_FILE}
    tried = {arguments[0] for arguments, _ in OF_ONE_VERB}
    assert set(OF_NO_FILE) <= tried, "a row of its own mistakes for each that reads no sweep's file"


def takes(verb: str, option: str) -> bool:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    return any(option in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("verb", verbs.names())
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "recipe.epochs"], "found no value"),
        (["--set", "recipe.epochs=" + "[" * 5000], "nested beyond reason"),
        (["--set", "recipe.epochs=[1"], "not YAML"),
        (["--set", "recipe.epoch=1"], "found an unknown key"),
        (["--tracking-uri", "somewhere"], "found the tracking address"),
        (["--tracking-uri", "sqlite:////dev/null/x.db"], "in what is no folder: /dev/null"),
        (["--tracking-uri", "sqlite:////dev"], "found no file but a folder"),
        (["--tracking-uri", "sqlite:///good.yaml"], "good.yaml"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_options_of_every_verb(verb: str, options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    if options[0] not in ("--no-such-option",) and not takes(verb, options[0]):
        words = "No such option"
    arguments = [part.format("good.yaml") for part in (OF_A_SWEEP | OF_NO_FILE)[verb]]
    assert words in refused(capsys, verb, *arguments, *options)


@pytest.mark.parametrize(("arguments", "words"), OF_ONE_VERB)
def test_options_of_one_verb(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cnn = SWEEP.replace("digits", "cifar10").replace("kind: mlp, width: 16", "kind: cnn, layout: cifar, width: 4")
    (folder / "cifar.yaml").write_text(cnn.replace("depth: [8, 20]", "depth: [8], shortcut: [A], block: [basic]"))
    assert words in refused(capsys, *arguments)


def test_a_sweep_is_found_by_one_rule(folder: Path) -> None:
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "tiny.yaml").write_text(SWEEP.replace("good", "tiny"))
    (folder / "tiny").mkdir()
    assert load_sweep("tiny").name == "tiny", "a folder beside it is no sweep"
    assert read_trials("tiny").empty
    assert run(["plan", "tiny", "--brief", "--offline"]) == 0
    assert load_sweep("good").path == Path("good.yaml")
    assert load_sweep("quickstart").name == "quickstart", "a sweep that comes with skipray"
    with pytest.raises(SpecError, match=r"sweeps/tony\.yaml: no such file; did you mean sweeps/tiny\.yaml"):
        load_sweep("tony")
    with pytest.raises(SpecError, match="found a folder"):
        load_sweep("sweeps")


@pytest.mark.parametrize("verb", sorted({*OF_A_SWEEP} - {"theory"}))
def test_a_folder_that_may_not_be_entered(verb: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sweep can be read; where its runs would be cannot."""
    (folder / "shut").mkdir(mode=0)
    arguments = [part.format("good.yaml") for part in OF_A_SWEEP[verb]]
    # Imports what it needs: another user may not read where Python's own modules lie.
    refused(capsys, verb, *arguments, "--tracking-uri", "sqlite:///good.yaml")
    with as_nobody():
        said = refused(capsys, verb, *arguments, "--tracking-uri", f"sqlite:///{folder}/shut/runs.db")
    assert "ermission" in said
    assert "shut" in said or "reports/good" in said, "launch makes sure of its report's folder first"


def test_every_error_of_ours_has_one_root() -> None:
    """Of the source, so that nothing need be imported."""
    bases: dict[str, list[str]] = {}
    for path in Path(skipray.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [ast.unparse(base) for base in node.bases]
    builtin = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)}

    def derives(name: str, roots: set[str]) -> bool:
        return name in roots or any(derives(base, roots) for base in bases.get(name, []))

    stray = {name for name in bases if derives(name, builtin) and not derives(name, {"SkiprayError"})}
    # What Python code raises to itself, and no person ever sees.
    assert stray == {
        "LoopEnded", "ProcessSpoilt", "ExitRefused", "Absent", "NotKept", "NoPass", "_Changed", "_TooLarge",
        "Unpredictable",
    }  # fmt: skip
    assert derives("ClusterError", {"SkiprayError"})


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a write that fails the system names no file."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "folder" / "state.bin"))):
        LocalFolder(tmp_path / "folder").write("state.bin", b"1")


@pytest.mark.parametrize(("number", "remedy"), [(errno.ENOSPC, "make room"), (errno.EMFILE, "ulimit -n")])
def test_too_little_room_is_a_line_with_its_remedy(
    number: int, remedy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> bool:
        raise OSError(number, os.strerror(number), "/some/where")

    monkeypatch.setattr("skipray.tracking.exists", full)
    said = refused(capsys, "status", "quickstart")
    assert os.strerror(number) in said
    assert "/some/where" in said
    assert remedy in said


def test_an_address_of_no_store_is_told_with_what_has_given_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path("good.yaml").write_text(SWEEP + "tracking: {uri: 'htp://foo'}\n")
    assert run(["status", "good.yaml"]) == 2
    assert "good.yaml: tracking.uri: found the tracking address 'htp://foo'" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "htp://bar")
    assert run(["status", "good.yaml"]) == 2
    assert "MLFLOW_TRACKING_URI: found the tracking address 'htp://bar'" in capsys.readouterr().err
