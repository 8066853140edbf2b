"""What a newcomer meets first: `skipray new`, `skipray list`, `skipray fields`."""

import json
import os
import shlex
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import jsonschema
import pytest
import typer
from ruamel.yaml import YAML

from skipray import verbs
from skipray.claims import PAPER, c1a
from skipray.extension import catalog
from skipray.launch import app, main, with_verb
from skipray.spec import fields as spec_fields
from skipray.spec import load_sweep
from skipray.spec.claims import KINDS
from skipray.spec.reference import field_rows, json_schema
from skipray.verbs.shared.surroundings import ENVIRONMENT, EXIT_CODES

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(arguments))
    return int(leaving.value.code or 0)


@pytest.mark.parametrize("own", [False, True])
def test_what_new_writes_can_be_planned(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"first_{int(own)}"
    assert run("new", f"{name}.yaml", *(["--own"] if own else [])) == 0
    assert run("plan", f"{name}.yaml", "--brief", "--offline") == 0
    assert f"{name}.yaml: " in capsys.readouterr().out
    declared = [claim.id for claim in load_sweep(f"{name}.yaml").claims.own]
    assert declared == (["deeper"] if own else []), "what an own family's sweep asks is judged, not the paper's alone"
    assert run("new", f"{name}.yaml") == 2
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize("verb", verbs.names())
def test_every_verb_says_what_it_and_its_options_are(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    function = verbs.command(verb)
    assert function.__doc__
    assert " ".join(function.__doc__.split())[:40] in told.replace("│", "")
    for parameter in typer.main.get_command(app).commands[verb].params:  # type: ignore[attr-defined]
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, parameter.name


@pytest.mark.parametrize("verb", verbs.names())
def test_every_verb_has_examples_that_can_be_given(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    for example in verbs.find(verb).EXAMPLES:
        assert example in told
        first, *words = shlex.split(example)
        assert (first, words[0]) == ("skipray", verb)
        given = command.make_context(verb, words[1:]).params
        named = [given[name] for name in ("sweep", "a", "b") if given.get(name)]
        assert set(named) <= {p.stem for p in (ROOT / "sweeps").glob("*.yaml")}


@pytest.mark.parametrize("module", ["skipray", "skipray.launch"])
def test_every_verb_is_reached_by_both_modules(module: str) -> None:
    """With the same help, but for how the program was called."""
    surroundings = os.environ | {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    called = [sys.executable, "-m", module]
    top = subprocess.run([*called, "--help"], capture_output=True, text=True, env=surroundings)
    assert top.returncode == 0
    for code, meaning in EXIT_CODES.items():
        assert f"{code}: {meaning}" in " ".join(top.stdout.split())
    for variable in ENVIRONMENT:
        assert variable in top.stdout
    assert {line.split()[1] for line in top.stdout.splitlines() if line.startswith("│ ") and line[2] != " "} >= {
        *verbs.names()
    }
    assert all(with_verb([verb, "--help"]) == [verb, "--help"] for verb in verbs.names())
    done = subprocess.run([*called, "plan", "--help"], capture_output=True, text=True, env=surroundings)
    assert f"Usage: python -m {module} plan" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "offered"),
    [("skipray pl", ["plan"]), ("skipray launch quick", ["quickstart"]), ("skipray plan --off", ["--offline"])],
)
def test_the_shell_is_told_what_may_follow(words: str, offered: list[str]) -> None:
    asked = {"_SKIPRAY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run([sys.executable, "-m", "skipray"], capture_output=True, text=True, env=os.environ | asked)
    assert (done.stdout.split(), done.stderr, done.returncode) == (offered, "", 0)


def test_completion_is_shown() -> None:
    script = Path(sysconfig.get_path("scripts")) / "skipray"
    called = shlex.join([sys.executable, str(script), "--show-completion"])
    # Completion is that of the shell which calls: here bash, whatever the tests were started from.
    done = subprocess.run(["bash", "-c", f"{called}; exit $?"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_SKIPRAY_COMPLETE=complete_bash" in done.stdout


def test_new_refuses_what_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("Mine.yaml", "mine.txt", "-.yaml", "nowhere/mine.yaml"):
        assert run("new", "--", file) == 2, file
    assert list(tmp_path.iterdir()) == []


def test_list_shows_what_is_here_and_what_comes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert run("new", "mine.yaml") == 0
    capsys.readouterr()
    assert run("list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["here"] == {"mine": "mine.yaml"}
    assert set(found["package"]) == {p.stem for p in (ROOT / "sweeps").glob("*.yaml")}
    assert found["store"] == []
    assert not (tmp_path / "skipray.db").exists()


def test_every_field_has_a_row_and_most_a_meaning() -> None:
    rows = {row.name: row for row in field_rows()}
    for section, part in (("model", spec_fields.ModelSpec), ("recipe", spec_fields.Recipe)):
        assert {f"{section}.{name}" for name in part.model_fields} <= set(rows)
    for name in spec_fields.SweepFile.model_fields:
        assert name in rows
    without = sorted(name for name, row in rows.items() if not row.meaning or "pydantic" in row.meaning)
    assert without == [], "every field says what it means, in words of skipray's own"


def test_the_schema_takes_every_shipped_sweep_and_refuses_a_misspelt_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for path in sorted((ROOT / "sweeps").glob("*.yaml")):
        document = YAML(typ="safe", pure=True).load(path)
        assert [e.message for e in check.iter_errors(document)] == [], path.name
    document["recipe"]["epoch"] = 1
    assert any("epoch" in e.message for e in check.iter_errors(document))


def test_the_roles_of_claims_and_the_fields_of_ones_own_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.name: row for row in field_rows()}
    for role, family in PAPER.items():
        assert "role" in rows[f"claims.{role}"].meaning
        assert f"binds no role: {family}" in rows[f"claims.{role}"].meaning
    for kind, part in KINDS.items():
        assert {f"claims.own.{kind}.{name}" for name in part.model_fields} <= set(rows)
    assert run("fields", "role") == 0
    assert "claims.skip  a text" in capsys.readouterr().out


def test_fields_can_be_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fields", "warmup") == 0
    assert "recipe.warmup_epochs" in capsys.readouterr().out
    assert run("fields", "no such thing") == 2


def test_plan_says_which_data_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKIPRAY_DATA", str(tmp_path))
    assert run("plan", "fashion", "--offline") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "not on this machine yet: found no Fashion-MNIST files" in told
    assert run("plan", "quickstart", "--offline") == 0
    assert "not on this machine" not in capsys.readouterr().out


@pytest.mark.parametrize("form", [[], ["--brief"], ["--json"]])
def test_every_form_of_plan_checks_the_claims(
    form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(c1a, "SOURCE")
    monkeypatch.setattr(catalog, "_CHECKED", set())
    assert run("plan", "quickstart", "--offline", *form) == 2
    said = capsys.readouterr()
    assert "c1a" in said.err
    assert "SOURCE" in said.err
    assert not said.out


def test_ui_names_no_address_where_another_program_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run("ui", "--port", str(port)) == 2
    said = capsys.readouterr()
    assert f"found {port}, where another program listens" in said.err
    assert "http" not in said.out
