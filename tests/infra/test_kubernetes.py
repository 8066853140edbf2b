"""infra/kubernetes against Kubernetes' own schemas, and KubeRay's objects against our copy of the fields used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "kubernetes"
KUBERAY = json.loads((Path(__file__).parent / "schemas" / "kuberay.json").read_text())
VERSIONS = ("1.30", kubernetes_validate.latest_version())
FILES = sorted(p for p in FOLDER.glob("*.yaml") if p.name != "kustomization.yaml")


def objects(path: Path) -> list[dict[str, Any]]:
    return [o for o in yaml.safe_load_all(path.read_text()) if o]


def every_object() -> list[Any]:
    return [pytest.param(o, id=f"{p.name}:{o['kind']}:{i}") for p in FILES for i, o in enumerate(objects(p))]


def pod_templates(thing: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the object makes, with where it stands."""
    spec = thing.get("spec", {})
    if thing["kind"] in ("Deployment", "StatefulSet"):
        yield thing["kind"], spec["template"]
    if thing["kind"] == "RayJob":
        yield "submitter", spec["submitterPodTemplate"]
        spec = spec["rayClusterSpec"]
    if thing["kind"] in ("RayJob", "RayCluster"):
        yield "head", spec["headGroupSpec"]["template"]
        for group in spec["workerGroupSpecs"]:
            yield group["groupName"], group["template"]


def validate(thing: dict[str, Any], version: str) -> None:
    if thing["apiVersion"] != "ray.io/v1":
        kubernetes_validate.validate(thing, version, strict=True)
        return
    jsonschema.validate(thing, KUBERAY, cls=jsonschema.Draft202012Validator)
    for name, template in pod_templates(thing):
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": template}
        kubernetes_validate.validate(pod, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("thing", every_object())
def test_objects_are_valid(thing: dict[str, Any], version: str) -> None:
    validate(thing, version)


@pytest.mark.parametrize("breakage", ["authOption", "mode", "image", "replicas"])
def test_a_wrong_field_is_noticed(breakage: str) -> None:
    (thing,) = objects(FOLDER / "raycluster.yaml")
    spec = thing["spec"]
    if breakage == "authOption":
        spec["authOption"] = spec.pop("authOptions")
    elif breakage == "mode":
        spec["authOptions"]["mode"] = "tokens"
    elif breakage == "replicas":
        spec["workerGroupSpecs"][0]["minReplicas"] = "0"
    else:
        spec["headGroupSpec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        validate(thing, VERSIONS[-1])


def test_kustomization_names_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    named = set(listed["resources"])
    assert all((FOLDER / name).exists() for name in named)
    assert {p.name for p in FILES} - named == {"raycluster.yaml", "rayjob.yaml"}


def test_job_and_cluster_are_the_same_cluster() -> None:
    (cluster,), (job,) = objects(FOLDER / "raycluster.yaml"), objects(FOLDER / "rayjob.yaml")
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert job["spec"]["entrypoint"].startswith("python -m skipray.launch sweeps/")
    assert (ROOT / job["spec"]["entrypoint"].split()[-1]).exists()


def test_ray_asks_for_the_token_and_matches_the_locked_version() -> None:
    (cluster,) = objects(FOLDER / "raycluster.yaml")
    assert cluster["spec"]["authOptions"]["mode"] == "token"
    lock = (ROOT / "requirements.lock").read_text()
    assert f"\nray=={cluster['spec']['rayVersion']} " in lock


def test_a_launch_can_write_its_report() -> None:
    """The head, where the launch runs: in the image's working directory, which is its user's."""
    folder = re.findall(r"^WORKDIR (.*)$", (ROOT / "infra" / "Dockerfile").read_text(), re.M)[-1]
    (job,) = objects(FOLDER / "rayjob.yaml")
    assert "--folder" not in job["spec"]["entrypoint"]
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (head,) = pod["containers"]
    assert "workingDir" not in head
    assert pod["securityContext"]["runAsUser"] == 1000
    mounted = {m["mountPath"]: not m.get("readOnly") for m in head["volumeMounts"]}
    writable = not head["securityContext"].get("readOnlyRootFilesystem")
    assert mounted.get(f"{folder}/reports", mounted.get(folder, writable))


def test_workers_are_spot_and_scale_from_nothing() -> None:
    (cluster,) = objects(FOLDER / "raycluster.yaml")
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["spec"]["workerGroupSpecs"]:
        assert group["minReplicas"] == 0 < group["maxReplicas"]
        pod = group["template"]["spec"]
        assert any("spot" in t["key"] or t.get("value") == "spot" for t in pod["tolerations"])
        assert pod["terminationGracePeriodSeconds"] >= 30


@pytest.mark.parametrize("thing", every_object())
def test_pods_have_no_privileges(thing: dict[str, Any]) -> None:
    for name, template in pod_templates(thing):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert not any("hostPath" in volume for volume in pod.get("volumes", ())), name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("thing", every_object())
def test_secrets_come_by_reference_and_nothing_is_exposed(thing: dict[str, Any]) -> None:
    assert thing["kind"] not in ("Secret", "Ingress")
    if thing["kind"] == "Service":
        assert thing["spec"].get("type", "ClusterIP") == "ClusterIP"
    if thing["kind"] in ("RayCluster", "RayJob"):
        spec = thing["spec"].get("rayClusterSpec", thing["spec"])
        assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    for name, template in pod_templates(thing):
        for container in template["spec"]["containers"]:
            for variable in container.get("env", ()):
                secret = any(w in variable["name"] for w in ("PASSWORD", "TOKEN", "KEY"))
                value = variable.get("value", "")
                assert not secret or variable["name"] in ("RAY_AUTH_MODE",) or not value or value.startswith("/run/"), (
                    name,
                    variable["name"],
                )


def test_policies_deny_first_and_reach_every_pod() -> None:
    policies = {p["metadata"]["name"]: p["spec"] for p in objects(FOLDER / "network-policy.yaml")}
    deny = policies.pop("deny-all")
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for rule in policy.get("ingress", ()):
            assert rule.get("from"), f"{name} lets anybody in"
    reached = {"mlflow", "postgres", "skipray-submitter"}
    selected = {p["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") for p in policies.values()}
    assert reached <= selected
    labels = [
        template.get("metadata", {}).get("labels", {}).get("app.kubernetes.io/name")
        for path in FILES
        for thing in objects(path)
        for name, template in pod_templates(thing)
        if name not in ("head", "spot-gpu", "spot-cpu")
    ]
    assert set(labels) == reached
