"""What the documents say about the tree is true: links, the annotated tree, commands, versions."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skipray

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    p
    for p in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in p.relative_to(ROOT).parts) and p.relative_to(ROOT).parts[0] != "docs"
)
"""Those of the site are checked with it, in tests/docs."""
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name} links to {target}"
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", there.read_text(), flags=re.M)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{document.name} links to {target}"


def annotated_tree() -> list[str]:
    """The paths of the README's tree, by its indentation of two spaces a level."""
    block = re.search(r"```text\n(.*?)```", README.partition("## The tree")[2], flags=re.S)
    assert block, "the README has a tree"
    paths: list[str] = []
    folders: list[str] = []
    for line in block[1].splitlines():
        if not line.strip():
            continue
        level = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folders = folders[:level]
        paths.append("".join([*folders, name]))
        if name.endswith("/"):
            folders.append(name)
    return paths


def test_the_tree_is_the_tree():
    paths = annotated_tree()
    absent = [p for p in paths if not (ROOT / p).exists()]
    assert not absent
    package = {f"skipray/{p.name}{'/' if p.is_dir() else ''}" for p in (ROOT / "skipray").iterdir()}
    package -= {"skipray/__pycache__/", "skipray/__init__.py"}
    assert package <= set(paths), "every part of the package is in the README's tree"


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for document in DOCUMENTS:
        for name in re.findall(r"`make ([a-z]+)`", document.read_text()):
            assert name in targets, f"{document.name} names make {name}"


def test_verbs_that_are_named_exist():
    listing = subprocess.run(
        [sys.executable, "-c", "from skipray.launch import main; main(['--help'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for document in DOCUMENTS:
        for verb in re.findall(r"`skipray ([a-z]+)", document.read_text()):
            assert re.search(rf"\b{verb}\b", listing), f"{document.name} names skipray {verb}"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_sweeps_say_how_they_are_run(path):
    header = path.read_text().partition("\nname:")[0]
    assert f"sweeps/{path.name}" in header, "the header holds the command"
    assert re.search(r"^# Expect", header, flags=re.M), "the header says what to expect"
    assert re.search(r"^# Data", header, flags=re.M), "the header says where the data come from"
    assert f"name: {path.stem}\n" in path.read_text(), "a sweep is named as its file"


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == skipray.__version__
    assert f"\nversion: {skipray.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    releases = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert next(name for name in releases if name != "Unreleased") == skipray.__version__


def test_the_lock_names_no_address_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"^[A-Za-z0-9][^\n]*==", lock, flags=re.M)
    assert len(pins) > 100
    assert len(re.findall(r"--hash=sha256:", lock)) >= len(pins)
