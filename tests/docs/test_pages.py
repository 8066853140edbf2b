"""Every code block of the documentation does what it says: Python runs, sweeps load, commands exist, links lead on."""

import contextlib
import io
import json
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from skipray.claims import paper_claims
from skipray.extension import catalog
from skipray.launch import app
from skipray.metrics import entries
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, Tracking, load_sweep
from skipray.spec.fields import Adaptive, Tune
from skipray.spec.reference import field_rows

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
HOOKS = runpy.run_path(str(ROOT / "docs" / "hooks.py"))
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.catalog
def test_every_name_that_a_sweep_may_have_is_listed() -> None:
    """On the page of names with what it is, and in the column of allowed values of its field."""
    page = "\n".join(HOOKS["names_page"]())
    allowed = {row.name: row.allowed for row in field_rows()}
    for folder, (title, field) in HOOKS["NAMED"].items():
        section = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
        for name in catalog.names(folder):
            assert re.search(rf"^\| `{name}` \| .{{3,}} \|$", section, re.MULTILINE), name
            assert re.search(rf"\b{name}\b", allowed[field]), (field, name)


@pytest.mark.catalog
@pytest.mark.parametrize("folder", ["datasets", "architectures"])
def test_every_option_of_a_file_of_the_package_is_explained(folder: str) -> None:
    """What `dataset.options` and `model.options` may hold is read nowhere else."""
    page = "\n".join(HOOKS["names_page"]()).split("\n## Options\n")[1]
    for name in catalog.names(folder):
        found = catalog.find(folder, name)
        options = tuple(getattr(found, "DEFAULTS", getattr(found, "OPTIONS", ())))
        if options:
            section = page.split(f"\n### {name}\n")[1].split("\n### ")[0].split("Defaults: ")[0]
            missing = [option for option in options if not re.search(rf"\b{option}\b", section)]
            assert not missing, (name, missing)


@pytest.mark.catalog
@pytest.mark.parametrize("path", HOOKS["PAGES"])
def test_generated_pages_are_made(path: str) -> None:
    """None is checked in, each has a title, and its tables are whole: every row has its heading's columns."""
    assert not (ROOT / "docs" / path).exists(), "made when the site is built"
    lines = "\n".join(HOOKS["PAGES"][path]()).split("\n")
    assert lines[0].startswith("# ")
    assert path in (ROOT / "mkdocs.yml").read_text()
    headings = [line for line in lines if line.startswith("#")]
    assert len(headings) == len(set(headings)), "each section once"
    columns = 0
    for line in lines:
        found = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (columns and found) or found == columns, line
        columns = found


@pytest.mark.catalog
def test_pictures_are_of_metrics_that_there_are() -> None:
    pictures = ROOT / "docs" / "pictures"
    drawn = {path.stem for path in pictures.glob("*.svg")}
    assert drawn <= {entry.name for entry in entries()}, "of a metric that was taken away or renamed"
    page = "\n".join(HOOKS["PAGES"]["metrics.md"]())
    assert all(f"(pictures/{name}.svg)" in page for name in drawn)
    for path in pictures.glob("*.yaml"):
        assert load_sweep(path).trials()


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT / "docs"))


@pytest.mark.parametrize("page", [p for p in PAGES if list(blocks(p, "python")) or list(blocks(p, "yaml"))], ids=named)
def test_python_runs_and_sweeps_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for path in re.findall(r"\]\((\.\./examples/[^)]+)\)", page.read_text(encoding="utf-8")):
        shutil.copy(page.parent / path, tmp_path)  # as the page tells its reader to
    for text in blocks(page, "yaml"):
        name = re.search(r"^name: (\S+)$", text, flags=re.M)
        if name:
            path = tmp_path / f"{name[1]}.yaml"
            path.write_text(text, encoding="utf-8")
            assert load_sweep(path).name == name[1]
    scope: dict[str, object] = {"__name__": "page"}
    for text in blocks(page, "python"):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, named(page), "exec"), scope)


