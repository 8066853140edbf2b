"""infra/compose.yaml: the parts of the Compose Specification that it uses, and what it must not do."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from skipray.tracking.address import STORE_FOLDER

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "infra" / "compose.yaml"
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "compose.json").read_text())


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def check(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_file_is_valid(compose: dict[str, Any]) -> None:
    check(compose)


@pytest.mark.parametrize(("service", "key", "value"), [("mlflow", "port", []), ("mlflow", "ports", [5000])])
def test_a_wrong_key_is_noticed(compose: dict[str, Any], service: str, key: str, value: object) -> None:
    compose["services"][service][key] = value
    with pytest.raises(jsonschema.ValidationError):
        check(compose)


def test_names_are_defined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        secrets = {s if isinstance(s, str) else s["source"] for s in service.get("secrets", ())}
        assert secrets <= set(compose["secrets"]), name
        assert {v.split(":")[0] for v in service["volumes"]} <= set(compose["volumes"]), name
        assert set(service.get("depends_on", ())) <= set(compose["services"]), name
        for other in service.get("depends_on", ()):
            assert "healthcheck" in compose["services"][other], other


def test_every_service_is_watched_and_unprivileged(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "mlflow", "ray-head", "ray-worker"}
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service, name
    for name in ("mlflow", "ray-head", "ray-worker"):
        assert compose["services"][name]["cap_drop"] == ["ALL"]
        assert compose["services"][name]["read_only"] is True


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert compose["networks"]["cluster"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == ["cluster"]


def test_the_documented_launch_can_write_its_report(compose: dict[str, Any]) -> None:
    """It writes below the image's working directory, as the image's user: reports/NAME, and what is kept beside a store
    (a tuner's journal, a cache)."""
    readme = (ROOT / "infra" / "README.md").read_text()
    command = re.search(r"exec (\S+) ray job submit -- python -m skipray\.launch (.*)", readme)
    assert command is not None
    service = compose["services"][command[1]]
    assert "--folder" not in command[2]
    assert "working_dir" not in service
    image = (ROOT / "infra" / "Dockerfile").read_text()
    user, folder = re.findall(r"^USER (\d+):", image, re.M)[-1], re.findall(r"^WORKDIR (.*)$", image, re.M)[-1]
    assert service["read_only"] is True
    places = {volume.split(":")[1] for volume in service["volumes"]}
    written = {f"{folder}/reports", f"{folder}/{STORE_FOLDER}"}
    assert written <= places
    # Docker gives a new volume the owner that the folder has in the image; of one that is not there, root.
    made = re.search(r"install --directory --owner=(\w+) --group=\w+ (.*?) &&", image, re.S)
    assert made is not None
    assert written <= set(made[2].split())
    assert f"useradd --uid {user} " in image
    assert f" {made[1]} \\" in image
    assert service["environment"]["SKIPRAY_STORAGE"] in places
    assert any(place.startswith(f"/home/{made[1]}:uid={user},") for place in service["tmpfs"]), "caches"


def test_ray_asks_for_the_token_and_mlflow_for_known_hosts(compose: dict[str, Any]) -> None:
    for name in ("ray-head", "ray-worker"):
        environment = compose["services"][name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    hosts = compose["services"]["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert compose["services"]["ray-head"]["environment"]["MLFLOW_TRACKING_URI"].removeprefix("http://") in hosts
    assert all(re.fullmatch(r"[a-z0-9.]+:\d+", host) for host in hosts)


def test_secrets_are_files_that_the_script_makes(compose: dict[str, Any], tmp_path: Path) -> None:
    import subprocess

    folder = tmp_path / "secrets"
    make = ROOT / "infra" / "secrets" / "make"
    subprocess.run([make, folder], check=True, capture_output=True)
    made = {p.name: p.read_text() for p in folder.iterdir()}
    assert {Path(s["file"]).name for s in compose["secrets"].values()} == set(made)
    assert len(set(made.values())) == len(made)
    assert all(len(text) >= 64 for text in made.values())
    assert made["mlflow_admin_password"] in made["mlflow_credentials"]
    assert folder.stat().st_mode & 0o777 == 0o700
    subprocess.run([make, folder], check=True, capture_output=True)
    assert {p.name: p.read_text() for p in folder.iterdir()} == made
    ignored = subprocess.run(
        ["git", "check-ignore", "infra/secrets/ray_token"], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout.strip() == "infra/secrets/ray_token"
