"""infra/ray: the cluster launcher's files against Ray's own schema and defaults."""

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "infra" / "ray").glob("*.yaml"))


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def test_there_is_one() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_ray_accepts_it(path: Path) -> None:
    prepared = prepare_config(copy.deepcopy(load(path)))
    validate_config(prepared)
    assert prepared["head_node_type"] in prepared["available_node_types"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_the_image_has_what_the_launcher_uses(path: Path) -> None:
    """A node installs nothing: the image is made without pip, and a container is not root's."""
    image = (ROOT / "infra" / "Dockerfile").read_text()
    prepared = prepare_config(copy.deepcopy(load(path)))
    commands = [c for key, value in prepared.items() if key.endswith("setup_commands") for c in value]
    assert [c for c in commands if "install" in c] == []
    installed = re.search(r"apt-get install --yes --no-install-recommends (.*?) \\", image)
    assert installed is not None
    assert {"openssh-client", "rsync", "tmux"} <= set(installed[1].split())
    assert "SHELL=/bin/bash" in image, "else tmux starts the user's own, which is nologin"
    assert "--read-only" not in " ".join(prepared["docker"]["run_options"]), "a launch writes its report"


def test_what_ray_imports_for_aws_is_locked_and_documented() -> None:
    lock = ROOT / "infra" / "ray" / "aws.lock"
    own = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.M))
    shared = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M))
    assert set(own) == {"boto3", "s3transfer"}
    assert not set(own) & set(shared)
    assert own["boto3"] == shared["botocore"], "the two are released together"
    assert "jmespath" in shared
    for text in (ROOT / "infra" / "README.md", ROOT / "docs" / "guides" / "cluster.md"):
        install, up = (text.read_text().index(word) for word in ("-r infra/ray/aws.lock", "ray up infra/ray/aws.yaml"))
        assert install < up, text.name


def test_a_wrong_key_is_noticed() -> None:
    config = prepare_config(load(FILES[0]))
    config["idle_timeout"] = 5
    with pytest.raises(jsonschema.ValidationError):
        validate_config(config)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_it_asks_for_the_token_and_opens_ssh_alone(path: Path) -> None:
    config = load(path)
    starts = [c for k in ("head", "worker") for c in config[f"{k}_start_ray_commands"] if "ray start" in c]
    assert len(starts) == 2
    assert all(c.startswith("RAY_AUTH_MODE=token ") for c in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert any(p.endswith("/.ray/auth_token") for p in config["file_mounts"])
    for source in config["file_mounts"].values():
        assert (ROOT / source).parent == ROOT / "infra" / "secrets"
    for rule in config["provider"]["security_group"]["IpPermissions"]:
        assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
        assert all(r["CidrIp"] != "0.0.0.0/0" for r in rule["IpRanges"])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_workers_are_spot_and_leave_nothing_running(path: Path) -> None:
    config = load(path)
    for name, node in config["available_node_types"].items():
        if name != config["head_node_type"]:
            assert node["min_workers"] == 0
            assert node["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert config["provider"]["cache_stopped_nodes"] is False