@pytest.mark.catalog
@pytest.mark.parametrize("page", [p for p in PAGES if list(blocks(p, "sh"))], ids=named)
def test_commands_exist_with_their_options(page: Path) -> None:
    for text in blocks(page, "sh"):
        for line in text.splitlines():
            words = shlex.split(line.partition("#")[0])
            if words[:3] == ["python", "-m", "skipray.launch"]:
                words = ["skipray", *([] if words[3:4] and words[3] in COMMANDS else ["launch"]), *words[3:]]
            if words[:1] != ["skipray"]:
                continue
            command = COMMANDS[words[1]]
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            assert {w for w in words[2:] if w.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    generated = {ROOT / "docs" / path for path in HOOKS["PAGES"]}
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        there = (page.parent / target).resolve()
        assert there.is_file() or there in generated, f"{named(page)}: {target}"


def test_every_sweep_is_among_the_results() -> None:
    """By its name, once; every page of results is linked from there and in the site's navigation."""
    folder = ROOT / "docs" / "results"
    index = (folder / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w.-]+)`", index.partition("Not shipped")[0] + index.partition("## Questions")[2])
    assert sorted(named) == sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in sorted(folder.glob("*.md")):
        assert f"results/{page.name}" in navigation, page.name
        assert page.name == "index.md" or f"]({page.name})" in index, page.name


def test_each_row_of_the_landscape_can_be_checked() -> None:
    """Every row has its check, which names a command, a file or a page; what skipray lacks is among the rows."""
    page = (ROOT / "docs" / "landscape.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+)\. (.*)$", page, flags=re.M))
    checks = dict(re.findall(r"^(\d+)\. (.*(?:\n    ?.*)*)", page.partition("## How to check a row")[2], flags=re.M))
    assert list(rows) == list(checks) == [str(n) for n in range(1, len(rows) + 1)]
    for number, text in checks.items():
        assert re.search(r"`[^`]+`|\]\([^)]+\)", text), number
    for path in re.findall(r"`(tests/[^`]*)`", page):
        assert (ROOT / path).exists(), path
    own = [row.split(" | ")[1] for row in rows.values()]
    assert own.count("**no**") >= 5


def keys_of_a_run() -> set[str]:
    """Of the golden run, in which all is measured: its metrics in MLflow and those of its layers."""
    golden = json.loads((ROOT / "tests" / "golden" / "run.json").read_text(encoding="utf-8"))
    return {key for trial in golden["trials"].values() for key in trial["metrics"]} | set(golden["keys"])


@pytest.mark.catalog
def test_every_key_that_a_run_logs_is_in_the_reference() -> None:
    page = "\n".join(HOOKS["PAGES"]["metrics.md"]())
    named = set(re.findall(r"`([^`]+)`", page))
    assert {"profile.KEY", "part.KEY", "KEY.censored"} <= named
    keys = {
        key if key == "part.samples" else key.removeprefix("part.").removeprefix("profile.").removesuffix(".censored")
        for key in keys_of_a_run()
    }
    assert len(keys) > 60
    assert not keys - named, "no key is without a row"


@pytest.mark.catalog
def test_every_field_claim_and_variable_is_in_the_reference() -> None:
    fields = set(re.findall(r"^\| `([^`]+)` \|", "\n".join(HOOKS["PAGES"]["reference/fields.md"]()), flags=re.M))
    parts = (ModelSpec, Recipe, ProbeSpec, DatasetSpec, Resources, Tracking, Tune, Adaptive)
    assert not {name for part in parts for name in part.model_fields} - fields
    claims = "\n".join(HOOKS["PAGES"]["reference/claims.md"]())
    assert len(paper_claims()) >= 11
    for name in paper_claims():
        assert re.search(rf"^## {name.upper()}\b", claims, flags=re.M | re.I), name
    used = {name for p in (ROOT / "skipray").rglob("*.py") for name in re.findall(r"SKIPRAY_[A-Z]+", p.read_text())}
    assert used
    commands = "\n".join(HOOKS["PAGES"]["reference/commands.md"]())
    assert not {name for name in used if f"`{name}`" not in commands}
