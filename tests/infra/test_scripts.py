"""Every file of infra: shell that parses, no secrets, nothing that listens beyond loopback by default."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
TRACKED = [
    ROOT / line
    for line in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "infra"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / line).is_file()
]
SHELL = [p for p in TRACKED if p.read_text().startswith(("#!/usr/bin/env bash", "#!/bin/bash"))]
EXECUTABLE = [p for p in TRACKED if p.read_text().startswith("#!")]

SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a token": r"\b(ghp|gho|glpat|xox[bap]|hf)_?[-_A-Za-z0-9]{20,}\b",
    "a long random text": r"(?<!sha256:)(?<![0-9a-f])[0-9a-f]{40,}(?![0-9a-f])",
    "a password in an address": r"[a-z0-9+]+://[^\s/:@${}]+:[^\s/@${}]+@",
    "a password as a value": (
        r"(?i)(password|passwd|secret|token)['\"]?\s*[:=]\s*['\"]?"
        r"(?!.*(/run/|file:|token\b))[A-Za-z0-9]{8,}['\"]?\s*$"
    ),
}


def test_there_are_scripts_to_look_at() -> None:
    assert {p.relative_to(INFRA).as_posix() for p in SHELL} >= {"mlflow/serve", "slurm/skipray.sbatch", "secrets/make"}


@pytest.mark.parametrize("path", SHELL, ids=lambda p: p.relative_to(INFRA).as_posix())
def test_shell_parses_and_stops_at_errors(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    assert "set -euo pipefail" in path.read_text()


@pytest.mark.parametrize("path", EXECUTABLE, ids=lambda p: p.relative_to(INFRA).as_posix())
def test_programs_are_executable(path: Path) -> None:
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", TRACKED, ids=lambda p: p.relative_to(INFRA).as_posix())
def test_no_secrets_in_files(path: Path) -> None:
    assert found_secrets(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "A" * 16,
        "token: " + "0123456789abcdef" * 4,
        "uri: postgresql://mlflow:hunter22@postgres/mlflow",
        "MLFLOW_AUTH_ADMIN_PASSWORD=correcthorse",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_secret_would_be_found(text: str) -> None:
    assert found_secrets(text)


def found_secrets(text: str) -> list[str]:
    return [name for name, pattern in SECRETS.items() if re.search(pattern, text, re.MULTILINE)]


@pytest.mark.parametrize("path", TRACKED, ids=lambda p: p.relative_to(INFRA).as_posix())
def test_all_interfaces_only_inside_a_container(path: Path) -> None:
    """0.0.0.0 stands only where a container's own interface is meant, and the line says so or the ports do."""
    if path.suffix == ".md":
        return
    for line in path.read_text().splitlines():
        if re.search(r"0\.0\.0\.0(?!/)", line):
            assert path.name in ("compose.yaml", "mlflow.yaml", "raycluster.yaml", "rayjob.yaml"), line
        assert not re.search(r"--allowed-hosts[= ]['\"]?\*", line), line


def test_no_host_names_of_ours() -> None:
    for path in TRACKED:
        assert str(ROOT) not in path.read_text(), path
